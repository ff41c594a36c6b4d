"""`chargesentinel tail` follows a growing recording and stops cleanly."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
from pathlib import Path

from inspector.store.files.sealing import seal
from tests.browse.charging import Recording, charge_badly, charge_well
from tests.processes import Program


def test_it_begins_with_the_last_frames_and_goes_on_with_what_comes(growing: Recording) -> None:
    with Program("tail", growing.path, "-n", 2, "--interval", 0.05) as tail:
        tail.wait_for(r"CS-PLAZA-2 .* ← ⤶ StatusNotification")
        assert len(tail.out) == 2
        link = growing.connect("CP-NEW")
        link.boot()
        link.call("StatusNotification", {"connectorId": 1, "errorCode": "Nonsense", "status": "Available"}, {})
        growing.commit()
        tail.wait_for(r"4 CP-NEW .*● connected  OCPP 1\.6 from 192\.168\.1\.23:51334")
        tail.wait_for(r"4 CP-NEW .* → BootNotification .*Volta Works")
        tail.wait_for(r"^ +✗ error payload\.schema /3/errorCode")
        link.event("gap", {"frames": 7})
        link.close()
        growing.commit()
        tail.wait_for(r"● gap  frames 7")
        tail.wait_for(r"● gone  closed by the charge point: 1000 normal, 4 frames")
        assert tail.stop() == 130
        assert not "".join(tail.err), "nothing but the line after the ^C"
    said = [line.split("CP-NEW")[1].split()[1] for line in tail.out if "CP-NEW" in line]
    assert said[0] == "connected" and said[-1] == "gone"


def test_filters_leave_what_fits_and_gaps_always(growing: Recording) -> None:
    with Program("tail", growing.path, "-n", 1, "--action", "Heartbeat", "--interval", 0.05) as tail:
        tail.wait_for("CP-DEPOT-07 .* → Heartbeat")
        link = growing.connect("CP-NEW")
        link.boot()
        link.call("Heartbeat", {}, {"currentTime": link.clock})
        link.event("gap", {"frames": 7})
        growing.commit()
        tail.wait_for(r"● gap")
        tail.stop(signal.SIGINT)
    assert [line.split("CP-NEW")[1].split()[1] for line in tail.out if "CP-NEW" in line] == ["→", "←", "gap"]


def test_only_a_charge_points_own_news_is_told(growing: Recording) -> None:
    charge_well(growing, "CP-MINE-0", samples=1)
    growing.commit()
    with Program("tail", growing.path, "-n", 1, "--charge-point", "CP-MINE*", "--interval", 0.05) as tail:
        tail.wait_for("CP-MINE-0")
        charge_badly(growing, "CP-OTHER")
        charge_well(growing, "CP-MINE-1", samples=1)
        growing.commit()
        tail.wait_for(r"CP-MINE-1 .*● gone")
        tail.stop()
    assert all("CP-MINE-" in line or line.startswith(" ") for line in tail.out)


def test_late_findings_name_the_frame_they_are_about(growing: Recording) -> None:
    link = growing.connect("CP-LATE")
    link.boot()
    link.call("Heartbeat", {})
    growing.commit()
    with Program("tail", growing.path, "-n", 1, "--interval", 0.05) as tail:
        tail.wait_for("Heartbeat")
        growing.wait(60)
        growing.pipeline.tick(growing.now, growing.now)
        growing.commit()
        tail.wait_for(r"CP-LATE +\d+ ! warning rpc\.no-answer")
        tail.stop()


def test_json_is_one_object_a_line(growing: Recording) -> None:
    with Program("tail", growing.path, "-n", 1, "--json", "--interval", 0.05) as tail:
        tail.wait_for('"what": "frame"')
        charge_badly(growing, "CP-X")
        growing.commit()
        tail.wait_for('"what": "closed"')
        tail.stop()
    told = [json.loads(line) for line in tail.out]
    assert {"frame", "finding", "opened", "closed", "event"} == {one["what"] for one in told}
    assert all("charge_point" in one for one in told)


def test_a_recording_that_goes_on_in_another_file_is_followed_there(growing: Recording, tmp_path: Path) -> None:
    """As with `--rotate`: the path is a link, which suddenly leads to another file."""
    name, link = tmp_path / "traffic.db", tmp_path / "next"
    name.symlink_to(growing.path)
    with Program("tail", name, "-n", 1, "--interval", 0.05) as tail:
        tail.wait_for("CS-PLAZA-2")
        charge_well(growing, "CP-OLD", samples=1)
        growing.commit()
        tail.wait_for(r"CP-OLD .*● gone")
        fresh = Recording(tmp_path / "fresh.db", start_ns=growing.now + 10**12)
        fresh.commit()
        charge_well(growing, "CP-LAST", samples=1)
        growing.commit()
        growing.connect("CP-STAYS").boot()
        growing.commit()
        link.symlink_to(fresh.path)
        link.replace(name)
        growing.finish()
        with contextlib.suppress(sqlite3.Error):  # another process has it open; the mark counts anyway
            seal(growing.path, fresh.path, growing.now)
        tail.wait_for("was replaced; following the new one")
        charge_well(fresh, "CP-FRESH", samples=1)
        fresh.commit()
        tail.wait_for(r"CP-FRESH .*● gone")
        assert tail.stop() == 130
    assert any("CP-LAST" in line and "gone" in line for line in tail.out), "the old one is told to its end"
    assert not any("CP-STAYS" in line and ("gone" in line or "continues" in line) for line in tail.out)


def test_many_frames_at_once_are_all_told_in_order(growing: Recording) -> None:
    with Program("tail", growing.path, "-n", 1, "--json", "--interval", 0.05) as tail:
        tail.wait_for("CS-PLAZA-2")
        charge_well(growing, "CP-MANY", samples=1500)
        growing.commit()
        tail.wait_for('"what": "closed"', timeout=60)
        tail.stop()
    told = [one for one in map(json.loads, tail.out) if one["charge_point"] == "CP-MANY"]
    ids = [one["id"] for one in told if one["what"] == "frame"]
    assert len(ids) > 3000 and ids == list(range(ids[0], ids[0] + len(ids)))
    assert (told[0]["what"], told[-1]["what"]) == ("opened", "closed")
