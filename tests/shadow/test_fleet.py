"""A fleet of 50 charge points in three versions charges through the proxy: its shadow sees all of it and agrees."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.request import urlopen

import pytest

from inspector.rules.judge import TO_SHADOW
from tests.forked import chargesentinel
from tests.processes import Program
from tests.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

OPENED = """SELECT session_id, payload ->> '$.transactionId' FROM frames
  WHERE action = 'StartTransaction' AND msg_type = 3 AND session_id IN (SELECT session_id FROM shadows)"""
STOPPED = """SELECT session_id, payload ->> '$.transactionId' FROM frames
  WHERE action = 'StopTransaction' AND msg_type = 2 AND session_id IN (SELECT session_id FROM shadows)"""
EVENTS = """SELECT DISTINCT session_id, payload ->> '$.transactionInfo.transactionId' FROM frames
  WHERE action = 'TransactionEvent' AND msg_type = 2 AND payload ->> '$.eventType' = '{}'
  AND session_id {} IN (SELECT session_id FROM shadows)"""
AGAINST = f"""SELECT DISTINCT rule_id FROM findings WHERE side = 'charge_point'
  AND (severity IN ('error', 'warning') OR instr(message, '{TO_SHADOW.replace("'", "''")}'))
  AND session_id {{}} IN (SELECT session_id FROM shadows)"""


def metric(url: str, name: str) -> float:
    """Return a metric about the only shadow."""
    with urlopen(url, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    (line,) = (one for one in lines if one.startswith(f"chargesentinel_shadow_{name}{{"))
    return float(line.rpartition(" ")[2])


def test_a_shadow_of_a_whole_fleet_opens_and_closes_every_transaction_and_agrees(tmp_path: Path) -> None:
    db = tmp_path / "traffic.db"
    csms = ("csms", "--no-page", "--listen", "127.0.0.1:0")
    with Program(*csms, cwd=tmp_path) as primary, Program(*csms, cwd=tmp_path) as shadow:
        upstream, candidate = (one.wait_for(r"(ws://\S+)")[1] for one in (primary, shadow))
        options = ("--upstream", upstream, "--listen", "127.0.0.1:0", "--db", db, "-q", "--metrics", "127.0.0.1:0")
        with Program("proxy", *options, "--shadow", f"*={candidate}") as proxy:
            url = proxy.wait_for(r"listening on (ws://\S+)")[1]
            fleet = ("--count", "50", "--rate", "25", "--duration", "60", "--ocpp", "mixed", "--minutes", "5")
            done = chargesentinel("charge-point", "--url", url, "--id", "CP", *fleet, timeout=200)
            metrics = proxy.wait_for(r"(http://\S+/metrics)")[1]
            wait_until(lambda: metric(metrics, "sessions_open") == 0)
            assert metric(metrics, "sessions_total") >= 50 and metric(metrics, "waiting_bytes") == 0
            assert proxy.stop() == 0, proxy.report()
    assert done.returncode == 0, done.stdout + done.stderr
    with closing(sqlite3.connect(db)) as connection:
        run = connection.execute
        (mirrored,) = run("SELECT count(DISTINCT primary_id) FROM shadows").fetchone()
        assert mirrored == 50
        assert run("SELECT count(DISTINCT ocpp_version) FROM sessions").fetchone() == (3,)
        opened, stopped = run(OPENED).fetchall(), run(STOPPED).fetchall()
        assert set(stopped) <= set(opened) and len(set(opened)) == len(opened) > 10
        begun, ended = (run(EVENTS.format(kind, "")).fetchall() for kind in ("Started", "Ended"))
        of_primary = run(EVENTS.format("Started", "NOT")).fetchall()
        assert set(ended) <= set(begun) and {one for _, one in begun} == {one for _, one in of_primary}
        assert set(run(AGAINST.format(""))) <= set(run(AGAINST.format("NOT")))
        assert run("SELECT session_id, detail FROM events WHERE kind = 'gap'").fetchall() == []
    report = chargesentinel("shadow", "report", db, "--json")
    found = json.loads(report.stdout)
    assert report.returncode == 0, found["differences"][:5]
    assert found["not_mirrored"] == {} and len(found["charge_points"]) == 50
