"""What the proxy prints: one line for each event, no flood, no secret; and it never waits for the terminal."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inspector.proxy import refusals
from inspector.proxy.console import LINES_A_SECOND, NOBODY_YET, UNHEARD_S, WAITING, Console
from inspector.websocket.frames import make_frame
from tests.processes import Program
from tests.proxy.conftest import raw_charge_point, raw_csms

MASK = b"abcd"


class Terminal:
    """A terminal that accepts lines only while it is `open`."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.open = threading.Event()
        self.open.set()
        self._more = threading.Condition()

    def write(self, line: str) -> None:
        self.open.wait(30)
        with self._more:
            self.lines.append(line)
            self._more.notify_all()

    def wait_for(self, true: Callable[[list[str]], bool]) -> None:
        with self._more:
            assert self._more.wait_for(lambda: true(self.lines), 20), self.lines


def facts(name: str = "CP1") -> dict[str, Any]:
    return {"charge_point_id": name, "remote_addr": "10.0.0.1", "subprotocol": "ocpp1.6"}


def test_each_thing_that_happens_is_a_line() -> None:
    terminal, now = Terminal(), [100.0]
    console = Console(terminal.write, lambda: now[0])
    console.connected(1, facts())
    now[0] += 65
    console.gone(1, facts(), {"closed_by": "charge-point", "cp_close_code": 1000})
    console.connected(2, facts("CP2"))
    console.gone(2, facts("CP2"), {"closed_by": "unknown"})
    console.refused("rejected-upgrade", {"charge_point_id": "CP3", "status": 401})
    console.refused("unreachable", {"charge_point_id": "CP4", "reason": "connection refused"})
    console.refused("fault", {"remote_addr": "10.0.0.9", "reason": "the charge point sent no HTTP request"})
    console.found([("CP1", "error", "charge_point", "payload.schema", "x is no member here")])
    console.found([("CP2", "error", "charge_point", "payload.schema", "y is no member here")])
    console.close(20)
    assert terminal.lines == [
        "CP1 connected from 10.0.0.1, ocpp1.6",
        "CP1 disconnected after 1 min 5 s: closed by the charge point with 1000",
        "CP2 connected from 10.0.0.1, ocpp1.6",
        "CP2 disconnected after 0.0 s: ended without a close frame (1006)",
        "CP3 refused: the CSMS answered 401",
        "CP4 refused: cannot reach its CSMS: connection refused",
        "10.0.0.9 refused: the charge point sent no HTTP request",
        "CP1 first error payload.schema (charge point): x is no member here",
    ]


def test_a_minute_without_any_charge_point_is_reported_once() -> None:
    terminal, now = Terminal(), [100.0]
    console = Console(terminal.write, lambda: now[0])
    now[0] += UNHEARD_S
    terminal.wait_for(lambda lines: lines == [NOBODY_YET])
    console.connected(1, facts())
    console.close(20)
    assert len(terminal.lines) == 2


@pytest.mark.parametrize(
    ("status", "path", "headers", "printed"),
    [
        (404, "/CP1", {}, "404 to ws://csms/ocpp/CP1: it does not know this path, or this charge point"),
        (404, "/ocpp/CP1", {}, "404 to ws://csms/ocpp/ocpp/CP1: /ocpp is in it twice"),
        (403, "/CP1/?token=x", {}, "403 to ws://csms/ocpp/CP1/?token=x: the path ends with a slash"),
        (
            400,
            "//CP1",
            {"Upgrade": "websocket"},
            "400 to ws://csms/ocpp//CP1: the request does not ask for a WebSocket",
        ),
        (401, "/CP1", {}, "401 to ws://csms/ocpp/CP1: the charge point sent no password"),
        (401, "/CP1", {"Authorization": "Basic"}, "401 to ws://csms/ocpp/CP1: it does not accept the user name"),
        (418, "/CP1", {}, "418 to ws://csms/ocpp/CP1"),
    ],
)
def test_a_refusal_has_the_url_and_the_probable_cause(
    status: int, path: str, headers: dict[str, str], printed: str
) -> None:
    detail = {"status": status, "path": path, "upstream_url": f"ws://csms/ocpp{path}"}
    told = refusals.told({**detail, "request_headers": [list(pair) for pair in headers.items()]})
    assert told.startswith(f"the CSMS answered {printed}")


@pytest.mark.parametrize("odd", [None, 7, "x", [], [7], [["a"]], {"a": 1}])
def test_a_refusal_from_a_strange_file_is_told_too(odd: Any) -> None:
    for name in ("status", "path", "upstream_url", "request_headers"):
        detail = {"status": 404, "path": "/CP1", "upstream_url": "ws://[csms/CP1", "request_headers": []}
        assert refusals.told(detail | {name: odd}).startswith("the CSMS answered ")


def test_the_reason_in_a_close_frame_is_printed_without_secrets() -> None:
    terminal = Terminal()
    console = Console(terminal.write)
    console.connected(1, facts())
    closing = {"closed_by": "csms", "csms_close_code": 1008, "csms_close_reason": "password=hunter2hunter2 is wrong"}
    console.gone(1, facts(), closing)
    console.close(20)
    assert "closed by the CSMS with 1008, 'password=" in terminal.lines[-1]
    assert "hunter2" not in terminal.lines[-1]


def test_no_reason_is_printed_where_personal_data_is_hidden() -> None:
    terminal = Terminal()
    console = Console(terminal.write, reasons=False)
    console.connected(1, facts())
    closing = {"closed_by": "csms", "csms_close_code": 1008, "csms_close_reason": "no more for 04A2B3C4"}
    console.gone(1, facts(), closing)
    console.close(20)
    assert terminal.lines[-1].endswith("closed by the CSMS with 1008")


def test_a_storm_is_counted_and_not_printed() -> None:
    terminal, now = Terminal(), [100.0]
    console = Console(terminal.write, lambda: now[0])
    for number in range(500):
        console.connected(number, facts(f"CP{number}"))
    for number in range(300):
        console.gone(number, facts(f"CP{number}"), {"closed_by": "csms", "csms_close_code": 1001})
    now[0] += 1
    console.connected(900, facts("CP900"))
    console.close(20)
    assert len(terminal.lines) == LINES_A_SECOND + 2
    assert terminal.lines[-2:] == [
        "... and 480 connects, 300 disconnects more",
        "CP900 connected from 10.0.0.1, ocpp1.6",
    ]


def test_the_end_of_a_storm_is_told_though_nothing_else_happens() -> None:
    terminal, now = Terminal(), [100.0]
    console = Console(terminal.write, lambda: now[0])
    for number in range(LINES_A_SECOND + 7):
        console.connected(number, facts())
    now[0] += 2
    terminal.wait_for(lambda lines: lines[-1:] == ["... and 7 connects more"])
    console.close(20)


def test_a_terminal_that_takes_nothing_keeps_nobody_waiting() -> None:
    terminal, now = Terminal(), [100.0]
    terminal.open.clear()
    console = Console(terminal.write, lambda: now[0])
    for number in range(2 * WAITING):
        now[0] += 1
        console.connected(number, facts())
    console.close(0.01)  # the promise is that this returns
    terminal.open.set()


@pytest.mark.parametrize(
    "name", ["CP\x1b[31m\n\x9b2J\u202e", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl"]
)
def test_an_id_moves_no_cursor_and_tells_no_secret(name: str) -> None:
    terminal = Terminal()
    console = Console(terminal.write)
    console.connected(1, facts(name))
    console.gone(1, facts(name), {"closed_by": "charge-point"})
    console.refused("unreachable", {"charge_point_id": name, "reason": "\x1b[2J"})
    console.close(20)
    assert len(terminal.lines) == 3
    assert all(line.isprintable() and "eyJzdWIi" not in line for line in terminal.lines), terminal.lines


@pytest.mark.parametrize("quiet", [False, True])
async def test_the_command_prints_them_unless_it_is_quiet(tmp_path: Path, quiet: bool) -> None:
    path, options = tmp_path / "t.db", ["--quiet"] if quiet else []
    async with raw_csms() as csms:
        with Program("proxy", "--upstream", csms.url, "--listen", "127.0.0.1:0", "--db", path, *options) as proxy:
            found = await asyncio.to_thread(proxy.wait_for, r"listening on ws://127\.0\.0\.1:(\d+)")
            charge_point = await raw_charge_point(int(found[1]))
            at_csms = await csms.peer()
            call = make_frame(0x81, b'[2,"1","Heartbeat",{"x":1}]', MASK)
            await charge_point.send(call)
            await at_csms.receive(len(call))
            if not quiet:
                await asyncio.to_thread(proxy.wait_for, r"first error payload\.schema \(charge point\): .*x")
            await asyncio.to_thread(proxy.stop)
    told = [line for line in proxy.out if re.search("connected|disconnected|first|refused", line)]
    kinds = ["connected", "first", "disconnected"]
    assert [kind for line in told for kind in kinds if f" {kind} " in line and kind in line.split()] == (
        [] if quiet else kinds
    )
