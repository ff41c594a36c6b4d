"""Compare two messages with small named matchers; each difference is a sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from inspector.protocol.frame import Frame
from inspector.protocol.large_values import shorten
from inspector.protocol.messages import CallError, Malformed
from inspector.replay import unordered
from inspector.replay.id_mapping import is_time, kind_of
from inspector.replay.plausible import useless_values
from inspector.replay.policy import SHAPE, STRICT, Policy


class Difference(NamedTuple):
    """One difference from the recording.

    `matcher` names the comparison that failed, `pointer` the place in the whole frame (None: the frame itself).
    """

    matcher: str
    pointer: str | None
    sentence: str


type _Matcher = Callable[[Any, Any, str, str, str | None, Policy], Difference | None]


def compare(recorded: Frame, expected: Any, live: Frame, policy: Policy) -> list[Difference]:
    """Compare a live frame with the recorded frame that it corresponds to.

    Args:
        recorded: the recorded frame.
        expected: the recorded payload with the ids and tokens of this run.
        live: the live frame.
        policy: decides which differences count.
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
    found = list(_values(expected, live.payload, place, "", recorded.action, policy))
    if policy.mode != SHAPE:
        found += _useless(recorded, expected, live, place, policy)
    return found


def _useless(recorded: Frame, expected: Any, live: Frame, root: str, policy: Policy) -> Iterator[Difference]:
    action = recorded.action
    for useless in useless_values(recorded, expected, live):
        if not policy.is_ignored(action, useless.pointer) and not policy.is_named_volatile(action, useless.member):
            yield Difference("useless", root + useless.pointer, useless.sentence)


def _reasons(recorded: CallError, live: CallError, policy: Policy) -> Iterator[Difference]:
    """Compare the description and details of CALLERRORs; used in strict mode only, as they are for people."""
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
                continue  # only its presence matters
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
        if (found := unordered.pair(member, recorded, live)) is not None:
            yield from _elements(found, recorded, live, root, pointer, action, policy, member)
            return
        if len(recorded) != len(live) and policy.mode != SHAPE:
            if policy.is_volatile(action, member):
                return  # the elements cannot be paired
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


def _elements(
    found: unordered.Pairs,
    recorded: list[Any],
    live: list[Any],
    root: str,
    pointer: str,
    action: str | None,
    policy: Policy,
    member: str,
) -> Iterator[Difference]:
    """Compare two lists whose order does not matter; elements without a counterpart are paired in their order."""
    pairs = [*found.pairs, *zip(found.missing, found.extra, strict=False)]
    if policy.mode != SHAPE and not (len(recorded) != len(live) and policy.is_volatile(action, member)):
        for index in found.missing[len(found.extra) :]:
            name = unordered.name(member, recorded[index])
            yield Difference("present", root + pointer, f"{pointer[1:]} lacks {name}")
        for index in found.extra[len(found.missing) :]:
            name = unordered.name(member, live[index])
            yield Difference("absent", f"{root}{pointer}/{index}", f"{pointer[1:]} has {name}, which was not recorded")
    for one, other in pairs:
        yield from _values(recorded[one], live[other], root, f"{pointer}/{other}", action, policy, member)


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
    """Require the same JSON type, in every mode."""
    if _kind(recorded) == _kind(live):
        return None
    return Difference("type", pointer, f"{member} is {shorten(live)}, a {_kind(live)}; recorded {shorten(recorded)}")


def same_value(
    recorded: Any, live: Any, pointer: str, member: str, action: str | None, policy: Policy
) -> Difference | None:
    """Require equal values in some modes; times, ids without a live value and volatile members may differ."""
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
    """Return whether a value was hidden by redaction, so that it cannot be compared."""
    return isinstance(value, str) and value != "" and not value.strip("*")


MATCHERS: tuple[_Matcher, ...] = (same_type, same_value)
"""The comparisons of two values that are not both objects or both arrays, in this order."""


def _close(recorded: Any, live: Any, tolerance: float) -> bool:
    if not tolerance or isinstance(recorded, bool):
        return False
    try:
        one, other = float(recorded), float(live)
    except (TypeError, ValueError):
        return False
    return abs(one - other) <= tolerance * max(abs(one), 1e-9)
