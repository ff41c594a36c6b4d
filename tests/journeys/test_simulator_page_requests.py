"""Every request of a CSMS and every scenario of the page, through the proxy: no findings."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.journeys.page_bench import Bench, bench_for, each_way

pytestmark = [pytest.mark.system, pytest.mark.long]


@pytest.fixture
def bench(request: pytest.FixtureRequest, browser: Browser, tmp_path: Path) -> Iterator[Bench]:
    with bench_for(request.param, browser, tmp_path) as bench:
        bench.open()
        bench.click("#connect")
        bench.until("station.online()")
        bench.quiet()
        bench.page.evaluate("station.sequences.step = 0.3")
        yield bench


every_version = pytest.mark.parametrize("bench", ["1.6", "2.0.1", "2.1"], indirect=True)


def nothing_found(bench: Bench) -> None:
    """Fail if there is a finding above info, or if the page's log differs from the recorded frames."""
    bench.click("#disconnect")
    bench.keep_log()
    frames, findings = bench.crossed()
    assert findings == []
    assert frames and each_way(bench.heard(frames)) == each_way(bench.logged)


@every_version
def test_every_scenario_is_by_the_book(bench: Bench) -> None:
    for scenario in ("full", "rejected", "offline", "fault"):
        bench.click(f"[data-scenario={scenario}]")
        bench.until("!scenarios.running", 60)
        assert "done" in bench.page.evaluate("scenarios.outcome"), scenario
    nothing_found(bench)


@every_version
def test_power_lost_in_mid_session_is_by_the_book(bench: Bench) -> None:
    charge(bench)
    bench.click("#power-cycle")
    bench.until("!station.online()")
    bench.until("station.online()", 20)
    bench.quiet()
    bench.click("#plug")
    bench.quiet()
    nothing_found(bench)


@pytest.mark.parametrize("bench", ["1.6"], indirect=True)
def test_what_a_csms_asks_in_1_6_is_done_by_the_book(bench: Bench) -> None:
    ask(bench, "TriggerMessage", "Accepted", requestedMessage="StatusNotification")
    ask(bench, "TriggerMessage", "Accepted", requestedMessage="MeterValues", connectorId=1)
    ask(bench, "ChangeAvailability", "Accepted", connectorId=0, type="Inoperative")
    ask(bench, "ChangeAvailability", "Accepted", connectorId=0, type="Operative")
    ask(bench, "ReserveNow", "Accepted", connectorId=1, expiryDate=soon(60), idTag="CARD-001", reservationId=4)
    charge(bench)
    ask(bench, "TriggerMessage", "Accepted", requestedMessage="MeterValues", connectorId=1)
    ask(bench, "ChangeAvailability", "Scheduled", connectorId=1, type="Inoperative")
    ask(bench, "UnlockConnector", "Unlocked", connectorId=1)
    bench.click("#plug")
    ask(bench, "ChangeAvailability", "Accepted", connectorId=1, type="Operative")
    # With a cable in and nothing charging: the specification allows Preparing to Unavailable only by way of Available.
    bench.click("#plug")
    ask(bench, "ChangeAvailability", "Accepted", connectorId=1, type="Inoperative")
    ask(bench, "ChangeAvailability", "Accepted", connectorId=1, type="Operative")
    bench.click("#plug")
    ask(bench, "GetConfiguration")
    ask(bench, "GetDiagnostics", location="ftp://example.com/logs")
    bench.until("station.sequences.uploadStatus === 'Idle'")
    ask(bench, "UpdateFirmware", location="https://example.com/firmware-2", retrieveDate=soon(0))
    restarted(bench)
    ask(bench, "Reset", "Accepted", type="Hard")
    restarted(bench)
    nothing_found(bench)


@pytest.mark.parametrize("bench", ["2.0.1", "2.1"], indirect=True)
def test_what_a_csms_asks_in_2_x_is_done_by_the_book(bench: Bench) -> None:
    evse = {"id": 1}
    ask(bench, "TriggerMessage", "Accepted", requestedMessage="StatusNotification", evse=evse | {"connectorId": 1})
    ask(bench, "TriggerMessage", "Accepted", requestedMessage="MeterValues", evse=evse)
    ask(bench, "ChangeAvailability", "Accepted", operationalStatus="Inoperative")
    ask(bench, "ChangeAvailability", "Accepted", operationalStatus="Operative")
    token = {"idToken": "CARD-001", "type": "ISO14443"}
    ask(bench, "ReserveNow", "Accepted", id=4, expiryDateTime=soon(60), idToken=token, evseId=1)
    charge(bench)
    ask(bench, "TriggerMessage", "Accepted", requestedMessage="TransactionEvent", evse=evse)
    ask(bench, "ChangeAvailability", "Scheduled", operationalStatus="Inoperative", evse=evse)
    ask(bench, "UnlockConnector", "OngoingAuthorizedTransaction", evseId=1, connectorId=1)
    ask(bench, "GetTransactionStatus")
    bench.click("#tap")
    bench.quiet()
    bench.click("#plug")
    ask(bench, "ChangeAvailability", "Accepted", operationalStatus="Operative", evse=evse)
    ask(bench, "GetBaseReport", "Accepted", requestId=1, reportBase="FullInventory")
    ask(
        bench,
        "GetLog",
        "Accepted",
        requestId=3,
        logType="DiagnosticsLog",
        log={"remoteLocation": "https://example.com"},
    )
    bench.until("station.sequences.uploadStatus === 'Idle'")
    charge(bench)
    ask(bench, "Reset", "Scheduled", type="OnIdle")
    bench.click("#plug")
    restarted(bench)
    firmware = {"location": "https://example.com/firmware-2", "retrieveDateTime": soon(0)}
    ask(bench, "UpdateFirmware", "Accepted", requestId=5, firmware=firmware)
    restarted(bench)
    ask(bench, "Reset", "Accepted", type="Immediate")
    restarted(bench)
    nothing_found(bench)


def soon(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def ask(bench: Bench, action: str, status: str | None = None, **payload: object) -> None:
    """Let the CSMS send a CALL, check the status of the answer, and wait until the page has nothing left to send."""
    assert bench.api.call(action, payload).get("status") == status, action
    bench.page.wait_for_timeout(300)
    bench.quiet()


def charge(bench: Bench) -> None:
    bench.click("#plug")
    bench.click("#tap")
    bench.status("Charging")
    bench.until("station.connectors[0].meter.power > 1000")
    bench.quiet()


def restarted(bench: Bench) -> None:
    """Wait until the station has gone offline and booted again."""
    bench.until("!station.online()", 15)
    bench.until("station.online()", 20)
    bench.quiet()
