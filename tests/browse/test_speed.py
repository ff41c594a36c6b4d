"""Speed with a million frames in two thousand sessions, while the recording is being written."""

from __future__ import annotations

import re
import statistics
import threading
import time
from pathlib import Path

import httpx
import pytest

from inspector.browse.skip_counts import frugal_query
from inspector.browse.views.pages import PAGES
from tests.browse.charging import Recording, sampled
from tests.browse.large import large
from tests.processes import Program

PROMISED_MS = 300
FRAMES_A_SECOND = 500

OURS = (
    "/-/home /-/home.json /-/home?sort=duration /-/home?severity=error /-/home?state=live /-/home?q=depot"
    " /-/search?q=CP-GARAGE-01-7 /-/search?q=1017 /-/search.json?q=nothing-like-this"
    " /-/live /-/live.json /-/live.json?after=999000 /-/live.json?severity=error /-/dashboards /-/dashboards.json"
    " /sessions/{session} /sessions/{session}.json /sessions/{session}/frames.json"
    " /sessions/{session}/frames.json?q=nothing-like-this /sessions/{session}/frames.json?severity=error"
    " /sessions/{session}/frames.json?around={frame} /sessions/{session}/plot.json"
    " /frames/{frame} /frames/{frame}.json /frames/{frame}?panel /charge_points/CP-GARAGE-01-7"
    " /charge_points/CP-GARAGE-01-7.json /transactions/900 /transactions/900.json /rules /rules.json"
    " /missing/{absent}/1 /missing/{absent}/1.json"
    " /rules/payload.schema /rules/payload.schema.json /-/compare?a=1999&b=1995 /-/compare.json?a=1998&b=1994"
    " /sessions/{long} /sessions/{long}.json /sessions/{long}/frames.json?limit=1000 /sessions/{long}/frames.json?end=1"
    " /sessions/{long}/frames.json?q=nothing-like-this /sessions/{long}/frames.json?severity=error"
    " /sessions/{long}/frames.json?rule=meter.register-falls /sessions/{long}/frames.json?severity=any&limit=1&after=9"
    " /sessions/{long}/frames.json?action=StopTransaction /sessions/{long}/plot.json"
    " /transactions/{charged} /transactions/{charged}.json"
).split()
DATASETTES = (
    "/frames /frames.json /frames?session_id={session} /frames?action=MeterValues /frames?direction=cp-to-csms"
    " /frames?max_severity=error /sessions /findings /events /charge_points /transactions /meter_samples"
    " /latency-by-action /unanswered-calls /findings-by-rule /findings-by-model /findings-by-charge-point /connections"
    " /connection-rates /energy-by-transaction /vendor-matrix /findings-by-make-and-rule"
    " /findings.csv?severity=error"
).split()


def test_every_page_of_ours_is_measured() -> None:
    """The list of measured pages contains every page that exists."""
    asked = [address.format(session=1, frame=1, long=1, charged=1, absent=1).partition("?")[0] for address in OURS]
    for page in PAGES:
        assert any(re.fullmatch(page.path, address) for address in asked), page.path


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("", "_nocount=1&_nofacet=1"),
        ("_sort_desc=id&_size=10", "_sort_desc=id&_size=10&_nocount=1&_nofacet=1"),
        ("_next=5", "_next=5&_nocount=1&_nofacet=1"),
        ("session_id=3", "session_id=3"),
        ("_facet=action", "_facet=action"),
        ("_nocount=1", "_nocount=1"),
        ("id__gt=3", "id__gt=3&_nocount=1&_nofacet=1"),
        ("action=MeterValues", "action=MeterValues&_nocount=1&_nofacet=1"),
        ("direction=cp-to-csms", "direction=cp-to-csms&_nocount=1&_nofacet=1"),
        ("action__contains=Meter", "action__contains=Meter&_nocount=1&_nofacet=1"),
    ],
)
def test_counting_is_left_out_only_where_nobody_asked(query: str, sent: str) -> None:
    """A table without a filter shows no count; with an indexed filter or a facet it does."""
    assert frugal_query(query) == sent


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.timeout(600)
def test_every_page_answers_at_once_on_a_million_frames_while_500_a_second_are_written(tmp_path: Path) -> None:
    """Median of five under 300 ms for each page and its JSON."""
    path = large(tmp_path / "large.db")
    recording = Recording(path, start_ns=time.time_ns())
    link = recording.connect("CP-BUSY")
    link.boot()
    recording.commit()
    enough = threading.Event()
    written = 0

    def write() -> None:
        nonlocal written
        begun = time.monotonic()
        while not enough.wait(0.01):
            while written < (time.monotonic() - begun) * FRAMES_A_SECOND:
                values = {"timestamp": link.clock, "sampledValue": sampled(11_000, written, 16, 50)}
                link.call("MeterValues", {"connectorId": 1, "meterValue": [values]}, {})
                written += 2
            recording.commit()

    writing = threading.Thread(target=write)
    with Program("browse", path, "--listen", "0") as browse:
        home = browse.wait_for(r"browse at (\S+)")[1]
        writing.start()
        started = time.monotonic()
        try:
            with httpx.Client(base_url=f"{home}/ocpp", timeout=30) as http:
                newest = http.get("/-/live.json").json()["newest"]
                assert newest > 1_000_000
                home = http.get("/-/home.json?charge_point=CP-LONG").json()
                places = {"session": 1997, "frame": newest - 200_000, "long": home["sessions"][0]["id"]}
                assert home["totals"]["sessions"] >= 2000
                places["charged"] = http.get(f"/sessions/{places['long']}.json").json()["transactions"][0]["id"]
                silent = http.get("/findings.json?frame_id__isnull=1&session_id__notblank=1&_shape=objects").json()
                places["absent"] = silent["rows"][0]["id"]
                medians = {address: _median(http, address.format(**places)) for address in (*OURS, *DATASETTES)}
        finally:
            enough.set()
            writing.join()
        rate = written / (time.monotonic() - started)
    link.close()
    recording.finish()
    for address, median in medians.items():
        print(f"{median:6.0f} ms  {address}")
    assert rate > 0.9 * FRAMES_A_SECOND, f"only {rate:.0f} frames/s were written meanwhile"
    slow = {address: median for address, median in medians.items() if median > PROMISED_MS}
    assert not slow


def _median(http: httpx.Client, address: str) -> float:
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        answer = http.get(address)
        took.append((time.perf_counter() - begun) * 1000)
        assert answer.status_code == 200, address
    return statistics.median(took)
