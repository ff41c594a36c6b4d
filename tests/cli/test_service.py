"""`proxy` and `browse` as services of systemd: what they report, and the units in deploy/systemd."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from inspector.cli.options.configured_command import ConfiguredCommand
from tests.cli.conftest import in_this_process
from tests.processes import Program
from tests.test_repository import ROOT
from tools.command_page import group_context

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
EXAMPLE = ROOT / "deploy" / "systemd" / "chargesentinel.toml"
INSTALLED = "/opt/chargesentinel/bin/chargesentinel"
PROXY = ("proxy", "--upstream", "ws://127.0.0.1:9", "--listen", "127.0.0.1:0")
WATCHDOG_US = 200_000
MOST_EXPOSED = 20
"""Tenths of the points that systemd gives: 0 for a service without any rights, 100 for one with all."""


@pytest.fixture(params=["file", "abstract"])
def systemd(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Return the socket on which systemd waits for notices; each command gets its variables."""
    # The path of tmp_path may be too long for a socket.
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        abstract = request.param == "abstract" and sys.platform == "linux"
        address = f"@chargesentinel-{os.getpid()}" if abstract else f"{folder}/notify"
        receiver.bind(address.replace("@", "\0"))
        receiver.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        monkeypatch.setenv("WATCHDOG_USEC", str(WATCHDOG_US))
        yield receiver


def reports_all(program: Program, systemd: socket.socket) -> None:
    """Check that a starting program reports that it is ready, that it works, and that it stops."""
    assert systemd.recv(100) == b"READY=1", program.report()
    assert [systemd.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    program.process.send_signal(signal.SIGTERM)
    while (said := systemd.recv(100)) == b"WATCHDOG=1":
        pass
    assert said == b"STOPPING=1"
    assert program.finish() == 0


@pytest.mark.system
@pytest.mark.parametrize("systemd", ["file"], indirect=True)
def test_proxy_reports_that_it_is_ready_works_and_stops(systemd: socket.socket, tmp_path: Path) -> None:
    with Program(*PROXY, "--db", tmp_path / "t.db") as proxy:
        reports_all(proxy, systemd)


@pytest.mark.system
def test_browse_reports_that_it_is_ready_works_and_stops(systemd: socket.socket, recording: Path) -> None:
    with Program("browse", recording, "--listen", "127.0.0.1:0") as browse:
        reports_all(browse, systemd)


@pytest.mark.system
def test_a_command_that_another_process_is_watched_for_sends_no_signs_of_life(
    systemd: socket.socket, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_PID", "1")
    with Program("browse", recording, "--listen", "127.0.0.1:0") as browse:
        assert systemd.recv(100) == b"READY=1"
        systemd.settimeout(3 * WATCHDOG_US / 1e6)
        with pytest.raises(TimeoutError):
            systemd.recv(100)
        assert browse.stop() == 0


@pytest.mark.system
def test_a_systemd_that_is_gone_is_reported_once_and_does_not_stop_the_command(
    recording: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    monkeypatch.setenv("WATCHDOG_USEC", "1000")
    with Program("browse", recording, "--listen", "127.0.0.1:0") as browse:
        browse.wait_for("cannot report READY=1 to systemd")
        assert browse.stop() == 0
    assert len([line for line in browse.err if "to systemd" in line]) == 1


def service(unit: Path) -> dict[str, list[str]]:
    """Return the settings of a service; some may be there several times."""
    found: dict[str, list[str]] = {}
    _, _, section = unit.read_text().partition("[Service]\n")
    for line in section.partition("\n[")[0].splitlines():
        if line and not line.startswith("#"):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_runs_an_existing_command_with_the_example_configuration(unit: Path) -> None:
    program, name, *options = shlex.split(service(unit)["ExecStart"][0])
    assert program == INSTALLED
    command = group_context().command.get_command(group_context(), name)  # type: ignore[attr-defined]
    assert isinstance(command, ConfiguredCommand)
    words = [one.replace("${CREDENTIALS_DIRECTORY}", str(EXAMPLE.parent)) for one in options]
    ended = in_this_process(name, *words, "--print-config")
    assert ended.returncode == 0, ended.stderr
    assert f"/var/lib/{service(unit)['StateDirectory'][0]}/traffic.db" in ended.stdout


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_waits_until_the_command_is_ready_and_both_have_one_user(unit: Path) -> None:
    wanted = {
        "Type": ["notify"],
        "DynamicUser": ["yes"],
        "User": ["chargesentinel"],
        "StateDirectory": ["chargesentinel"],
    }
    assert {name: service(unit).get(name) for name in wanted} == wanted
    assert int(service(unit)["WatchdogSec"][0]) >= 10


@pytest.fixture
def analyze(tmp_path: Path) -> Path:
    """Return a folder with the units, for systemd-analyze; their program exists."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze: install the package systemd")
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace(INSTALLED, sys.executable))
    return tmp_path


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_systemd_accepts_a_unit(unit: Path, analyze: Path) -> None:
    argv = ["systemd-analyze", "verify", "--man=no", analyze / unit.name]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if "chargesentinel" in line]
    assert (done.returncode, said) == (0, [])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_has_few_rights_in_the_judgement_of_systemd(unit: Path, analyze: Path) -> None:
    argv = ["systemd-analyze", "security", "--offline=true", f"--threshold={MOST_EXPOSED}", analyze / unit.name]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr
