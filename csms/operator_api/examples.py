"""Write example payloads that fit a JSON schema, for the forms of the page and for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from csms import timestamps

TEXT = "Example text"
AN_HOUR = timedelta(hours=1)
# Members with the time at which something ends: an example needs a time in the future.
ENDS = frozenset({"expiryDate", "expiryDateTime", "cacheExpiryDateTime", "validTo"})
NUMBER = 1
# Values that are better examples than the first value of an enum or the smallest number.
SENSIBLE: dict[str, Any] = {
    "chargingProfilePurpose": "TxDefaultProfile",
    "limit": 16,
    "stackLevel": 0,
    "startPeriod": 0,
    "requestedMessage": "StatusNotification",
}


def example(schema: dict[str, Any], optional: bool = False) -> Any:
    """Return a payload that fits a schema.

    Args:
        schema: a whole schema of `ocpp`, with its definitions.
        optional: whether to include optional members.
    """
    return _value(schema, schema.get("definitions", {}), optional)


def _value(schema: dict[str, Any], definitions: dict[str, Any], optional: bool) -> Any:
    if "$ref" in schema:
        return _value(definitions[schema["$ref"].rpartition("/")[2]], definitions, optional)
    if "enum" in schema:
        return schema["enum"][0]
    match schema.get("type"):
        case "object":
            wanted = schema.get("properties", {}) if optional else schema.get("required", [])
            members = {name: _value(schema["properties"][name], definitions, optional) for name in wanted}
            later = timestamps.stamp(datetime.now(UTC) + AN_HOUR)
            members |= {name: later for name in ENDS if name in members}
            fitting = {name: v for name, v in SENSIBLE.items() if type(members.get(name)) is type(v)}
            return members | fitting
        case "array":
            return [_value(schema["items"], definitions, optional)] * schema.get("minItems", 1)
        case "integer" | "number":
            return max(int(schema.get("minimum", 0)), min(NUMBER, int(schema.get("maximum", NUMBER))))
        case "boolean":
            return False
    if schema.get("format") == "date-time":
        return timestamps.now()
    if schema.get("format") == "uri":
        return "https://example.com/"
    return TEXT[: schema.get("maxLength", len(TEXT))].strip()
