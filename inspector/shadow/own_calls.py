"""Answer the CALLs that a shadow itself sends. The charge point never gets them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from inspector.protocol.messages import Call, CallError, CallResult
from inspector.protocol.vocabulary import MessageType
from inspector.shadow.shadow_ids import ShadowIds, without_ids

REFUSAL = "This CSMS is a shadow: its CALLs do not reach the charge point."
MOST_BYTES = 64 * 1024
"""An answer that is larger as JSON is not kept, and neither is one to a larger CALL."""
MOST_ACTIONS = 200
MOST_OPEN = 20


@dataclass(slots=True)
class _Known:
    """A CALL of the primary with the charge point's answer to it."""

    asked: Any
    answer: CallResult | CallError


class OwnCalls:
    """The primary's CALLs with the charge point's answers, to answer the same CALLs of a shadow."""

    def __init__(self, ids: ShadowIds, answering: bool) -> None:
        """Begin without answers. Without `answering`, every CALL of the shadow is rejected."""
        self._ids, self._answering = ids, answering
        self._asked: dict[str, Call] = {}
        self._known: dict[str, _Known] = {}
        self.rejected = self.answered = 0

    def asked_by_primary(self, call: Call) -> None:
        """Note a CALL of the primary."""
        if self._answering and _fits(call.payload):
            self._asked[call.message_id] = call
            if len(self._asked) > MOST_OPEN:
                del self._asked[next(iter(self._asked))]

    def answered_by_charge_point(self, answer: CallResult | CallError) -> None:
        """Note an answer of the charge point to the primary."""
        call = self._asked.pop(answer.message_id, None)
        if call is None or (isinstance(answer, CallResult) and not _fits(answer.payload)):
            return
        self._known.pop(call.action, None)
        self._known[call.action] = _Known(call.payload, answer)
        if len(self._known) > MOST_ACTIONS:
            del self._known[next(iter(self._known))]

    def answer(self, call: Call) -> str:
        """Return the answer to a CALL of the shadow, as text.

        An answered CALL that differs from the primary's only in its ids teaches the ids of both.
        """
        known = self._known.get(call.action)
        if known is None:
            self.rejected += 1
            return _text([MessageType.CALLERROR, call.message_id, "NotSupported", REFUSAL, {}])
        self.answered += 1
        if isinstance(known.answer, CallError):
            code, description = known.answer.error_code, known.answer.error_description
            return _text([MessageType.CALLERROR, call.message_id, code, description, known.answer.error_details])
        if without_ids(call.action, known.asked) == without_ids(call.action, call.payload):
            self._ids.learn(call.action, known.asked, call.payload)
        return _text([MessageType.CALLRESULT, call.message_id, known.answer.payload])


def _fits(payload: Any) -> bool:
    return len(json.dumps(payload)) <= MOST_BYTES


def _text(elements: list[Any]) -> str:
    text = json.dumps(elements, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()
