"""A session with a shadow is recorded as one, judged on its own, and never mistaken for one with the primary."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from inspector.offline.rebuild import rebuild
from inspector.records import SHADOW
from inspector.replay.script import read
from inspector.store.reading.stored_records import read as stored_records
from inspector.store.schema import connect
from inspector.watch.followed import Position
from tests.browse.charging import Recording
from tests.forked import chargesentinel

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


def test_a_shadow_is_judged_without_what_the_primary_has_said(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "r.db")
    primary = recording.connect("CP-7")
    primary.boot()
    start = {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": primary.clock}
    primary.call("StartTransaction", start, {"transactionId": 7, "idTagInfo": {"status": "Accepted"}})
    shadow = recording.connect("CP-7", **SHADOW_OF)
    shadow.boot()
    shadow.call("StartTransaction", start, {"transactionId": 7, "idTagInfo": {"status": "Accepted"}})
    with closing(sqlite3.connect(recording.finish())) as db:
        found = db.execute("SELECT rule_id FROM findings WHERE severity = 'error'").fetchall()
    assert found == []  # for one CSMS this would be the same transaction id twice


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


def test_the_list_of_sessions_says_which_one_mirrors_which(tmp_path: Path) -> None:
    done = chargesentinel("sessions", str(recording_with_shadow(tmp_path / "r.db")))
    newest, oldest = done.stdout.splitlines()[1:]
    assert newest.endswith("· shadow of 1") and "shadow" not in oldest
