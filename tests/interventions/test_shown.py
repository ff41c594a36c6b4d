"""A recording shows what interventions did: in the terminal, on the pages, in exports, in SQL, and in `check`."""

from __future__ import annotations

import csv
import json
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from inspector.browse.interventions import difference, on_a_line
from inspector.cli.output.log_lines import LogLines
from inspector.cli.output.screen import Screen
from inspector.replay.script import read as read_scripts
from inspector.store.files.connection import open_recording
from inspector.store.reading import reader
from inspector.store.schema import connect
from inspector.store.writing import pruning
from tests.browse.conftest import client
from tests.cli.conftest import in_this_process as chargesentinel
from tests.database import rows
from tests.interventions.edited_recording import edited_recording

MARKED = '{"idTagInfo":{"status":[-"Accepted"-]{+"Blocked"+}}}]'


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return edited_recording(tmp_path_factory.mktemp("edited") / "traffic.db")


def test_show_names_the_rule_and_marks_the_difference(recording: Path) -> None:
    text = chargesentinel("show", recording, 1).stdout
    assert "edited by `blocked-card`" in text and "made by `blocked-card` from the frame before" in text
    assert MARKED in text and "dropped by `lost-beat`" in text
    assert text.index("not forwarded") < text.index(MARKED)


def test_the_lines_of_tail_name_the_rule_and_mark_the_difference(
    recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(open_recording(recording)) as db:
        lines = LogLines(db, Screen(), ())
        for event in reader.events(db, 1):
            lines.event(event)
    text = capsys.readouterr().out
    assert "edited by `blocked-card`" in text and "made by `blocked-card` from the frame before" in text
    assert MARKED in text


async def test_the_pages_name_the_rule_and_mark_the_difference(recording: Path) -> None:
    get = client(recording)
    frames = (await get("/ocpp/sessions/1/frames.json")).json()
    assert any(MARKED in event["summary"] for event in frames["events"])
    (came,) = [one["id"] for one in frames["frames"] if one["message_id"] == "a" and not one["forwarded"]]
    for number, other, said in ((came, came + 1, "Sent as"), (came + 1, came, "Came as")):
        page = (await get(f"/ocpp/frames/{number}")).text
        assert "<del>&#34;Accepted&#34;</del><ins>&#34;Blocked&#34;</ins>" in page
        assert "`blocked-card`" in page and said in page and f">#{other}</a>" in page
    assert (await get("/ocpp/frames/1.json")).json()["intervention"] is None


async def test_the_comparison_of_sessions_leaves_out_what_the_proxy_made(recording: Path) -> None:
    rows = (await client(recording)("/ocpp/-/compare.json?a=1&b=1")).json()["rows"]
    ids = [row["a"]["id"] for row in rows]
    assert not set(rows_of(recording, "SELECT frame_id FROM interventions WHERE what = 'made'")) & set(ids)
    said = {row["a"]["id"]: row["a"]["intervention"] for row in rows if row["a"]["intervention"]}
    edited = rows_of(recording, "SELECT frame_id FROM interventions WHERE what <> 'made'")
    assert sorted(said) == sorted(edited) and "edited by `blocked-card`" in said.values()


def rows_of(path: Path, sql: str) -> list[Any]:
    return [one for (one,) in rows(path, sql)]


def test_sql_links_what_was_sent_with_what_came(recording: Path) -> None:
    found = rows(
        recording,
        "SELECT i.rule, came.raw, sent.raw FROM interventions i JOIN frames sent ON sent.id = i.frame_id"
        " JOIN frames came ON came.id = i.made_from_id WHERE what = 'made' ORDER BY i.frame_id",
    )
    assert [rule for rule, *_ in found] == ["blocked-card", "bad-clock"]
    assert [json.loads(came)[1] == json.loads(sent)[1] for _, came, sent in found] == [True, True]
    assert found[0][1:] == (
        '[3,"a",{"idTagInfo":{"status":"Accepted"}}]',
        '[3,"a",{"idTagInfo":{"status":"Blocked"}}]',
    )


def links(path: Path) -> list[tuple[Any, ...]]:
    """Return the interventions with the numbers of their frames within the session."""
    return rows(
        path,
        "WITH numbered AS (SELECT id, row_number() OVER (PARTITION BY session_id ORDER BY id) AS n FROM frames)"
        " SELECT n, rule, what, (SELECT n FROM numbered WHERE id = made_from_id) FROM interventions"
        " JOIN numbered ON id = frame_id ORDER BY 1",
    )


@pytest.mark.parametrize("way", ["trace", "har", "rebuild", "anonymize", "after other sessions"])
def test_the_link_survives_copies_in_which_frames_have_other_ids(recording: Path, tmp_path: Path, way: str) -> None:
    copy = tmp_path / "copy.db"
    if way in ("trace", "har"):
        assert chargesentinel("export", recording, "--format", way, "-o", tmp_path / f"x.{way}").returncode == 0
        assert chargesentinel("import", tmp_path / f"x.{way}", "--db", copy).returncode == 0
    elif way == "after other sessions":
        assert chargesentinel("import", "recordings/charging-1.6.jsonl", recording, "--db", copy).returncode == 0
    elif way == "anonymize":
        assert chargesentinel("anonymize", recording, copy).returncode == 0
    else:
        copy.write_bytes(recording.read_bytes())
        assert chargesentinel("rebuild", copy).returncode == 0
    assert links(copy) == links(recording) and len(links(copy)) == 5


def test_csv_has_the_rule_and_the_frame_that_a_frame_was_made_from(recording: Path, tmp_path: Path) -> None:
    assert chargesentinel("export", recording, "--format", "csv", "-o", tmp_path / "x.csv").returncode == 0
    with (tmp_path / "x.csv").open(newline="") as file:
        found = [
            (row["interventions"], row["made_by"], row["made_from_frame"], row["frame"]) for row in csv.DictReader(file)
        ]
    edited = next(place for place, one in enumerate(found) if one[0])
    assert found[edited][:3] == ("blocked-card: edit", "", "")
    assert found[edited + 1][:3] == ("", "blocked-card", found[edited][3])
    assert sum(any(one[:3]) for one in found) == 5


def checked(recording: Path, *more: str) -> tuple[int, Counter[tuple[Any, ...]]]:
    done = chargesentinel("check", recording, "--json", *more)
    found = json.loads(done.stdout)["findings"]
    return done.returncode, Counter((one["severity"], one["side"], one["rule"], one["caused_by"]) for one in found)


def test_check_counts_findings_that_a_rule_caused_only_when_asked(recording: Path, tmp_path: Path) -> None:
    caused = {("payload.schema", "bad-clock"), ("rpc.no-answer", "lost-beat")}
    code, found = checked(recording)
    assert code == 0 and {(rule, by) for _, _, rule, by in found if by} >= caused
    assert {(severity, side) for severity, side, _, by in found if by} == {("info", "link")}
    code, found = checked(recording, "--with-interventions")
    assert code == 1 and found["error", "csms", "payload.schema", "bad-clock"] == 1
    trace = tmp_path / "x.jsonl"
    assert chargesentinel("export", recording, "-o", trace).returncode == 0
    assert checked(trace, "--with-interventions") == checked(recording, "--with-interventions")


def test_reports_for_machines_mark_findings_that_a_rule_caused(recording: Path) -> None:
    suite = ET.fromstring(chargesentinel("check", recording, "--format", "junit").stdout)[0]
    assert suite.get("failures") == "0"
    said = [case.findtext("system-out") or "" for case in suite if case.get("name") == "payload.schema"]
    assert "caused by the intervention bad-clock" in said[0]
    counted = ET.fromstring(chargesentinel("check", recording, "--format", "junit", "--with-interventions").stdout)[0]
    assert counted.get("failures") != "0"
    results = json.loads(chargesentinel("check", recording, "--format", "sarif").stdout)["runs"][0]["results"]
    assert {one["properties"]["causedBy"] for one in results if "causedBy" in one["properties"]} >= {"bad-clock"}
    assert "caused by the intervention bad-clock" in chargesentinel("check", recording).stdout


def test_no_peer_has_errors_in_the_recording_because_of_a_rule(recording: Path) -> None:
    assert rows(recording, "SELECT sum(error_count) FROM sessions") == [(0,)]
    assert rows(recording, "SELECT count(*) FROM findings WHERE message LIKE 'caused by the intervention %'")[0][0] >= 2


@pytest.mark.parametrize(
    ("came", "sent", "line"),
    [
        ("[3,1]", "[3,1]", ""),
        ("[3,1]", "", "[-[3,1]-]"),
        ('{"a":1,"b":2}', '{"a":5,"b":6}', '{"a":[-1-]{+5+},"b":[-2-]{+6+}}'),
    ],
)
def test_a_difference_is_shown_token_by_token(came: str, sent: str, line: str) -> None:
    assert on_a_line(came, sent) == line
    assert "".join(text for sign, text in difference(came, sent) if sign != "+") == came
    assert "".join(text for sign, text in difference(came, sent) if sign != "-") == sent


def test_the_difference_of_huge_texts_is_found_at_once() -> None:
    came = "[" + ",".join(map(str, range(200_000))) + "]"
    sent = "[" + ",".join(str(-number) for number in range(200_000)) + "]"
    assert len(on_a_line(came, sent)) < 400


def test_what_is_left_after_pruning_is_still_judged_as_each_peer_saw_it(recording: Path, tmp_path: Path) -> None:
    copy = tmp_path / "pruned.db"
    copy.write_bytes(recording.read_bytes())
    before = rows(copy, "SELECT ts_ns FROM frames WHERE message_id = 'i' ORDER BY id LIMIT 1")[0][0]
    db = connect(copy)
    pruning.prune(db.conn, pruning.plan(db.conn, before, ()), before, (), before, lambda _: None)
    db.close()
    assert 0 < rows(copy, "SELECT count(*) FROM frames")[0][0] < 5
    code, found = checked(copy)
    assert code == 0 and ("payload.schema", "bad-clock") in {(rule, by) for _, _, rule, by in found}


def test_replay_plays_what_the_peers_sent_and_nothing_that_the_proxy_made(recording: Path) -> None:
    (script,) = read_scripts(str(recording))
    sent = rows_of(
        recording, "SELECT raw FROM frames WHERE id NOT IN (SELECT frame_id FROM interventions WHERE what = 'made')"
    )
    assert [frame.raw.decode() for frame in script.frames] == sent
    assert b'"Blocked"' not in b"".join(frame.raw for frame in script.frames)
    assert not [key for key in script.findings if key[0] in ("payload.schema", "rpc.second-answer")]


def test_a_comparison_in_the_terminal_names_the_frames_that_rules_changed(recording: Path) -> None:
    done = chargesentinel("diff", recording, recording)
    assert done.returncode == 0
    assert done.stdout.count("Authorize: edited by `blocked-card`; compared as it came") == 2
