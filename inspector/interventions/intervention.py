"""Define what an intervention is: what it matches, and the one thing that it does."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from inspector.protocol.vocabulary import Direction, MessageType


class State(StrEnum):
    """The state of a charge point, as far as its frames tell."""

    BOOTED = "booted"
    NOT_BOOTED = "not-booted"
    IN_TRANSACTION = "in-transaction"
    NO_TRANSACTION = "no-transaction"


class Comparison(StrEnum):
    """How a predicate compares a value of the payload."""

    EQUALS = "equals"
    LIKE = "like"
    ABOVE = "above"
    BELOW = "below"
    EXISTS = "exists"


@dataclass(frozen=True, slots=True)
class Predicate:
    """A condition on one value of the payload.

    Attributes:
        pointer: A JSON pointer into the payload.
        test: How to compare.
        value: What to compare with: a pattern for LIKE, a number for ABOVE and BELOW, a truth value for EXISTS.
    """

    pointer: str
    test: Comparison
    value: Any


@dataclass(frozen=True, slots=True)
class Match:
    """Which frames an intervention applies to. A frame has to meet all conditions.

    Attributes:
        charge_point: A pattern for the charge point's id, as for file names in a shell, in the same case.
        sender: The direction of the frame, None for both.
        action: The action of a CALL or SEND, or of the CALL that an answer belongs to; None for all.
        type: The message type, None for all.
        payload: Conditions on the payload.
        state: The state that the charge point must be in before the frame.
        after: How many matching frames to leave alone first.
        every: Then to take one in so many.
        times: Then to stop after so many, None for never.
        probability: Then to take each with this probability.
        seed: The seed of that luck, which is drawn for each charge point and rule.
    """

    charge_point: str = "*"
    sender: Direction | None = None
    action: str | None = None
    type: MessageType | None = None
    payload: tuple[Predicate, ...] = ()
    state: State | None = None
    after: int = 0
    every: int = 1
    times: int | None = None
    probability: float = 1.0
    seed: int = 0

    def takes_charge_point(self, charge_point_id: str) -> bool:
        """Return whether the rule can apply to a session of this charge point."""
        return self.charge_point == "*" or fnmatchcase(charge_point_id, self.charge_point)


@dataclass(frozen=True, slots=True)
class Delay:
    """Send the frame later, after a random time between two limits. Later frames in its direction wait too."""

    shortest_s: float
    longest_s: float


@dataclass(frozen=True, slots=True)
class Drop:
    """Do not send the frame."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Send the frame so many times."""

    copies: int = 2


@dataclass(frozen=True, slots=True)
class Reorder:
    """Send the frame after so many later frames of its direction."""

    behind: int = 1


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the payload; a value may have templates such as {now}.

    Attributes:
        pointer: A JSON pointer into the payload.
        value: The new value.
        remove: Whether to remove the member instead.
    """

    pointer: str
    value: Any = None
    remove: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """Change values of the payload."""

    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Replace:
    """Send another text, which may be invalid."""

    text: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer the CALL with a CALLRESULT in place of its receiver, which never sees it."""

    payload: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Error:
    """Answer the CALL with a CALLERROR in place of its receiver, which never sees it."""

    code: str
    description: str = ""
    details: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """Keep the frame until somebody releases it; after the timeout it is sent unchanged."""

    timeout_s: float = 20.0


class Place(StrEnum):
    """Where a frame is injected."""

    BEFORE = "before"
    AFTER = "after"
    INSTEAD = "instead"


@dataclass(frozen=True, slots=True)
class Inject:
    """Send one more frame: a CALL, or any text.

    Attributes:
        receiver: The direction in which it travels.
        place: Before, after or instead of the matching frame.
        action, payload: A CALL, whose answer its receiver sends to the proxy.
        text: A raw frame, if it is not a CALL.
        wait_s: How long after the matching frame to send it; only after it. Other frames do not wait.
    """

    receiver: Direction
    place: Place = Place.AFTER
    action: str | None = None
    payload: dict[str, Any] | None = None
    text: str | None = None
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Throttle:
    """Send no more than so many bytes in a second in this direction, from this frame on."""

    bytes_per_s: int


@dataclass(frozen=True, slots=True)
class Close:
    """End the session with a close frame to both peers instead of sending the frame."""

    code: int = 1011
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reset:
    """End both connections with a TCP RST instead of sending the frame."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer the request for an upgrade with an HTTP status.

    Attributes:
        status: The HTTP status.
        seconds: For how long after the first refusal of a charge point, None for ever.
    """

    status: int = 503
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Stall:
    """Stop reading from the sender of the frame, for some seconds or for ever."""

    seconds: float | None = None


type Verb = (
    Delay
    | Drop
    | Duplicate
    | Reorder
    | Edit
    | Replace
    | Answer
    | Error
    | Hold
    | Inject
    | Throttle
    | Close
    | Reset
    | Refuse
    | Stall
)


@dataclass(frozen=True, slots=True)
class Intervention:
    """One rule: when, and what; `source` is the table that it was read from."""

    name: str
    match: Match
    do: Verb
    source: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.name}: {type(self.do).__name__.lower()}"

    @property
    def refuses_upgrades(self) -> bool:
        """Whether it applies to handshakes rather than to frames."""
        return isinstance(self.do, Refuse)
