"""kill -9 of the CSMS in mid-charge, all parts real processes: what was open is open again, and closes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from csms.schemas import VERSIONS
from tests.processes import Program

CHARGING = ("--connectors", 2, "--minutes", 10_000, "--speed", 300, "--stay")
PATIENCE_S = 20.0
LATER = "2035-01-01T00:00:00Z"


def until[**Given, T](found: Callable[Given, T | None], *args: Given.args, **more: Given.kwargs) -> T:
    """Call a function until its result is not empty, and return that."""
    deadline = time.monotonic() + PATIENCE_S
    while not (value := found(*args, **more)):
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.05)
    return value


class Operator:
    """The operator's API of one CSMS, for one charge point at a time."""

    def __init__(self, page: str) -> None:
        self.client = httpx.Client(base_url=page, trust_env=False, timeout=20)

    def show(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/api/charge-points/{name}").json()
        return found

    def call(self, name: str, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        request = {"action": action, "payload": payload}
        answer = self.client.post(f"/api/charge-points/{name}/calls", json=request).json()
        assert answer["kind"] == "CALLRESULT", answer
        result: dict[str, Any] = answer["payload"]
        return result

    def operate(self, name: str, operation: str, arguments: dict[str, Any]) -> bool:
        """Start or stop a transaction; return whether the charge point accepted."""
        answer = self.client.post(f"/api/charge-points/{name}/operations/{operation}", json=arguments).json()
        return bool(answer["payload"]["status"] == "Accepted")

    def closed(self, name: str, row: int) -> dict[str, Any] | None:
        """Return a transaction if it has ended, else None."""
        found: dict[str, Any] = next(t for t in self.show(name)["transactions"] if t["id"] == row)
        return found if found["stopped"] else None

    def charging(self, name: str) -> dict[str, Any] | None:
        """Return the transaction of a connected charge point that has charged some energy, else None."""
        point = self.show(name)
        running = [t for t in point.get("transactions", []) if t["stopped"] is None and (t["energy_wh"] or 0) > 100]
        return running[0] if running and point["connected"] else None


def state_16(operator: Operator, name: str) -> None:
    """Give a 1.6 charge point a reservation, a profile and a changed setting."""
    reserve = {"connectorId": 2, "expiryDate": LATER, "idTag": "TAG", "reservationId": 7}
    assert operator.call(name, "ReserveNow", reserve) == {"status": "Accepted"}
    periods = {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 7000}]}
    profile = {
        "chargingProfileId": 3,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": periods,
    }
    change = {"connectorId": 1, "csChargingProfiles": profile}
    assert operator.call(name, "SetChargingProfile", change) == {"status": "Accepted"}
    change = {"key": "MeterValueSampleInterval", "value": "30"}
    assert operator.call(name, "ChangeConfiguration", change) == {"status": "Accepted"}


def state_2x(operator: Operator, name: str) -> None:
    """Give a 2.x charging station a reservation, a profile and a changed variable."""
    token = {"idToken": "TAG", "type": "Central"}
    reserve = {"id": 7, "expiryDateTime": LATER, "idToken": token, "evseId": 2}
    assert operator.call(name, "ReserveNow", reserve)["status"] == "Accepted"
    periods = {"id": 1, "chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 7000}]}
    profile = {
        "id": 3,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [periods],
    }
    change: dict[str, Any] = {"evseId": 1, "chargingProfile": profile}
    assert operator.call(name, "SetChargingProfile", change)["status"] == "Accepted"
    place = {"component": {"name": "SampledDataCtrlr"}, "variable": {"name": "TxUpdatedInterval"}}
    change = {"setVariableData": [{**place, "attributeValue": "30"}]}
    assert operator.call(name, "SetVariables", change)["setVariableResult"][0]["attributeStatus"] == "Accepted"


KEPT = ("reservations", "charging_profiles", "variables", "connectors", "boot_status", "has_password", "vendor")


@pytest.mark.long
@pytest.mark.timeout(120)
def test_a_kill_in_mid_charge_loses_nothing_that_charges_or_was_agreed(tmp_path: Path) -> None:
    """Three charge points, one per version: transactions survive kill -9, continue and close; nothing is forgotten.

    A transaction that starts afterwards gets an id of its own.
    """
    db = tmp_path / "csms.db"
    names = {version: f"CP-{version}" for version in VERSIONS}
    listen, page = "127.0.0.1:0", "127.0.0.1:0"
    with ExitStack() as stack:
        csms = stack.enter_context(Program("csms", "--listen", listen, "--page", page, "--db", db))
        listen = csms.wait_for(r"csms at ws://(\S+)")[1]
        page = csms.wait_for(r"operator page at http://(\S+)")[1]
        operator = Operator(f"http://{page}")
        for version, name in names.items():
            args = ("--url", f"ws://{listen}", "--id", name, "--ocpp", version, *CHARGING)
            stack.enter_context(Program("charge-point", *args))
        before = {name: until(operator.charging, name) for name in names.values()}
        for version, name in names.items():
            (state_16 if version == "1.6" else state_2x)(operator, name)
        operator.client.put("/api/tokens/FLEET-CARD", json={"status": "Blocked"})
        operator.client.patch(f"/api/charge-points/{names['1.6']}", json={"password": "0123456789abcdef"})
        agreed = {name: {part: operator.show(name)[part] for part in KEPT} for name in names.values()}
        csms.process.kill()
        csms.finish()

        with closing(sqlite3.connect(db)) as stored:
            (left_open,) = stored.execute("SELECT count(*) FROM transactions WHERE stopped IS NULL").fetchone()
        assert left_open == len(names)

        again = stack.enter_context(Program("csms", "--listen", listen, "--page", page, "--db", db))
        again.wait_for("operator page at")
        assert operator.client.get("/api/tokens").json()[0]["status"] == "Blocked"
        for name, known in before.items():
            running = until(operator.charging, name)
            assert running["id"] == known["id"] and running["transaction_id"] == known["transaction_id"]
            assert running["energy_wh"] >= known["energy_wh"]
            assert {part: operator.show(name)[part] for part in KEPT} == agreed[name]
            operator.operate(name, "stop", {"transaction_id": known["transaction_id"]})
            ended = until(operator.closed, name, known["id"])
            assert ended["stop_reason"] == "Remote"
            assert ended["energy_wh"] >= running["energy_wh"]
            until(operator.operate, name, "start", {"evse_id": 1, "id_token": "OTHER"})
            fresh = until(operator.charging, name)
            assert fresh["transaction_id"] not in {t["transaction_id"] for t in before.values()}
        assert again.stop() == 0
