"""Find the JSON schema of a payload, and the places where the payload violates it.

The schema files are read unmodified from the installed `ocpp` package. jsonschema-rs compiles each schema when its
action is first seen. Two constraints that the files lack are added in memory: the range of OCPP's integers (32 bits,
1.6 section 3, 2.x part 2), and that some lists of 1.6 may not be empty (cardinality 1..* in sections 7.13, 7.33 and
7.44).
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jsonschema_rs

from inspector.protocol.large_values import at, first_part, is_large, shorten, shorten_text
from inspector.protocol.vocabulary import ACTIONS, SEND_ACTIONS, OcppVersion

type Kind = Literal["request", "response"]

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
_NEVER_EMPTY = frozenset({"sampledValue", "chargingSchedulePeriod"})
UNEXPECTED_LIMIT = 500
"""At most so many unknown members of one object are reported one by one."""
_FOLDERS = {OcppVersion.V16: "v16", OcppVersion.V201: "v201", OcppVersion.V21: "v21"}


class SchemaFault(NamedTuple):
    """One place where a payload violates its schema.

    `keyword` is the JSON schema keyword ("required", "enum", ...), `pointer` a JSON pointer into the payload, `member`
    the name of a missing or unknown member. `found` is the value if it is not in the list of allowed values, and the
    name of its type if that is wrong; it distinguishes several wrong values at the same place.
    """

    keyword: str
    pointer: str
    text: str
    member: str | None = None
    found: str = ""


def schema_folder(version: OcppVersion) -> Path:
    """Return the folder of the schemas in the installed `ocpp` package, without importing the package.

    Raises:
        ModuleNotFoundError: the `ocpp` package is not installed.
    """
    spec = importlib.util.find_spec("ocpp")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the package `ocpp`, which holds the JSON schemas, is not installed", name="ocpp")
    return Path(spec.submodule_search_locations[0]) / _FOLDERS[version] / "schemas"


def schema(version: OcppVersion, action: str, kind: Kind) -> dict[str, Any] | None:
    """Return a schema as it is in its file; None if there is none (for an answer to a SEND or an unknown action)."""
    if action not in ACTIONS[version] or (kind == "response" and action in SEND_ACTIONS):
        return None
    stem = action if version is OcppVersion.V16 and kind == "request" else f"{action}{kind.capitalize()}"
    path = schema_folder(version) / f"{stem}.json"
    if not path.exists():
        path = path.with_name(f"{action}.json")
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8-sig"))
    return read


def validator(version: OcppVersion, action: str, kind: Kind) -> jsonschema_rs.Validator | None:
    """Return a compiled schema; None if there is none."""
    # Only known actions reach a cached function here and below: a peer that makes up actions must not fill the cache.
    return _validator(version, action, kind) if action in ACTIONS[version] else None


@cache
def _validator(version: OcppVersion, action: str, kind: Kind) -> jsonschema_rs.Validator | None:
    read = schema(version, action, kind)
    if read is None:
        return None
    _prepare(read)
    # Rules check formats (date-time, uri) because the versions differ in what they require.
    compiled: jsonschema_rs.Validator = jsonschema_rs.validator_for(read, validate_formats=False)
    return compiled


def faults(version: OcppVersion, action: str, kind: Kind, payload: Any) -> Iterator[SchemaFault]:
    """Yield every place where `payload` violates its schema; nothing if there is no schema."""
    compiled = validator(version, action, kind)
    if compiled is None or compiled.is_valid(payload):
        return
    cut = is_large(payload)
    looked_at = first_part(payload, _member_names(version, action, kind)) if cut else payload
    try:
        found = [fault for error in compiled.iter_errors(looked_at) for fault in _faults(error, payload)]
    except ValueError:  # jsonschema-rs validates at any depth, but reports errors only down to some 250 levels
        found = [SchemaFault("", "", "it violates its schema, but is nested too deeply to say where")]
    if cut:
        text = "it is so large that only the first elements of its lists were checked one by one"
        found.append(SchemaFault("", "", text if found else f"it violates its schema; {text}, and those are valid"))
    mistyped = {fault.pointer for fault in found if fault.keyword == "type"}
    # A value of the wrong type is also not in the list of allowed values: report only the wrong type.
    yield from (fault for fault in found if fault.keyword != "enum" or fault.pointer not in mistyped)


@cache
def _member_names(version: OcppVersion, action: str, kind: Kind) -> frozenset[str]:
    """Return the names of all members in a schema."""
    root = _loaded(version, action, kind) or {}
    return frozenset(name for node in (root, *root.get("definitions", {}).values()) for name in _named(node))


def _named(node: dict[str, Any]) -> Iterator[str]:
    for name, member in node.get("properties", {}).items():
        yield name
        yield from _named(member.get("items", member) if isinstance(member.get("items", member), dict) else {})


@cache
def _loaded(version: OcppVersion, action: str, kind: Kind) -> dict[str, Any] | None:
    return schema(version, action, kind)


def empty_members(version: OcppVersion, action: str, kind: Kind, payload: Any) -> Iterator[tuple[str, str]]:
    """Yield optional members whose value is null, {} or []: a JSON pointer into the payload, and the value.

    Members that the schema does not name (custom data, the data of a DataTransfer) are not searched.
    """
    root = _loaded(version, action, kind) if action in ACTIONS[version] else None
    if root is not None:
        yield from _empty_members(root, root, payload, "")


def may_hold_empty_object(version: OcppVersion, action: str, kind: Kind) -> bool:
    """Return whether a valid payload may have an optional member with the value {}."""
    return action in ACTIONS[version] and _may_hold_empty_object(version, action, kind)


@cache
def _may_hold_empty_object(version: OcppVersion, action: str, kind: Kind) -> bool:
    root = _loaded(version, action, kind) or {}
    return any(
        name not in node.get("required", ()) and not _resolved(root, member).get("required")
        for node in (root, *root.get("definitions", {}).values())
        for name, member in node.get("properties", {}).items()
        if _resolved(root, member).get("type", "object") == "object"
    )


def _empty_members(root: dict[str, Any], node: dict[str, Any], value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    node = _resolved(root, node)
    if type(value) is list:
        items = node.get("items")
        if isinstance(items, dict):
            for index, element in enumerate(value):
                yield from _empty_members(root, items, element, f"{pointer}/{index}")
    elif type(value) is dict:
        members, required = node.get("properties", {}), node.get("required", ())
        for name, held in value.items():
            if name not in members:
                continue
            if held is None or held in ({}, []):
                if name not in required:
                    yield f"{pointer}/{name}", json.dumps(held)
            else:
                yield from _empty_members(root, members[name], held, f"{pointer}/{name}")


def own_members(version: OcppVersion, action: str, kind: Kind) -> frozenset[str]:
    """Return the names of the top-level members that a payload may have; empty if the action has no schema."""
    return _own_members(version, action, kind) if action in ACTIONS[version] else frozenset()


@cache
def _own_members(version: OcppVersion, action: str, kind: Kind) -> frozenset[str]:
    return frozenset((_loaded(version, action, kind) or {}).get("properties", ()))


type DateTimes = tuple[tuple[str, DateTimes | None], ...]
"""A tree of the members that are or contain date-times.

A date-time is (name, None). An object or list that contains date-times is (name, the DateTimes within it).
"""


def date_times(version: OcppVersion, action: str, kind: Kind) -> DateTimes:
    """Return the tree of the date-times in the payload of an action; empty if it has none."""
    return _date_times_of(version, action, kind) if action in ACTIONS[version] else ()


@cache
def _date_times_of(version: OcppVersion, action: str, kind: Kind) -> DateTimes:
    root = _loaded(version, action, kind)
    return _date_times(root, root) if root is not None else ()


def _date_times(root: dict[str, Any], node: dict[str, Any]) -> DateTimes:
    found: list[tuple[str, DateTimes | None]] = []
    for name, member in node.get("properties", {}).items():
        inner = _resolved(root, member)
        if inner.get("type") == "array" and isinstance(inner.get("items"), dict):
            inner = _resolved(root, inner["items"])
        if inner.get("format") == "date-time":
            found.append((name, None))
        elif below := _date_times(root, inner):
            found.append((name, below))
    return tuple(found)


def constrained(version: OcppVersion, action: str, kind: Kind, keyword: str) -> Iterator[str]:
    """Yield the path of each member whose schema has a keyword such as "enum" or "maxLength".

    A path has no list indexes: `idTagInfo/status`.
    """
    root = _loaded(version, action, kind)
    if root is not None:
        yield from _constrained(root, root, keyword, "")


def _constrained(root: dict[str, Any], node: dict[str, Any], keyword: str, place: str) -> Iterator[str]:
    for name, member in node.get("properties", {}).items():
        inner = _resolved(root, member)
        while inner.get("type") == "array" and isinstance(inner.get("items"), dict):
            inner = _resolved(root, inner["items"])
        if keyword in inner:
            yield f"{place}{name}"
        yield from _constrained(root, inner, keyword, f"{place}{name}/")


def listed(version: OcppVersion, action: str, kind: Kind, place: str) -> frozenset[str]:
    """Return the allowed values of the member at a path like `idTagInfo/status`; empty if its schema lists none."""
    return _listed(version, action, kind).get(place, frozenset()) if action in ACTIONS[version] else frozenset()


@cache
def _listed(version: OcppVersion, action: str, kind: Kind) -> dict[str, frozenset[str]]:
    root = _loaded(version, action, kind)
    return dict(_lists(root, root, "")) if root is not None else {}


def _lists(root: dict[str, Any], node: dict[str, Any], place: str) -> Iterator[tuple[str, frozenset[str]]]:
    for name, member in node.get("properties", {}).items():
        inner = _resolved(root, member)
        while inner.get("type") == "array" and isinstance(inner.get("items"), dict):
            inner = _resolved(root, inner["items"])
        if "enum" in inner:
            yield f"{place}{name}", frozenset(map(str, inner["enum"]))
        yield from _lists(root, inner, f"{place}{name}/")


def _resolved(root: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    reference = node.get("$ref")
    resolved: dict[str, Any] = root["definitions"][reference.removeprefix("#/definitions/")] if reference else node
    return resolved


def error_code(version: OcppVersion, keyword: str) -> str:
    """Return the error code for an answer to a payload that violates `keyword`.

    See OCPP-J 1.6 table 7 and 2.x part 4 section 4.3.
    """
    old = version is OcppVersion.V16
    if keyword == "type":
        return "TypeConstraintViolation"
    if keyword in ("required", "minItems", "maxItems"):
        return "OccurenceConstraintViolation" if old else "OccurrenceConstraintViolation"
    if keyword == "additionalProperties":
        # For a payload that is "not conform the PDU structure", 1.6 has FormationViolation and 2.x ProtocolError.
        return "FormationViolation" if old else "ProtocolError"
    return "PropertyConstraintViolation"


def _prepare(node: Any) -> None:
    if isinstance(node, dict):
        if node.get("type") == "object":
            # If "properties" is missing, jsonschema-rs reports an unknown member without its name.
            node.setdefault("properties", {})
        if node.get("type") == "integer":
            node.setdefault("minimum", INT32_MIN)
            node.setdefault("maximum", INT32_MAX)
        for name in _NEVER_EMPTY & node.get("properties", {}).keys():
            if node["properties"][name].get("type") == "array":
                node["properties"][name].setdefault("minItems", 1)
        for child in node.values():
            _prepare(child)
    elif isinstance(node, list):
        for child in node:
            _prepare(child)


def _faults(error: jsonschema_rs.ValidationError, payload: Any) -> Iterator[SchemaFault]:
    keyword = str(error.schema_path[-1]) if error.schema_path else ""
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in error.instance_path)
    kind: Any = error.kind
    place = str(error.instance_path[-1]) if error.instance_path else "the payload"
    instance = at(payload, error.instance_path)  # the whole value, even if only a part of it was checked
    found = shorten(instance)
    match keyword:
        case "required":
            yield SchemaFault(keyword, pointer, f"{kind.property} is missing", kind.property)
        case "additionalProperties":
            # jsonschema-rs gives no names where the schema expects a string; the wrong type is reported there anyway.
            unexpected = getattr(kind, "unexpected", ())
            for member in unexpected[:UNEXPECTED_LIMIT]:
                text = f"unknown property {shorten(member)}"
                yield SchemaFault(keyword, f"{pointer}/{_escaped(member)}", text, member)
            if (more := len(unexpected) - UNEXPECTED_LIMIT) > 0:
                yield SchemaFault(keyword, pointer, f"at least {more} more unknown properties")
        case "enum":
            options = [str(option) for option in kind.options]
            listed = shorten_text(", ".join(options), 400)
            text = f"{place} is {found}{_meant(instance, options)}; expected one of {listed}"
            yield SchemaFault(keyword, pointer, text, found=found)
        case "type":
            text = f"{place} is {found}; expected {_article(kind.types)}"
            yield SchemaFault(keyword, pointer, text, found=type(instance).__name__)
        case "maxLength" | "minLength":
            most = "at most" if keyword == "maxLength" else "at least"
            length = len(instance) if isinstance(instance, str) else 0
            text = f"{place} has {length} characters ({found}); expected {most} {kind.limit}"
            yield SchemaFault(keyword, pointer, text)
        case "maxItems" | "minItems":
            most = "at most" if keyword == "maxItems" else "at least"
            count = len(instance) if isinstance(instance, list) else 0
            yield SchemaFault(keyword, pointer, f"{place} has {count} elements; expected {most} {kind.limit}")
        case "maximum" | "minimum":
            most = "at most" if keyword == "maximum" else "at least"
            yield SchemaFault(keyword, pointer, f"{place} is {found}; expected {most} {_whole(kind.limit)}")
        case "multipleOf":
            yield SchemaFault(keyword, pointer, f"{place} is {found}; expected a multiple of {kind.multiple_of}")
        case _:
            yield SchemaFault(keyword, pointer, f"{place}: {shorten_text(error.message, 200)}")


def _meant(value: Any, options: list[str]) -> str:
    """Return a hint to the allowed value from which `value` differs only by case, blanks or punctuation, or ""."""
    if not isinstance(value, str):
        return ""
    plain = _LETTERS.sub("", value).lower()
    near = [option for option in options if _LETTERS.sub("", option).lower() == plain]
    return f" (did you mean {near[0]}?)" if plain and near else ""


_LETTERS = re.compile(r"[^A-Za-z0-9]")


def _whole(limit: float) -> float:
    return int(limit) if float(limit).is_integer() else limit


def _article(types: Any) -> str:
    names = [str(name) for name in (types if isinstance(types, list | tuple) else [types])]
    return " or ".join(f"{'an' if name[0] in 'aeio' else 'a'} {name}" for name in names)


def _escaped(member: str) -> str:
    return member.replace("~", "~0").replace("/", "~1")
