"""Flow files of mitmproxy are imported as sessions."""

from __future__ import annotations

import gzip
import io
import sqlite3
from pathlib import Path

import pytest
from mitmproxy.http import Headers, HTTPFlow, Request, Response
from mitmproxy.io import FlowWriter, tnetstring
from mitmproxy.test import tflow
from mitmproxy.websocket import WebSocketData, WebSocketMessage
from wsproto.frame_protocol import Opcode

from inspector.errors import UserMistake
from inspector.formats import mitmproxy_flows
from inspector.formats.captured import Captured
from inspector.formats.reading import Reading
from inspector.protocol.vocabulary import Direction
from tests.database import rows
from tests.formats.test_round_trips import run

BOOT = b'[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'


def websocket_flow(messages: list[WebSocketMessage], subprotocol: str | None = "ocpp1.6") -> HTTPFlow:
    flow = tflow.tflow(resp=True)
    flow.request = Request.make("GET", "http://csms.example:9000/ocpp/CP%201", headers={"Authorization": "Basic eDp5"})
    agreed = {"Sec-WebSocket-Protocol": subprotocol} if subprotocol else {}
    flow.response = Response(b"HTTP/1.1", 101, b"", Headers(**agreed), None, None, 1767268800.0, 1767268800.0)
    flow.websocket = WebSocketData(messages, closed_by_client=True, close_code=1000, timestamp_end=1767268810.0)
    return flow


def written(*kept: HTTPFlow) -> io.BytesIO:
    file = io.BytesIO()
    writer = FlowWriter(file)
    for flow in kept:
        writer.add(flow)
    file.seek(0)
    return file


def read(file: io.BytesIO) -> tuple[list[Captured], Reading]:
    reading = Reading("a.flows", strict=False)
    return list(mitmproxy_flows.read(io.BufferedReader(file), reading)), reading  # type: ignore[type-var]


def test_a_flow_file_gives_the_frames_of_its_websockets() -> None:
    file = written(
        tflow.tflow(resp=True),
        websocket_flow(
            [
                WebSocketMessage(Opcode.TEXT, True, BOOT, 1767268801.25),
                WebSocketMessage(Opcode.TEXT, False, b'[3,"1",{}]', 1767268801.5, dropped=True),
                WebSocketMessage(Opcode.BINARY, True, b"\x00\xff", 1767268802.123456),
            ]
        ),
    )
    (boot, answer, binary), reading = read(file)
    assert reading.passed_over == 1
    assert (boot.raw, boot.direction, boot.ts_ns) == (BOOT, Direction.FROM_CHARGE_POINT, 1767268801_250000000)
    assert (answer.direction, answer.notes) == (Direction.FROM_CSMS, {"forwarded": False})
    assert (binary.raw, binary.binary, binary.ts_ns) == (b"\x00\xff", True, 1767268802_123456000)


def test_an_imported_flow_is_a_session_with_its_handshake_and_its_end(tmp_path: Path) -> None:
    (tmp_path / "a.flows").write_bytes(
        written(websocket_flow([WebSocketMessage(Opcode.TEXT, True, BOOT, 1767268801.25)])).getvalue()
    )
    run("import", tmp_path / "a.flows", "--db", tmp_path / "a.db")
    sql = """SELECT charge_point_id, ocpp_version, subprotocol, request_path, auth_scheme, opened_ns, closed_ns,
        cp_close_code, closed_by, frame_count FROM sessions"""
    opened, closed = 1767268800_000000000, 1767268810_000000000
    assert rows(tmp_path / "a.db", sql) == [
        ("CP 1", "1.6", "ocpp1.6", "/ocpp/CP%201", "Basic", opened, closed, 1000, "charge-point", 1)
    ]
    ((detail,),) = rows(tmp_path / "a.db", "SELECT detail FROM events WHERE kind = 'handshake'")
    assert "eDp5" not in detail and "«redacted»" in detail


def test_a_websocket_that_is_no_ocpp_is_passed_over() -> None:
    other = websocket_flow([WebSocketMessage(Opcode.TEXT, True, b'{"hello":1}', 1.0)], subprotocol=None)
    frames, reading = read(written(other))
    assert (frames, reading.passed_over) == ([], 1)


def test_a_bomb_in_a_body_is_never_unpacked(tmp_path: Path) -> None:
    bomb = tflow.tflow(resp=True)
    assert bomb.response is not None
    bomb.response.headers["content-encoding"] = "gzip"
    bomb.response.raw_content = gzip.compress(gzip.compress(bytes(10**8)))
    frames, _ = read(written(bomb, websocket_flow([WebSocketMessage(Opcode.TEXT, True, BOOT, 1.0)])))
    assert [frame.raw for frame in frames] == [BOOT]


HOSTILE = {
    "cut off": written(websocket_flow([WebSocketMessage(Opcode.TEXT, True, BOOT, 1.0)])).getvalue()[:-20],
    "a length that is a claim": b"999999999999:9:websocket;0:~",
    "a length within the limit": b"99999999:9:websocket;0:~",
    "not a flow": tnetstring.dumps({"websocket": 1}),
    "an unknown version": tnetstring.dumps({"websocket": 1, "version": 999}),
    "nested deeply": b"",
}
nested = b"0:~"
for _ in range(3000):
    nested = str(len(nested)).encode() + b":" + nested + b"]"
HOSTILE["nested deeply"] = tnetstring.dumps({"websocket": "x"})[:-1].replace(b"1:x;", nested) + b"}"
head, _, _ = HOSTILE["nested deeply"].partition(b":")
body = HOSTILE["nested deeply"][len(head) + 1 : -1]
HOSTILE["nested deeply"] = str(len(body)).encode() + b":" + body + b"}"


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_flow_file_is_refused_in_one_line(what: str, tmp_path: Path) -> None:
    with pytest.raises(UserMistake) as refused:
        read(io.BytesIO(HOSTILE[what]))
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 250


def test_rows_are_as_many_as_messages_in_a_large_flow(tmp_path: Path) -> None:
    messages = [WebSocketMessage(Opcode.TEXT, n % 2 == 0, b'[3,"%d",{}]' % n, 1.0 + n) for n in range(2000)]
    (tmp_path / "a.flows").write_bytes(written(websocket_flow(messages)).getvalue())
    run("import", tmp_path / "a.flows", "--db", tmp_path / "a.db")
    with sqlite3.connect(tmp_path / "a.db") as connection:
        assert connection.execute("SELECT count(*) FROM frames").fetchone() == (2000,)
