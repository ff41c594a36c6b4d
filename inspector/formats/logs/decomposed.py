"""Rebuild frames that a log prints in parts: `[id] [action] [Call] payload`."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from inspector.formats.logs import extents
from inspector.formats.logs.extents import Extent
from inspector.protocol.vocabulary import EVERY_ACTION

_KINDS = {
    **dict.fromkeys("2 call request req ocppcall".split(), 2),
    **dict.fromkeys("3 callresult call_result result response conf confirmation res ocppcallresult".split(), 3),
    **dict.fromkeys("4 callerror call_error error ocppcallerror".split(), 4),
    **dict.fromkeys("5 callresulterror call_result_error".split(), 5),
    **dict.fromkeys("6 send".split(), 6),
}
_PARTS = re.compile(r"((?:\[[^\[\]\s]{1,64}\][\s:,-]*){2,4})(\{|\[|$)")
_PART = re.compile(r"\[([^\[\]\s]{1,64})\]")
REBUILT = "parts put together"


class Parts(NamedTuple):
    """A rebuilt frame, and where its first part begins."""

    extent: Extent
    start: int


def find(line: str) -> Parts | None:
    """Return the frame whose parts are in a line, in any order, followed by the payload; None if there is none."""
    if "all" not in line and "esult" not in line and "equest" not in line and "esponse" not in line:
        return None
    for found in _PARTS.finditer(line):
        parts = _PART.findall(found[1])
        kind = next((_KINDS[part.lower()] for part in parts if part.lower() in _KINDS and not part.isdigit()), None)
        if kind is None:
            continue
        rest = [part for part in parts if part.lower() not in _KINDS or part.isdigit()]
        action = next((part for part in rest if part in EVERY_ACTION), None)
        ids = [part for part in rest if part != action]
        if not ids or (kind in (2, 6) and action is None):
            continue
        payload = extents.at(line, found.start(2)) if found[2] else None
        raw = build(kind, ids[0], action, payload.raw if payload else "{}", payload.message if payload else {})
        if raw is None:
            continue
        start = found.start() + found[1].index(f"[{parts[0]}]")
        message = json.loads(raw) if payload is None or payload.state is extents.WHOLE else None
        end = payload.end if payload else found.end()
        return Parts(Extent(raw, end, extents.WHOLE, message, REBUILT), start)
    return None


def kind_of(value: Any) -> int | None:
    """Return the message type that a member names: 2, "2", "CALL", "CallResult", ...; None if unknown."""
    return _KINDS.get(str(value).lower().replace(" ", "").replace("messagetype.", "")) if value is not None else None


def build(kind: int, message_id: str, action: str | None, payload: str, value: Any) -> str | None:
    """Return the text of a frame built from its parts; None if a part is missing."""
    name = json.dumps(message_id, ensure_ascii=False)
    if kind in (2, 6):
        return f"[{kind},{name},{json.dumps(action)},{payload}]" if action else None
    if kind == 3:
        return f"[3,{name},{payload}]"
    if isinstance(value, list) and value and isinstance(value[0], str):
        return f"[{kind},{name},{payload[1:]}"
    fields = value if isinstance(value, dict) else {}
    code = fields.get("errorCode") or fields.get("code")
    if not isinstance(code, str):
        return None
    text = fields.get("errorDescription") or fields.get("description") or fields.get("message") or ""
    details = fields.get("errorDetails") or fields.get("details") or {}
    return json.dumps([kind, message_id, code, text, details], ensure_ascii=False, separators=(",", ":"))
