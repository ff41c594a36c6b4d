"""Misbehaving on request: turns a proper answer into what a broken CSMS would send; sends nothing itself."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from csms import frames
from csms.nesting import DEEPEST, too_deep
from csms.schemas import Version

# What can be asked for, and the members each kind takes.
KINDS: dict[str, tuple[str, ...]] = {
    "delay": ("seconds",),
    "no-answer": (),
    "error": ("code",),
    "wrong-field": ("field", "value"),
    "duplicate": (),
    "unknown-id": (),
    "close": ("code",),
}
EVERYWHERE = ("what", "charge_point", "action", "times")
LONGEST_DELAY_S = 3600
MOST_TIMES = 10**9
UNKNOWN_ID = "no-such-call"


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """One order to misbehave.

    Args:
        what: a key of `KINDS`.
        charge_point: an identity, or `*` for all.
        action: the action whose answers are spoilt, or `*` for all.
        times: how often; None is for ever.
        details: seconds of a delay, code of an error or close, field (JSON pointer into the payload) and value.
    """

    what: str
    charge_point: str = "*"
    action: str = "*"
    times: int | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        more = " ".join(f"{name}={value!r}" for name, value in self.details.items())
        return f"{self.what} {more} on {self.action} of {self.charge_point}".replace("  ", " ")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What goes out instead of one answer: after a delay, some frames, then perhaps a close."""

    texts: tuple[str, ...]
    delay_s: float = 0.0
    close_code: int | None = None


def read(order: Mapping[str, Any]) -> Misbehaviour:
    """Read an order from a file or the API.

    Raises:
        ValueError: a sentence that says what is wrong with it.
    """
    what = order.get("what")
    if not isinstance(what, str) or what not in KINDS:
        raise ValueError(f"what is {what!r}; it must be one of {', '.join(KINDS)}")
    details = {name: value for name, value in order.items() if name not in EVERYWHERE}
    if strange := sorted(set(details) - set(KINDS[what])):
        raise ValueError(f"{what} takes no {strange[0]}")
    match what:
        case "delay" if not _between(details.get("seconds"), 0, LONGEST_DELAY_S):
            raise ValueError(f"delay needs seconds, from 0 to {LONGEST_DELAY_S}")
        case "error" if not isinstance(details.get("code"), str):
            raise ValueError("error needs a code, such as InternalError")
        case "wrong-field" if not _is_pointer(details.get("field")):
            raise ValueError("wrong-field needs a field, as a JSON pointer such as /currentTime")
        case "wrong-field" if not _writable(details):
            raise ValueError(f"wrong-field takes a field of at most {DEEPEST} parts, and a value that JSON can hold")
        case "close" if not _sendable(details.get("code", 1011)):
            raise ValueError("close takes a code that may be sent, such as 1000, 1011 or 4000")
    times = order.get("times")
    if times is not None and (type(times) is not int or not 1 <= times <= MOST_TIMES):
        raise ValueError(f"times must be a whole number from 1 to {MOST_TIMES}; leave it out for ever")
    names = {name: order.get(name, "*") for name in ("charge_point", "action")}
    if strange := [name for name, value in names.items() if not isinstance(value, str)]:
        raise ValueError(f"{strange[0]} must be text")
    return Misbehaviour(what, times=times, details=details, **names)


def _is_pointer(value: object) -> bool:
    return isinstance(value, str) and value.startswith("/")


def _between(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _sendable(code: object) -> bool:
    # RFC 6455, 7.4: the others are reserved or never cross the wire.
    known = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014)
    return type(code) is int and (code in known or 3000 <= code <= 4999)


def _writable(details: Mapping[str, Any]) -> bool:
    try:
        orjson.dumps(details.get("value"))
    except TypeError:
        return False
    return details["field"].count("/") <= DEEPEST and not too_deep(details.get("value"))


def spoil(order: Misbehaviour | None, version: Version, answer: str) -> Delivery:
    """Turn a proper answer (a CALLRESULT's or CALLERROR's text) into what is sent instead."""
    if order is None:
        return Delivery((answer,))
    elements = orjson.loads(answer)
    match order.what:
        case "delay":
            return Delivery((answer,), delay_s=float(order.details["seconds"]))
        case "no-answer":
            return Delivery(())
        case "error":
            code = order.details["code"]
            # The code goes out as it was written: a wrong spelling may be the very thing asked for.
            return Delivery((orjson.dumps([frames.CALLERROR, elements[1], code, "as requested", {}]).decode(),))
        case "wrong-field":
            return Delivery((orjson.dumps([*elements[:-1], _changed(elements[-1], order.details)]).decode(),))
        case "duplicate":
            return Delivery((answer, answer))
        case "unknown-id":
            return Delivery((orjson.dumps([elements[0], UNKNOWN_ID, *elements[2:]]).decode(), answer))
    return Delivery((), close_code=order.details.get("code", 1011))


def _changed(payload: Any, details: Mapping[str, Any]) -> Any:
    """Set the field a pointer names, or remove it when no value is given; new members are made."""
    changed = copy.deepcopy(payload)
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in str(details["field"]).split("/")[1:]]
    place = changed
    for part in way:
        if not isinstance(place, dict):
            return changed
        place = place.setdefault(part, {})
    if isinstance(place, dict):
        if "value" in details:
            place[last] = details["value"]
        else:
            place.pop(last, None)
    return changed


class Misbehaviours:
    """The orders in force, oldest first; the first that fits an answer is carried out."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._orders: dict[int, Misbehaviour] = {}
        self._left: dict[int, int] = {}

    def add(self, order: Misbehaviour) -> int:
        """Put an order in force; returns its number."""
        number = next(self._numbers)
        self._orders[number] = order
        if order.times is not None:
            self._left[number] = order.times
        return number

    def remove(self, number: int) -> bool:
        self._left.pop(number, None)
        return self._orders.pop(number, None) is not None

    def listed(self) -> list[dict[str, Any]]:
        """List the orders as they were given, with their numbers and how often they will still happen."""
        return [
            {**{k: v for k, v in asdict(order).items() if k not in ("details", "times")}, **order.details,
             "number": number, "left": self._left.get(number)}
            for number, order in self._orders.items()
        ]  # fmt: skip

    def pick(self, charge_point: str, action: str) -> Misbehaviour | None:
        """Find the order for an answer and count it as carried out."""
        for number, order in self._orders.items():
            if order.charge_point in ("*", charge_point) and order.action in ("*", action):
                if number in self._left:
                    self._left[number] -= 1
                    if self._left[number] == 0:
                        self.remove(number)
                return order
        return None
