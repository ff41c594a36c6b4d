"""Home, rule, charge point, transaction and dashboards show what a reader needs first."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from inspector.browse.examples import examples
from inspector.browse.views.serialize import RULES
from tests.browse import faulty
from tests.browse.charging import Recording
from tests.browse.conftest import Get, client


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return faulty.several(tmp_path_factory.mktemp("triage") / "several.db")


@pytest.fixture(scope="module")
def ask(several: Path) -> Get:
    return client(several)


async def test_sessions_are_sorted_by_what_one_asks_for(tmp_path: Path) -> None:
    """By opening time at first, even if an older session was imported later; a click sorts by another column."""
    recording = Recording(tmp_path / "sorted.db")
    start = recording.now
    for name, hours, frames in (("B", 5, 2), ("A", 1, 9), ("C", 3, 4)):
        recording.now = start + hours * 3_600_000_000_000
        link = recording.connect(name)
        link.boot()
        for _ in range(frames):
            recording.wait(hours)
            link.call("Heartbeat", {}, {"currentTime": link.clock})
        link.close()
    get = client(recording.finish())

    async def names(query: str) -> list[str]:
        return [each["charge_point_id"] for each in (await get(f"/ocpp/-/home.json{query}")).json()["sessions"]]

    assert await names("") == ["B", "C", "A"]
    assert await names("?sort=charge_point") == ["A", "B", "C"]
    assert await names("?sort=frames") == ["A", "C", "B"]
    assert await names("?sort=duration") == ["C", "B", "A"]
    assert await names("?sort=nonsense") == ["B", "C", "A"]
    assert await names("?before=1") == ["C", "A"]


async def test_home_names_make_worst_finding_and_an_end_that_was_not_normal(ask: Get) -> None:
    """Each session's row has them; an abnormal end is amber."""
    rows = {each["charge_point_id"]: each for each in (await ask("/ocpp/-/home.json")).json()["sessions"]}
    assert rows["VEST-052"]["worst"] == {"rule_id": "meter.register-falls", "severity": "error", "count": 4}
    assert rows["VEST-052"]["make"] == "Vestel EVC04-AC22"
    assert not rows["VEST-052"]["abnormal"]
    assert rows["CP-DEPOT-07"]["abnormal"]
    assert rows["CP-DEPOT-07"]["ended"] == "CSMS closed it: internal error (1011)"
    page = (await ask("/")).text
    assert 'class="ending abnormal" title="closed by the CSMS: CSMS sent 1011 internal error"' in page
    assert "4 failed connection attempts" in page


async def test_an_imported_session_has_no_end_of_its_own(tmp_path: Path) -> None:
    """The end of an imported session is unknown, so it is not shown as a fault."""
    recording = Recording(tmp_path / "imported.db")
    link = recording.connect("CP-LOG", remote_addr=None)
    link.boot()
    link.close(cp_close_code=None, csms_close_code=None, closed_by="unknown")
    (row,) = (await client(recording.finish())("/ocpp/-/home.json")).json()["sessions"]
    assert row["ending"] == row["ended"] == "end not recorded"
    assert not row["abnormal"]


async def test_a_rule_page_names_every_occurrence(several: Path, ask: Get) -> None:
    """Each frame is a link into its session, and their number is the number in the badge."""
    found = (await ask("/ocpp/rules/meter.register-falls.json")).json()
    with sqlite3.connect(several) as db:
        frames = [row[0] for row in db.execute(
            "SELECT o.frame_id FROM occurrences o JOIN findings f ON f.id = o.finding_id"
            " WHERE f.rule_id = 'meter.register-falls' ORDER BY 1")]  # fmt: skip
    db.close()
    assert sorted(frame for each in found["findings"] for frame in each["frames"]) == frames
    page = (await ask("/ocpp/rules/meter.register-falls")).text
    for each in found["findings"]:
        for frame in each["frames"]:
            assert f'href="/ocpp/sessions/{each["session_id"]}#f{frame}"' in page


def test_each_bad_example_about_a_frame_is_marked() -> None:
    """If the rule's finding concerns a frame of its example, that frame is shown with a mark."""
    shown = [example for slug in RULES for example in examples(slug)]
    assert all(example.bad and example.good for example in shown)
    assert sum("<mark" in example.bad for example in shown) > len(shown) * 0.8
    assert not any("cs-error" in example.good for example in shown)
    assert sum("cs-ok" in example.good for example in shown) > len(shown) * 0.4
    assert examples("no.such-rule") == ()


async def test_a_charge_point_shows_when_it_was_connected_and_its_firmwares(tmp_path: Path) -> None:
    """The page has a bar for each session, and each change of firmware with the boot that reported it."""
    recording = Recording(tmp_path / "firmware.db")
    for firmware in ("1.0", "1.0", "1.1"):
        link = recording.connect("CP-F")
        boot = {"chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": firmware}
        link.call("BootNotification", boot, {"status": "Accepted", "currentTime": link.clock, "interval": 300})
        recording.wait(600)
        link.close()
        recording.wait(60)
    get = client(recording.finish())
    found = (await get("/ocpp/charge_points/CP-F.json")).json()
    assert [(each["firmware"], each["frame_id"]) for each in found["firmwares"]] == [("1.1", 5), ("1.0", 1)]
    assert len(found["timeline"]["spans"]) == 3
    assert "1.1" in (await get("/ocpp/charge_points/CP-F")).text


async def test_a_transaction_lists_its_frames_and_findings(ask: Get) -> None:
    """The page lists all frames that name the transaction, and their findings."""
    found = (await ask("/ocpp/transactions/1.json")).json()
    actions = [each["action"] for each in found["frames"]]
    assert actions[0] == "StartTransaction"
    assert actions[-1] == "StopTransaction"
    assert actions.count("MeterValues") == 22
    assert {each["rule_id"]: len(each["frames"]) for each in found["findings"]}["meter.register-falls"] == 4


async def test_at_once_means_at_the_same_time(tmp_path: Path) -> None:
    """Three sessions one after the other are never more than one; two that overlap are two."""
    recording = Recording(tmp_path / "rates.db")
    for name in ("A", "B", "C"):
        link = recording.connect(name)
        recording.wait(20)
        link.close()
    first, second = recording.connect("D"), recording.connect("A")
    recording.wait(20)
    first.close()
    second.close()
    board = (await client(recording.finish())("/ocpp/-/dashboards.json")).json()
    assert board["figures"]["at_once"] == 2
    assert [row["reconnects_per_hour"] for row in board["connections"] if row["charge_point_id"] == "A"] == [None], (
        "a minute says nothing about an hour"
    )


@pytest.mark.parametrize(("address", "title"), [
    ("/ocpp/frames", "Frames"), ("/ocpp", "Tables and queries"), ("/ocpp/latency-by-action", "Latency by action"),
    ("/ocpp/sessions?charge_point_id=x", "Sessions"), ("/ocpp?sql=select+1", "SQL query"),
    ("/ocpp/recordings/1", "Recordings 1"),
])  # fmt: skip
async def test_tables_and_queries_have_a_title_one_knows(ask: Get, address: str, title: str) -> None:
    """The browser's tab shows the title instead of SQL."""
    assert f"<title>{title} · ChargeSentinel</title>" in (await ask(address)).text


async def test_frames_are_filtered_by_rule_and_found_by_time(several: Path, ask: Get) -> None:
    """The filter shows exactly the frames that broke the rule; a time leads to the first frame after it."""
    with sqlite3.connect(several) as db:
        expected = [row[0] for row in db.execute(
            "SELECT o.frame_id FROM occurrences o JOIN findings f ON f.id = o.finding_id"
            " WHERE f.rule_id = 'meter.register-falls' AND f.session_id = 1 ORDER BY 1")]  # fmt: skip
        ids = dict(db.execute("SELECT id, ts_ns / 1000000 FROM frames WHERE session_id = 1 ORDER BY id"))
    db.close()
    found = (await ask("/ocpp/sessions/1/frames.json?rule=meter.register-falls")).json()
    assert [each["id"] for each in found["frames"]] == expected
    assert (await ask("/ocpp/sessions/1/frames.json?rule=no.such")).json()["frames"] == []
    for ms, frame in ((ids[20] - 1, 20), (0, 1), (2**42, max(ids))):
        page = (await ask(f"/ocpp/sessions/1/frames.json?at={ms}&limit=5")).json()
        assert page["around"] == frame
        assert frame in [each["id"] for each in page["frames"]]
    assert (await ask("/ocpp/sessions/1/frames.json?at=99999999999999999")).status_code == 200
