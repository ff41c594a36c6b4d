"""Map ids and times of a recording to those of this run.

A recorded id gets its live value when both are first seen at the same place of two matched messages, or earlier if this
program makes the id. Message ids are made by the player.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from inspector.replay.spans import Path, as_json, replace

MEMBERS = {
    "transactionId": "transaction",
    "remoteStartId": "remote start",
    "reservationId": "reservation",
    "requestId": "request",
}
"""Members whose values are ids that differ from run to run -> the kind of the id, in any message."""

SHORTEST_FRESH = 8
"""The fewest characters of an id that is replaced by a new one: a shorter id may have a meaning and is kept."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d(?::?\d\d)?)?")


_QUOTED_TIME = re.compile(rf'(?<!\\)"({_TIME.pattern})"(?!\s*:)')
_HEAD = re.compile(r'\s*\[\s*\d+\s*,\s*"')


class IdMapping:
    """The live values of recorded ids and times; shared by all sessions of a charge point in a recording."""

    def __init__(self, *, shift: timedelta = timedelta(0), tokens: dict[str, str] | None = None) -> None:
        """Start without ids. `shift` is added to recorded times; `tokens` maps recorded id tokens to those to send."""
        self.shift = shift
        self._tokens = tokens or {}
        self._live: dict[tuple[str, Any], Any] = {}

    def own(self, action: str | None, payload: Any, fresh: frozenset[str] = frozenset()) -> None:
        """Choose live values for the ids in a recorded payload before the player sends it.

        Text ids whose kind is in `fresh` get new values of the same length; other ids keep their recorded values.
        """
        for kind, recorded in list(self.unbound(action, payload)):
            made = recorded
            if kind in fresh and isinstance(recorded, str) and len(recorded) > SHORTEST_FRESH:
                made = (str(uuid.uuid4()) + uuid.uuid4().hex)[: len(recorded)]
            self._live[kind, recorded] = made

    def learn(self, action: str | None, recorded: Any, live: Any) -> None:
        """Note the live values of ids in a matched pair of payloads; a recorded id keeps its first live value."""
        if isinstance(recorded, dict) and isinstance(live, dict):
            for name, value in recorded.items():
                if name not in live:
                    continue
                kind = kind_of(action, name)
                if kind is None:
                    self.learn(action, value, live[name])
                elif _plain(value) and type(value) is type(live[name]):
                    self._live.setdefault((kind, value), live[name])
        elif isinstance(recorded, list) and isinstance(live, list):
            for one, other in zip(recorded, live, strict=False):
                self.learn(action, one, other)

    def outgoing(self, raw: bytes, action: str | None, recorded_id: str, message_id: str) -> str:
        """Return a recorded text frame with the ids and times of this run; all other bytes stay as recorded.

        In a frame that is not JSON, only the message id is changed.
        """
        text = raw.decode("utf-8", "replace")

        def change(path: Path, value: Any) -> Any:
            if path == (1,):
                return message_id if isinstance(value, str) else value
            return self.value(action, str(path[-1]), value) if path and isinstance(path[-1], str) else value

        if not self._tokens and action != "ReserveNow" and not any(f'"{name}"' in text for name in MEMBERS):
            # Most frames have no ids except the message id: replacing that and the times needs no JSON parser.
            head = _HEAD.match(text)
            if head is not None and text.startswith(f'{recorded_id}"', head.end()):
                rest = text[head.end() + len(recorded_id) :]
                moved = _QUOTED_TIME.sub(lambda found: f'"{shifted(found[1], self.shift)}"', rest)
                return f"{head[0]}{as_json(message_id)[1:-1]}{moved}"
        try:
            return replace(text, change)
        except ValueError:
            return text.replace(recorded_id, as_json(message_id)[1:-1], 1) if recorded_id else text

    def value(self, action: str | None, member: str, value: Any) -> Any:
        """Return the value of a recorded member in this run."""
        kind = kind_of(action, member)
        if kind is not None and _plain(value):
            return self._live.get((kind, value), value)
        if isinstance(value, str):
            if member in ("idTag", "parentIdTag", "idToken"):
                return self._tokens.get(value, value)
            if is_time(value):
                return shifted(value, self.shift)
        return value

    def expected(self, action: str | None, recorded: Any) -> Any:
        """Return a recorded payload with the ids and tokens of this run; times stay as recorded."""
        if isinstance(recorded, dict):
            return {name: self._expected_member(action, name, value) for name, value in recorded.items()}
        if isinstance(recorded, list):
            return [self.expected(action, value) for value in recorded]
        return recorded

    def _expected_member(self, action: str | None, name: str, value: Any) -> Any:
        if isinstance(value, dict | list):
            return self.expected(action, value)
        return value if is_time(value) else self.value(action, name, value)

    def unbound(self, action: str | None, recorded: Any) -> Iterator[tuple[str, Any]]:
        """Yield the ids in a recorded payload that have no live value yet, as (kind, recorded value)."""
        if isinstance(recorded, dict):
            for name, value in recorded.items():
                kind = kind_of(action, name)
                if kind is None:
                    yield from self.unbound(action, value)
                elif _plain(value) and (kind, value) not in self._live:
                    yield kind, value
        elif isinstance(recorded, list):
            for value in recorded:
                yield from self.unbound(action, value)


def kind_of(action: str | None, member: str) -> str | None:
    """Return the kind of the id in a member; None if the member has no id that differs from run to run."""
    if member == "id" and action == "ReserveNow":  # 2.x
        return "reservation"
    return MEMBERS.get(member)


def is_time(value: Any) -> bool:
    """Return whether a value is a date-time."""
    return isinstance(value, str) and _TIME.fullmatch(value) is not None


def shifted(text: str, shift: timedelta) -> str:
    """Return a date-time moved by `shift`, with the same digits and offset; return other texts unchanged."""
    if not shift:
        return text
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    if "T" not in text[:11]:
        return text
    try:
        moved = at + shift
    except OverflowError:
        return text
    head = moved.strftime("%Y-%m-%dT%H:%M:%S")
    tail = text[19:]
    fraction = len(tail) - len(tail[1:].lstrip("0123456789")) - 1 if tail.startswith(".") else 0
    digits = f".{moved.microsecond:06d}"[: fraction + 1].ljust(fraction + 1, "0") if fraction > 0 else ""
    return head + digits + (tail[fraction + 1 :] if fraction > 0 else tail)


def _plain(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)
