"""The simulator page charges: a real Chromium, through the proxy to the CSMS; the proxy judges every frame."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.page_bench import LOGGED, Bench, bench_for, each_way
from tests.processes import Program

pytestmark = pytest.mark.system


@pytest.fixture
def bench(request: pytest.FixtureRequest, browser: Browser, tmp_path: Path) -> Iterator[Bench]:
    with bench_for(request.param, browser, tmp_path) as bench:
        yield bench


# 2.0.1 shares its code with 2.1, so only `make proof` tests it.
every_version = pytest.mark.parametrize(
    "bench", ["1.6", pytest.param("2.0.1", marks=pytest.mark.long), "2.1"], indirect=True
)


@every_version
def test_sessions_by_card_and_by_csms_are_by_the_book(bench: Bench) -> None:
    """Card and remote sessions, a limit, a fault and a reload: no findings, and the page logs every frame."""
    bench.open()
    bench.click("#connect")
    expect(bench.page.locator("#state-text")).to_have_text("Connected")
    bench.quiet()

    bench.click("#plug")
    bench.click("#tap")
    bench.status("Charging")
    bench.until("station.connectors[0].meter.power > 1500")

    # A reload of the page during the session continues the same transaction.
    before = bench.page.evaluate("station.connectors[0].transaction.ref")
    # No meter value may cross between reading the log and the reload, which clears it.
    bench.page.evaluate("station.variables.find('MeterValueSampleInterval').value = '0'")
    bench.quiet()
    bench.keep_log()
    bench.page.reload()
    bench.status("Charging")
    assert bench.page.evaluate("station.connectors[0].transaction.ref") == before
    bench.until("station.online()")
    bench.page.evaluate("station.variables.find('MeterValueSampleInterval').value = '1'")

    limit(bench, 3000)
    bench.until("station.connectors[0].limit === 3000 && station.connectors[0].meter.power === 3000")
    expect(bench.page.locator("#power")).to_have_text("3.00")
    expect(bench.page.locator("#gauge-note")).to_have_text("limit 3.00 kW")
    bench.until(f"{LOGGED}.some(([, raw]) => /Power.Active.Import/.test(raw) && /3000/.test(raw))")

    bench.click("#tap")
    bench.status("Finishing" if bench.is16 else "Occupied")
    bench.click("#plug")
    bench.status("Available")
    bench.quiet()

    remote_session(bench)

    bench.click("#plug")
    bench.click("#tap")
    bench.status("Charging")
    bench.click("#fault")
    bench.status("Faulted")
    bench.quiet()
    bench.click("#fault")
    bench.status("Finishing" if bench.is16 else "Occupied")
    bench.click("#plug")
    bench.status("Available")
    bench.quiet()

    bench.keep_log()
    bench.click("#disconnect")
    expect(bench.page.locator("#state-text")).to_have_text("Disconnected")
    frames, findings = bench.crossed()
    assert findings == []
    assert frames and each_way(frames) == each_way(bench.logged)


@pytest.mark.long
@every_version
def test_a_csms_that_goes_and_comes_back_hears_the_whole_session(bench: Bench) -> None:
    """The CSMS restarts during a transaction: the page delivers everything that happened meanwhile, in order."""
    bench.open()
    bench.click("#connect")
    expect(bench.page.locator("#state-text")).to_have_text("Connected")
    bench.click("#plug")
    bench.click("#tap")
    bench.status("Charging")
    bench.until(f"{LOGGED}.filter(([, raw]) => /Sample.Periodic/.test(raw)).length >= 1")
    bench.quiet()
    bench.restart_csms(3)
    bench.until("station.online()", 30)
    bench.quiet()
    bench.click("#tap")
    bench.status("Finishing" if bench.is16 else "Occupied")
    bench.click("#plug")
    bench.status("Available")
    bench.quiet()
    bench.keep_log()
    bench.click("#disconnect")
    frames, findings = bench.crossed()
    # Ignore findings about the CSMS, which forgot its state and broke a connection, and the finding that it was not
    # reachable, which concerns the link. The test is about the charge point.
    away = {finding[1] for finding in findings if finding[-1] == "link"}
    assert away <= {"link.failed-attempt"}
    assert [finding for finding in findings if finding[-1] == "charge_point"] == []
    lost = [frame for frame in bench.logged if frame not in frames]
    assert len(lost) <= 1, "the recording may lack only the frame that was on its way when the CSMS ended"
    if not bench.is16:
        sent = [json.loads(raw) for direction, raw in frames if direction == "cp-to-csms"]
        events = [frame[3] for frame in sent if frame[0] == 2 and frame[2] == "TransactionEvent"]
        numbers = list(dict.fromkeys(event["seqNo"] for event in events))
        assert numbers == list(range(len(numbers)))
        assert any(event.get("offline") for event in events)


@pytest.mark.parametrize("bench", ["2.1"], indirect=True)
def test_the_saved_file_charges_from_disk(bench: Bench, tmp_path: Path) -> None:
    """`--save`, opened by file://, plays a whole session through the proxy without findings, and loads nothing else."""
    target = tmp_path / "charge point.html"
    with Program("simulator", "--save", target) as saving:
        assert saving.finish() == 0
    asked: list[str] = []
    bench.page.on("request", lambda request: asked.append(request.url))
    bench.page_url = target.as_uri()
    bench.open(autostart="full")
    bench.until("scenarios.outcome", 40)
    assert bench.page.evaluate("scenarios.outcome") == "Full session: done."
    bench.keep_log()
    bench.click("#disconnect")
    frames, findings = bench.crossed()
    assert findings == []
    assert len(frames) > 20 and each_way(frames) == each_way(bench.logged)
    # The page itself, and the blob that runs its clock.
    assert [url for url in asked if not url.startswith(("file:", "blob:", "data:"))] == []


@pytest.mark.parametrize("bench", ["2.0.1"], indirect=True)
def test_misbehaviours_are_found_by_the_judge(bench: Bench) -> None:
    """The rules find every misbehaviour, so "no findings" in the other journeys is meaningful."""
    bench.open()
    bench.click("#tab-answers")
    bench.page.check("[name=beforeBoot]")
    bench.page.check("[name=badTimestamp]")
    bench.click("#connect")
    expect(bench.page.locator("#state-text")).to_have_text("Connected")
    bench.quiet()
    bench.click("#disconnect")
    frames, findings = bench.crossed()
    assert frames, bench.proxy.report()
    rules = {finding[1] for finding in findings}
    assert any(rule.startswith("boot.") for rule in rules), rules
    assert any("time" in rule for rule in rules), rules


def limit(bench: Bench, watts: int) -> None:
    """Let the CSMS limit the power of the transaction on connector 1."""
    period = {"startPeriod": 0, "limit": watts}
    schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": [period]}
    profile = {"stackLevel": 1, "chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Relative"}
    tx = bench.page.evaluate("station.connectors[0].transaction.id")
    if bench.is16:
        profile |= {"chargingProfileId": 5, "transactionId": tx, "chargingSchedule": schedule}
        answer = bench.api.call("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile})
    else:
        profile |= {"id": 5, "transactionId": tx, "chargingSchedule": [schedule | {"id": 1}]}
        answer = bench.api.call("SetChargingProfile", {"evseId": 1, "chargingProfile": profile})
    assert answer["status"] == "Accepted"


def remote_session(bench: Bench) -> None:
    """Let the CSMS start a transaction before the cable is plugged in, charge, and let the CSMS stop it."""
    if bench.is16:
        start = bench.api.call("RemoteStartTransaction", {"connectorId": 1, "idTag": "REMOTE"})
    else:
        token = {"idToken": "REMOTE", "type": "Central"}
        start = bench.api.call("RequestStartTransaction", {"evseId": 1, "remoteStartId": 9, "idToken": token})
    assert start["status"] == "Accepted"
    bench.click("#plug")
    bench.status("Charging")
    tx = bench.page.evaluate("station.connectors[0].transaction.id")
    action = "RemoteStopTransaction" if bench.is16 else "RequestStopTransaction"
    assert bench.api.call(action, {"transactionId": tx})["status"] == "Accepted"
    bench.status("Finishing" if bench.is16 else "Occupied")
    bench.click("#plug")
    bench.status("Available")
    bench.quiet()
