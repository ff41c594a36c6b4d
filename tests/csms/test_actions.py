"""Every action a charge point may send, in every version, over a real socket, judged by jsonschema."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from csms import actions, coverage, schemas
from csms.central_system import CentralSystem
from csms.operator_api import examples
from tests.csms.peer import connected

FOLDERS = {"1.6": "v16", "2.0.1": "v201", "2.1": "v21"}
SENT_UNANSWERED = "NotifyPeriodicEventStream"

# The number of actions that a charge point may send, counted in the specifications.
COUNTS = {"1.6": 14, "2.0.1": 25, "2.1": 37}

CASES = [
    (version, action, optional)
    for version in schemas.VERSIONS
    for action in sorted(actions.from_charge_point(version))
    if action not in ("BootNotification", SENT_UNANSWERED)
    for optional in (False, True)
]


def read(version: str, name: str) -> dict[str, Any]:
    package = importlib.util.find_spec("ocpp")
    assert package is not None and package.origin is not None
    path = Path(package.origin).parent / FOLDERS[version] / "schemas" / f"{name}.json"
    document: dict[str, Any] = json.loads(path.read_text("utf-8-sig"))
    return document


def validate(payload: object, schema: dict[str, Any]) -> None:
    """Validate by the schema's own draft, without checking the schema itself, which takes far longer."""
    jsonschema.validators.validator_for(schema)(schema).validate(payload)


def test_every_action_of_a_charge_point_has_an_answer() -> None:
    """The CSMS answers the specified number of actions, and can send all others."""
    for version, count in COUNTS.items():
        assert len(actions.from_charge_point(version)) == count
        assert actions.from_charge_point(version) | actions.from_csms(version) == schemas.actions(version)
        assert actions.from_charge_point(version) & actions.from_csms(version) == {"DataTransfer"}


@pytest.mark.parametrize(("version", "action", "optional"), CASES)
async def test_an_action_is_answered_by_the_book(
    csms: CentralSystem, version: str, action: str, optional: bool
) -> None:
    """A schema-valid example, bare and with every optional member, gets a schema-valid CALLRESULT."""
    request = read(version, action if version == "1.6" else f"{action}Request")
    payload = examples.example(request, optional)
    validate(payload, request)

    async with connected(csms.address, version) as charge_point:
        answer = await charge_point.call(action, payload)

    validate(answer, read(version, f"{action}Response"))
    if version != "1.6":
        assert empty_members(answer) == []


def empty_members(value: Any, place: str = "") -> list[str]:
    """Return the null and empty members, which 2.x wants to be left out."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [
        found
        for name, member in members
        for found in ([f"{place}/{name}"] if member in (None, {}, []) else empty_members(member, f"{place}/{name}"))
    ]


async def test_a_periodic_event_stream_is_taken_in_and_not_answered(csms: CentralSystem) -> None:
    """NotifyPeriodicEventStream as SEND (type 6) is stored and not answered; as a CALL it gets a ProtocolError."""
    payload = examples.example(read("2.1", SENT_UNANSWERED))
    async with connected(csms.address, "2.1") as charge_point:
        await charge_point.send([6, "stream-1", SENT_UNANSWERED, payload])
        await charge_point.send([6, "stream-2", SENT_UNANSWERED, {"bad": True}])
        await charge_point.send([6, "stream-3", "Heartbeat", {}])
        await charge_point.silence_until_heartbeat()
        answer = await charge_point.ask([2, "stream-4", SENT_UNANSWERED, payload])
    assert answer[:3] == [4, "stream-4", "ProtocolError"]
    kept = csms.store.rows("SELECT payload FROM notices WHERE action = ?", SENT_UNANSWERED)
    assert [json.loads(row["payload"]) for row in kept] == [payload]


def test_the_table_of_actions_is_what_the_code_does() -> None:
    """docs/csms-actions.md is what `python -m csms.coverage` writes; every cell says something."""
    written = (Path(__file__).parents[2] / "docs" / "csms-actions.md").read_text("utf-8")
    assert written == coverage.table() + "\n", "run: python -m csms.coverage > docs/csms-actions.md"
    rows = [line.split("|")[1:-1] for line in written.splitlines() if line.startswith("|")]
    assert all(len(row) == 4 and all(cell.strip() for cell in row) for row in rows)
