"""The JSON schemas of the installed `ocpp` package, compiled when first used."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import jsonschema_rs
import orjson

from csms import timestamps
from csms.wire.nesting import DEEPEST, too_deep

type Version = Literal["1.6", "2.0.1", "2.1"]
type Kind = Literal["request", "response"]
type Payload = dict[str, Any]

VERSIONS: tuple[Version, ...] = ("1.6", "2.0.1", "2.1")
FOLDERS: dict[Version, str] = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}
SUBPROTOCOLS: dict[str, Version] = {"ocpp2.1": "2.1", "ocpp2.0.1": "2.0.1", "ocpp1.6": "1.6"}

# OCPP 2.1 part 4, 4.2.4: sent as message type 6, without an answer; the schema's name does not end with "Request".
SENDS = frozenset({"NotifyPeriodicEventStream"})

CODES = {
    "type": "TypeConstraintViolation",
    "required": "OccurrenceConstraintViolation",
    "minItems": "OccurrenceConstraintViolation",
    "maxItems": "OccurrenceConstraintViolation",
    "additionalProperties": "FormatViolation",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """The reason why a payload does not fit its schema, with the error code for the answer."""

    code: str
    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or 'payload'}: {self.message}"


@cache
def folder(version: Version) -> Path:
    """Return the folder of a version's schema files, without importing `ocpp.messages`, which is slow."""
    package = importlib.util.find_spec("ocpp")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("the package `ocpp` is not installed")
    return Path(package.submodule_search_locations[0]) / FOLDERS[version] / "schemas"


@cache
def actions(version: Version) -> frozenset[str]:
    """Return every action of a version that has a schema, from either side."""
    stems = {path.stem for path in folder(version).glob("*.json")}
    return frozenset(stem.removesuffix("Request") for stem in stems if not stem.endswith("Response"))


@cache
def schema(version: Version, action: str, kind: Kind) -> dict[str, Any] | None:
    """Return the schema of an action's request or response; None if the version has no such action."""
    if action not in actions(version):
        return None
    suffix = "Response" if kind == "response" else "" if version == "1.6" or action in SENDS else "Request"
    path = folder(version) / f"{action}{suffix}.json"
    if not path.is_file():
        return None
    document: dict[str, Any] = orjson.loads(path.read_text("utf-8-sig"))
    return document


@cache
def _validator(version: Version, action: str, kind: Kind) -> jsonschema_rs.Validator | None:
    document = schema(version, action, kind)
    if document is None:
        return None
    draft = jsonschema_rs.Draft4Validator if "draft-04" in document["$schema"] else jsonschema_rs.Draft6Validator
    return draft(document, validate_formats=True, formats={"date-time": _is_datetime, "uri": _is_text})


def _is_datetime(text: str) -> bool:
    # Many chargers leave out the offset. The CSMS accepts that; ChargeSentinel's rules report it.
    return timestamps.parse(text) is not None


def _is_text(text: str) -> bool:
    # Accept everything: locations of logs and firmware are often not valid URIs (with blanks, or without a scheme).
    return True


def fault(version: Version, action: str, kind: Kind, payload: object) -> Fault | None:
    """Return why a payload does not fit its schema; None if it fits, or if the version has no such schema.

    Too deep nesting is a fault too, even without a schema, because schemas do not limit it.
    """
    if too_deep(payload):
        return Fault("FormatViolation", "", f"nested deeper than {DEEPEST}")
    validator = _validator(version, action, kind)
    if validator is None or validator.is_valid(payload):
        return None
    error = next(iter(validator.iter_errors(payload)))
    name = str(getattr(error.kind, "name", ""))
    pointer = "".join(f"/{part}" for part in error.instance_path)
    return Fault(CODES.get(name, "PropertyConstraintViolation"), pointer, error.message)
