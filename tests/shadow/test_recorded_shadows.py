"""A session with a shadow is recorded as one, judged on its own, and never mistaken for one with the primary."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

from inspector.offline.rebuild import rebuild
from inspector.records import SHADOW, OpenRecord, SessionFacts
from inspector.replay.script import read
from inspector.rules.judge import TO_SHADOW
from inspector.store.reading.stored_records import read as stored_records
from inspector.store.schema import connect
from inspector.watch.followed import Position
from inspector.watch.spans import SpanReader
from tests.browse.charging import Recording
from tests.forked import chargesentinel
from tests.recorder.worker.test_supervisor import drained, frame, opened, stamps, started

START = {"connectorId": 1, "idTag": "A", "meterStart": 0}
SHADOW_OF = {"shadow": "ws://127.0.0.1:9900", "shadow_of": 1}


def recording_with_shadow(path: Path) -> Path:
    """Record one charging session at the primary, and a copy of it at a shadow."""
    recording = Recording(path)
    primary = recording.connect("CP-7")
    shadow = recording.connect("CP-7", **SHADOW_OF)
    for link, transaction in ((primary, 7), (shadow, 5001)):
        link.boot()
        start = {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": link.clock}
        link.call("StartTransaction", start, {"transactionId": transaction, "idTagInfo": {"status": "Accepted"}})
        link.call("StopTransaction", {"transactionId": transaction, "meterStop": 5, "timestamp": link.clock}, {})
    shadow.close()
    primary.close()
    return recording.finish()


def test_transactions_of_a_shadow_are_not_counted_again(tmp_path: Path) -> None:
    path = recording_with_shadow(tmp_path / "r.db")
    for _ in ("as recorded", "rebuilt"):
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT session_id, transaction_id FROM transactions").fetchall() == [(1, "7")]
        rebuilt = connect(path)
        rebuild(rebuilt, path, lambda frames: None)
        rebuilt.close()


def test_the_view_shadows_names_both_sessions(tmp_path: Path) -> None:
    with closing(sqlite3.connect(recording_with_shadow(tmp_path / "r.db"))) as db:
        assert db.execute("SELECT * FROM shadows").fetchall() == [(2, 1, "ws://127.0.0.1:9900")]


def reissued(path: Path) -> list[tuple[str]]:
    """Return the findings about a CSMS that issues a transaction id twice."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT rule_id FROM findings WHERE rule_id = 'transaction.id-reissued'").fetchall()


def test_a_shadow_is_judged_without_what_the_primary_has_said(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "r.db")
    primary = recording.connect("CP-7")
    primary.boot()
    start = {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": primary.clock}
    primary.call("StartTransaction", start, {"transactionId": 7, "idTagInfo": {"status": "Accepted"}})
    shadow = recording.connect("CP-7", **SHADOW_OF)
    shadow.boot()
    other = {**start, "connectorId": 2, "meterStart": 5}
    shadow.call("StartTransaction", other, {"transactionId": 7, "idTagInfo": {"status": "Accepted"}})
    assert reissued(recording.finish()) == []
    same = Recording(tmp_path / "same.db")
    link = same.connect("CP-7")
    link.boot()
    for one in (start, other):
        link.call("StartTransaction", one, {"transactionId": 7, "idTagInfo": {"status": "Accepted"}})
    assert reissued(same.finish()) != []


def test_a_charge_point_is_not_accused_of_disregarding_what_only_a_shadow_has_said(tmp_path: Path) -> None:
    """It charges because its own CSMS has accepted the card that the shadow blocks."""
    recording = Recording(tmp_path / "r.db")
    for status, facts in (("Accepted", {}), ("Blocked", SHADOW_OF)):
        session = recording.connect("CP-7", **facts)
        session.boot()
        session.call("Authorize", {"idTag": "A"}, {"idTagInfo": {"status": status}})
        start = {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": session.clock}
        session.call("StartTransaction", start, {"transactionId": 7, "idTagInfo": {"status": "Accepted"}})
    with closing(sqlite3.connect(recording.finish())) as db:
        sql = "SELECT session_id, severity, message FROM findings WHERE rule_id = 'transaction.after-refusal'"
        ((session_id, severity, message),) = db.execute(sql).fetchall()
    assert (session_id, severity) == (2, "info")
    assert message.endswith(TO_SHADOW)


def test_a_reader_gets_the_link_to_the_primary(tmp_path: Path) -> None:
    records = [record for record, _ in stored_records(recording_with_shadow(tmp_path / "r.db"))]
    facts = [record.facts for record in records if type(record).__name__ == "OpenRecord"]
    assert [(one.get("shadow_of"), one.get("shadow")) for one in facts] == [(None, None), (1, SHADOW_OF["shadow"])]


def test_a_link_to_a_session_of_another_charge_point_is_not_kept(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "r.db")
    recording.connect("CP-1")
    recording.connect("CP-2", **SHADOW_OF)
    with closing(sqlite3.connect(recording.finish())) as db:
        assert db.execute("SELECT session_id, primary_id FROM shadows").fetchall() == [(2, None)]


def test_a_replay_plays_the_session_with_the_primary_only(tmp_path: Path) -> None:
    scripts = read(str(recording_with_shadow(tmp_path / "r.db")))
    assert [len(script.frames) for script in scripts] == [6]


def test_alerts_hear_nothing_of_a_shadow(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "r.db")
    recording.connect("CP-7").boot()
    shadow = recording.connect("CP-7", **SHADOW_OF)
    shadow.say(True, "not OCPP")
    shadow.close()
    recording.commit()
    with closing(sqlite3.connect(recording.path)) as db:
        assert db.execute("SELECT count(*) FROM findings WHERE session_id = 2").fetchone()[0] > 0
        assert db.execute("SELECT count(*) FROM events WHERE kind = ?", (SHADOW,)).fetchone() == (1,)
        seen = Position().look(db)
    assert seen.left == [] and list(seen.connected) == ["CP-7"] and seen.findings == []


def test_no_span_is_about_a_shadow(tmp_path: Path) -> None:
    with closing(sqlite3.connect(recording_with_shadow(tmp_path / "r.db"))) as db:
        db.isolation_level = None
        spans, more = SpanReader().look(db)
    kinds = Counter(span.name for span in spans)
    assert kinds == {"BootNotification": 1, "StartTransaction": 1, "StopTransaction": 1, "session": 1, "transaction": 1}
    assert not more


async def test_a_recorder_that_is_killed_goes_on_with_a_session_with_a_shadow(tmp_path: Path) -> None:
    path = tmp_path / "killed.db"
    recorder = started(path)
    opened(recorder, 1)
    facts: SessionFacts = {"charge_point_id": "CP1", "subprotocol": "ocpp1.6", "shadow": "ws://c", "shadow_of": 1}
    recorder.put(OpenRecord(2, *stamps(), facts))
    start = json.dumps([2, "s", "StartTransaction", {**START, "timestamp": "2026-01-01T00:00:00Z"}])
    answer = '[3,"s",{"transactionId":7,"idTagInfo":{"status":"Accepted"}}]'
    frame(recorder, 1, True, start)
    frame(recorder, 1, False, answer)
    await drained(recorder)
    os.kill(recorder.pid, signal.SIGKILL)
    frame(recorder, 2, True, start.replace('"connectorId": 1', '"connectorId": 2'))
    frame(recorder, 2, False, answer)  # the same transaction id: an error if both were judged as one CSMS
    await drained(recorder)
    assert recorder.close().lost == 0
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT * FROM shadows").fetchall() == [(2, 1, "ws://c")]
        assert db.execute("SELECT session_id, transaction_id FROM transactions").fetchall() == [(1, "7")]
        assert db.execute("SELECT session_id, count(*) FROM frames GROUP BY 1").fetchall() == [(1, 2), (2, 2)]
    assert reissued(path) == []


def test_the_list_of_sessions_says_which_one_mirrors_which(tmp_path: Path) -> None:
    done = chargesentinel("sessions", str(recording_with_shadow(tmp_path / "r.db")))
    newest, oldest = done.stdout.splitlines()[1:]
    assert newest.endswith("· shadow of 1") and "shadow" not in oldest
