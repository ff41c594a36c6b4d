"""Define the decorators with which rules are written: they state the facts of a rule and what it listens to.

A topic is a class with the state that some rules share. Its methods are the checks of rules (`@rule`) and trackers,
which update the state (`@track`). Methods that listen to the same frames run in the order in which they are written. So
a rule that needs the state before a frame is written above the tracker that updates the state with that frame.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from inspector.protocol.frame import Frame
from inspector.protocol.messages import Call, CallError, CallResult, CallResultError, Malformed, Send
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.rules.context import SessionContext, StationContext
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.settings import Settings

type Faults = Fault | list[Fault] | None
"""The type of what a check returns: None, one fault or several."""


class Listen(NamedTuple):
    """What a method of a topic is called for: a kind of message or "event", and an action or kind of event.

    `name` is None for any action or kind of event.
    """

    kind: str
    name: str | None = None


OPENED = Listen("opened")
CLOSED = Listen("closed")
ANY_FRAME = Listen("frame")
ANY_CALL = Listen("call")
ANY_RESULT = Listen("result")
ANY_ERROR = Listen("error")
ANY_SEND = Listen("send")
RESULT_ERROR = Listen("result-error")
MALFORMED = Listen("malformed")
PROBLEM = Listen("problem")
"""Frames whose envelope the parser found faulty (`frame.message.problems` is not empty)."""
UNPAIRED = Listen("unpaired")
"""CALLRESULTs and CALLERRORs that answer no open CALL (`frame.answer_status` is ORPHAN or DUPLICATE)."""
DEADLINE = Listen("deadline")
"""No frames: the method is called only for a deadline (`Station.deadline`), with the moment at which it was due."""
CUT = Listen("cut")
"""Frames of which a log has only the beginning. Other methods do not get them, because neither side is at fault."""
ASIDE = Listen("aside")
"""No frames: the method is called only by another check, through the function `aside`."""


def aside(check: Callable[..., Fault | None], *given: Any) -> Fault | None:
    """Call a check that listens to ASIDE; return its fault, marked as a fault of its own rule, or None.

    The calling check can return this fault.
    """
    fault = check(*given)
    return fault._replace(rule=check.rule) if fault is not None else None  # type: ignore[attr-defined]


def call(*actions: str) -> tuple[Listen, ...]:
    """Listen to CALLs with one of these actions."""
    return tuple(Listen("call", action) for action in actions)


def result(*actions: str) -> tuple[Listen, ...]:
    """Listen to CALLRESULTs of CALLs with one of these actions, without orphans and duplicates."""
    return tuple(Listen("result", action) for action in actions)


def refusal(*actions: str) -> tuple[Listen, ...]:
    """Listen to CALLERRORs of CALLs with one of these actions, without orphans and duplicates."""
    return tuple(Listen("error", action) for action in actions)


def event(*kinds: str) -> tuple[Listen, ...]:
    """Listen to events of these kinds: ping, pong, close, fault, … (see the documentation of the table `events`)."""
    return tuple(Listen("event", kind) for kind in kinds)


KIND_OF_MESSAGE = {
    Call: "call",
    CallResult: "result",
    CallError: "error",
    Send: "send",
    CallResultError: "result-error",
    Malformed: "malformed",
}

PLAIN = "plain "
"""Prefix of the kind of TransactionEvents with nothing but meter values, and of empty answers to TransactionEvents.

Most frames of a session are such. A check that can find nothing in them says `plain=False`, which saves time.
"""
_SAMPLES = ("MeterValuePeriodic", "MeterValueClock")


def is_plain(frame: Frame) -> bool:
    """Return whether a CALL or CALLRESULT of TransactionEvent is plain; see `PLAIN`."""
    payload = frame.payload
    if frame.call is not None:
        return not payload
    info = payload.get("transactionInfo")
    return (
        payload.get("triggerReason") in _SAMPLES
        and payload.get("eventType") == "Updated"
        and "evse" not in payload
        and "idToken" not in payload
        and "reservationId" not in payload
        and type(info) is dict
        and "remoteStartId" not in info
    )


ALL = frozenset(OcppVersion)
V16 = frozenset({OcppVersion.V16})
V2X = frozenset({OcppVersion.V201, OcppVersion.V21})
V21 = frozenset({OcppVersion.V21})


_OLD = "1.6"
_BOTH = re.compile(r"RFC|schemas of|1\.6.*2\.x")
"""Matches a clause of a specification that applies to every version."""


type Moot = Callable[[OcppVersion, Direction, str, str], bool]
"""A function of version, sender, kind ("call", "result", …) and action. True: no such frame can have the fault."""
type Dormant = Callable[[Any], bool]
"""A function of a topic. True: the check cannot find a fault in its current state.

This must hold until the topic calls `Station.refresh_listeners`.
"""


@dataclass(frozen=True, slots=True)
class Rule:
    """The facts of one rule, as `chargesentinel rules` and the documentation show them.

    If `side` is None, the sender of the frame is at fault. `bad` and `good` are examples in the notation of
    `inspector.rules.playback`, by version ("" for every version without an example of its own).
    """

    slug: str
    title: str
    versions: frozenset[OcppVersion]
    severity: dict[OcppVersion, Severity]
    side: Side | None
    spec: str
    remedy: str
    bad: dict[str, str]
    good: dict[str, str]
    heuristic: bool
    setting: str | None = None
    moot: Moot | None = None

    def bad_in(self, version: OcppVersion) -> str | None:
        """Return the example that breaks the rule in this version; None if there is none."""
        return self.bad.get(version.value, self.bad.get(""))

    def good_in(self, version: OcppVersion) -> str | None:
        """Return the example that almost breaks the rule in this version; None if there is none."""
        return self.good.get(version.value, self.good.get(""))

    def spec_in(self, version: OcppVersion | None) -> str:
        """Return the clauses of `spec` that apply to one version; all clauses if none does."""
        old = version is OcppVersion.V16
        parts = [part.strip() for part in self.spec.split(";")]
        about = [part for part in parts if (_OLD in part if old else _OLD not in part) or _BOTH.search(part)]
        return "; ".join(about if version is not None and about else parts)

    def severity_in(self, version: OcppVersion | None) -> Severity:
        """Return the severity in one version; the worst one if the version is not known."""
        if version in self.severity:
            return self.severity[version]
        return max(self.severity.values(), key=lambda severity: severity.rank)

    def __str__(self) -> str:
        return self.slug


def rule(
    slug: str,
    *listens: Listen | tuple[Listen, ...],
    title: str,
    severity: Severity | dict[OcppVersion, Severity],
    spec: str,
    remedy: str,
    bad: str | dict[str, str],
    good: str | dict[str, str],
    versions: Iterable[OcppVersion] = ALL,
    side: Side | None = None,
    heuristic: bool = False,
    setting: str | None = None,
    moot: Moot | None = None,
    dormant: Dormant | None = None,
    plain: bool = True,
) -> Callable[[Any], Any]:
    """Return a decorator that makes a topic's method the check of a rule.

    Args:
        slug: the name of the rule, `topic.short-name`.
        listens: what the method is called for; a check called for frames has the signature `(self, frame) -> Faults`,
            for events `(self, session, moment, detail) -> Faults`, for OPENED and CLOSED
            `(self, session, moment) -> Faults`, for DEADLINE `(self, moment, *given)` with the arguments given to
            `Station.deadline`.
        title: one short sentence that says what is wrong.
        severity: one severity, or one for each version.
        spec: the section or requirement, with its document.
        remedy: what to do, addressed to the side at fault.
        bad, good: an example that breaks the rule and one that almost does; one for all versions, or by version
            ("1.6", "2.0.1", "2.1", "2x" for the latter two, "" for the rest).
        versions: the versions that the rule applies to.
        side: the side at fault; None for the sender of the frame.
        heuristic: whether no specification requires this.
        setting: the name of a threshold; the rule is judged only if this is not 0.
        moot: returns whether the check cannot find a fault in such frames; then it is not called, which saves time.
        dormant: returns whether the check of frames cannot find a fault in the current state of its topic; the topic
            must call `Station.refresh_listeners` when this changes.
        plain: False if the check needs no plain messages; see `PLAIN`.
    """
    covered = frozenset(versions)
    severities = severity if isinstance(severity, dict) else dict.fromkeys(covered, severity)
    facts = Rule(
        slug=slug,
        title=title,
        versions=covered,
        severity={version: severities[version] for version in covered},
        side=side,
        spec=spec,
        remedy=remedy,
        bad=_by_version(bad),
        good=_by_version(good),
        heuristic=heuristic,
        setting=setting,
        moot=moot,
    )

    def mark(check: Any) -> Any:
        check.rule = facts
        check.listens = tuple(_flat(listens))
        check.dormant = dormant
        check.plain = plain
        return check

    return mark


def _by_version(example: str | dict[str, str]) -> dict[str, str]:
    if isinstance(example, str):
        return {"": example}
    expanded = dict(example)
    if (both := expanded.pop("2x", None)) is not None:
        for version in sorted(V2X):
            expanded.setdefault(version.value, both)
    return expanded


def track(
    *listens: Listen | tuple[Listen, ...],
    versions: Iterable[OcppVersion] = ALL,
    dormant: Dormant | None = None,
    plain: bool = True,
) -> Callable[[Any], Any]:
    """Return a decorator for a method that updates the state of its topic.

    The arguments and the signature of the method are the same as in `rule`, but the method returns None.
    """

    def mark(method: Any) -> Any:
        method.dormant = dormant
        method.plain = plain
        method.listens = tuple(_flat(listens))
        method.versions = frozenset(versions)
        return method

    return mark


def _flat(listens: Iterable[Listen | tuple[Listen, ...]]) -> Iterable[Listen]:
    for listen in listens:
        if isinstance(listen, Listen):
            yield listen
        else:
            yield from listen


class _CurrentSession:
    """Returns the session being judged, for a topic of scope "station".

    In a topic of scope "session", the attribute `session` takes its place.
    """

    def __get__(self, topic: Topic, owner: type[Topic]) -> SessionContext:
        return topic.station.current


class Topic:
    """A group of rules, and the state that they share.

    A topic with scope "session" exists as long as one session. With scope "station" it exists as long as its charge
    point is remembered, because a transaction, for example, may continue after a reconnect.
    """

    scope: ClassVar[str] = "session"
    versions: ClassVar[frozenset[OcppVersion]] = ALL
    session = _CurrentSession()
    """The session being judged."""

    def __init__(self, station: StationContext, settings: Settings, session: SessionContext | None = None) -> None:
        """Begin with an empty state. `session` is None for a topic of scope "station"."""
        self.station = station
        self.settings = settings
        if session is not None:
            vars(self)["session"] = session
        self.setup()

    def setup(self) -> None:
        """Create the empty state; subclasses override this."""
