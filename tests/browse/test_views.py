"""What the pages and their JSON contain."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from inspector.browse.formatting import event_line
from inspector.browse.views.charging import POINTS, thin
from inspector.browse.views.pages import PAGES
from inspector.browse.views.serialize import event_row
from inspector.browse.views.transaction import within
from inspector.store.rows import Event
from tests.browse import charging
from tests.browse.charging import Recording
from tests.browse.conftest import Get, client


async def every_frame(get: Get, session: int, limit: int) -> tuple[list[int], list[int]]:
    """Return the ids of a session's frames and events, page by page."""
    frames: list[int] = []
    events: list[int] = []
    after: dict[str, int] = {}
    while True:
        page = (await get(f"/ocpp/sessions/{session}/frames.json", params={"limit": limit, **after})).json()
        frames += [frame["id"] for frame in page["frames"]]
        events += [event["id"] for event in page["events"]]
        if not page["more_after"]:
            return frames, events
        after = {"after": page["frames"][-1]["id"]}


@pytest.mark.parametrize("limit", [1, 7, 50, 1000])
async def test_pages_of_a_session_hold_each_frame_and_event_once(get: Get, limit: int) -> None:
    """Whatever the page size, paging forwards gives every frame and event once, in order."""
    frames, events = await every_frame(get, 1, limit)
    assert frames == list(range(1, 205))
    assert events == sorted(set(events))
    assert len(events) == 8


async def test_pages_go_backwards_and_around_too(get: Get) -> None:
    """Paging from the middle to both ends gives the same frames and events."""
    page = (await get("/ocpp/sessions/1/frames.json?around=100&limit=20")).json()
    assert 100 in [frame["id"] for frame in page["frames"]]
    frames = [frame["id"] for frame in page["frames"]]
    events = [event["id"] for event in page["events"]]
    while page["more_before"]:
        page = (await get(f"/ocpp/sessions/1/frames.json?before={frames[0]}&limit=20")).json()
        frames = [frame["id"] for frame in page["frames"]] + frames
        events = [event["id"] for event in page["events"]] + events
    rest = (await get(f"/ocpp/sessions/1/frames.json?after={frames[-1]}&limit=1000")).json()
    assert frames + [frame["id"] for frame in rest["frames"]] == list(range(1, 205))
    everything = (await every_frame(get, 1, 1000))[1]
    assert sorted(events + [event["id"] for event in rest["events"]]) == everything


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Get:
    """Write a session: a handshake, 20 frames, hundreds of pings, 20 more frames, and an event at the end."""
    recording = Recording(tmp_path_factory.mktemp("busy") / "busy.db")
    link = recording.connect("CP-BUSY")
    link.event("handshake", {"status": 101})
    for place in range(20):
        link.call("Heartbeat", {}, {"currentTime": link.clock})
        for _ in range(600 if place == 9 else place % 3):
            link.event("ping", {"direction": "csms-to-cp", "payload": ""})
    link.event("close", {"direction": "cp-to-csms", "code": 1000})
    link.close()
    return client(recording.finish())


@pytest.mark.parametrize("limit", [1, 3, 7, 40, 1000])
@pytest.mark.parametrize("start", ["limit=7", "end=1", "around=1", "around=2", "around=20", "around=40", "after=13"])
async def test_pages_tell_each_event_once_whichever_way_they_go(busy: Get, start: str, limit: int) -> None:
    """Paging from any frame back to the handshake and forwards to the end shows each event once."""
    whole = (await busy("/ocpp/sessions/1/frames.json?limit=1000")).json()
    page = (await busy(f"/ocpp/sessions/1/frames.json?{start}&limit={limit}")).json()
    pages = [page]
    while pages[0]["more_before"]:
        address = f"/ocpp/sessions/1/frames.json?before={pages[0]['frames'][0]['id']}&limit={limit}"
        pages.insert(0, (await busy(address)).json())
    while pages[-1]["more_after"]:
        address = f"/ocpp/sessions/1/frames.json?after={pages[-1]['frames'][-1]['id']}&limit={limit}"
        pages.append((await busy(address)).json())
    for kind in ("frames", "events"):
        assert [each["id"] for page in pages for each in page[kind]] == [each["id"] for each in whole[kind]], kind
    assert [each["kind"] for each in (whole["events"][0], whole["events"][-1])] == ["handshake", "close"]
    assert (await busy("/ocpp/sessions/1/frames.json?before=1")).json()["events"] == []


async def test_the_end_of_a_session_is_one_step_away(get: Get) -> None:
    """`end` gives the last page."""
    page = (await get("/ocpp/sessions/1/frames.json?end=1&limit=10")).json()
    assert [frame["id"] for frame in page["frames"]] == list(range(195, 205))
    assert page["more_before"]
    assert not page["more_after"]


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("action=Authorize", lambda frame: frame["action"] == "Authorize"),
        (
            "action=Authorize&action=BootNotification",
            lambda frame: frame["action"] in ("Authorize", "BootNotification"),
        ),
        ("direction=csms-to-cp", lambda frame: frame["direction"] == "csms-to-cp"),
        ("q=suspendedev", lambda frame: "SuspendedEV" in frame["summary"]),
        (
            "direction=csms-to-cp&action=SetChargingProfile",
            lambda f: f["type"] == "CALL" and f["action"] == "SetChargingProfile",
        ),
        ("severity=error", lambda frame: False),
        ("q=%25", lambda frame: False),
    ],
)
async def test_filters_keep_what_they_say(get: Get, query: str, kept: Any) -> None:
    """The result is exactly the frames that match."""
    every = (await get("/ocpp/sessions/1/frames.json?limit=1000")).json()["frames"]
    found = (await get(f"/ocpp/sessions/1/frames.json?limit=1000&{query}")).json()["frames"]
    assert [frame["id"] for frame in found] == [frame["id"] for frame in every if kept(frame)]


async def test_calls_and_answers_lead_to_each_other(get: Get) -> None:
    """A CALL names its answer, the answer its CALL, with the latency between them."""
    frames = {frame["id"]: frame for frame in (await get("/ocpp/sessions/1/frames.json?limit=1000")).json()["frames"]}
    for frame in frames.values():
        if frame["type"] == "CALL":
            answer = frames[frame["answer_id"]]
            assert answer["call_id"] == frame["id"]
            assert answer["latency_us"] == pytest.approx(answer["mono_us"] - frame["mono_us"], abs=1)
            assert answer["latency_us"] > 0


async def test_the_plot_holds_what_was_measured_and_allowed(get: Get) -> None:
    """The plot has four quantities with a point for each sample, the limit's two steps, and one transaction."""
    plot = (await get("/ocpp/sessions/1/plot.json")).json()
    assert {each["kind"]: each["samples"] for each in plot["series"]} == {
        "power": 90,
        "energy": 90,
        "current": 90,
        "soc": 90,
    }
    (limit,) = plot["limits"]
    assert limit["unit"] == "W"
    assert [value for _, value in limit["points"]] == [6000.0, 6000.0, 8000.0, 8000.0]
    starts = [ms for ms, _ in limit["points"]]
    assert starts[2] - starts[0] == pytest.approx(900_000, abs=2000)
    (transaction,) = plot["transactions"]
    assert transaction["transaction_id"] == "1017"
    assert plot["start_ms"] < transaction["start_ms"] < transaction["end_ms"] < plot["end_ms"]
    assert [each["status"] for each in plot["statuses"]] == [
        *("Available", "Available", "Preparing", "Charging", "SuspendedEV", "Finishing", "Available"),
    ]


async def test_a_refused_limit_is_no_limit(tmp_path: Path) -> None:
    """A rejected or meaningless limit is not drawn; an accepted one or a ClearChargingProfile ends the previous one."""
    recording = Recording(tmp_path / "limits.db")
    link = recording.connect("CP-LIMITS")

    def profile(limit: Any, answer: str, unit: Any = "A") -> None:
        schedule = {"chargingRateUnit": unit, "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}]}
        profile = {"chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile"}
        profile |= {"chargingProfileKind": "Relative", "chargingSchedule": schedule}
        payload = {"connectorId": 1, "csChargingProfiles": profile}
        link.call("SetChargingProfile", payload, {"status": answer}, by_csms=True)
        recording.wait(60)

    profile(16, "Accepted")
    profile(6, "Rejected")
    profile("many", "Accepted")
    profile(5, "Accepted", ["W"])
    profile(10, "Accepted")
    cleared_ns = recording.now
    link.call("ClearChargingProfile", {"id": 1}, {"status": "Accepted"}, by_csms=True)
    recording.wait(600)
    link.close()
    plot = (await client(recording.finish())("/ocpp/sessions/1/plot.json")).json()
    (limit,) = plot["limits"]
    assert [value for _, value in limit["points"]] == [16.0, 16.0, 10.0, 10.0]
    assert limit["points"][-1][0] == pytest.approx(cleared_ns / 1e6, abs=1000), "a limit ends where it is cleared"


def test_thinning_keeps_the_extremes() -> None:
    """A single peak among a hundred thousand samples is still drawn."""
    points = [(float(ms), 100.0, ms) for ms in range(100_000)]
    points[61_234] = (61_234.0, 9_000.0, 61_234)
    points[70_001] = (70_001.0, -5.0, 70_001)
    kept = thin(points)
    assert len(kept) <= POINTS + 4
    assert {9_000.0, -5.0} <= {value for _, value, _ in kept}
    assert kept == sorted(kept)


async def test_a_frame_tells_what_to_do(get: Get) -> None:
    """Its JSON has the findings with remedy and specification, and the answer with its latency."""
    found = (await get("/ocpp/frames/215.json")).json()
    assert {finding["pointer"] for finding in found["findings"]} >= {"/3/connectorId", "/3/meterStart"}
    assert all(finding["remedy"] and finding["spec_ref"] for finding in found["findings"])
    assert found["pair"]["type"] == "CALLERROR"
    assert found["pair"]["latency_us"] == 400_000
    assert (found["before"], found["after"]) == (214, 216)


async def test_two_sessions_are_compared_by_meaning(tmp_path: Path) -> None:
    """Other ids, times and transaction numbers are no differences; a refusal or a missing frame is one."""
    recording = Recording(tmp_path / "two.db")
    charging.charge_well(recording, samples=4)
    charging.charge_well(recording, transaction=2042, samples=4)
    link = recording.connect("CP-GARAGE-01")
    link.boot()
    link.status("Available", 0)
    link.call("Authorize", {"idTag": "04E91C5A2B"}, {"idTagInfo": {"status": "Blocked"}})
    link.close()
    get = client(recording.finish())
    same = (await get("/ocpp/-/compare.json?a=1&b=2")).json()
    assert same["equal"], [row for row in same["rows"] if row["differences"]]
    assert len(same["rows"]) == len((await get("/ocpp/sessions/1/frames.json?limit=1000")).json()["frames"])
    other = (await get("/ocpp/-/compare.json?a=1&b=3")).json()
    assert not other["equal"]
    told = [difference["sentence"] for row in other["rows"] for difference in row["differences"]]
    assert any("Blocked" in sentence for sentence in told)
    assert any(row["b"] is None and row["a"]["action"] == "StopTransaction" for row in other["rows"])
    page = await get("/ocpp/-/compare?a=1&b=3")
    assert page.status_code == 200
    assert "Blocked" in page.text


async def test_differences_alone_are_shown_when_asked(get: Get) -> None:
    """Equal steps are left out; the page still shows how many there are."""
    whole = (await get("/ocpp/-/compare.json?a=1&b=2")).json()
    only = (await get("/ocpp/-/compare.json?a=1&b=2&only=differences")).json()
    assert only["rows"] == [row for row in whole["rows"] if row["differences"]]
    assert only["steps"] == whole["steps"] == len(whole["rows"])
    assert only["differences"] == len(only["rows"])


async def test_a_session_too_long_for_a_page_is_compared_from_its_beginning(tmp_path: Path) -> None:
    """The page compares as many frames as it can hold, and says so."""
    recording = Recording(tmp_path / "two.db")
    for transaction in (1, 2):
        charging.charge_well(recording, transaction=transaction, samples=800)
    get = client(recording.finish())
    found = (await get("/ocpp/-/compare.json?a=1&b=2")).json()
    assert found["compared"] == found["steps"] == 1500
    assert found["equal"]
    assert "first 1,500 frames" in (await get("/ocpp/-/compare?a=1&b=2&only=differences")).text


def test_a_line_of_steps_is_cut_where_it_is_looked_at() -> None:
    """In the plot of a transaction, an earlier limit begins at its start, and a longer one ends at its end."""
    steps: list[tuple[float, float]] = [(0, 6), (10, 6), (10, 8), (30, 8)]
    assert within(steps, 5, 20) == [(5, 6), (10, 6), (10, 8), (20, 8)]
    assert within(steps, 0, 30) == steps
    assert within(steps, 15, 20) == [(15, 8), (20, 8)]
    assert within(steps, 40, 50) == []
    assert within([], 0, 1) == []


async def test_a_transaction_shows_the_limit_it_was_given(get: Get) -> None:
    """Its plot shows the session's limit within the time of the transaction only."""
    plot = (await get("/ocpp/transactions/1.json")).json()["plot"]
    (limit,) = plot["limits"]
    assert [value for _, value in limit["points"]] == [6000.0, 6000.0, 8000.0, 8000.0]
    assert all(plot["start_ms"] <= at <= plot["end_ms"] for at, _ in limit["points"])
    assert {"Charging", "SuspendedEV"} <= {each["status"] for each in plot["statuses"]}
    assert "Available" not in {each["status"] for each in plot["statuses"]}, "that was before, and after"


async def test_home_tells_when_a_session_was_heard_last(get: Get) -> None:
    """The list and the charge point's page show it, with the complete description of the end."""
    row = (await get("/ocpp/-/home.json?charge_point=CP-DEPOT-07")).json()["sessions"][0]
    page = (await get("/")).text
    assert f'datetime="{row["last_seen"]}"' in page
    assert "closed by the CSMS: CSMS sent 1011 internal error" in page


@pytest.mark.parametrize(
    "address",
    [
        *("/sessions/999", "/frames/99999", "/transactions/99", "/charge_points/nobody", "/rules/no.such"),
        *("/sessions/9999999999999999999", "/frames/9999999999999999999", "/-/compare?a=77"),
        *("/sessions/99/frames.json", "/sessions/99/plot.json"),
    ],
)
async def test_what_is_not_there_is_said(get: Get, address: str) -> None:
    """404 and a sentence, as a page and as JSON."""
    page = await get(f"/ocpp{address}")
    assert page.status_code == 404
    assert "There is no" in page.text
    if not address.endswith(".json"):
        path, _, query = address.partition("?")
        answer = await get(f"/ocpp{path}.json?{query}")
        assert answer.status_code == 404
        assert answer.json()["error"].startswith("There is no")


@pytest.mark.parametrize(
    "query",
    [
        *("after=x", "after=-1", "after=99999999999999999999", "limit=-5", "limit=999999999", "around=0", "before=0"),
        *("severity=nonsense", "direction=up", "action=%00", "q=%27%22%3B--", "q=" + "x" * 5000, "end=1&before=4"),
        *(f"{name}={sign}{2**63 - (sign != '-')}" for name in ("around", "after", "before") for sign in ("", "-")),
    ],
)
async def test_odd_questions_are_answered(get: Get, query: str) -> None:
    """A parameter that makes no sense counts as absent or matches nothing; it never breaks a page."""
    assert (await get(f"/ocpp/sessions/1/frames.json?{query}")).status_code == 200
    assert (await get(f"/ocpp/-/home?{query}")).status_code == 200
    assert (await get(f"/ocpp/-/live.json?{query}")).status_code == 200


@pytest.mark.parametrize(
    ("kind", "detail", "line"),
    [
        ("ping", {"direction": "csms-to-cp", "payload": "0a0b"}, "from the CSMS · payload 0a0b"),
        ("pong", {"direction": "cp-to-csms", "payload": ""}, "from the charge point"),
        ("close", {"direction": "csms-to-cp", "code": 1001, "reason": "bye"}, "CP ← CSMS · 1001 going away “bye”"),
        ("framing", {"binary": True}, "binary"),
        ("gap", {"reason": "disk full", "frames": 12}, "reason disk full · frames 12"),
    ],
)
def test_an_event_is_a_line(kind: str, detail: dict[str, Any], line: str) -> None:
    """Events that are not frames are lines in the ladder."""
    assert event_row(Event(1, 1, 1, None, kind, json.dumps(detail)))["summary"] == line


async def test_what_never_became_a_session_is_told(get: Get) -> None:
    """The home page shows who was refused an upgrade, and why."""
    (refused,) = (await get("/ocpp/-/home.json")).json()["unconnected"]
    assert refused["kind"] == "rejected-upgrade"
    assert refused["detail"]["charge_point_id"] == "CP-UNKNOWN"
    assert "404" in refused["summary"]
    assert "CP-UNKNOWN" in (await get("/")).text


async def test_an_empty_recording_has_all_its_pages(tmp_path: Path) -> None:
    """Before the first charge point connects nothing fails and the home page says what to do."""
    get = client(Recording(tmp_path / "empty.db").finish())
    for path in (
        "/",
        "/ocpp/-/home.json",
        "/ocpp/-/live",
        "/ocpp/-/dashboards",
        "/ocpp/rules",
        "/ocpp/-/compare",
        "/ocpp/frames",
    ):
        assert (await get(path)).status_code == 200, path
    assert "Point a charge point at the proxy" in (await get("/")).text


async def test_a_nameless_charge_point_has_a_row(tmp_path: Path) -> None:
    """Sessions without a charge point id, and ids with characters that are special in URLs, have working links."""
    recording = Recording(tmp_path / "odd.db")
    odd = "CP/1 ?#%2F~.json"
    for name in ("", odd):
        link = recording.connect(name)
        link.boot()
        link.close()
    get = client(recording.finish())
    home = (await get("/")).text
    assert "unnamed" in home
    links = re.findall(r'href="(/ocpp/charge_points/[^"]+)"', home)
    pages = [(await get(address)).text for address in links]
    assert any("CP/1 ?#%2F~.json</h1>" in page for page in pages)


def test_every_view_is_documented() -> None:
    """docs/browse.md names each of our addresses."""
    text = (Path(__file__).parents[2] / "docs" / "browse.md").read_text()
    for page in PAGES:
        path = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", page.path.replace(r"(\.(?P<format>json))?", "")).replace(
            "\\", ""
        )
        assert f"`{path}`" in text, path


def test_a_refused_upgrade_is_shown_with_its_url_and_the_probable_cause() -> None:
    detail = {"status": 404, "path": "/ocpp/CP1", "upstream_url": "ws://csms/ocpp/ocpp/CP1", "request_headers": []}
    assert event_line("rejected-upgrade", detail).startswith("the CSMS answered 404 to ws://csms/ocpp/ocpp/CP1: /ocpp ")
