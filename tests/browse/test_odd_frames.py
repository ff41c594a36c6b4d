"""Frames nobody expected: whatever one holds, each page that shows it answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

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
    """JSON as others read it: no NaN, no Infinity, and only text that has an encoding."""

    def no_number(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    read = json.loads(text, parse_constant=no_number)
    json.dumps(read, ensure_ascii=False).encode()
    return read


@pytest.mark.parametrize("raw", CALLS.values(), ids=CALLS)
async def test_every_page_shows_an_odd_frame(tmp_path: Path, raw: str) -> None:
    """As a page and as JSON that any reader takes."""
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
