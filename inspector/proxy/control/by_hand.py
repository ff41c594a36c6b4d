"""Make the text that goes out in place of a held frame, by what the operator asks for."""

from __future__ import annotations

import json
from typing import Any

from starlette.exceptions import HTTPException

from inspector.interventions.outcome import PAYLOAD_AT
from inspector.interventions.pointers import NotThere, removed_from, set_in
from inspector.interventions.session_parts import Held
from inspector.protocol.messages import Call
from inspector.protocol.vocabulary import MessageType
from inspector.proxy.control.requests import object_in, text_in


def edited_text(held: Held, content: dict[str, Any]) -> str | None:
    """Return the text to send instead of a held frame, None for the frame as it is.

    Args:
        held: the frame.
        content: {"text": the whole text}, {"payload": a new payload}, {"edit": changes by JSON pointer}, or {}.

    Raises:
        HTTPException: there is more than one of these, or the frame cannot be edited so.
    """
    if len(content) > 1:
        raise HTTPException(422, "expected one of text, payload and edit")
    if "text" in content:
        return text_in(content, "text")
    if not content:
        return None
    at = PAYLOAD_AT.get(type(held.frame.message))
    if at is None:
        raise HTTPException(422, "this frame has no payload; send another text instead")
    edits = [{"pointer": "", "value": content["payload"]}] if "payload" in content else content["edit"]
    if not isinstance(edits, list) or not edits or not all(isinstance(one, dict) for one in edits):
        raise HTTPException(422, 'edit: expected changes such as [{"pointer": "/idTag", "value": "TAG-2"}]')
    try:
        text = held.raw.decode()
        for edit in edits:
            text = _edited(text, at, edit)
    except (NotThere, ValueError, IndexError, RecursionError) as error:
        raise HTTPException(422, f"cannot edit this frame: {error}") from None
    return text


def _edited(text: str, at: int, edit: dict[str, Any]) -> str:
    if strange := edit.keys() - {"pointer", "value", "remove"}:
        raise HTTPException(422, f"edit: unknown member {min(strange)[:100]!r}; known are pointer, value and remove")
    pointer = text_in(edit, "pointer")
    if pointer and not pointer.startswith("/"):
        raise HTTPException(422, f"edit: a JSON pointer begins with a slash, as /idTag; got {pointer!r:.100}")
    if (edit.get("remove") is True) is ("value" in edit):
        raise HTTPException(422, 'edit: expected either a value or "remove": true')
    whole = f"/{at}{pointer}"
    return set_in(text, whole, edit["value"]) if "value" in edit else removed_from(text, whole)


def result_text(held: Held, payload: dict[str, Any]) -> str:
    """Return the CALLRESULT that answers a held CALL. Raises HTTPException for other frames."""
    return _dumps([MessageType.CALLRESULT, _call_id(held), payload])


def error_text(held: Held, error: dict[str, Any]) -> str:
    """Return the CALLERROR that answers a held CALL. Raises HTTPException for other frames."""
    if strange := error.keys() - {"code", "description", "details"}:
        raise HTTPException(422, f"error: unknown member {min(strange)[:100]!r}; known are code, description, details")
    description, details = text_in(error, "description", ""), object_in(error, "details")
    return _dumps([MessageType.CALLERROR, _call_id(held), text_in(error, "code"), description, details])


def _call_id(held: Held) -> str:
    if not isinstance(held.frame.message, Call):
        raise HTTPException(409, "only a CALL can be answered; this is another message")
    return held.frame.message_id


def _dumps(elements: list[Any]) -> str:
    return json.dumps(elements, ensure_ascii=False, separators=(",", ":"))
