"""Every page that shows a frame works, whatever the frame contains."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.browse import charging
from tests.browse.charging import Recording
from tests.browse.conftest import client

HUGE = "1" + "0" * 400
CALLS = {
    "a cut emoji": r'[2,"\ud83d","DataTransfer",{"vendorId":"x\ud83d","data":"\ud83d"}]',
    "a cut emoji for an action": r'[2,"1","Data\ud83dTransfer",{"\udc00":"\ud83d"}]',
    "a cut emoji in a status": r'[2,"1","StatusNotification",{"connectorId":1,"errorCode":"a","status":"\ud83d"}]',
    "a register of 400 digits": f'[2,"1","StartTransaction",{{"connectorId":1,"idTag":"T","meterStart":{HUGE}}}]',
    "a reading of 400 digits": f'[2,"1","MeterValues",{{"meterValue":[{{"sampledValue":[{{"value":{HUGE}}}]}}]}}]',
    "300 levels": '[2,"1","DataTransfer",{"vendorId":"x","data":' + "[" * 300 + "]" * 300 + "}]",
}
PAGES = (
    *("/", "/ocpp/-/live", "/ocpp/-/live.json", "/ocpp/-/dashboards", "/ocpp/-/compare?a=1&b=2"),
    *("/ocpp/-/compare.json?a=1&b=2", "/ocpp/sessions/1", "/ocpp/sessions/1.json", "/ocpp/sessions/1/frames.json"),
    *("/ocpp/sessions/1/plot.json", "/ocpp/frames/1", "/ocpp/frames/1?panel", "/ocpp/frames/1.json"),
    *("/ocpp/frames", "/ocpp/frames.json", "/ocpp/frames.csv", "/ocpp/findings", "/ocpp/unanswered-calls"),
)


def strict(text: str) -> Any:
    """Parse JSON as strictly as other readers: no NaN, no Infinity, no lone surrogates."""

    def no_number(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    read = json.loads(text, parse_constant=no_number)
    json.dumps(read, ensure_ascii=False).encode()
    return read


@pytest.mark.parametrize("raw", CALLS.values(), ids=CALLS)
async def test_every_page_shows_an_odd_frame(tmp_path: Path, raw: str) -> None:
    """The page answers, and its JSON is valid for any parser."""
    recording = Recording(tmp_path / "odd.db")
    for name in ("CP-1", "CP-2"):
        link = recording.connect(name)
        link.say(True, raw)
        link.close()
    get = client(recording.finish())
    for path in PAGES:
        answer = await get(path)
        assert answer.status_code == 200, path
        if "json" in path:
            strict(answer.text)


@pytest.mark.parametrize("number", ["1e999", "1e300", "-1e290", HUGE, "NaN", "Infinity", '"1e999"', "[]"])
@pytest.mark.parametrize("member", ["startPeriod", "limit", "duration"])
async def test_a_limit_beyond_all_numbers_is_no_limit(tmp_path: Path, member: str, number: str) -> None:
    """Nor is a limit at an impossible time; the plot has only what can be drawn, and is valid JSON."""
    recording = Recording(tmp_path / "limits.db")
    link = recording.connect("CP-1")
    values = {"startPeriod": "0", "limit": "16", "duration": "3600", member: number}
    period = f'{{"startPeriod":{values["startPeriod"]},"limit":{values["limit"]}}}'
    schedule = f'{{"chargingRateUnit":"A","duration":{values["duration"]},"chargingSchedulePeriod":[{period}]}}'
    profile = f'{{"chargingProfileKind":"Relative","chargingSchedule":{schedule}}}'
    link.say(False, f'[2,"1","SetChargingProfile",{{"connectorId":1,"csChargingProfiles":{profile}}}]')
    link.say(True, '[3,"1",{"status":"Accepted"}]')
    recording.wait(60)
    link.close()
    answer = await client(recording.finish())("/ocpp/sessions/1/plot.json")
    assert answer.status_code == 200
    plot = strict(answer.text)
    times = [at for each in plot["limits"] for at, _ in each["points"]]
    assert times == sorted(times)
    assert all(plot["start_ms"] <= at <= plot["end_ms"] for at in times)


async def test_a_register_beyond_all_numbers_is_left_out(tmp_path: Path) -> None:
    """The transactions of such a recording, their plots and the plot of the session are valid JSON."""
    recording = Recording(tmp_path / "registers.db")
    charging.charge_well(recording, samples=3)
    path = recording.finish()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE transactions SET meter_start_wh = 9e999, meter_stop_wh = 9e999")
        db.execute("UPDATE meter_samples SET value = -9e999 WHERE id = 1")
    db.close()
    get = client(path)
    transaction = strict((await get("/ocpp/transactions/1.json")).text)["transaction"]
    assert [transaction[name] for name in ("meter_start_wh", "meter_stop_wh", "energy_wh")] == [None] * 3
    for address in ("/ocpp/sessions/1.json", "/ocpp/sessions/1/plot.json", "/ocpp/charge_points/CP-GARAGE-01.json"):
        strict((await get(address)).text)
    assert (await get("/ocpp/transactions/1")).status_code == 200
    assert (await get("/ocpp/-/dashboards")).status_code == 200
    strict((await get("/ocpp/-/dashboards.json")).text)
