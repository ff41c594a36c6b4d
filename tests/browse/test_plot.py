"""The plot shows only what was measured: where lines break, which points they join, and whose clock counts."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browse import faulty
from tests.browse.charging import SECOND, Recording, sampled
from tests.browse.conftest import Get, client
from tests.processes import Program

MEASURED = {
    "power": "Power.Active.Import",
    "energy": "Energy.Active.Import.Register",
    "current": "Current.Import",
    "soc": "SoC",
}


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return faulty.several(tmp_path_factory.mktemp("plot") / "several.db")


@pytest.fixture(scope="module")
def ask(several: Path) -> Get:
    return client(several)


def segments(path: Path, session: int, measurand: str) -> list[list[tuple[float, float]]]:
    """Return the lines that the stored samples allow: one for each transaction, cut at gaps of the recording."""
    with sqlite3.connect(path) as db:
        rows = db.execute(
            """SELECT m.transaction_id, f.ts_ns / 1e6, m.value FROM meter_samples m JOIN frames f ON f.id = m.frame_id
            WHERE m.session_id = ? AND m.measurand = ? ORDER BY f.id""",
            [session, measurand],
        ).fetchall()
        details = db.execute("SELECT detail FROM events WHERE kind = 'gap' AND session_id = ?", [session]).fetchall()
    db.close()
    gaps = [(json.loads(text)["since_ns"] / 1e6, json.loads(text)["until_ns"] / 1e6) for (text,) in details]
    by_transaction: dict[Any, list[tuple[float, float]]] = defaultdict(list)
    for transaction, ms, value in rows:
        by_transaction[transaction].append((ms, value))
    lines = []
    for points in by_transaction.values():
        line = [points[0]]
        for before, now in pairwise(points):
            if any(before[0] <= until and since <= now[0] for since, until in gaps):
                lines.append(line)
                line = []
            line.append(now)
        lines.append(line)
    return lines


def lines_of(series: dict[str, Any]) -> list[list[tuple[float, float]]]:
    starts = [0, *series["breaks"], len(series["points"])]
    return [[(ms, value) for ms, value, *_ in series["points"][start:end]] for start, end in pairwise(starts)]


@pytest.mark.parametrize("session", [1, 2])
async def test_no_line_crosses_what_nobody_knows(several: Path, ask: Get, session: int) -> None:
    """Between transactions and across a gap of the recording the line is interrupted."""
    plot = (await ask(f"/ocpp/sessions/{session}/plot.json")).json()
    for series in plot["series"]:
        assert lines_of(series) == segments(several, session, MEASURED[series["kind"]]), series["kind"]
    if session == 2:
        assert [len(line) for line in lines_of(plot["series"][0])] == [8, 1, 6, 3, 3]


async def test_a_limit_ends_with_its_transaction(ask: Get) -> None:
    """A TxProfile limits nothing after its transaction, whatever follows."""
    plot = (await ask("/ocpp/sessions/2/plot.json")).json()
    (limit,) = plot["limits"]
    first = plot["transactions"][0]
    assert limit["purpose"] == "TxProfile"
    assert first["start_ms"] < limit["points"][0][0] < limit["points"][-1][0] == first["end_ms"]


async def test_every_occurrence_has_a_tick(several: Path, ask: Get) -> None:
    """There is a tick at the time of each frame of the finding."""
    with sqlite3.connect(several) as db:
        frames = db.execute(
            """SELECT o.frame_id, f.ts_ns / 1e6 FROM occurrences o JOIN findings x ON x.id = o.finding_id
            JOIN frames f ON f.id = o.frame_id WHERE x.rule_id = 'meter.register-falls' AND x.session_id = 1"""
        ).fetchall()
    db.close()
    assert len(frames) == 4
    plot = (await ask("/ocpp/sessions/1/plot.json")).json()
    ticks = [(each["frame_id"], each["ms"]) for each in plot["findings"] if each["rule_id"] == "meter.register-falls"]
    assert sorted(ticks) == sorted(frames)
    for each in (await ask("/ocpp/sessions/1.json")).json()["findings"]:
        if each["frame_id"]:
            frame = (await ask(f"/ocpp/frames/{each['frame_id']}.json")).json()["frame"]
            assert each["ts_ns"] == frame["ts_ns"], "a finding's time is that of its frame"


async def test_the_recorders_clock_counts(tmp_path: Path) -> None:
    """Samples of a charge point with a slow clock are drawn at the time of arrival; its own time is kept too."""
    recording = Recording(tmp_path / "slow.db")
    link = recording.connect("CP-SLOW")
    link.boot()
    seen = []
    for place in range(4):
        recording.wait(60)
        recording.now -= 1200 * SECOND
        slow = link.clock
        recording.now += 1200 * SECOND
        values = {"timestamp": slow, "sampledValue": sampled(7000, 1000 + place, 10, 50)}
        link.call("MeterValues", {"connectorId": 1, "meterValue": [values]}, {}, took=0)
        seen.append(recording.now / 1e6)
    link.close()
    plot = (await client(recording.finish())("/ocpp/sessions/1/plot.json")).json()
    points = plot["series"][0]["points"]
    assert [point[0] for point in points] == seen
    assert all(point[0] - point[3] == pytest.approx(1_200_000, abs=1000) for point in points)


async def test_connectors_do_not_share_a_line(tmp_path: Path) -> None:
    """Each of two connectors has its own line, while both charge and while both are idle."""
    recording = Recording(tmp_path / "two.db")
    link = recording.connect("CP-TWO")
    link.boot()
    for place in range(6):
        recording.wait(30)
        connector = 1 + place % 2
        values = {"timestamp": link.clock, "sampledValue": sampled(connector * 5000, 1000, 10, 50)}
        link.call("MeterValues", {"connectorId": connector, "meterValue": [values]}, {})
    link.close()
    plot = (await client(recording.finish())("/ocpp/sessions/1/plot.json")).json()
    power = next(each for each in plot["series"] if each["kind"] == "power")
    assert sorted({value for _, value in line} == {5000.0} for line in lines_of(power)) == [False, True]
    assert [len(line) for line in lines_of(power)] == [3, 3]


@pytest.mark.system
def test_the_page_draws_those_lines_and_single_samples_as_dots(page: Page, several: Path) -> None:
    """The SVG has the lines and points that the samples allow, dots for single samples, red falls, and all ticks."""
    with Program("browse", several, "--listen", "0") as browse:
        home = browse.wait_for(r"browse at (\S+)")[1]
        page.goto(f"{home}/ocpp/sessions/2")
        expect(page.locator("#plot svg")).to_be_visible()
        for kind, measurand in MEASURED.items():
            expected = segments(several, 2, measurand)
            drawn = re.findall(r"M[^M]+", page.locator(f"path.p-line.k-{kind}").get_attribute("d") or "")
            assert [1 + each.count("L") for each in drawn] == [len(line) for line in expected if len(line) > 1], kind
            singles = sum(1 for line in expected if len(line) == 1)
            expect(page.locator(f"circle.p-single.k-{kind}")).to_have_count(singles)
            # The distances between a line's points are proportional to the times between its samples.
            for path, line in zip(drawn, [line for line in expected if len(line) > 1], strict=True):
                xs = [float(x) for x in re.findall(r"[ML]([\d.]+) ", path)]
                scale = (xs[-1] - xs[0]) / (line[-1][0] - line[0][0])
                assert [x - xs[0] for x in xs] == pytest.approx([(ms - line[0][0]) * scale for ms, _ in line], abs=0.2)
        # The limit of a TxProfile is drawn from its SetChargingProfile to the end of its transaction.
        plot = page.request.get(f"{home}/ocpp/sessions/2/plot.json").json()
        xs = [float(x) for x in re.findall(r"[ML]([\d.]+) ", page.locator("path.p-limit").get_attribute("d") or "")]
        edges = page.locator("line.p-edge").evaluate_all("all => all.map((one) => +one.getAttribute('x1'))")
        (limit,), first, last = plot["limits"], plot["transactions"][0], plot["transactions"][2]
        scale = (edges[4] - edges[0]) / (last["start_ms"] - first["start_ms"])
        assert [x - edges[0] for x in (xs[0], xs[-1])] == pytest.approx(
            [(point[0] - first["start_ms"]) * scale for point in (limit["points"][0], limit["points"][-1])], abs=0.3
        )
        assert xs[-1] == pytest.approx(edges[1], abs=0.2)
        expect(page.locator("path.p-fall")).to_have_count(1)
        expect(page.locator("rect.p-gap")).to_have_count(1)
        page.goto(f"{home}/ocpp/sessions/1")
        expect(page.locator("path.p-finding[data-rule='meter.register-falls']")).to_have_count(4)
        labels = page.locator("#plot text.p-tx").all_text_contents()
        assert all(re.fullmatch(r"(transaction |tx )?71635", text) for text in labels)
        page.goto("about:blank")
