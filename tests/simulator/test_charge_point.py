"""A headless charge point runs a whole session in each version; wrong options end with one line."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from simulator import charge_point as simulated
from tests.forked import chargesentinel
from tests.processes import Program
from tests.simulator.listening import VERSIONS, ListeningCsms

SESSION_1_6 = (
    "BootNotification StatusNotification StatusNotification StatusNotification Authorize StartTransaction "
    "StatusNotification MeterValues StopTransaction StatusNotification StatusNotification Heartbeat"
).split()
SESSION_2 = (
    "BootNotification StatusNotification StatusNotification Authorize TransactionEvent TransactionEvent "
    "TransactionEvent TransactionEvent StatusNotification Heartbeat"
).split()


def identity(csms: ListeningCsms, version: str, speed: float = 600.0) -> simulated.Identity:
    return simulated.Identity(url=csms.url, id=f"CP-{version}", speed=speed, timeout=5)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_session_follows_the_book_from_boot_to_heartbeat(csms: ListeningCsms, version: str) -> None:
    station = simulated.make(version, identity(csms, version))
    outcome = await simulated.play(station, simulated.load("charging"), {"minutes": 1.5})
    assert outcome.good, outcome
    assert csms.actions() == (SESSION_1_6 if version == "1.6" else SESSION_2)
    assert outcome.sent == outcome.answered == len(csms.actions())
    # 90 simulated seconds at 7.4 kW are 185 Wh. The fast clock also runs while messages travel, so a busy machine has
    # more: the energy from the answer to the start until the message of the end.
    first, last = ("StartTransaction", "StopTransaction") if version == "1.6" else ("Started", "Ended")
    charging_s = (csms.heard_at(last) - csms.heard_at(first)) * station.clock.speed
    assert 185 <= outcome.energy_wh <= 7_400 * charging_s / 3600 + 1
    assert csms.connections[0].request.path == f"/CP-{version}"


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_refused_token_starts_nothing_and_fails_the_session(csms: ListeningCsms, version: str) -> None:
    csms.refuse_tokens.add("STOLEN")
    station = simulated.make(version, identity(csms, version))
    outcome = await simulated.play(station, simulated.load("charging"), {"token": "STOLEN"})
    assert not outcome.good
    assert "token STOLEN: expected Accepted, got Invalid" in str(outcome)
    assert "StartTransaction" not in csms.actions()
    assert "TransactionEvent" not in csms.actions()


def charge_point(*args: object) -> Program:
    return Program("charge-point", *args)


async def test_the_command_charges_and_sums_up(csms: ListeningCsms) -> None:
    with charge_point("--url", csms.url, "--id", "CP 7", "--ocpp", "2.0.1", "--speed", 600, "--minutes", 2) as run:
        assert await asyncio.to_thread(run.finish) == 0, run.report()
        assert "CP 7 (OCPP 2.0.1): " in run.out[-1]
        assert any("boot accepted" in line for line in run.out)
        assert csms.connections[0].request.path == "/CP%207"


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("--url", "http://127.0.0.1:9000"), "expected a WebSocket address"),
        (("--url", "ws://127.0.0.1:99999"), "Port out of range"),
        (("--url", "ws://127.0.0.1:1"), "cannot connect"),
        (("--url", "ws://127.0.0.1:1", "--ocpp", "1.5"), "'1.5' is not one of"),
        (("--id", "CP-1"), "Missing option '--url'"),
        (("--url", "ws://127.0.0.1:1", "--ca", __file__), "--ca and --cert need TLS"),
        (("--url", "wss://127.0.0.1:1", "--key", __file__), "--key needs a certificate"),
        (("--url", "ws://127.0.0.1:1", "--id", " "), "--id must not be empty"),
        (("--url", "ws://127.0.0.1:1", "--duration", 5), "--duration needs a fleet"),
        (("--url", "ws://127.0.0.1:1", "--count", 2, "--scenario", "charging"), "--scenario is for one charge point"),
        (("--url", "ws://127.0.0.1:1", "--count", 2, "--stay"), "--stay is for one charge point"),
    ],
)
def test_a_mistake_ends_with_one_line_and_exit_code_2(args: tuple[str, ...], sentence: str) -> None:
    ended = chargesentinel("charge-point", *args)
    assert ended.returncode == 2
    assert sentence in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_it_speaks_tls_shows_its_certificate_and_its_password(tmp_path: Path) -> None:
    """Security profiles 1 to 3 of the reference CSMS: right credentials are accepted, wrong ones end with one line."""
    with Program("certificates", tmp_path, "--charge-point", "SAFE") as made:
        assert made.finish() == 0, made.report()
    server = ("--tls-cert", tmp_path / "server.pem", "--tls-key", tmp_path / "server.key")
    listen = ("csms", "--listen", "127.0.0.1:0", "--no-page")
    known = ("--id", "SAFE", "--speed", 3000, "--ca", tmp_path / "ca.pem")
    shown = ("--cert", tmp_path / "SAFE.pem", "--key", tmp_path / "SAFE.key")
    with Program(*listen, "--security-profile", 3, *server, "--client-ca", tmp_path / "ca.pem") as csms:
        url = csms.wait_for(r"csms at (wss://\S+)")[1]
        with (
            charge_point("--url", url, *known, *shown) as good,
            charge_point("--url", url, *known) as bare,
            charge_point("--url", url, "--id", "SAFE") as trusting,
        ):
            assert good.finish() == 0, good.report()
            for refused in (bare, trusting):
                assert refused.finish() == 2, refused.report()
                assert len(refused.err) == 1 and "TLS" in refused.err[0], refused.report()
    config = tmp_path / "csms.toml"
    config.write_text('[charge_points.SAFE]\npassword = "0123456789abcdef"\n')
    with Program(*listen, "--security-profile", 1, "--config", config) as csms:
        url = csms.wait_for(r"csms at (ws://\S+)")[1]
        with (
            charge_point("--url", url, *known[:4], "--password", "0123456789abcdef") as good,
            charge_point("--url", url, *known[:4], "--password", "wrong password 12") as bad,
        ):
            assert good.finish() == 0, good.report()
            assert bad.finish() == 2
            assert "HTTP 401" in bad.err[0] and "give the right --password" in bad.err[0]
        with charge_point("--url", url.replace("ws:", "wss:"), *known[:4]) as plain:
            assert plain.finish() == 2
            assert len(plain.err) == 1 and "if that port has no TLS, write ws://" in plain.err[0]
