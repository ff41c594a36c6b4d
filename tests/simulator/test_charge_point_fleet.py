"""Many charge points in one process: all connect, charge and finish, and the summary says so."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from simulator.charge_point import VERSIONS, Identity, make
from simulator.fleet import Fleet, Plan, percentile
from tests.processes import Program
from tests.simulator.listening import ListeningCsms


def plan(csms: ListeningCsms, count: int, duration: float | None, seed: int | None = None) -> Plan:
    identity = Identity(url=csms.url, id="F", speed=600, timeout=10, seed=seed)
    return Plan(identity, list(VERSIONS), count, rate=100, duration=duration, token="CAFE0001")


async def test_a_fleet_charges_and_comes_home(csms: ListeningCsms) -> None:
    report = await Fleet(plan(csms, 9, 2)).run()
    assert report.good, (report, report.failures)
    assert report.transactions >= 9
    assert report.charging == 0 and report.waiting == 0
    assert report.sent == report.answered + report.unanswered
    assert report.energy_wh > 0
    assert {len(values) for action, values in report.latencies.items() if action == "BootNotification"} == {9}
    assert "9 charge points, none lost" in str(report)
    versions = {socket.subprotocol for socket in csms.connections}
    assert versions == {"ocpp1.6", "ocpp2.0.1", "ocpp2.1"}
    started = [c["transactionInfo"]["transactionId"] for c in csms.calls("TransactionEvent") if c["seqNo"] == 0]
    ended = [c["transactionInfo"]["transactionId"] for c in csms.calls("TransactionEvent") if c["eventType"] == "Ended"]
    assert sorted(started) == sorted(ended)
    assert len(csms.calls("StartTransaction")) == len(csms.calls("StopTransaction"))


async def test_with_minutes_all_charge_at_once_and_undisturbed(csms: ListeningCsms) -> None:
    report = await Fleet(replace(plan(csms, 6, 1.5), minutes=60)).run()
    assert report.good, report.failures
    assert (report.most, report.transactions, report.reconnects) == (6, 6, 0)


async def test_a_fleet_stops_early_when_told_to(csms: ListeningCsms) -> None:
    fleet = Fleet(plan(csms, 5, None))
    running = asyncio.create_task(fleet.run())
    await csms.until(lambda: csms.actions().count("BootNotification") == 5)
    fleet.stop()
    report = await asyncio.wait_for(running, 10)
    assert report.good, report.failures
    assert report.charging == 0


async def test_charge_points_that_reach_nobody_are_reported_lost(csms: ListeningCsms) -> None:
    unreachable = plan(csms, 3, 1)
    await csms.stop()
    report = await Fleet(unreachable).run()
    await csms.start()
    assert not report.good
    assert report.lost == ("F-0001", "F-0002", "F-0003")
    assert "3 LOST" in str(report)


def test_a_seed_repeats_what_chance_decides_for_each_charge_point() -> None:
    def rolls(seed: int | None, name: str) -> list[float]:
        chance = make("1.6", Identity(url="ws://127.0.0.1:1", id=name, seed=seed)).random
        return [chance.random() for _ in range(5)]

    assert rolls(5, "A") == rolls(5, "A")
    assert rolls(5, "A") != rolls(6, "A")
    assert rolls(5, "A") != rolls(5, "B")
    assert rolls(None, "A") != rolls(None, "A")


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 3), (0.99, 4), (1.0, 4)])
def test_a_percentile_is_one_of_the_values(share: float, value: float) -> None:
    assert percentile([1, 2, 3, 4], share) == value
    assert percentile([], share) == 0


async def test_the_command_runs_a_fleet_and_ends_cleanly_on_sigterm(csms: ListeningCsms) -> None:
    args = ("--count", 4, "--rate", 50, "--speed", 600, "--ocpp", "mixed", "--json")
    with Program("charge-point", "--url", csms.url, "--id", "F", *args) as fleet:
        await csms.until(lambda: csms.actions().count("BootNotification") == 4, 20)
        began = time.monotonic()
        assert await asyncio.to_thread(fleet.stop, signal.SIGTERM) == 0, fleet.report()
        assert time.monotonic() - began < 3
        facts = json.loads(fleet.out[-1])
    assert facts["lost"] == [] and facts["failures"] == {}
    assert facts["latency_ms"]["BootNotification"]["calls"] == 4


async def test_one_charge_point_stays_until_told_to_go(csms: ListeningCsms) -> None:
    """The simulated driver plugs in after a remote start and unplugs after a remote stop."""
    args = ("--speed", 3000, "--minutes", 1, "--stay")
    with Program("charge-point", "--url", csms.url, "--id", "STAYS", *args) as run:
        await asyncio.to_thread(run.wait_for, "connected until Ctrl-C")
        assert (await csms.ask("RemoteStartTransaction", {"idTag": "CAFE0001"}))[2]["status"] == "Accepted"
        await csms.until(lambda: csms.actions().count("StartTransaction") == 2)
        number = {"transactionId": 2}
        assert (await csms.ask("RemoteStopTransaction", number))[2]["status"] == "Accepted"
        await csms.until(lambda: csms.calls("StatusNotification")[-1]["status"] == "Available")
        assert await asyncio.to_thread(run.stop, signal.SIGINT) == 0, run.report()
        assert "2 served" in run.out[-1]


def test_a_fleet_that_reaches_nobody_says_why_at_once_and_at_the_end() -> None:
    """A reason that many charge points share is printed once, when it first occurs, and counted in the summary."""
    with Program("charge-point", "--url", "ws://127.0.0.1:1", "--count", 3, "--rate", 50, "--duration", 2) as fleet:
        fleet.wait_for("Connection refused; trying again|refused.*trying again|Connect call failed.*trying again")
        assert fleet.finish() == 1, fleet.report()
    told = [line for line in fleet.out if "trying again" in line]
    assert len(told) == 1
    assert any(line.startswith("3 not connected at the end: cannot connect") for line in fleet.out)
    assert "p50" not in fleet.report()


def test_a_mixed_version_is_for_fleets() -> None:
    with Program("charge-point", "--url", "ws://127.0.0.1:1", "--ocpp", "mixed") as run:
        assert run.finish() == 2
        assert "add --count N" in run.err[-1]


# --- long proofs -------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_mixed_fleet_of_50_has_no_finding_above_info(tmp_path: Path) -> None:
    """The fleet runs for more than ten simulated minutes through the recording proxy against the reference CSMS."""
    db = tmp_path / "traffic.db"
    with Program("csms", "--listen", "127.0.0.1:0", "--no-page", "-q") as csms:
        upstream = csms.wait_for(r"csms at (ws://\S+)")[1]
        with Program("proxy", "--upstream", upstream, "--listen", "127.0.0.1:0", "--db", db) as proxy:
            url = proxy.wait_for(r"listening on (ws://\S+)")[1]
            args = ("--count", 50, "--rate", 20, "--duration", 60, "--ocpp", "mixed", "--seed", 1)
            with Program("charge-point", "--url", url, *args) as fleet:
                assert fleet.finish(120) == 0, fleet.report()
            assert proxy.stop(signal.SIGINT) == 0, proxy.report()
    with closing(sqlite3.connect(db)) as stored:
        found = stored.execute("select rule_id, message from findings where severity != 'info'").fetchall()
        frames = stored.execute("select count(*) from frames").fetchone()[0]
    assert found == []
    assert frames > 5_000


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_thousand_charge_points_charge_at_once_and_none_is_lost() -> None:
    with Program("csms", "--listen", "127.0.0.1:0", "--no-page", "-q") as csms:
        url = csms.wait_for(r"csms at (ws://\S+)")[1]
        load = ("--count", 1000, "--rate", 40, "--duration", 90, "--speed", 5, "--minutes", 10)
        args = (*load, "--ocpp", "mixed", "--timeout", 60)
        with Program("charge-point", "--url", url, *args) as fleet:
            assert fleet.finish(300) == 0, fleet.report()
    assert "1000 charge points, none lost: 1000 transactions, at most 1000 at once" in fleet.out[-1]


def charging_at_once(db: Path, count: int) -> None:
    """Wait until this many transactions are open in a CSMS's file."""
    deadline = time.monotonic() + 20
    with closing(sqlite3.connect(db)) as stored:
        while stored.execute("select count(*) from transactions where stopped is null").fetchone()[0] < count:
            assert time.monotonic() < deadline, "too few charge at once"
            time.sleep(0.05)


@pytest.mark.long
@pytest.mark.timeout(120)
def test_a_csms_killed_in_mid_charge_finds_the_transaction_again(tmp_path: Path) -> None:
    """kill -9, restart on the same port and file: every transaction that was open closes."""
    db = tmp_path / "csms.db"
    with Program("csms", "--listen", "127.0.0.1:0", "--no-page", "--db", db) as csms:
        url = csms.wait_for(r"csms at (ws://\S+)")[1]
        args = ("--count", 6, "--rate", 20, "--duration", 25, "--ocpp", "mixed", "--json", "--seed", 3)
        with Program("charge-point", "--url", url, *args) as fleet:
            charging_at_once(db, 5)
            csms.process.kill()
            csms.process.wait(5)
            with Program("csms", "--listen", url.removeprefix("ws://"), "--no-page", "--db", db) as again:
                again.wait_for("csms at")
                assert fleet.finish(60) == 0, fleet.report()
                assert again.stop(signal.SIGINT) == 0
    facts = json.loads(fleet.out[-1])
    assert facts["lost"] == [] and facts["reconnects"] >= 6
    with closing(sqlite3.connect(db)) as stored:
        rows = stored.execute("select count(*), count(stopped) from transactions").fetchone()
    assert rows[0] == rows[1] == facts["transactions"]
