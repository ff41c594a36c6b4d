"""Infer the OCPP version from a message with an action, a member or a value that only one version has."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from inspector.protocol import schemas
from inspector.protocol.schemas import Kind
from inspector.protocol.vocabulary import ACTIONS, OcppVersion

_LOOKED_AT = 500
"""At most so many objects and lists of one payload are searched."""


class VersionEvidence(NamedTuple):
    """An OCPP version and its evidence.

    Attributes:
        version: the oldest version that fits.
        by: the evidence, such as "the action StartTransaction".
        exact: whether no later version fits.
    """

    version: OcppVersion
    by: str
    exact: bool = True


def infer_version(action: str | None, kind: Kind, payload: Any) -> VersionEvidence | None:
    """Return the version of OCPP that a message belongs to, with the evidence; None if it fits 1.6 and 2.x.

    A message that fits both 2.0.1 and 2.1, but not 1.6, counts as 2.0.1.

    Args:
        action: the action of the CALL, or of the CALL that is answered.
        kind: whether the message is the CALL or the answer.
        payload: the payload of the message; it may be of any type.
    """
    if action is None:
        return None
    knowing = [version for version in OcppVersion if action in ACTIONS[version]]
    if not knowing:
        return None
    if (found := _only(knowing)) is not None:
        return VersionEvidence(found, f"the action {action}", len(knowing) == 1)
    if type(payload) is not dict:
        return None
    what = f"{action}'s answer" if kind == "response" else action
    for place, name in _names(payload):
        having = [version for version in knowing if name in _known(version, action, kind)[place]]
        if having and (found := _only(having)) is not None:
            return VersionEvidence(found, f"{name} in {what}", len(having) == 1)
    valid = [version for version in knowing if _is_valid(version, action, kind, payload)]
    if valid and payload and (found := _only(valid)) is not None:
        return VersionEvidence(found, f"the members of {what}", len(valid) == 1)
    return None


def _only(versions: list[OcppVersion]) -> OcppVersion | None:
    """Return the oldest of some versions; None if both 1.6 and 2.x are among them."""
    old = OcppVersion.V16 in versions
    return None if old and len(versions) > 1 else versions[0]


def _is_valid(version: OcppVersion, action: str, kind: Kind, payload: Any) -> bool:
    validator = schemas.validator(version, action, kind)
    return validator is not None and validator.is_valid(payload)


def _names(payload: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Yield the name of each member as (0, name) and each string value as (1, text), the outermost first."""
    left: list[Any] = [payload]
    seen = 0
    while left and seen < _LOOKED_AT:
        value = left.pop(0)
        seen += 1
        if type(value) is dict:
            for name, member in value.items():
                yield 0, name
                if type(member) is str:
                    yield 1, member
                elif name != "customData" and type(member) in (dict, list):
                    left.append(member)
        elif type(value) is list:
            left.extend(value[:_LOOKED_AT])


@cache
def _known(version: OcppVersion, action: str, kind: Kind) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of all members in a schema, and all string values of its enumerations."""
    names: set[str] = set()
    values: set[str] = set()
    left: list[Any] = [schemas.schema(version, action, kind)]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            if isinstance(node.get("properties"), dict):
                names.update(node["properties"])
            if isinstance(node.get("enum"), list):
                values.update(value for value in node["enum"] if isinstance(value, str))
            left.extend(node.values())
        elif isinstance(node, list):
            left.extend(node)
    return frozenset(names), frozenset(values)
