"""With --log-format json, every line of every process of a command is a JSON object."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path

import pytest

from tests.processes import Program
from tests.waiting import wait_until

ALERTS = '[[target]]\nname = "a"\ncommand = ["true"]\n[[alert]]\nname = "b"\nsilence = "1m"\n'


def said(program: Program) -> list[dict[str, str]]:
    """Return what a program printed, from both of its outputs."""
    lines = [json.loads(line) for line in [*program.out, *program.err]]
    assert all(line.keys() == {"time", "level", "message"} for line in lines)
    return lines


def children(program: Program) -> list[int]:
    listed = Path(f"/proc/{program.process.pid}/task/{program.process.pid}/children").read_text()
    return [int(one) for one in listed.split()]


@pytest.mark.system
def test_every_line_of_the_proxy_and_its_processes_is_json(tmp_path: Path) -> None:
    (tmp_path / "alerts.toml").write_text(ALERTS)
    given = ("--listen", "127.0.0.1:0", "--db", tmp_path / "a.db", "--alerts", tmp_path / "alerts.toml")
    with Program(
        "proxy", "--upstream", "ws://127.0.0.1:9", *given, "--redact", "none", "--log-format", "json"
    ) as proxy:
        port = int(proxy.wait_for(r"listening on ws://127.0.0.1:(\d+)")[1])
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(b"GET /CP%1b%5b31m HTTP/1.1\r\nHost: x\r\n\r\n")
            stranger.recv(1000)
        proxy.wait_for("refused")
        wait_until(lambda: len(children(proxy)) == 2)
        for child in children(proxy):
            os.kill(child, signal.SIGKILL)
        proxy.wait_for("starting it again")
        proxy.wait_for("recorder")
        assert proxy.stop() == 0, proxy.report()
    lines = said(proxy)
    assert [line["level"] for line in lines if line["message"].startswith("recorded in ")] == ["info"]
    assert [line["level"] for line in lines if "--redact none" in line["message"]] == ["warning"]
    assert "\x1b" not in "".join([*proxy.out, *proxy.err])


@pytest.mark.system
def test_every_line_of_browse_is_json(recording: Path) -> None:
    with Program("browse", recording, "--listen", "127.0.0.1:0", "--log-format", "json") as browse:
        browse.wait_for("browse at http://")
        assert browse.stop() == 0, browse.report()
    assert said(browse)


@pytest.mark.system
def test_a_mistake_that_the_command_finds_itself_is_json_too(tmp_path: Path) -> None:
    with Program("proxy", "--upstream", "http://csms.example", "--log-format", "json") as proxy:
        assert proxy.finish() == 2
    (line,) = said(proxy)
    assert line["message"].startswith("chargesentinel: http://csms.example: ")
