"""Faulty answers on request: the frames that a charge point sends instead of the correct answer to a CALL."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

UNKNOWN_ID = "no-such-call"
FOREIGN_CODES = {"1.6": "FormatViolation"}
"""Version -> an error code in the spelling of another version; all other versions get the spelling of 1.6."""


class Delivery(NamedTuple):
    """The frames to send instead of one answer: after a delay the texts, then a close frame if there is a code."""

    frames: list[str]
    delay_s: float = 0.0
    close_code: int | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a faulty answer.

    Attributes:
        action: the action whose answer is replaced; None means the next answer of any action.
        seconds: the delay of a delayed answer.
        code: the error code of a CALLERROR.
        close_code: the code of a close frame.
        field, value: a JSON pointer into the answer's payload, and the new value of that member; None removes it.
    """

    action: str | None = None
    seconds: float = 5.0
    code: str = "InternalError"
    close_code: int = 1011
    field: str | None = None
    value: object = None


type Fault = Callable[[str, str, Options], Delivery]
"""Returns the frames that replace a correct answer; gets the text of the answer, the version and the options."""


def error_for_the_next_call(answer: str, version: str, options: Options) -> Delivery:
    """Answer with a CALLERROR of a given code."""
    return _error(answer, options.code)


def foreign_error_code(answer: str, version: str, options: Options) -> Delivery:
    """Answer with an error code in the other version's spelling."""
    return _error(answer, FOREIGN_CODES.get(version, "FormationViolation"))


def twofold_answer(answer: str, version: str, options: Options) -> Delivery:
    """Answer twice."""
    return Delivery([answer, answer])


def no_answer(answer: str, version: str, options: Options) -> Delivery:
    """Do not answer."""
    return Delivery([])


def wrong_answer(answer: str, version: str, options: Options) -> Delivery:
    """Answer with one wrong member; without `field`, with a payload that no schema allows."""
    elements = json.loads(answer)
    if options.field is None:
        elements[-1] = {"status": 17}
    else:
        _change(elements[-1], options.field, options.value)
    return Delivery([_text(elements)])


def delayed_answer(answer: str, version: str, options: Options) -> Delivery:
    """Answer late; other frames are sent meanwhile."""
    return Delivery([answer], delay_s=options.seconds)


def answer_to_unknown_id(answer: str, version: str, options: Options) -> Delivery:
    """Answer a CALL that the CSMS did not send, then the one it sent."""
    elements = json.loads(answer)
    return Delivery([_text([elements[0], UNKNOWN_ID, *elements[2:]]), answer])


def closed_instead(answer: str, version: str, options: Options) -> Delivery:
    """Close the connection instead of answering, then reconnect."""
    return Delivery([], close_code=options.close_code)


ANSWER_FAULTS: dict[str, Fault] = {
    fault.__name__.replace("_", "-"): fault
    for fault in (
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
    """An order to answer one of the next CALLs with a fault."""

    how: str
    options: Options = Options()

    def concerns(self, action: str) -> bool:
        """Return whether the order replaces the answer to an action."""
        return self.options.action in (None, action)

    def carry_out(self, answer: str, version: str) -> Delivery:
        """Return the frames that replace a correct answer."""
        return ANSWER_FAULTS[self.how](answer, version, self.options)


def _error(answer: str, code: str) -> Delivery:
    return Delivery([_text([4, json.loads(answer)[1], code, "misbehaving on request", {}])])


def _text(elements: list[Any]) -> str:
    return json.dumps(elements, separators=(",", ":"))


def _change(payload: Any, pointer: str, value: object) -> None:
    """Set the member at a pointer, or remove it; do nothing if the payload has no such place."""
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in pointer.removeprefix("/").split("/")]
    for part in way:
        payload = payload.get(part) if isinstance(payload, dict) else None
    if isinstance(payload, dict):
        if value is None:
            payload.pop(last, None)
        else:
            payload[last] = value
