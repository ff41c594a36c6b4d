"""Captures of packets: ours are read by another program's reader, and those of others by ours."""

from __future__ import annotations

import io
import itertools
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.formats.captured import Captured
from inspector.formats.pcap.packets import looks_like_packets
from inspector.formats.pcap.reader import read
from inspector.formats.reading import Reading, Unreadable
from inspector.protocol.vocabulary import Direction
from inspector.websocket.frames import make_frame
from tests.browse.charging import Recording, charge_201, charge_well
from tests.cli.conftest import in_this_process
from tests.database import rows
from tests.proxy.conftest import accept_key

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
REQUEST = (
    "GET /ocpp/CP-1 HTTP/1.1\r\nHost: csms.example:9000\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
).encode()
RESPONSE = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    f"Sec-WebSocket-Accept: {accept_key(KEY)}\r\nSec-WebSocket-Protocol: ocpp1.6\r\n\r\n"
).encode()
CALL, RESULT = b'[2,"1","Heartbeat",{}]', b'[3,"1",{"currentTime":"2026-07-02T10:00:00Z"}]'
MASK = b"\x11\x22\x33\x44"
CLIENT, SERVER = ("10.0.0.7", 51000), ("10.0.0.9", 9000)

type Segment = tuple[bool, int, bytes, int]
"""Whether the client sent it, its sequence number, data and flags."""


def exported(tmp_path: Path) -> tuple[Path, Path]:
    recording = Recording(tmp_path / "t.db")
    charge_well(recording, samples=3)
    charge_201(recording, samples=2)
    link = recording.connect("CP-6", remote_addr="[2001:db8::7]:51000")
    link.say(False, '[3,"nobody-asked",{}]')
    link.say(True, b"\x00\x01binary")
    link.close()
    path = recording.finish()
    done = in_this_process("export", path, "--format", "pcapng", "-o", tmp_path / "t.pcapng")
    assert done.returncode == 0, done.stderr
    return path, tmp_path / "t.pcapng"


def test_each_frame_is_a_packet_that_another_reader_finds_whole_and_in_order(tmp_path: Path) -> None:
    path, capture = exported(tmp_path)
    stored = rows(path, "SELECT ts_ns, CAST(raw AS BLOB), from_csms FROM frames ORDER BY id")
    with capture.open("rb") as file:
        found = list(dpkt.pcapng.Reader(file))
    assert len(found) == len(stored)
    for (ts, packet), (ts_ns, raw, from_csms) in zip(found, stored, strict=True):
        assert packet.endswith(raw)
        assert abs(float(ts) - ts_ns / 1e9) < 1e-5
        tags, at = {}, 0
        while (tag := int.from_bytes(packet[at : at + 2])) != 0:
            size = int.from_bytes(packet[at + 2 : at + 4])
            tags[tag] = packet[at + 4 : at + 4 + size]
            at += 4 + size
        assert packet[at + 4 :] == raw
        assert tags[12].rstrip(b"\0") == (b"data" if raw.startswith(b"\0") else b"json")
        assert int.from_bytes(tags[35]) == from_csms
        ports = [int.from_bytes(tags[tag]) for tag in (25, 26)]
        assert ports[:: -1 if from_csms else 1][1] == 9000


def test_findings_are_comments_of_their_packets(tmp_path: Path) -> None:
    _, capture = exported(tmp_path)
    assert b"error rpc.orphan-answer: " in capture.read_bytes()


def test_an_exported_capture_can_be_imported_with_its_directions(tmp_path: Path) -> None:
    path, capture = exported(tmp_path)
    done = in_this_process("import", capture, "--db", tmp_path / "again.db")
    assert done.returncode == 0, done.stderr
    sql = "SELECT ts_ns, CAST(raw AS BLOB), from_csms FROM frames ORDER BY ts_ns, id"
    assert rows(tmp_path / "again.db", sql) == rows(path, sql)


if shutil.which("tshark"):  # a skip would fail in CI; there, Debian's package is installed

    def shown(capture: Path, *options: str) -> list[list[str]]:
        done = subprocess.run(["tshark", "-r", capture, *options], capture_output=True, text=True, check=True)
        return [line.split("\t") for line in done.stdout.splitlines()]

    @pytest.mark.system
    def test_tshark_shows_the_frames_as_ocpp_in_json(tmp_path: Path) -> None:
        path, capture = exported(tmp_path)
        fields = ("_ws.col.Protocol", "json.value.string", "frame.comment")
        lines = shown(capture, "-T", "fields", *itertools.chain.from_iterable(("-e", one) for one in fields))
        stored = rows(path, "SELECT raw, ocpp_version FROM frames JOIN sessions ON sessions.id = session_id")
        assert len(lines) == len(stored)
        for (protocol, strings, *_), (raw, version) in zip(lines, stored, strict=True):
            if isinstance(raw, str):
                assert protocol == f"OCPP {version}/JSON"
                assert strings.split(",")[0] == json.loads(raw)[1]
        assert any("rpc.orphan-answer" in comment[0] for _, _, *comment in lines if comment)
        assert shown(capture, "-Y", "_ws.malformed") == []


def segments(*messages: tuple[bool, bytes], size: int = 1400) -> list[Segment]:
    """Return the segments of a connection with a handshake, these messages, and its end."""
    numbers = {True: 4_294_967_000, False: 7}  # the client's numbers wrap around
    made: list[Segment] = [(up, numbers[up], b"", dpkt.tcp.TH_SYN) for up in (True, False)]
    numbers = {up: number + 1 for up, number in numbers.items()}
    parts = [(True, REQUEST), (False, RESPONSE)]
    parts += [(up, make_frame(0x81, raw, MASK if up else None)) for up, raw in messages]
    parts += [(up, make_frame(0x88, b"\x03\xe8bye", MASK if up else None)) for up in (True, False)]
    for up, data in parts:
        for at in range(0, len(data), size):
            made.append((up, numbers[up], data[at : at + size], dpkt.tcp.TH_ACK))
            numbers[up] += len(data[at : at + size])
    return [*made, *((up, numbers[up], b"", dpkt.tcp.TH_FIN) for up in (True, False))]


def capture_of(made: list[Segment], *, six: bool = False, vlan: bool = False, ng: bool = False) -> io.BytesIO:
    file = io.BytesIO()
    writer: Any = dpkt.pcapng.Writer(file) if ng else dpkt.pcap.Writer(file)
    for number, (up, sequence, data, flags) in enumerate(made):
        source, target = (CLIENT, SERVER) if up else (SERVER, CLIENT)
        tcp = dpkt.tcp.TCP(sport=source[1], dport=target[1], seq=sequence % 2**32, flags=flags, data=data)
        if six:
            packet: Any = dpkt.ip6.IP6(nxt=6, src=b"\xfd" + bytes(14) + b"\x01", dst=b"\xfd" + bytes(14) + b"\x02")
            packet.src, packet.dst = (packet.src, packet.dst) if up else (packet.dst, packet.src)
            packet.data, packet.plen, kind = tcp, len(tcp), dpkt.ethernet.ETH_TYPE_IP6
        else:
            ends = [bytes(map(int, end[0].split("."))) for end in (source, target)]
            packet, kind = dpkt.ip.IP(p=6, src=ends[0], dst=ends[1], data=tcp), dpkt.ethernet.ETH_TYPE_IP
            packet.len = len(packet)
        body = bytes(packet)
        if vlan:
            body, kind = b"\x00\x05" + kind.to_bytes(2) + body, 0x8100
        frame = bytes(12) + kind.to_bytes(2) + body + bytes(max(0, 46 - len(body)))  # Ethernet pads short frames
        writer.writepkt(frame, 1_782_986_400 + number / 1000)
    return io.BytesIO(file.getvalue())


def frames_in(file: io.BytesIO) -> list[tuple[bool, bytes]]:
    found = list(read(file, Reading("capture")))
    return [(one.direction is Direction.FROM_CHARGE_POINT, one.raw) for one in found if not _empty(one)]


def _empty(one: Captured) -> bool:
    return one.meta is not None and one.meta.placeholder


@pytest.mark.parametrize("how", [{}, {"six": True}, {"vlan": True}, {"ng": True}], ids=str)
def test_a_capture_of_plain_ws_is_read_with_its_handshake_and_its_end(how: dict[str, bool]) -> None:
    file = capture_of(segments((True, CALL), (False, RESULT)), **how)
    assert looks_like_packets(file.getvalue()[:4])
    first, last = list(read(file, Reading("capture")))
    assert (first.raw, last.raw) == (CALL, RESULT)
    assert first.charge_point_id == "CP-1"
    assert first.ocpp_version == "1.6"
    assert first.meta is not None
    assert first.meta.opened is not None
    assert first.meta.opened.facts["subprotocols_offered"] == ["ocpp1.6"]
    assert last.meta is not None
    assert last.meta.closed is not None
    assert last.meta.closed.facts["closed_by"] == "charge-point"
    assert last.meta.closed.facts["cp_close_code"] == 1000


@given(st.data())
def test_segments_in_any_size_order_and_number_give_the_same_frames(data: st.DataObject) -> None:
    messages = [(True, CALL), (False, RESULT), (True, b'[2,"2","Heartbeat",{"x":"' + b"y" * 300 + b'"}]')]
    made = segments(*messages, size=data.draw(st.integers(1, 400)))
    middle = made[2:-2]
    again = data.draw(st.lists(st.sampled_from(middle), max_size=5))
    # A segment may come some places late, and it may come again.
    late = sorted(range(len(middle)), key=lambda at: at + data.draw(st.integers(0, 4)))
    mixed = [middle[at] for at in late]
    for one in again:
        mixed.insert(data.draw(st.integers(mixed.index(one), len(mixed))), one)
    found = frames_in(capture_of([*made[:2], *mixed, *made[-2:]]))
    for up in (True, False):
        assert [raw for way, raw in found if way is up] == [raw for way, raw in messages if way is up]


def test_a_capture_that_begins_in_mid_session_is_read_from_its_first_whole_frame() -> None:
    made = [one for one in segments((True, CALL), (False, RESULT)) if not one[2].startswith((b"GET", b"HTTP"))]
    assert frames_in(capture_of([one for one in made if one[3] != dpkt.tcp.TH_SYN])) == [(True, CALL), (False, RESULT)]


def test_lost_packets_become_a_gap() -> None:
    made = segments((True, CALL), (True, CALL), (False, RESULT))
    missing = next(at for at, one in enumerate(made) if one[2].startswith(b"\x81") and one[0])
    found = list(read(capture_of(made[:missing] + made[missing + 1 :]), Reading("capture")))
    assert [one.raw for one in found] == [RESULT]
    kinds = [event.kind for one in found if one.meta for event in (*one.meta.before, *one.meta.after)]  # type: ignore[union-attr]
    assert "gap" in kinds


def test_a_websocket_with_too_many_bytes_ends_in_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.formats.pcap.reader.MOST_HELD", 2 * len(CALL))
    found = list(read(capture_of(segments(*[(True, CALL)] * 5)), Reading("capture")))
    assert [one.raw for one in found] == [CALL, CALL]
    assert [event.detail["reason"] for event in found[-1].meta.after] == ["the WebSocket has more than 0 MiB"]  # type: ignore[union-attr]


def test_a_capture_that_is_cut_off_gives_what_came_before(tmp_path: Path) -> None:
    whole = capture_of(segments((True, CALL), (False, RESULT))).getvalue()
    (tmp_path / "cut.pcap").write_bytes(whole[:-20])
    done = in_this_process("import", tmp_path / "cut.pcap", "--db", tmp_path / "t.db")
    assert done.returncode == 1, done.stderr
    assert "cut off" in done.stderr
    assert len(rows(tmp_path / "t.db", "SELECT 1 FROM frames")) == 2


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_make_the_reader_fail_otherwise(tail: bytes, ng: bool) -> None:
    whole = capture_of(segments((True, CALL)), ng=ng).getvalue()
    for begin in (4, 24, len(whole) // 2):
        hostile = io.BytesIO(whole[:begin] + tail + whole[begin + len(tail) :])
        try:
            list(_limited(read(hostile, Reading("capture"))))
        except Unreadable as error:
            assert "capture" in str(error)


def _limited(frames: Iterator[Captured]) -> Iterator[Captured]:
    return itertools.islice(frames, 1000)
