"""Decide who sent each frame: by its line and the writer of the log, else by its CALL, else by its content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import Any

from inspector.formats.logs.directions import AWAY, DOWN, RELATIVE, REPLY, UP
from inspector.formats.logs.seen import Event, Linked, Seen
from inspector.protocol.messages import Malformed, parse
from inspector.protocol.vocabulary import ACTIONS_FROM, Direction, OcppVersion

FROM_CHARGE_POINT, FROM_CSMS = Direction.FROM_CHARGE_POINT, Direction.FROM_CSMS
_REMEMBERED = 10_000
"""How many CALLs are remembered, to find the sender of an answer by its message id."""
_FROM_CSMS_MEMBERS = frozenset("currentTime interval idTagInfo idTokenInfo".split())
_FROM_CHARGE_POINT_MEMBERS = frozenset(
    """configurationKey unknownKey listVersion getVariableResult setVariableResult chargingSchedule filename
    schedule""".split()
)


def sender(action: Any, version: OcppVersion | None = None) -> Direction | None:
    """Return the only side that may send an action, in one version or in any; None if both may, or neither."""
    versions = [version] if version else list(OcppVersion)
    senders = {way for known in versions for way, actions in ACTIONS_FROM[known].items() if action in actions}
    return senders.pop() if len(senders) == 1 else None


def head(seen: Seen) -> tuple[int | None, str | None, Any]:
    """Return the type, the id and (for a CALL) the action of a frame, each None if unreadable."""
    message = seen.message
    if message is None:
        found = parse(seen.raw.encode("utf-8", "surrogateescape"))
        return (
            (found.message_type, found.message_id, found.action) if isinstance(found, Malformed) else (None, None, None)
        )
    kind = message[0] if message and type(message[0]) is int else None
    number = message[1] if len(message) > 1 and type(message[1]) in (str, int) else None
    return kind, None if number is None else str(number), message[2] if kind in (1, 2, 6) and len(message) > 2 else None


class Perspective:
    """The writer of the log, who decides the meaning of "sent" and "received".

    Attributes:
        of_csms: whether the CSMS wrote it; None if unknown.
    """

    def __init__(self, events: Iterable[Event], forced: str | None) -> None:
        votes: Counter[tuple[str, bool]] = Counter()
        hints: Counter[tuple[str, bool]] = Counter()
        client = False
        for event in events:
            if isinstance(event, Linked):
                client = client or event.client
            elif isinstance(event, Seen) and event.around.way in RELATIVE:
                way = event.around.way
                kind, _, action = head(event)
                by = sender(action) if kind in (2, 6) else None
                if by is not None:
                    votes[RELATIVE[way], (by is FROM_CSMS) is (way in AWAY)] += 1
                elif kind == 3 and way != REPLY and (told := _by_members(event.message)) is not None:
                    hints[RELATIVE[way], (told is FROM_CSMS) is (way in AWAY)] += 1
        self._of_csms: dict[str, bool] = {}
        shown = {style: _majority(votes, style, _majority(hints, style, None)) for style in ("words", "arrows")}
        for style, default in (("words", True), ("arrows", False)):
            other = shown["arrows" if style == "words" else "words"]
            known = shown[style] if shown[style] is not None else other
            self._of_csms[style] = known if known is not None else (False if client else default)
        self.of_csms = next((known for known in shown.values() if known is not None), None)
        if forced is not None:
            self.of_csms = forced == "csms"
            self._of_csms = dict.fromkeys(self._of_csms, self.of_csms)

    def direction(self, way: str | None) -> Direction | None:
        """Return the sender for a direction as the log writes it; None if unknown."""
        if way is None:
            return None
        if way in (UP, DOWN):
            return FROM_CHARGE_POINT if way == UP else FROM_CSMS
        return FROM_CSMS if (way in AWAY) is self._of_csms[RELATIVE[way]] else FROM_CHARGE_POINT


def _majority(votes: Counter[tuple[str, bool]], style: str, default: bool | None) -> bool | None:
    yes, no = votes[style, True], votes[style, False]
    return default if yes == no else yes > no


def _by_members(message: Any) -> Direction | None:
    payload = message[2] if type(message) is list and len(message) > 2 else None
    if type(payload) is not dict:
        return None
    if not _FROM_CSMS_MEMBERS.isdisjoint(payload):
        return FROM_CSMS
    return FROM_CHARGE_POINT if not _FROM_CHARGE_POINT_MEMBERS.isdisjoint(payload) else None


class Resolver:
    """Find the direction of each frame, in the order of the log."""

    def __init__(self, perspective: Perspective, version: OcppVersion | None) -> None:
        self._perspective = perspective
        self._version = version
        self._callers: dict[tuple[str | None, str], Direction] = {}

    def look_ahead(self, events: Iterable[Event]) -> None:
        """Remember the senders of the CALLs among the first events, for answers that come before their CALLs."""
        for event in events:
            if isinstance(event, Seen):
                kind, number, action = head(event)
                if kind in (2, 6) and number is not None:
                    way = (
                        self._perspective.direction(event.around.way) or sender(action, self._version) or sender(action)
                    )
                    if way is not None:
                        self._callers.setdefault((event.around.charge_point, number), way)

    def direction(self, seen: Seen, charge_point: str | None) -> tuple[Direction, bool]:
        """Return who sent a frame, and whether that is only a guess."""
        told = self._perspective.direction(seen.around.way)
        kind, number, action = head(seen)
        if kind in (3, 4, 5) or action is None:
            if told is not None and seen.around.way != REPLY:
                return told, False
            caller = self._caller(seen, charge_point, number)
            if caller is None and told is not None:
                return told, False
            if caller is not None:
                return (caller if kind == 5 else caller.opposite), False
            by = _by_members(seen.message) if kind == 3 else None
            return by or FROM_CSMS, by is None
        way = told or sender(action, self._version) or sender(action)
        guessed = way is None
        way = way or FROM_CHARGE_POINT
        if number is not None:
            self._callers[charge_point, number] = way
            if len(self._callers) > _REMEMBERED:
                for key in list(islice(self._callers, _REMEMBERED // 8)):
                    del self._callers[key]
        return way, guessed

    def _caller(self, seen: Seen, charge_point: str | None, number: str | None) -> Direction | None:
        if number is None:
            return None
        for name in (charge_point, seen.around.charge_point, None):
            if (found := self._callers.get((name, number))) is not None:
                return found
        return None
