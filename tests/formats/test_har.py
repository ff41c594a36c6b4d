"""WebSockets in HAR files: we import those of browsers and our own, and mitmproxy reads ours."""

from __future__ import annotations

import base64
import io
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.http import HTTPFlow
from mitmproxy.io import FlowReader

from inspector import records
from inspector.formats.captured import Captured
from inspector.formats.har import members as har_members
from inspector.formats.har import reader as har_reader
from inspector.formats.reading import Reading, Unreadable
from inspector.protocol.vocabulary import Direction, OcppVersion
from tests.database import rows
from tests.formats.test_round_trips import EVENTS, FINDINGS, FRAMES, SESSIONS, run, strange

__all__ = ["strange"]  # the fixture `strange` must be visible in this module

BOOT = '[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'


def entry(messages: list[dict[str, Any]] | None, **more: Any) -> dict[str, Any]:
    """Return an entry with the members that Chromium's DevTools write, in their order."""
    headers = [
        {"name": "Host", "value": "csms.example:9000"},
        {"name": "Authorization", "value": "Basic Q1AxOnBsYW50ZWQ="},
        {"name": "Sec-WebSocket-Protocol", "value": "ocpp2.0.1, ocpp1.6"},
    ]
    none = {"cookies": [], "headersSize": -1, "bodySize": 0}
    answer = [{"name": "Sec-WebSocket-Protocol", "value": "ocpp1.6"}]
    request = {"method": "GET", "url": "wss://csms.example:9000/ocpp/CP%201", "httpVersion": "HTTP/1.1"}
    found: dict[str, Any] = {
        "_connectionId": "43",
        "_initiator": {"type": "script", "stack": {"callFrames": [{"functionName": "connect"}]}},
        "_priority": "High",
        "_resourceType": "websocket",
        "_webSocketMessages": messages,
        "cache": {},
        "connection": "8080",
        "request": {**request, "headers": headers, "queryString": [], **none},
        "response": {
            "status": 101,
            "statusText": "Switching Protocols",
            "httpVersion": "HTTP/1.1",
            "headers": answer,
            "content": {"size": 0, "mimeType": "x-unknown"},
            "redirectURL": "",
            "_transferSize": 0,
            **none,
        },
        "serverIPAddress": "127.0.0.1",
        "startedDateTime": "2026-01-01T12:00:00.001Z",
        "time": 5012.3,
        "timings": {"blocked": -1, "dns": -1, "ssl": -1, "connect": -1, "send": 0, "wait": 0, "receive": 0},
    }
    if messages is None:
        del found["_webSocketMessages"]
    return found | more


def written(*entries: dict[str, Any], indent: int | None = 2) -> io.BytesIO:
    log = {"version": "1.2", "creator": {"name": "WebInspector", "version": "537.36"}, "pages": [], "entries": entries}
    return io.BytesIO(json.dumps({"log": log}, indent=indent).encode())


def message(kind: str, time: float, data: str, opcode: int = 1) -> dict[str, Any]:
    return {"type": kind, "time": time, "opcode": opcode, "data": data}


def read(file: io.BytesIO) -> tuple[list[Captured], Reading]:
    reading = Reading("a.har", strict=False)
    return list(har_reader.read(file, reading)), reading


@pytest.mark.parametrize("indent", [None, 2])
def test_a_capture_of_chromium_is_a_session(indent: int | None) -> None:
    """Frames sent by the browser are the charge point's; binary data is Base64; times keep all digits."""
    file = written(
        entry(None, _resourceType="document", request={"url": "https://csms.example/", "headers": []}),
        entry(
            [
                message("send", 1767268800.123456, BOOT),
                message("receive", 1767268800.5, "\u00e9"),
                message("receive", 1767268801, base64.b64encode(b"\x00\xff").decode(), 2),
            ]
        ),
        indent=indent,
    )
    (boot, text, binary), reading = read(file)
    assert (boot.raw, boot.direction, boot.ts_ns) == (
        BOOT.encode(),
        Direction.FROM_CHARGE_POINT,
        1767268800_123456000,
    )
    assert (text.raw, text.direction, text.binary) == ("\u00e9".encode(), Direction.FROM_CSMS, False)
    assert (binary.raw, binary.binary, binary.ts_ns) == (b"\x00\xff", True, 1767268801_000000000)
    assert (boot.charge_point_id, boot.ocpp_version) == ("CP 1", OcppVersion.V16)
    assert (reading.missed, reading.passed_over) == (0, 1)


def test_the_handshake_of_a_capture_is_kept_without_its_secret() -> None:
    ((boot,), _) = read(written(entry([message("send", 1767268800.1, BOOT)])))
    assert boot.meta is not None and boot.meta.opened is not None
    facts = boot.meta.opened.facts
    assert (facts["subprotocol"], facts["subprotocols_offered"]) == ("ocpp1.6", ["ocpp2.0.1", "ocpp1.6"])
    assert (facts["auth_scheme"], facts["auth_user"], facts["auth_password_length"]) == ("Basic", "CP1", 7)
    (shaken,) = boot.meta.before
    assert isinstance(shaken, records.EventRecord)
    assert (shaken.kind, shaken.detail["status"]) == ("handshake", 101)
    assert "Q1AxOnBsYW50ZWQ" not in repr(shaken)


def test_other_websockets_of_a_page_are_passed_over() -> None:
    plain = entry([message("receive", 1, '{"type":"connected"}')])
    plain["request"]["headers"] = plain["response"]["headers"] = []
    frames, reading = read(written(plain, entry([message("send", 2, BOOT)])))
    assert len(frames) == 1 and reading.passed_over == 1


def test_pings_closes_and_errors_of_a_capture_are_events() -> None:
    file = written(
        entry(
            [
                message("send", 1, BOOT),
                message("receive", 2, "", 9),
                {"type": "error", "time": 3, "opcode": -1, "data": "broken"},
            ]
        )
    )
    (boot, rest), _ = read(file)
    assert boot.raw == BOOT.encode()
    assert rest.meta is not None and rest.meta.placeholder
    assert [event.kind for event in rest.meta.before] == ["ping", "fault"]


def test_a_message_that_is_none_is_missed_and_the_rest_is_read() -> None:
    file = written(entry([{"type": "send"}, message("send", 1e300, BOOT), message("send", 1, "!", 2)]))
    _, reading = read(file)
    assert reading.missed == 3
    assert str(reading.first[0]).startswith("a.har, line 1: message 1 is none as browsers write them")


@pytest.mark.parametrize("cut", [1, 50, 1000, -3])
def test_a_file_that_is_cut_off_is_refused_before_anything_is_taken_from_it(cut: int) -> None:
    file = written(entry([message("send", 1, BOOT)]))
    with pytest.raises(Unreadable, match="not a whole HAR file"):
        read(io.BytesIO(file.getvalue()[:cut]))


def test_no_value_larger_than_the_limit_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(har_members, "LIMIT", 200_000)
    big = entry(None, request={"url": "https://x/", "headers": [], "postData": [{"text": "x" * 999}] * 1000})
    frames, _ = read(written(big, entry([message("send", 1, BOOT)])))
    assert len(frames) == 1
    with pytest.raises(Exception, match="larger than"):
        read(written(entry([message("send", 1, "x" * 1_000_000)])))


@pytest.mark.parametrize("what", [FRAMES, SESSIONS, EVENTS, FINDINGS], ids=["frames", "sessions", "events", "findings"])
def test_a_recording_comes_back_from_har_with_every_byte_direction_and_time(
    strange: Path, tmp_path: Path, what: str
) -> None:
    left, back = tmp_path / "strange.har", tmp_path / "back.db"
    run("export", strange, "--format", "har", "-o", left)
    run("import", left, "--db", back)
    assert rows(back, what) == rows(strange, what)


def test_our_har_is_read_by_mitmproxy_for_its_http_part(tmp_path: Path) -> None:
    recordings = Path(__file__).parents[2] / "recordings"
    run("import", *sorted(recordings.glob("charging-*.jsonl")), "--db", tmp_path / "a.db")
    run("export", tmp_path / "a.db", "--format", "har", "-o", tmp_path / "a.har")
    with (tmp_path / "a.har").open("rb") as file:
        flows = list(FlowReader(file).stream())
    assert len(flows) == 3
    for flow, subprotocol in zip(flows, ("ocpp1.6", "ocpp2.0.1", "ocpp2.1"), strict=True):
        assert isinstance(flow, HTTPFlow) and flow.response is not None
        assert (flow.request.method, flow.request.scheme, flow.response.status_code) == ("GET", "ws", 101)
        assert flow.request.path.startswith("/CHARGING-")
        assert flow.response.headers["Sec-WebSocket-Protocol"] == subprotocol


def test_our_har_has_what_devtools_and_the_har_specification_ask_of_an_entry(strange: Path, tmp_path: Path) -> None:
    log = json.loads(run("export", strange, "--format", "har"))["log"]
    assert log["version"] == "1.2" and log["creator"]["name"] == "ChargeSentinel"
    asked = {"startedDateTime", "time", "request", "response", "cache", "timings", "_resourceType"}
    for found in log["entries"]:
        assert asked | {"_webSocketMessages"} <= found.keys()
        assert {"method", "url", "httpVersion", "cookies", "headers", "queryString"} <= found["request"].keys()
        assert {"status", "statusText", "headers", "content", "redirectURL"} <= found["response"].keys()
        for told in found["_webSocketMessages"]:
            assert told["type"] in ("send", "receive") and told["opcode"] in (1, 2)
            assert isinstance(told["time"], float) and isinstance(told["data"], str)


def test_a_secret_header_in_a_database_of_other_origin_does_not_leave_with_a_har(strange: Path) -> None:
    with sqlite3.connect(strange) as connection:
        detail = {"status": 101, "request_headers": [["Authorization", "Basic cGxhbnRlZA=="]], "response_headers": []}
        connection.execute("UPDATE events SET detail = ? WHERE kind = 'handshake'", (json.dumps(detail),))
    left = run("export", strange, "--format", "har")
    assert "cGxhbnRlZA" not in left and "cGxhbnRlZA" not in run("export", strange)
    entries = json.loads(left)["log"]["entries"]
    assert entries[0]["request"]["headers"] == [{"name": "Authorization", "value": "Basic «redacted»"}]
