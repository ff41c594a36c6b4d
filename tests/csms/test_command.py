"""The csms command as a real process: its lines, its exit codes, its end."""

from __future__ import annotations

import asyncio
import json
import shlex
import signal
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from inspector.proxy.addresses import lan_addresses
from tests.csms.peer import Peer, connected
from tests.processes import Program

UPGRADE = (
    b"GET /SILENT HTTP/1.1\r\nHost: csms\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
)
READY = r"csms at (ws://\S+)"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_and_tells_its_peers(how: signal.Signals) -> None:
    """Asked to end, it closes every connection with 1001 and exits with 0."""
    with Program("csms", "--listen", "127.0.0.1:0") as csms:
        url = csms.wait_for(READY)[1]
        with connect(f"{url}/CHARGER-001", subprotocols=[Subprotocol("ocpp1.6")]) as charge_point:
            csms.process.send_signal(how)
            with pytest.raises(ConnectionClosed) as closed:
                charge_point.recv(timeout=10)
        assert csms.finish(10) == 0
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1001
        assert "Traceback" not in csms.report()


def test_a_peer_that_ignores_the_close_does_not_hold_up_the_end() -> None:
    """The CSMS stops even if a charge point never answers and an operator's call waits for it."""
    with Program("csms", "--listen", "0", "--page", "0") as csms:
        host, port = csms.wait_for(r"csms at ws://(\S+)")[1].split(":")
        page = csms.wait_for(r"operator page at (\S+)")[1]
        with socket.create_connection((host, int(port))) as silent, ThreadPoolExecutor(1) as operator:
            silent.sendall(UPGRADE)
            assert b"101 " in silent.recv(1000)
            call = {"action": "ClearCache", "payload": {}, "checked": False}
            url = f"{page}/api/charge-points/SILENT/calls"
            waiting = operator.submit(httpx.post, url, json=call, timeout=30, trust_env=False)
            assert b"ClearCache" in silent.recv(1000)
            assert csms.stop(signal.SIGTERM) == 0
            assert waiting.result().json()["kind"] == "closed"


def test_a_port_in_use_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Program("csms", "--listen", str(port)) as csms:
            assert csms.finish() == 2
            assert len(csms.err) == 1
            assert f"{port}: the port is in use; choose another with --listen" in csms.err[0]


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "[::]"])
def test_on_every_address_it_says_what_to_type_elsewhere(wildcard: str) -> None:
    """It prints addresses for charge points and, with the token, for the page; they work over IPv4 in any case."""
    others = lan_addresses()
    if not others or not (wildcard == "0.0.0.0" or socket.has_dualstack_ipv6()):
        pytest.skip("this machine is on no such network")
    with Program("csms", "--listen", f"{wildcard}:0", "--page", f"{wildcard}:0") as csms:
        address = others[0].replace(".", r"\.")
        url = csms.wait_for(rf"from other machines: (ws://{address}:\d+)/<identity>")[1]
        page = csms.wait_for(rf"from other machines: (http://{address}:\d+/\?token=\S{{32}})")[1]
        with connect(f"{url}/CHARGER-001", subprotocols=[Subprotocol("ocpp1.6")]):
            assert httpx.get(page, trust_env=False).status_code == 303
        csms.wait_for(rf"CHARGER-001: connected from {address}:")
        assert csms.stop() == 0


def limited(files: int, *args: object) -> Program:
    """Return a command that may open only this many files."""
    line = [sys.executable, "-m", "inspector", *map(str, args)]
    return Program(argv=["sh", "-c", f"ulimit -n {files}; exec {shlex.join(line)}"])


def test_more_charge_points_than_files_is_one_line_and_no_end() -> None:
    """As many connections as possible are served; the others wait until one closes."""
    with limited(60, "csms", "--listen", "127.0.0.1:0", "--no-page") as csms:
        host, port = csms.wait_for(r"csms at ws://(\S+)")[1].split(":")
        with ExitStack() as crowd:
            for _ in range(80):
                crowd.enter_context(socket.create_connection((host, int(port))))
            csms.wait_for("no more connections: the system allows 60 open files")
        with connect(f"ws://{host}:{port}/LATER", subprotocols=[Subprotocol("ocpp1.6")]) as charge_point:
            charge_point.send('[2,"a","Heartbeat",{}]')
            assert "SecurityError" in str(charge_point.recv(timeout=10))
        assert csms.stop() == 0
    assert len([line for line in csms.err if "no more connections" in line]) == 1
    assert "Traceback" not in csms.report()


def test_a_fleet_larger_than_the_system_allows_is_a_users_mistake() -> None:
    with limited(100, "charge-point", "--url", "ws://127.0.0.1:1", "--count", 200) as fleet:
        assert fleet.finish() == 2
    assert len(fleet.err) == 1 and "ulimit -n" in fleet.err[0]


@pytest.mark.parametrize("listen", ["nonsense", "127.0.0.1:99999", "127.0.0.1:"])
def test_an_address_that_is_none_is_a_users_mistake(listen: str) -> None:
    with Program("csms", "--listen", listen) as csms:
        assert csms.finish() == 2
        assert "Traceback" not in csms.report()
        assert listen in csms.report()


def test_a_file_that_is_not_the_csmss_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    other.write_text("this is no database")
    with Program("csms", "--listen", "0", "--db", other) as csms:
        assert csms.finish() == 2
        assert str(other) in csms.report() and "Traceback" not in csms.report()
    assert other.read_text() == "this is no database"


def test_it_runs_alone_as_a_module() -> None:
    argv = [sys.executable, "-m", "csms.central_system", "--host", "127.0.0.1", "--port", "0"]
    with Program(argv=argv) as csms:
        url = csms.wait_for(READY)[1]
        with connect(f"{url}/CHARGER-001", subprotocols=[Subprotocol("ocpp2.1")]) as charge_point:
            charge_point.send('[2,"a","Heartbeat",{}]')
            assert json.loads(charge_point.recv(timeout=10))[2] == "SecurityError"
        assert csms.stop(signal.SIGTERM) == 0


async def test_a_kill_in_mid_charge_loses_nothing(tmp_path: Path) -> None:
    """After kill -9 and a restart the transaction is open, accepts samples without a new boot, and can be closed."""
    db = tmp_path / "csms state.db"
    moment = "2026-01-01T00:00:00Z"
    with Program("csms", "--listen", "0", "--db", db) as csms:
        async with connected(await ready(csms), "1.6") as charge_point:
            start = await charge_point.call(
                "StartTransaction", {"connectorId": 1, "idTag": "TAG", "meterStart": 10, "timestamp": moment}
            )
            await measure(charge_point, start["transactionId"], "20")
            csms.process.kill()
            csms.finish()

    with Program("csms", "--listen", "0", "--db", db) as csms:
        async with connected(await ready(csms), "1.6", boot=False) as charge_point:
            await measure(charge_point, start["transactionId"], "30")
            again = await charge_point.call(
                "StartTransaction", {"connectorId": 2, "idTag": "TAG", "meterStart": 0, "timestamp": moment}
            )
            await charge_point.call(
                "StopTransaction",
                {"transactionId": start["transactionId"], "meterStop": 40, "timestamp": moment},
            )
        assert csms.stop() == 0

    from csms.store import Store

    store = Store(db)
    closed = store.transaction("CHARGER-001", str(start["transactionId"]))
    values = store.rows("SELECT value FROM meter_values WHERE transaction_id = ?", str(start["transactionId"]))
    still_open = [t["transaction_id"] for t in store.open_transactions()]
    store.close()
    assert closed is not None
    assert (closed["meter_start_wh"], closed["meter_stop_wh"], closed["stopped"]) == (10, 40, moment)
    assert [row["value"] for row in values] == ["20", "30"]
    assert still_open == [str(again["transactionId"])]
    assert again["transactionId"] != start["transactionId"]


async def ready(csms: Program) -> str:
    found = await asyncio.to_thread(csms.wait_for, READY)
    return found[1]


async def measure(charge_point: Peer, transaction_id: int, value: str) -> None:
    sample = {"timestamp": "2026-01-01T00:00:00Z", "sampledValue": [{"value": value}]}
    await charge_point.call("MeterValues", {"connectorId": 1, "transactionId": transaction_id, "meterValue": [sample]})
