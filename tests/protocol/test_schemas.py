"""Our verdict on a payload is that of the schema's own draft, and every fault is reported with its position."""

from __future__ import annotations

import json
import sys
from typing import Any

import jsonschema
import orjson
import pytest

from inspector.protocol.schemas import (
    INT32_MAX,
    INT32_MIN,
    Kind,
    date_times,
    empty_members,
    error_code,
    faults,
    may_hold_empty_object,
    schema,
    schema_folder,
    validator,
)
from inspector.protocol.vocabulary import ACTIONS, OcppVersion
from tests.protocol.payloads import Payloads

V16, V201, V21 = OcppVersion.V16, OcppVersion.V201, OcppVersion.V21
KINDS: tuple[Kind, Kind] = ("request", "response")
ALL_SCHEMAS = [
    (version, action, kind)
    for version in OcppVersion
    for action in sorted(ACTIONS[version])
    for kind in KINDS
    if schema(version, action, kind) is not None
]


def test_there_are_387_schemas_and_each_is_compiled() -> None:
    """There are 78 schemas of 1.6, 128 of 2.0.1 and 181 of 2.1."""
    assert [sum(v is version for v, _, _ in ALL_SCHEMAS) for version in OcppVersion] == [78, 128, 181]
    assert all(validator(*one) is not None for one in ALL_SCHEMAS)
    assert sum(1 for version in OcppVersion for _ in schema_folder(version).glob("*.json")) == 387


def test_the_schemas_are_found_without_importing_the_package_that_holds_them() -> None:
    """`import ocpp.messages` would cost a quarter of a second at every start."""
    code = "import sys, inspector.protocol.schemas as s\ns.validator('1.6', 'Heartbeat', 'request')\n"
    import subprocess

    done = subprocess.run(
        [sys.executable, "-c", code + "print([m for m in sys.modules if m.startswith('ocpp')])"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("action", ["NoSuchAction", "heartbeat", "../../v201/schemas/HeartbeatRequest", ""])
def test_an_action_that_is_not_on_the_list_reaches_no_file(action: str) -> None:
    """The name in a frame never becomes a path."""
    assert schema(V16, action, "request") is None
    assert validator(V16, action, "request") is None
    assert list(faults(V16, action, "request", {"anything": 1})) == []


def reference(version: OcppVersion, action: str, kind: Kind) -> Any:
    """Return the reference implementation's validator for a schema with our additions."""
    read = json.loads(json.dumps(schema(version, action, kind)))

    def bound(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "integer":
                node.setdefault("minimum", INT32_MIN)
                node.setdefault("maximum", INT32_MAX)
            for name in ("sampledValue", "chargingSchedulePeriod"):
                if node.get("properties", {}).get(name, {}).get("type") == "array":
                    node["properties"][name].setdefault("minItems", 1)
            for child in node.values():
                bound(child)
        elif isinstance(node, list):
            for child in node:
                bound(child)

    bound(read)
    return jsonschema.validators.validator_for(read)(read)


def compare(version: OcppVersion, action: str, kind: Kind, count: int) -> tuple[int, int]:
    """Compare verdicts on `count` valid and `count` modified payloads; return how many were valid and invalid."""
    ours, theirs = validator(version, action, kind), reference(version, action, kind)
    assert ours is not None
    payloads = Payloads(schema(version, action, kind) or {}, f"{version} {action} {kind}")
    verdicts = [0, 0]
    for number in range(2 * count):
        payload = orjson.loads(json.dumps(payloads.valid() if number < count else payloads.bent()))
        errors = [error for error in theirs.iter_errors(payload) if not _wrongly_multiple(error)]
        told = list(faults(version, action, kind, payload))
        assert ours.is_valid(payload) == (not errors) == (not told), (payload, errors[:2], told[:2])
        verdicts[bool(told)] += 1
        for fault in told:
            assert fault.text
            _resolve(payload, fault.pointer)
    return verdicts[0], verdicts[1]


def _wrongly_multiple(error: Any) -> bool:
    """Return whether the reference wrongly rejects a number with one decimal, such as 12.3 as a multiple of 0.1."""
    if error.validator == "multipleOf":
        return abs(error.instance * 10 - round(error.instance * 10)) < 1e-6
    return False


def _resolve(payload: Any, pointer: str) -> Any:
    """Follow a JSON pointer (RFC 6901); raise if it leads nowhere."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        payload = payload[int(key)] if isinstance(payload, list) else payload[key]
    return payload


def test_a_sample_of_payloads_of_every_schema_gets_the_verdict_of_the_reference_implementation() -> None:
    """This holds for valid and modified payloads, and every fault points at something that exists."""
    verdicts = [compare(*one, count=2) for one in ALL_SCHEMAS]
    assert sum(valid for valid, _ in verdicts) > 500
    assert sum(invalid for _, invalid in verdicts) > 300


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_thousands_of_payloads_get_the_verdict_of_the_reference_implementation() -> None:
    """The same comparison with 46,440 payloads over all 387 schemas."""
    verdicts = [compare(*one, count=60) for one in ALL_SCHEMAS]
    assert sum(valid for valid, _ in verdicts) > 20_000
    assert sum(invalid for _, invalid in verdicts) > 10_000


@pytest.mark.parametrize("tenths", range(0, 4001, 37))
def test_a_limit_with_one_decimal_is_valid(tenths: int) -> None:
    """1.6 limits are multiples of 0.1; the reference implementation is wrong here."""
    limit = tenths / 10
    payload = {
        "connectorId": 1,
        "csChargingProfiles": {
            "chargingProfileId": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": {
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
            },
        },
    }
    assert not list(faults(V16, "SetChargingProfile", "request", payload))


@pytest.mark.parametrize(
    ("value", "valid"), [(2**31 - 1, True), (-(2**31), True), (2**31, False), (-(2**31) - 1, False), (2**63 - 1, False)]
)
def test_integers_have_32_bits(value: int, valid: bool) -> None:
    """The schema files lack this limit, which the specification sets."""
    told = list(faults(V16, "RemoteStopTransaction", "request", {"transactionId": value}))
    assert (not told) is valid


def test_every_fault_of_a_payload_is_told_with_its_place_and_what_belongs_there() -> None:
    """All faults are reported, each with a JSON pointer, the actual value and the expected one."""
    payload = {"connectorId": "1", "errorCode": "Error", "status": "Available", "a/b~": 1, "info": "x" * 51}
    told = {
        (fault.keyword, fault.pointer, fault.text) for fault in faults(V16, "StatusNotification", "request", payload)
    }
    assert ("type", "/connectorId", 'connectorId is "1"; expected an integer') in told
    assert ("additionalProperties", "/a~1b~0", 'unknown property "a/b~"') in told
    assert {(keyword, pointer) for keyword, pointer, _ in told} == {
        ("type", "/connectorId"),
        ("enum", "/errorCode"),
        ("additionalProperties", "/a~1b~0"),
        ("maxLength", "/info"),
    }
    assert all(len(text) < 500 for _, _, text in told)


@pytest.mark.parametrize("levels", [100, 300, 900])
def test_a_fault_in_a_payload_of_any_depth_is_told(levels: int) -> None:
    """If it is too deep for details, the finding still says that there is a fault."""
    data: list[Any] = []
    for _ in range(levels):
        data = [data]
    (fault,) = faults(V16, "DataTransfer", "request", {"vendorId": "x", "data": data})
    assert ("expected a string" if levels == 100 else "nested too deeply") in fault.text


@pytest.mark.parametrize(
    ("keyword", "in_16", "in_2x"),
    [
        ("type", "TypeConstraintViolation", "TypeConstraintViolation"),
        ("required", "OccurenceConstraintViolation", "OccurrenceConstraintViolation"),
        ("minItems", "OccurenceConstraintViolation", "OccurrenceConstraintViolation"),
        ("additionalProperties", "FormationViolation", "ProtocolError"),
        ("enum", "PropertyConstraintViolation", "PropertyConstraintViolation"),
        ("maxLength", "PropertyConstraintViolation", "PropertyConstraintViolation"),
    ],
)
def test_the_error_code_that_answers_a_fault_is_spelled_as_the_version_spells_it(
    keyword: str, in_16: str, in_2x: str
) -> None:
    """The misspelled codes of 1.6 are kept."""
    assert [error_code(version, keyword) for version in OcppVersion] == [in_16, in_2x, in_2x]


def test_date_times_are_found_at_every_depth() -> None:
    """The positions come from the formats in the schemas, through references and lists."""
    assert date_times(V16, "Heartbeat", "request") == ()
    assert date_times(V16, "Heartbeat", "response") == (("currentTime", None),)
    assert set(date_times(V201, "TransactionEvent", "request")) == {
        ("timestamp", None),
        ("meterValue", (("timestamp", None),)),
    }
    assert dict(date_times(V16, "StopTransaction", "request"))["transactionData"] == (("timestamp", None),)


def test_optional_members_left_empty_are_found_required_ones_are_not() -> None:
    """They are reported with their position; members unknown to the schema are not searched."""
    payload = {"requestId": 1, "evseId": None, "chargingProfile": {}, "customData": {"vendorId": "v", "empty": []}}
    assert list(empty_members(V201, "GetChargingProfiles", "request", payload)) == [("/evseId", "null")]


def test_a_valid_payload_hides_null_or_an_empty_list_only_in_data_transfer() -> None:
    """For this reason valid payloads of other actions are not searched for them."""
    open_ones = set()
    for version in (V201, V21):
        for action in ACTIONS[version]:
            for kind in KINDS:
                root = schema(version, action, kind) or {}
                if any(_open(root, node) for node in (root, *root.get("definitions", {}).values())):
                    open_ones.add(action)
    assert open_ones == {"DataTransfer"}


def _open(root: dict[str, Any], node: dict[str, Any]) -> bool:
    """Return whether the schema allows null or [] for an optional member of this object."""
    for name, written in node.get("properties", {}).items():
        member = root["definitions"][written["$ref"].rpartition("/")[2]] if "$ref" in written else written
        untyped = "type" not in member and "enum" not in member
        endless = member.get("type") == "array" and not member.get("minItems")
        if name not in node.get("required", ()) and (untyped or endless):
            return True
    return False


def test_a_valid_payload_holds_an_empty_object_only_where_the_schema_lets_it() -> None:
    """The test tries {} in the place of each optional object, at any depth."""
    for version in (V201, V21):
        for action in sorted(ACTIONS[version]):
            for kind in KINDS:
                root = schema(version, action, kind) or {}
                inner = [root, *root.get("definitions", {}).values()]
                found = any(
                    name not in node.get("required", ()) and _takes_empty_object(root, member)
                    for node in inner
                    for name, member in node.get("properties", {}).items()
                )
                assert may_hold_empty_object(version, action, kind) is found, (action, kind)


def _takes_empty_object(root: dict[str, Any], member: dict[str, Any]) -> bool:
    part = {**member, "definitions": root.get("definitions", {})}
    return bool(jsonschema.Draft6Validator(part).is_valid({}))
