"""Validates payloads against the installed JSON schemas with jsonschema, and makes valid examples."""

from __future__ import annotations

import importlib.util
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

FORMATS = jsonschema.FormatChecker()


@cache
def schema(version: str, action: str, kind: str) -> dict[str, Any]:
    """Return a schema; `kind` is "request" or "response"."""
    spec = importlib.util.find_spec("ocpp")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent / f"v{version.replace('.', '')}" / "schemas"
    ending = "Response" if kind == "response" else "" if version == "1.6" else "Request"
    path = folder / f"{action}{ending}.json"
    if not path.exists():
        path = folder / f"{action}.json"  # NotifyPeriodicEventStream is a SEND
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8-sig"))
    return found


def violations(version: str, action: str, kind: str, payload: object) -> list[str]:
    """Return what is wrong with a payload, in words; 1.6 demands multiples of 0.1 that floats cannot be."""
    rules = schema(version, action, kind)
    validator = jsonschema.validators.validator_for(rules)(rules, format_checker=FORMATS)
    return [
        f"{action} {kind}: {error.message}"
        for error in validator.iter_errors(payload)
        if error.validator != "multipleOf"
    ]


def example(version: str, action: str, optional: bool) -> dict[str, Any]:
    """Return a request that fits its schema: the required members only, or every member."""
    rules = schema(version, action, "request")
    found = _value(rules, rules.get("definitions", {}), optional)
    assert not violations(version, action, "request", found)
    assert isinstance(found, dict)
    return found


def _value(rules: dict[str, Any], definitions: dict[str, Any], optional: bool) -> Any:
    if "$ref" in rules:
        return _value(definitions[rules["$ref"].rpartition("/")[2]], definitions, optional)
    if "enum" in rules:
        return rules["enum"][0]
    match rules.get("type"):
        case "object":
            names = rules.get("properties", {}) if optional else rules.get("required", [])
            return {
                name: _value(rules["properties"][name], definitions, optional) for name in names if name != "customData"
            }
        case "array":
            return [_value(rules["items"], definitions, optional)] * max(1, rules.get("minItems", 1))
        case "integer" | "number":
            return min(max(rules.get("minimum", 1), 1), rules.get("maximum", 1))
        case "boolean":
            return True
    if rules.get("format") == "date-time":
        return (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    if rules.get("format") == "uri":
        return "https://example.com/file"
    return "Example"[: rules.get("maxLength", 7)]
