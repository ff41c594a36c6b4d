"""Compares two messages: small named matchers, each failing with a sentence; knows no order and no connection."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from inspector import toml_file
from inspector.errors import SettingsMistake
from inspector.protocol.frame import Frame
from inspector.protocol.large_values import shorten
from inspector.protocol.messages import Call, CallError, Malformed, Send
from inspector.replay.id_mapping import is_time, kind_of

STRICT, SEMANTIC, SHAPE = "strict", "semantic", "shape"
MODES = (STRICT, SEMANTIC, SHAPE)

VOLATILE: dict[str, frozenset[str]] = {
    "BootNotification": frozenset({"interval"}),
    # What a meter shows depends on when it is read; that it never falls is for the judge to see.
    "MeterValues": frozenset({"value"}),
    # How often a meter is read in between depends on when a run begins; seqNo is counted on with it.
    "TransactionEvent": frozenset({"value", "timeSpentCharging", "seqNo", "meterValue", "signedMeterData"}),
    "StartTransaction": frozenset({"meterStart"}),
    "StopTransaction": frozenset({"meterStop", "value", "transactionData"}),
    # Named after the day, as a rule.
    "GetDiagnostics": frozenset({"fileName"}),
    "GetLog": frozenset({"filename"}),
    "GetCompositeSchedule": frozenset({"startPeriod", "chargingSchedulePeriod"}),  # counted from the moment of asking
    "*": frozenset({"expiryDate", "cacheExpiryDateTime", "statusInfo", "customData", "offline"}),
}
"""Members whose value may differ from run to run, by action ("*" for all): compared by type only in semantic mode."""


REPEATED = frozenset({"StatusNotification"})
"""Actions of the peer that may come more often than recorded, where they say again what was said before."""
OPTIONAL = frozenset({"Heartbeat", "MeterValues"})


class Difference(NamedTuple):
    """One thing that is not as recorded.

    `matcher` names the comparison that failed, `pointer` the place in the whole frame (None: the frame itself).
    """

    matcher: str
    pointer: str | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Policy:
    """What counts as a difference.

    Attributes:
        mode: strict (all but ids and times), semantic (all but what is volatile), shape (members and types).
        tolerance: how far numbers may be apart, as a share of the recorded one; texts only where they are readings.
        volatile: more members that may differ, by action or "*".
        ignore: JSON pointers into payloads ("/idTagInfo/expiryDate"), by action or "*", that are not compared.
        extra_actions: actions of the peer that may come more often than recorded; None for those in REPEATED.
        optional_actions: actions of the peer that may come more or less often than recorded.
        both_stored: secrets may have been starred out of what is compared, too.
    """

    mode: str = SEMANTIC
    tolerance: float = 0.0
    volatile: dict[str, frozenset[str]] = field(default_factory=dict)
    ignore: dict[str, frozenset[str]] = field(default_factory=dict)
    extra_actions: frozenset[str] | None = None
    optional_actions: frozenset[str] = OPTIONAL
    both_stored: bool = False

    def may_stay_away(self, frame: Frame) -> bool:
        """Whether the peer may leave a recorded frame out: a CALL that only the time brings about."""
        if not isinstance(frame.message, Call | Send):
            return False
        return frame.action in self.optional_actions or (self.mode != STRICT and _is_periodic(frame))

    def may_be_extra(self, frame: Frame) -> bool:
        """Whether the peer may send a frame that was not recorded; see `must_repeat`."""
        return frame.action in self._extra or self.may_stay_away(frame)

    def must_repeat(self, frame: Frame) -> bool:
        """Whether a frame that may be extra has to say what was said before."""
        return self.extra_actions is None and not self.may_stay_away(frame)

    @property
    def _extra(self) -> frozenset[str]:
        return REPEATED if self.extra_actions is None else self.extra_actions

    def is_volatile(self, action: str | None, member: str) -> bool:
        """Whether a member's value may differ."""
        if self.mode == STRICT:
            return False
        return any(member in table.get(name, ()) for table in (VOLATILE, self.volatile) for name in (action or "", "*"))

    def may_lack(self, action: str | None, member: str) -> bool:
        """Whether a recorded member may be missing: one that any message may have, or that the user named."""
        if self.mode == STRICT:
            return False
        return member in VOLATILE["*"] or any(member in self.volatile.get(name, ()) for name in (action or "", "*"))

    def is_ignored(self, action: str | None, pointer: str) -> bool:
        """Whether a place of a payload is not compared at all."""
        return any(pointer in self.ignore.get(name, ()) for name in (action or "", "*"))


KNOWN = frozenset({"tolerance", "extra_actions", "optional_actions", "volatile", "ignore"})
"""What a policy file may say."""


def _is_periodic(frame: Frame) -> bool:
    if frame.action != "TransactionEvent" or frame.payload.get("eventType") != "Updated":
        return False
    return frame.payload.get("triggerReason") in ("MeterValuePeriodic", "MeterValueClock")


def read_policy(path: Path, mode: str = SEMANTIC) -> Policy:
    """A policy from a TOML file that says some of what is in KNOWN, `[volatile]` and `[ignore]` by action or "*".

    Raises:
        SettingsMistake: it cannot be read, or a name or value in it is not known.
    """
    document = toml_file.read(path)
    toml_file.refuse_unknown(path, "", document, KNOWN)
    tolerance = document.get("tolerance", 0.0)
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 <= tolerance < math.inf:
        raise SettingsMistake(path, "tolerance", f"must be a number from 0, got {tolerance!r}")
    extra, optional = document.get("extra_actions"), document.get("optional_actions")
    return Policy(
        mode=mode,
        tolerance=float(tolerance),
        volatile=_names(path, "volatile", document.get("volatile", {})),
        ignore=_names(path, "ignore", document.get("ignore", {})),
        extra_actions=None if extra is None else _list(path, "extra_actions", extra),
        optional_actions=OPTIONAL if optional is None else _list(path, "optional_actions", optional),
    )


def _list(path: Path, place: str, names: Any) -> frozenset[str]:
    return frozenset(toml_file.texts(path, place, names))


def _names(path: Path, place: str, table: Any) -> dict[str, frozenset[str]]:
    entries = toml_file.table(path, place, table)
    return {action: _list(path, f"{place}.{action}", names) for action, names in entries.items()}


type _Matcher = Callable[[Any, Any, str, str, str | None, Policy], Difference | None]


def compare(recorded: Frame, expected: Any, live: Frame, policy: Policy) -> list[Difference]:
    """Compare a live frame with the recorded one it stands for.

    Args:
        recorded: the recorded frame.
        expected: its payload with ids and tokens as they should be in this run.
        live: what came.
        policy: what counts.
    """
    kind, other = type(recorded.message), type(live.message)
    if kind is not other:
        return [Difference("message-type", None, f"{_named(live)} came where {_named(recorded)} was recorded")]
    if isinstance(recorded.message, Malformed) and isinstance(live.message, Malformed):
        was, now = recorded.message.problems[0], live.message.problems[0]
        if was.kind == now.kind:
            return []
        return [Difference("malformed", None, f"malformed in another way: {now.text}; recorded {was.text}")]
    if isinstance(recorded.message, CallError) and isinstance(live.message, CallError):
        if recorded.message.error_code != live.message.error_code:
            sentence = f"error code is {live.message.error_code}, recorded {recorded.message.error_code}"
            return [Difference("error-code", "/2", sentence)]
        return list(_reasons(recorded.message, live.message, policy)) if policy.mode == STRICT else []
    if recorded.action != live.action:
        return [Difference("action", "/2", f"{live.action} came where {recorded.action} was recorded")]
    place = "/2" if recorded.answer_status is not None else "/3"
    return list(_values(expected, live.payload, place, "", recorded.action, policy))


def _reasons(recorded: CallError, live: CallError, policy: Policy) -> Iterator[Difference]:
    """What a CALLERROR says besides its code, which is for people and compared only strictly."""
    was, now = recorded.error_description, live.error_description
    yield from _values(was, now, "/3", "", None, policy, "errorDescription")
    yield from _values(recorded.error_details, live.error_details, "/4", "", None, policy, "errorDetails")


def _named(frame: Frame) -> str:
    if isinstance(frame.message, CallError):
        return f"a CALLERROR {frame.message.error_code}"
    return f"a {type(frame.message).__name__.upper()}"


def _values(
    recorded: Any, live: Any, root: str, pointer: str, action: str | None, policy: Policy, member: str = ""
) -> Iterator[Difference]:
    if policy.is_ignored(action, pointer):
        return
    if isinstance(recorded, dict) and isinstance(live, dict):
        for name, value in recorded.items():
            inner = f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"
            if isinstance(value, dict) and isinstance(live.get(name), dict) and policy.is_volatile(action, name):
                continue  # it may say whatever it likes
            if name in live:
                yield from _values(value, live[name], root, inner, action, policy, name)
            elif not policy.is_ignored(action, inner) and not policy.may_lack(action, name):
                sentence = f"{inner[1:]} is missing; recorded {shorten(value)}"
                yield Difference("present", root + inner, sentence)
        if policy.mode == STRICT:
            for name in live.keys() - recorded.keys():
                sentence = f"{pointer}/{name}"[1:] + f" is {shorten(live[name])}; nothing was recorded there"
                yield Difference("absent", f"{root}{pointer}/{name}", sentence)
        return
    if isinstance(recorded, list) and isinstance(live, list):
        if len(recorded) != len(live) and policy.mode != SHAPE:
            if policy.is_volatile(action, member):
                return  # nothing tells which element stands for which
            sentence = f"{pointer[1:]} has {len(live)} elements, recorded {len(recorded)}"
            yield Difference("length", root + pointer, sentence)
        for index, (one, other) in enumerate(zip(recorded, live, strict=False)):
            yield from _values(one, other, root, f"{pointer}/{index}", action, policy, member)
        return
    for matcher in MATCHERS:
        difference = matcher(recorded, live, root + pointer, member, action, policy)
        if difference is not None:
            yield difference
            return


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "object" if isinstance(value, dict) else "array" if isinstance(value, list) else "null"


def same_type(
    recorded: Any, live: Any, pointer: str, member: str, action: str | None, policy: Policy
) -> Difference | None:
    """Values are of one JSON type, in every mode."""
    if _kind(recorded) == _kind(live):
        return None
    return Difference("type", pointer, f"{member} is {shorten(live)}, a {_kind(live)}; recorded {shorten(recorded)}")


def same_value(
    recorded: Any, live: Any, pointer: str, member: str, action: str | None, policy: Policy
) -> Difference | None:
    """Values are equal, where this mode asks for it: times, unbound ids and volatile members are not compared."""
    if recorded == live or policy.mode == SHAPE or _is_starred(recorded):
        return None
    if policy.is_volatile(action, member) or (policy.both_stored and _is_starred(live)):
        return None
    if is_time(recorded):
        if is_time(live):
            return None
        return Difference("value", pointer, f"{member} is {shorten(live)}, no date-time; recorded {shorten(recorded)}")
    if kind_of(action, member) is not None:
        return Difference("bound-id", pointer, f"{member} is {shorten(live)}; in this run it is {shorten(recorded)}")
    if _close(recorded, live, policy.tolerance if member == "value" or not isinstance(recorded, str) else 0.0):
        return None
    return Difference("value", pointer, f"{member} is {shorten(live)}, recorded {shorten(recorded)}")


def _is_starred(value: Any) -> bool:
    """Whether a value was hidden before it was stored: nothing is known of it but that it was there."""
    return isinstance(value, str) and value != "" and not value.strip("*")


MATCHERS: tuple[_Matcher, ...] = (same_type, same_value)
"""What is asked of two values that are neither both objects nor both arrays, in this order."""


def _close(recorded: Any, live: Any, tolerance: float) -> bool:
    if not tolerance or isinstance(recorded, bool):
        return False
    try:
        one, other = float(recorded), float(live)
    except (TypeError, ValueError):
        return False
    return abs(one - other) <= tolerance * max(abs(one), 1e-9)
