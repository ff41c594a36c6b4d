"""Find the change that lets a frame keep a rule: the place, the current value, the correct value."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from inspector.browse.remedy_by_example import suggestion
from inspector.protocol import schemas
from inspector.protocol.vocabulary import OcppVersion

OPTIONS = 12
"""The most values of a list that are named."""
LENGTH = 120
"""The most characters of a value that are shown."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """One change.

    Attributes:
        text: what to do; None if the rule's own remedy is all that is known.
        message: the fault of this frame in words.
        bad: the wrong value, as JSON.
        good: the correct value, as JSON or in words.
        example: whether `good` is only one of several correct values.
    """

    text: str | None
    message: str | None = None
    bad: str | None = None
    good: str | None = None
    example: bool = False


def remedy(
    rule: str,
    pointer: str | None,
    said: str,
    version: str | None,
    action: str | None,
    raw: str | bytes | None,
    *,
    first: bool = True,
) -> Remedy | None:
    """Return the change that fixes one finding about a frame; None if only the general remedy of the rule is known.

    Args:
        rule: the rule that was broken.
        pointer: the JSON pointer of the finding, into the whole frame.
        said: the message of the finding, which distinguishes several findings at one place.
        version: the session's OCPP version.
        action: the frame's action.
        raw: the frame.
        first: whether the message is about this frame; the message of a repeated finding is about its first frame.
    """
    try:
        message = _message(raw) if isinstance(raw, str) and pointer else None
        if rule == "payload.schema" and isinstance(raw, str) and message is not None and version and action:
            found = _schema(raw, pointer or "", said, OcppVersion(version), action)
            if found is not None:
                return found
        if rule == "time.zone" and message is not None:
            value = _at(message, pointer or "")
            text = "Add Z, or the offset to UTC, to the time."
            return Remedy(text, None, _json(value), _json(f"{value}Z")) if isinstance(value, str) else None
        return None if message is None else _suggested(rule, pointer or "", said if first else "", version, action, raw)
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def _suggested(
    rule: str, pointer: str, said: str, version: str | None, action: str | None, raw: str | bytes | None
) -> Remedy | None:
    value = _at(_message(str(raw)), pointer)
    found = suggestion(rule, pointer, said, version or "1.6", action, value)
    if found is None:
        return None
    bad = None if isinstance(value, dict | list) else _json(value)
    return Remedy(found.text, None, bad, found.good, found.example)


@lru_cache(1)  # a page asks about every finding of one frame
def _message(raw: str) -> Any:
    return json.loads(raw)


@lru_cache(1)
def _faults(raw: str, version: OcppVersion, action: str) -> tuple[Any, Any, dict[str, list[schemas.SchemaFault]]]:
    """Return the payload of a frame, its schema, and its faults by their pointer into the frame."""
    message = _message(raw)
    place = "/2" if message[0] == 3 else "/3"
    kind: schemas.Kind = "response" if message[0] == 3 else "request"
    payload = message[int(place[1:])]
    found: dict[str, list[schemas.SchemaFault]] = {}
    for fault in schemas.faults(version, action, kind, payload):
        found.setdefault(place + fault.pointer, []).append(fault)
    return payload, schemas.schema(version, action, kind), found


def _schema(raw: str, pointer: str, said: str, version: OcppVersion, action: str) -> Remedy | None:
    payload, root, by_pointer = _faults(raw, version, action)
    found = by_pointer.get(pointer, [])
    # Several members may be missing at one place: find the right one by the message. The message of a repeated finding
    # belongs to its first frame, so it may not fit exactly.
    fault = next((each for each in found if said.startswith(each.text)), None)
    fault = fault or next((each for each in found if each.member and each.member in said), found[0] if found else None)
    if fault is None or root is None:
        return None
    node = _node(root, fault.pointer) if fault.keyword != "additionalProperties" else {}
    value = _at(payload, fault.pointer)
    name = fault.pointer.rpartition("/")[2] or "the payload"
    match fault.keyword:
        case "required":
            wanted = _resolved(root, _node(root, f"{fault.pointer}/{fault.member}"))
            return Remedy(f"Add {fault.member}: {_wanted(root, wanted)}.", fault.text)
        case "additionalProperties":
            holder = _node(root, fault.pointer.rpartition("/")[0])
            near = difflib.get_close_matches(str(fault.member), holder.get("properties", {}), 1, 0.7)
            text = f"Remove {fault.member}" + (f", or rename it to {near[0]}." if near else ".")
            return Remedy(text, fault.text, _json(fault.member), _json(near[0]) if near else None)
        case "enum":
            options = [str(option) for option in node["enum"]]
            near = difflib.get_close_matches(str(value), options, 1, 0.6)
            good = _json(near[0] if near else options[0]) if near or len(options) == 1 else None
            return Remedy(f"Change {name} to {_wanted(root, node)}.", fault.text, _json(value), good)
        case "type":
            text = f"Send {name} as {_wanted(root, node)}."
            return Remedy(text, fault.text, _json(value), _converted(value, node.get("type")))
        case "maxLength":
            most = int(node["maxLength"])
            return Remedy(f"Shorten {name} to {most} characters.", fault.text, _json(value), _json(value[:most]))
        case "maximum" | "minimum":
            return Remedy(f"Send {name} within its range.", fault.text, _json(value))
    return None


def _wanted(root: dict[str, Any], node: dict[str, Any]) -> str:
    """Return the value that a schema requires at a place, in words."""
    if "enum" in node:
        options = [str(option) for option in node["enum"]]
        more = f" and {len(options) - OPTIONS} more" if len(options) > OPTIONS else ""
        return f"one of {', '.join(options[:OPTIONS])}{more}" if len(options) > 1 else options[0]
    if node.get("format") == "date-time":
        return "a time such as 2026-01-01T12:00:00Z"
    kind = node.get("type")
    if kind == "string":
        return f"a string of at most {node['maxLength']} characters" if "maxLength" in node else "a string"
    if kind == "array":
        least = node.get("minItems", 0)
        return f"a list with at least {least} element{'s' if least != 1 else ''}" if least else "a list"
    if kind == "object":
        needed = node.get("required", [])
        return f"an object with {', '.join(needed)}" if needed else "an object"
    words = {"integer": "an integer", "number": "a number", "boolean": "true or false"}
    return words.get(str(kind), "a value that the schema allows")


def _converted(value: Any, kind: Any) -> str | None:
    """Return the same value in another type, as JSON; None if it cannot be converted."""
    if kind == "string" and isinstance(value, int | float | bool):
        return _json(_json(value))
    if kind == "boolean" and isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower()
    if kind in ("integer", "number"):
        try:
            number = float(value)
        except (TypeError, ValueError):
            return None
        if not abs(number) < 2**53:
            return None
        return str(round(number)) if kind == "integer" or number.is_integer() else repr(number)
    if kind == "array" and isinstance(value, dict | str | int | float):
        return _json([value])
    return None


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LENGTH else f"{text[:LENGTH]}…"


def _parts(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _at(value: Any, pointer: str) -> Any:
    for part in _parts(pointer):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def _resolved(root: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    reference = node.get("$ref")
    found: dict[str, Any] = root["definitions"][reference.removeprefix("#/definitions/")] if reference else node
    return found


def _node(root: dict[str, Any], pointer: str) -> dict[str, Any]:
    """Return the part of the schema that describes a place of the payload."""
    node = root
    for part in _parts(pointer):
        node = _resolved(root, node["items"] if node.get("type") == "array" else node["properties"][part])
    return node
