"""Spoilt answers, on request: what a charge point sends instead of a proper answer to a CALL; sends nothing itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

UNKNOWN_ID = "no-such-call"
FOREIGN_CODES = {"1.6": "FormatViolation"}
"""An error code in the spelling of the other versions; 2.x gets that of 1.6."""


class Delivery(NamedTuple):
    """What goes out instead of one answer: after a delay, some frames, then perhaps a close."""

    frames: list[str]
    delay_s: float = 0.0
    close_code: int | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for, besides the kind of misbehaviour.

    Attributes:
        action: only the answer to this action is spoilt; None is whichever comes next.
        seconds: of a delay. `code` of a CALLERROR, `close_code` of a close.
        field, value: a JSON pointer into the answer's payload and what to put there; None removes it.
    """

    action: str | None = None
    seconds: float = 5.0
    code: str = "InternalError"
    close_code: int = 1011
    field: str | None = None
    value: object = None


type Spoiler = Callable[[str, str, Wish], Delivery]
"""Makes a delivery of a proper answer: (its text, the version, the wish)."""


def error_for_the_next_call(answer: str, version: str, wish: Wish) -> Delivery:
    """Answer with a CALLERROR of a given code."""
    return _error(answer, wish.code)


def foreign_error_code(answer: str, version: str, wish: Wish) -> Delivery:
    """Answer with an error code in the other version's spelling."""
    return _error(answer, FOREIGN_CODES.get(version, "FormationViolation"))


def twofold_answer(answer: str, version: str, wish: Wish) -> Delivery:
    """Answer twice."""
    return Delivery([answer, answer])


def no_answer(answer: str, version: str, wish: Wish) -> Delivery:
    """Do not answer."""
    return Delivery([])


def wrong_answer(answer: str, version: str, wish: Wish) -> Delivery:
    """Answer with one wrong member, or where none is named with a payload that no schema allows."""
    elements = json.loads(answer)
    if wish.field is None:
        elements[-1] = {"status": 17}
    else:
        _change(elements[-1], wish.field, wish.value)
    return Delivery([_text(elements)])


def delayed_answer(answer: str, version: str, wish: Wish) -> Delivery:
    """Answer late; other frames are not held up."""
    return Delivery([answer], delay_s=wish.seconds)


def answer_to_unknown_id(answer: str, version: str, wish: Wish) -> Delivery:
    """Answer a CALL that nobody sent, then the one that was."""
    elements = json.loads(answer)
    return Delivery([_text([elements[0], UNKNOWN_ID, *elements[2:]]), answer])


def closed_instead(answer: str, version: str, wish: Wish) -> Delivery:
    """Close the connection instead of answering, and come back as after any loss."""
    return Delivery([], close_code=wish.close_code)


SPOILERS: dict[str, Spoiler] = {
    spoiler.__name__.replace("_", "-"): spoiler
    for spoiler in (
        error_for_the_next_call,
        foreign_error_code,
        twofold_answer,
        no_answer,
        wrong_answer,
        delayed_answer,
        answer_to_unknown_id,
        closed_instead,
    )
}


@dataclass(frozen=True, slots=True)
class Order:
    """One spoilt answer that is due."""

    how: str
    wish: Wish = Wish()

    def concerns(self, action: str) -> bool:
        """Tell whether it is for the answer to an action."""
        return self.wish.action in (None, action)

    def carry_out(self, answer: str, version: str) -> Delivery:
        """Make the delivery of a proper answer."""
        return SPOILERS[self.how](answer, version, self.wish)


def _error(answer: str, code: str) -> Delivery:
    return Delivery([_text([4, json.loads(answer)[1], code, "misbehaving on request", {}])])


def _text(elements: list[Any]) -> str:
    return json.dumps(elements, separators=(",", ":"))


def _change(payload: Any, pointer: str, value: object) -> None:
    """Set the member a pointer names, or remove it; a way that does not exist is left alone."""
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.removeprefix("/").split("/")]
    for part in way:
        payload = payload.get(part) if isinstance(payload, dict) else None
    if isinstance(payload, dict):
        if value is None:
            payload.pop(last, None)
        else:
            payload[last] = value
