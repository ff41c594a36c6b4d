"""Define what a rule may ask about the session and the charge point that are being judged. The judge implements it."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Any, ClassVar, NamedTuple, Protocol

from inspector.protocol.frame import Frame
from inspector.protocol.session import Session
from inspector.protocol.vocabulary import Direction, OcppVersion


class Moment(NamedTuple):
    """A point in time: nanoseconds on the monotonic clock, and nanoseconds since 1970."""

    mono_ns: int
    ts_ns: int


LATE_S = 30.0
"""How long a message that is due at once may take if its session closes; see `AtClose.LATE`."""


class AtClose(Enum):
    """What happens to a deadline when its session closes."""

    WAITS = auto()
    JUDGED = auto()  # fire it at once: no more messages can come in that session
    LATE = auto()  # fire it if at least `LATE_S` have passed: what the charge point owes at once will not come any more
    DROPPED = auto()  # drop it: it concerns only open sessions, and would keep a closed one in memory until it is due


class TopicState(Protocol):
    """What the judge needs to know about a topic: whether its `scope` is "session" or "station"."""

    scope: ClassVar[str]

    def __init__(self, station: Any, settings: Any, session: Any = None) -> None:
        """Begin with an empty state."""


class SessionContext(Protocol):
    """One session, as rules see it; implemented by `inspector.rules.judge.SessionJudge`."""

    facts: dict[str, Any]
    opened_at: Moment
    from_start: bool
    protocol: Session
    version: OcppVersion | None
    frames: int
    heard_ns: int | None
    label: Any

    @property
    def station(self) -> StationContext:
        """The charge point of the session."""

    @property
    def dated(self) -> bool:
        """Whether the wall-clock times of frames can be compared with date-times in their payloads."""

    def unseen(self, sender: Direction, kind: str) -> bool:
        """Return whether the capture lacks all CALLs ("calls") or all answers ("answers") that a side has sent."""

    def topic[T: TopicState](self, kind: type[T]) -> T:
        """Return the state of a topic: that of this session or, for scope "station", that of the charge point."""


class StationContext(Protocol):
    """One charge point with all its sessions, as rules see it; implemented by `inspector.rules.station.Station`."""

    charge_point_id: str
    refused: list[Moment]

    @property
    def sessions(self) -> list[Any]:
        """The open sessions, each a SessionContext, oldest first."""

    @property
    def current(self) -> SessionContext:
        """The session whose frame, event or deadline is being judged."""

    def deadline(
        self,
        after: Moment | Frame,
        seconds: float,
        check: Callable[..., Any],
        *given: Any,
        at_close: AtClose = AtClose.WAITS,
    ) -> None:
        """Call `check(moment, *given)` once `seconds` have passed since `after`; see `Station.deadline`."""

    def last_passed(self, moment: Moment, seconds: float) -> Moment:
        """Return the latest moment that is a multiple of `seconds` after `moment` and has passed."""

    def refresh_listeners(self) -> None:
        """Determine again which checks are dormant."""

    def topic[T: TopicState](self, kind: type[T]) -> T:
        """Return the state of a topic of scope "station"."""
