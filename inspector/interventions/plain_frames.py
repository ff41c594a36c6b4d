"""Recognize frames that no rule concerns by their first bytes, so that they need not be parsed."""

from __future__ import annotations

import re

from inspector.interventions.matching import SessionRules
from inspector.protocol.large_values import MANY_VALUES_FROM
from inspector.protocol.vocabulary import Direction, MessageType

_CALL = re.compile(rb'\[2,"([^"\\]{1,64})","(\w{1,50})",\{')
_ANSWER = re.compile(rb'\[3,"([^"\\]{1,64})",\{')
_ANY_ANSWER = re.compile(rb'\s*\[\s*[345]\s*,\s*"([^"\\]{1,64})"')
_MOST_OPEN = 1_000
"""CALLs without an answer that are remembered; the answer to an older one is parsed."""


class PlainFrames:
    """The CALLs of one session that no rule concerns, and their answers."""

    def __init__(self, rules: SessionRules) -> None:
        self._rules = rules
        self._open: dict[Direction, dict[bytes, tuple[str, bytes]]] = {direction: {} for direction in Direction}

    def takes(self, sender: Direction, raw: bytes) -> tuple[str, bool] | None:
        """Return the message id of a frame that no rule concerns, and whether it is a CALL; None for other frames."""
        if len(raw) >= MANY_VALUES_FROM:
            return None  # rules see only a part of its values
        if found := _CALL.match(raw):
            message_id, action = found[1], found[2].decode()
            calls = self._open[sender]
            if self._rules.may_apply(sender, MessageType.CALL, action, raw):
                calls.pop(message_id, None)  # the sender may use the id again
                return None
            calls[message_id] = action, raw
            if len(calls) > _MOST_OPEN:
                del calls[next(iter(calls))]
            return message_id.decode("utf-8", "replace"), True
        if found := _ANSWER.match(raw):
            calls = self._open[sender.opposite]
            known = calls.get(found[1])
            if known is not None and not self._rules.may_apply(sender, MessageType.CALLRESULT, known[0], raw):
                del calls[found[1]]
                return found[1].decode("utf-8", "replace"), False
        return None

    def call_of(self, sender: Direction, raw: bytes) -> bytes | None:
        """Remove and return the CALL that an answer belongs to, None if it is not one of those that were not parsed."""
        calls = self._open[sender.opposite]
        found = _ANY_ANSWER.match(raw) if calls else None
        known = calls.pop(found[1], None) if found else None
        return known[1] if known is not None else None
