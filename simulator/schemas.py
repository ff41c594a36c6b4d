"""Check payloads against the JSON schemas of the `ocpp` package, which are compiled when first used."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path

import jsonschema_rs
from ocpp.exceptions import (
    FormatViolationError,
    OccurrenceConstraintViolationError,
    OCPPError,
    PropertyConstraintViolationError,
    TypeConstraintViolationError,
)

from simulator.charging.tokens import when

FAULTS: dict[str, type[OCPPError]] = {
    "type": TypeConstraintViolationError,
    "required": OccurrenceConstraintViolationError,
    "minItems": OccurrenceConstraintViolationError,
    "maxItems": OccurrenceConstraintViolationError,
    "additionalProperties": FormatViolationError,
}
"""Keyword of the schema -> error for the answer; for all other keywords it is PropertyConstraintViolation."""


@cache
def _validator(version: str, action: str, ending: str) -> jsonschema_rs.Validator | None:
    package = importlib.util.find_spec("ocpp")
    assert package is not None and package.origin is not None
    path = Path(package.origin).parent / f"v{version.replace('.', '')}" / "schemas" / f"{action}{ending}.json"
    # The action comes from a peer or a scenario: only letters and digits may become part of a file name.
    if not action.isalnum() or not path.is_file():
        return None
    document = json.loads(path.read_text("utf-8-sig"))
    draft = jsonschema_rs.Draft4Validator if "draft-04" in document["$schema"] else jsonschema_rs.Draft6Validator
    return draft(document, validate_formats=True, formats={"date-time": _readable, "uri": bool})


def _readable(text: str) -> bool:
    """Return whether a text is a timestamp, with or without an offset, as 1.6 allows both."""
    return when(text) is not None


def violation(kind: str, action: str, payload: object, version: str) -> OCPPError | None:
    """Return the error for the answer if a payload does not fit its schema; None if it fits, or has no schema.

    Args:
        kind: "request" or "response".
        action, payload: the message.
        version: the OCPP version.
    """
    ending = "Response" if kind == "response" else "" if version == "1.6" else "Request"
    validator = _validator(version, action, ending)
    if validator is None or validator.is_valid(payload):
        return None
    error = next(iter(validator.iter_errors(payload)))
    where = "/" + "/".join(str(part) for part in error.instance_path)
    fault = FAULTS.get(getattr(error.kind, "name", ""), PropertyConstraintViolationError)
    return fault(description=f"{where}: {error.message}"[:255])
