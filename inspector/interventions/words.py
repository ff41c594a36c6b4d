"""Say in words what interventions did with a frame."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from inspector.interventions.session_parts import BY_HAND

_DONE = {
    "delay": "delayed by `{}`",
    "drop": "dropped by `{}`",
    "duplicate": "duplicated by `{}`",
    "reorder": "overtaken because of `{}`",
    "edit": "edited by `{}`",
    "replace": "replaced by `{}`",
    "answer": "answered by `{}`",
    "error": "answered with an error by `{}`",
    "hold": "held by `{}`",
    "inject": "`{}` added a frame",
    "throttle": "throttled by `{}`",
    "close": "session closed by `{}`",
    "reset": "connections reset by `{}`",
    "stall": "sender not read because of `{}`",
}


def in_words(notes: dict[str, Any]) -> str:
    """Return what interventions did with a frame, or who made it, from the frame's notes."""
    did, failed = _pairs(notes.get("interventions")), _pairs(notes.get("not_done"))
    said = [_DONE.get(what, what + " by `{}`").format(rule) for rule, what in did]
    said += [f"`{rule}` could not change it: {why}" for rule, why in failed]
    if made_by := notes.get("made_by"):
        behind = notes.get("made_from")
        source = "" if behind is None else " from the frame before" if behind == 1 else f" from {behind} frames before"
        said.append(f"made by {made_by if made_by == BY_HAND else f'`{made_by}`'}{source}")
    said += ["answers a CALL of the proxy"] if notes.get("to_proxy") else []
    return " · ".join([*said, *(["sent later"] if notes.get("later") else [])])


def _pairs(pairs: Any) -> Iterator[tuple[str, str]]:
    for one in pairs if isinstance(pairs, list) else ():
        if isinstance(one, list) and len(one) == 2:
            yield str(one[0]), str(one[1])
