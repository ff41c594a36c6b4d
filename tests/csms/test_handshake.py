"""Which connections the CSMS accepts, which it refuses, and with which words."""

from __future__ import annotations

import asyncio
import sqlite3
import urllib.error
import urllib.request
from asyncio import to_thread
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from csms.central_system import CentralSystem
from csms.configuration import Settings
from tests.csms.peer import connected


@pytest.mark.parametrize(
    ("path", "protocol", "reason"),
    [
        ("/", "ocpp1.6", "identity"),
        ("", "ocpp1.6", "identity"),
        ("/a%ZZ", "ocpp1.6", "percent-encoded"),
        ("/a%FF", "ocpp1.6", "percent-encoded"),
        ("/a%00", "ocpp1.6", "printable"),
        ("/a%1b%5b2J", "ocpp1.6", "printable"),
        ("/" + "x" * 256, "ocpp1.6", "255"),
        ("/" + "x" * 49, "ocpp2.0.1", "48"),
        ("/with:colon", "ocpp2.1", "colon"),
    ],
)
async def test_a_bad_path_gets_404_and_the_reason(csms: CentralSystem, path: str, protocol: str, reason: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with connect(csms.address + path, subprotocols=[Subprotocol(protocol)]):
            pass
    assert refused.value.response.status_code == 404
    assert reason in bytes(refused.value.response.body or b"").decode()


@pytest.mark.parametrize("offered", [None, ["mqtt"], ["ocpp1.5", "ocpp2.0"]])
async def test_without_a_subprotocol_of_ours_the_socket_is_closed_at_once(
    csms: CentralSystem, offered: list[str] | None
) -> None:
    """The handshake completes without a subprotocol; then the CSMS closes and names the subprotocols it knows."""
    subprotocols = None if offered is None else [Subprotocol(name) for name in offered]
    async with connect(f"{csms.address}/CHARGER-001", subprotocols=subprotocols) as websocket:
        assert websocket.subprotocol is None
        with pytest.raises(ConnectionClosed) as closed:
            await websocket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1002
    assert "ocpp1.6" in closed.value.rcvd.reason
    assert csms.connections == {}


async def test_plain_http_is_told_to_use_websocket(csms: CentralSystem) -> None:
    url = csms.address.replace("ws://", "http://") + "/CHARGER-001"

    def get() -> tuple[int, str, str]:
        try:
            urllib.request.urlopen(url, timeout=10)
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Upgrade"], error.read().decode()
        raise AssertionError("plain HTTP was served")

    status, upgrade, body = await to_thread(get)
    assert (status, upgrade) == (426, "websocket")
    assert "WebSocket" in body


async def test_headers_that_come_twice_are_refused_in_words(csms: CentralSystem) -> None:
    host, port = csms.address.removeprefix("ws://").split(":")
    lines = [
        "GET /CHARGER-001 HTTP/1.1",
        "Host: csms",
        "Connection: Upgrade",
        *["Upgrade: websocket"] * 2,
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: ocpp1.6",
    ]
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write("\r\n".join([*lines, "", ""]).encode())
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 426 ")


@pytest.mark.parametrize(
    ("offered", "selected"),
    [
        (["ocpp1.6"], "ocpp1.6"),
        (["ocpp2.0.1", "ocpp1.6"], "ocpp2.0.1"),
        (["ocpp1.6", "ocpp2.1"], "ocpp1.6"),
        (["soap", "ocpp2.1"], "ocpp2.1"),
    ],
)
async def test_the_charge_points_first_choice_of_version_is_taken(
    csms: CentralSystem, offered: list[str], selected: str
) -> None:
    subprotocols = [Subprotocol(name) for name in offered]
    async with connect(f"{csms.address}/CHARGER-001", subprotocols=subprotocols) as websocket:
        assert websocket.subprotocol == selected


async def test_the_identity_is_the_last_part_of_the_path(csms: CentralSystem) -> None:
    """A prefix, a query, a trailing slash and percent-escapes do not change the identity."""
    async with (
        connected(csms.address, "1.6", "ocpp/16/One%20Two/?token=x"),
        connected(csms.address, "2.1", "ocpp/Three%2FFour"),
    ):
        assert set(csms.connections) == {"One Two", "Three/Four"}


async def test_the_newer_of_two_equal_identities_wins(csms: CentralSystem) -> None:
    """The older connection is closed with a reason; the newer one continues and needs no new boot."""
    async with connected(csms.address, "1.6") as older, connected(csms.address, "1.6", boot=False) as newer:
        with pytest.raises(ConnectionClosed) as closed:
            await older.receive()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, "the same identity connected again")
        await newer.silence_until_heartbeat()
        assert list(csms.connections) == ["CHARGER-001"]


async def test_a_connection_that_the_csms_fails_to_take_in_is_logged(
    csms: CentralSystem, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The connection is closed with 1011 and a reason; a locked file is logged in one line."""

    def locked(*_: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(csms.store, "seen", locked)
    async with connected(csms.address, "1.6", boot=False) as charge_point:
        with pytest.raises(ConnectionClosed) as closed:
            await charge_point.receive()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1011, "the CSMS failed; see its log")
    assert "CHARGER-001: closed with 1011: database is locked" in caplog.text
    assert "Traceback" not in caplog.text


async def _raw_status(address: str, header: bytes) -> int:
    reader, writer = await asyncio.open_connection(*address.removeprefix("ws://").rsplit(":", 1))
    writer.write(
        b"GET /CP-1 HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n" + header + b"\r\n\r\n"
    )
    status = int((await reader.readline()).split()[1])
    writer.close()
    return status


async def test_a_foreign_page_is_no_charge_point(csms: CentralSystem) -> None:
    """The refusal names the option that admits the page; connections without an Origin header are not affected."""
    origin: Any
    for origin in ("http://evil.example", "http://foreign.localhost:8080", "null"):
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"{csms.address}/CHARGER-001", subprotocols=[Subprotocol("ocpp1.6")], origin=origin):
                pass
        assert refused.value.response.status_code == 403
        assert f"--allow-origin {origin!r}" in bytes(refused.value.response.body or b"").decode()
    assert await _raw_status(csms.address, b"Origin: http://\xff\xfe") == 403
    assert csms.connections == {}
    for origin in (None, "http://127.0.0.1:8080", "http://localhost", "file://"):
        async with connect(f"{csms.address}/CHARGER-001", subprotocols=[Subprotocol("ocpp1.6")], origin=origin) as one:
            assert one.subprotocol == "ocpp1.6"


async def test_an_allowed_page_may_be_a_charge_point() -> None:
    csms = CentralSystem(Settings(allow_origins=("https://bench.example",)))
    async with csms.listening("127.0.0.1", 0) as address:
        origin: Any = "https://bench.example"
        async with connect(f"{address}/CHARGER-001", subprotocols=[Subprotocol("ocpp1.6")], origin=origin) as one:
            assert one.subprotocol == "ocpp1.6"
    csms.close()
