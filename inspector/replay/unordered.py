"""Pair the elements of two lists whose order does not matter, such as configuration keys and sampled values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from inspector.protocol.large_values import shorten

_COMPONENT = ("component/name", "component/instance", "component/evse/id", "component/evse/connectorId")
_VARIABLE = (*_COMPONENT, "variable/name", "variable/instance")
_ATTRIBUTE = (*_VARIABLE, "attributeType")
_MONITOR = (*_VARIABLE, "type", "severity")

KEYS: dict[str, tuple[str, ...]] = {
    # OCPP 1.6 chapter 6 (GetConfiguration, SendLocalList) and §7.43 (SampledValue)
    "configurationKey": ("key",),
    "unknownKey": (),
    "key": (),
    "localAuthorizationList": ("idTag", "idToken/idToken", "idToken/type"),
    "sampledValue": ("measurand", "context", "format", "phase", "location", "unit"),
    # OCPP 2.x part 2, chapters 1 (messages) and 2 (data types)
    "additionalInfo": ("additionalIdToken", "type"),
    "certificateHashDataChain": (
        *("certificateType", "certificateHashData/serialNumber", "certificateHashData/issuerNameHash"),
    ),
    "certificateType": (),
    "chargingProfile": ("id",),
    "chargingProfileId": (),
    "childCertificateHashData": ("serialNumber", "issuerNameHash"),
    "clearMonitoringResult": ("id",),
    "componentCriteria": (),
    "componentVariable": _VARIABLE,
    "evseId": (),
    "getVariableData": _ATTRIBUTE,
    "getVariableResult": _ATTRIBUTE,
    "id": (),
    "messageInfo": ("id",),
    "monitor": _VARIABLE,
    "monitoringCriteria": (),
    "reportData": _VARIABLE,
    "setMonitoringData": _MONITOR,
    "setMonitoringResult": _MONITOR,
    "setVariableData": _ATTRIBUTE,
    "setVariableResult": _ATTRIBUTE,
    "variableAttribute": ("type",),
    "variableMonitoring": ("id",),
}
"""Name of a member whose value is a list without an order -> paths to the parts that identify an element of the list.
Lists of plain values have no paths."""

_DEFAULTS = {"measurand": "Energy.Active.Import.Register", "context": "Sample.Periodic", "location": "Outlet"}
"""The values of missing members in a sampled value (OCPP 1.6 §7.43, 2.x SampledValueType)."""


class Pairs(NamedTuple):
    """The elements of two lists that correspond to each other, and the rest.

    Attributes:
        pairs: indexes of corresponding elements, as (recorded, live).
        missing: indexes of recorded elements that are not in the live list.
        extra: indexes of live elements that were not recorded.
    """

    pairs: list[tuple[int, int]]
    missing: list[int]
    extra: list[int]


def pair(member: str, recorded: list[Any], live: list[Any]) -> Pairs | None:
    """Pair the elements of two lists by the parts that identify them; return None if the order of the list matters."""
    parts = KEYS.get(member)
    if parts is None or (parts and not all(isinstance(element, dict) for element in (*recorded, *live))):
        return None
    if not parts and any(isinstance(element, dict | list) for element in (*recorded, *live)):
        return None
    waiting: dict[tuple[str, ...], list[int]] = {}
    for index, element in enumerate(live):
        waiting.setdefault(_key(parts, element), []).append(index)
    for indexes in waiting.values():
        indexes.reverse()
    pairs, missing = [], []
    for index, element in enumerate(recorded):
        if found := waiting.get(_key(parts, element)):
            pairs.append((index, found.pop()))
        else:
            missing.append(index)
    return Pairs(pairs, missing, sorted(index for indexes in waiting.values() for index in indexes))


def name(member: str, element: Any) -> str:
    """Return the parts that identify an element, as text for a report."""
    parts = [shorten(value, 60) for _, value in _given(KEYS[member], element)]
    return " ".join(part.strip('"') for part in parts) or shorten(element, 60)


def _key(parts: tuple[str, ...], element: Any) -> tuple[str, ...]:
    if not parts:
        return (repr(element),)
    given = {part: _DEFAULTS[part] for part in parts if part in _DEFAULTS}
    given.update((part, repr(value) if not isinstance(value, str) else value) for part, value in _given(parts, element))
    return tuple(given.get(part, "") for part in parts)


def _given(parts: tuple[str, ...], element: Any) -> Iterator[tuple[str, Any]]:
    for part in parts:
        value = element
        for step in part.split("/"):
            value = value.get(step) if isinstance(value, dict) else None
        if value is not None:
            yield part, value
