"""Misbehave on request: turn a correct answer into the frames of a broken CSMS."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from csms.schemas import Version
from csms.wire import frames
from csms.wire.nesting import DEEPEST, too_deep

# Kind of misbehaviour -> the members of its orders.
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
        action: the action whose answers are changed, or `*` for all.
        times: how many answers are changed; None has no limit.
        details: seconds (delay), code (error, close), field (a JSON pointer into the payload) and value (wrong-field).
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
    """The actions of the CSMS in place of an answer: wait, send frames, and close the connection if there is a code."""

    texts: tuple[str, ...]
    delay_s: float = 0.0
    close_code: int | None = None


def read(order: Mapping[str, Any]) -> Misbehaviour:
    """Read an order from the configuration file or the API.

    Raises:
        ValueError: the order is wrong; the message is for the user.
    """
    what = order.get("what")
    if not isinstance(what, str) or what not in KINDS:
        raise ValueError(f"what must be one of {', '.join(KINDS)}, not {what!r}")
    details = {name: value for name, value in order.items() if name not in EVERYWHERE}
    if strange := sorted(set(details) - set(KINDS[what])):
        raise ValueError(f"unknown member {strange[0]!r} of {what}")
    match what:
        case "delay" if not _between(details.get("seconds"), 0, LONGEST_DELAY_S):
            raise ValueError(f"delay: seconds must be a number from 0 to {LONGEST_DELAY_S}")
        case "error" if not isinstance(details.get("code"), str):
            raise ValueError("error: code must be a text such as InternalError")
        case "wrong-field" if not _is_pointer(details.get("field")):
            raise ValueError("wrong-field: field must be a JSON pointer such as /currentTime")
        case "wrong-field" if not _writable(details):
            raise ValueError(f"wrong-field: field may have at most {DEEPEST} parts, and value must be a JSON value")
        case "close" if not _sendable(details.get("code", 1011)):
            raise ValueError("close: code must be one that may be sent, such as 1000, 1011 or 4000")
    times = order.get("times")
    if times is not None and (type(times) is not int or not 1 <= times <= MOST_TIMES):
        raise ValueError(f"times must be a whole number from 1 to {MOST_TIMES}; leave it out for no limit")
    names = {name: order.get(name, "*") for name in ("charge_point", "action")}
    if strange := [name for name, value in names.items() if not isinstance(value, str)]:
        raise ValueError(f"{strange[0]} must be text")
    return Misbehaviour(what, times=times, details=details, **names)


def _is_pointer(value: object) -> bool:
    return isinstance(value, str) and value.startswith("/")


def _between(value: object, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _sendable(code: object) -> bool:
    # By RFC 6455, 7.4 all other codes are reserved or must not be sent.
    known = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014)
    return type(code) is int and (code in known or 3000 <= code <= 4999)


def _writable(details: Mapping[str, Any]) -> bool:
    try:
        orjson.dumps(details.get("value"))
    except TypeError:
        return False
    return details["field"].count("/") <= DEEPEST and not too_deep(details.get("value"))


def spoil(order: Misbehaviour | None, version: Version, answer: str) -> Delivery:
    """Return what to send instead of a correct answer, the text of a CALLRESULT or CALLERROR."""
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
            # The code is sent as written, because a tester may want a wrong spelling.
            return Delivery((orjson.dumps([frames.CALLERROR, elements[1], code, "as requested", {}]).decode(),))
        case "wrong-field":
            return Delivery((orjson.dumps([*elements[:-1], _changed(elements[-1], order.details)]).decode(),))
        case "duplicate":
            return Delivery((answer, answer))
        case "unknown-id":
            return Delivery((orjson.dumps([elements[0], UNKNOWN_ID, *elements[2:]]).decode(), answer))
    return Delivery((), close_code=order.details.get("code", 1011))


def _changed(payload: Any, details: Mapping[str, Any]) -> Any:
    """Return a copy of the payload with one field set to the given value, or without a value removed."""
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
    """The active orders, oldest first. The first order that fits an answer applies."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._orders: dict[int, Misbehaviour] = {}
        self._left: dict[int, int] = {}

    def add(self, order: Misbehaviour) -> int:
        """Activate an order, and return its number."""
        number = next(self._numbers)
        self._orders[number] = order
        if order.times is not None:
            self._left[number] = order.times
        return number

    def remove(self, number: int) -> bool:
        self._left.pop(number, None)
        return self._orders.pop(number, None) is not None

    def listed(self) -> list[dict[str, Any]]:
        """Return the orders as they were given, each with its number and the count of answers that it will change."""
        return [
            {**{k: v for k, v in asdict(order).items() if k not in ("details", "times")}, **order.details,
             "number": number, "left": self._left.get(number)}
            for number, order in self._orders.items()
        ]  # fmt: skip

    def pick(self, charge_point: str, action: str) -> Misbehaviour | None:
        """Return the order that applies to an answer, and count that answer; None if no order applies."""
        for number, order in self._orders.items():
            if order.charge_point in ("*", charge_point) and order.action in ("*", action):
                if number in self._left:
                    self._left[number] -= 1
                    if self._left[number] == 0:
                        self.remove(number)
                return order
        return None
