"""Read the OCPP WebSockets in a capture of packets: plain ws, and the files that `export --format pcapng` writes.

The messages of a WebSocket are held until it ends, so memory grows with the largest one. A capture of wss shows
nothing, because it is encrypted.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from inspector.formats.captured import Captured, Meta
from inspector.formats.connections import Connection, is_ocpp, session
from inspector.formats.pcap.packets import EXPORTED_PDU, FIN, RST, SYN, Packet, Segment, packets, segment
from inspector.formats.pcap.streams import Direction as Stream
from inspector.formats.reading import Reading, Unreadable
from inspector.protocol.vocabulary import Direction
from inspector.records import CloseFacts, EventRecord
from inspector.redaction.handshake import get
from inspector.websocket.messages import BINARY, CLOSE, FAULT, GAP, TEXT, MessageAssembler
from inspector.websocket.permessage_deflate import inflaters

LONGEST_HEAD = 64 * 1024
"""The most bytes of a request or an answer of a handshake."""
LIMIT = 64 * 1024 * 1024
"""The most bytes of one message."""
MOST_HELD = 256 * 1024 * 1024
"""The most bytes of messages of one WebSocket; compression could make them many times as long as the capture."""
MOST_CONNECTIONS = 20_000
_FRAME_STARTS = frozenset({0x81, 0x82, 0x88, 0x89, 0x8A})
_JSON_TAG, _DIRECTION_TAG = 12, 35

type End = tuple[str, int]
type Headers = tuple[tuple[bytes, bytes], ...]


def read(file: BinaryIO, reading: Reading) -> Iterator[Captured]:
    """Yield the frames of every OCPP WebSocket, one WebSocket after the other, in the order in which they ended.

    Raises:
        Unreadable: the file is damaged and `reading` is strict; what came before the damage has been yielded.
    """
    open_ones: dict[frozenset[End], _Connection] = {}
    count = found = encrypted = 0
    damage: Unreadable | None = None
    try:
        for packet in packets(file, reading):
            if packet.link == EXPORTED_PDU:
                if (frame := _exported(packet)) is not None:
                    found += 1
                    yield frame
                continue
            part = segment(packet)
            if part is None:
                reading.passed_over += 1
                continue
            key = frozenset((part.source, part.target))
            one = open_ones.get(key)
            if one is None or (part.flags & SYN and one.has_data):  # the ports are used again
                if one is not None:
                    yield from one.finished(reading)
                count += 1
                one = open_ones[key] = _Connection(count, part)
                if len(open_ones) > MOST_CONNECTIONS:
                    yield from open_ones.pop(next(iter(open_ones))).finished(reading)
            one.add(part)
            if one.ended:
                del open_ones[key]
                found, encrypted = found + one.is_websocket, encrypted + one.encrypted
                yield from one.finished(reading)
    except Unreadable as error:
        damage = error
    for one in open_ones.values():
        found, encrypted = found + one.is_websocket, encrypted + one.encrypted
        yield from one.finished(reading)
    if not found and encrypted:
        reading.remark("its connections are encrypted (wss); record with the proxy instead")
    if damage is not None:
        reading.miss(0, damage.why)


class _Connection:
    """One TCP connection, which may be a WebSocket."""

    def __init__(self, number: int, first: Segment) -> None:
        self._number = number
        self._streams = {first.source: Stream(), first.target: Stream()}
        self._buffers = {first.source: bytearray(), first.target: bytearray()}
        self._assemblers: dict[End, MessageAssembler] = {}
        self._client: End | None = None
        self._request: tuple[str, str, Headers] | None = None
        self._response: tuple[int, Headers] | None = None
        self._messages: list[Captured] = []
        self._events: list[EventRecord] = []
        self._codes: dict[str, Any] = {}
        self._first_to_end: End | None = None
        self._finned: set[End] = set()
        self._opened_ns: int | None = None
        self._last_ns = first.ts_ns
        self._held = 0
        self.began = bool(first.flags & SYN)
        self.ended = self.has_data = self.encrypted = self._other = False

    @property
    def is_websocket(self) -> bool:
        """Whether it carried WebSocket frames."""
        return bool(self._assemblers)

    def add(self, part: Segment) -> None:
        """Add a segment."""
        self._last_ns = part.ts_ns
        stream = self._streams[part.source]
        if part.flags & SYN:
            stream.begin(part.sequence)
            return
        self.has_data = self.has_data or bool(part.data)
        lost = stream.lost
        data = stream.add(part.sequence, part.data)
        if stream.lost and not lost:
            self._lack(part.ts_ns)
        if data and not self._other:
            self._received(part.source, data, part.ts_ns)
        if part.flags & (FIN | RST):
            self._first_to_end = self._first_to_end or part.source
            self._finned.add(part.source)
            self.ended = len(self._finned) == 2 or bool(part.flags & RST)

    def _lack(self, ts_ns: int, reason: str = "the capture lacks packets") -> None:
        detail = {"frames": 1, "since_ns": ts_ns, "until_ns": ts_ns, "reason": reason}
        self._events.append(EventRecord(0, ts_ns, ts_ns, "gap", detail))

    def _received(self, source: End, data: bytes, ts_ns: int) -> None:
        if self._assemblers:
            self._take(source, data, ts_ns)
            return
        self._buffers[source] += data
        if self._client is None:
            self._find_client()
        if self._client is not None and not self._assemblers:
            self._shake_hands(self._client, ts_ns)
        if self._assemblers:
            for end, buffer in self._buffers.items():
                early = bytes(buffer)
                buffer.clear()
                self._take(end, early, ts_ns)
        elif max(map(len, self._buffers.values())) > LONGEST_HEAD:
            self._other = True

    def _find_client(self) -> None:
        """Decide from the first bytes what the connection carries, and which end is the client."""
        for source, other in zip(self._buffers, reversed(self._buffers), strict=True):
            buffer = self._buffers[source]
            if buffer.startswith(b"GET "):
                self._client = source
            elif not buffer or b"GET ".startswith(buffer) or buffer.startswith(b"HTTP/"[: len(buffer)]):
                continue  # the request may come late in the capture
            elif buffer[0] in _FRAME_STARTS and not self.began:
                if len(buffer) >= 2:  # the capture began in mid-session; only clients mask their frames
                    self._client = source if buffer[1] & 0x80 else other
                    self._begin_frames(None)
            else:
                self._other, self.encrypted = True, buffer[0] in (0x16, 0x17)

    def _shake_hands(self, client: End, ts_ns: int) -> None:
        """Read the request, then the answer; an answer that comes first in the capture waits for its request."""
        if self._request is None and (head := _head(self._buffers[client])) is not None:
            words, headers = head
            self._request = (words[0], words[1] if len(words) > 1 else "/", headers)
            self._other = "websocket" not in (get(headers, "upgrade") or "").lower()
        (csms,) = [end for end in self._buffers if end != client]
        if self._request is not None and not self._other and (head := _head(self._buffers[csms])) is not None:
            words, headers = head
            status = int(words[1]) if len(words) > 1 and words[1].isascii() and words[1].isdigit() else 0
            self._response, self._opened_ns = (status, headers), ts_ns
            if status == 101:
                self._begin_frames(get(headers, "sec-websocket-extensions"))
            else:
                self._other = True

    def _begin_frames(self, extensions: str | None) -> None:
        for_client, for_csms = inflaters(extensions, LIMIT)
        for end in self._streams:
            mine = end == self._client
            self._assemblers[end] = MessageAssembler(LIMIT, mine, for_client if mine else for_csms)

    def _take(self, source: End, data: bytes, ts_ns: int) -> None:
        up = source == self._client
        side = "cp" if up else "csms"
        for opcode, payload, notes in self._assemblers[source].feed(data):
            if opcode in (TEXT, BINARY):
                direction = Direction.FROM_CHARGE_POINT if up else Direction.FROM_CSMS
                self._held += len(payload)
                if self._held > MOST_HELD:
                    self._other = True
                    self._lack(ts_ns, f"the WebSocket has more than {MOST_HELD // 1024 // 1024} MiB")
                    return
                before, self._events = tuple(self._events), []
                self._messages.append(
                    Captured(
                        payload,
                        direction,
                        ts_ns,
                        ts_ns,
                        binary=opcode == BINARY,
                        meta=Meta(before=before) if before else None,
                        notes=notes,
                    )
                )
            elif opcode == CLOSE:
                self._first_to_end = self._first_to_end or source
                code = int.from_bytes(payload[:2]) if len(payload) >= 2 else 1005
                reason = payload[2:].decode("utf-8", "replace")
                self._codes |= {f"{side}_close_code": code, f"{side}_close_reason": reason}
            elif opcode in (FAULT, GAP):
                kind = "fault" if opcode == FAULT else "gap"
                self._events.append(EventRecord(0, ts_ns, ts_ns, kind, dict(notes or {})))

    def finished(self, reading: Reading) -> Iterator[Captured]:
        """Yield the messages of an OCPP WebSocket; nothing for another connection."""
        for stream in self._streams.values():
            lost = stream.lost
            stream.end()
            if stream.lost and not lost:
                self._lack(self._last_ns)
        if not self._assemblers or self._client is None:
            reading.passed_over += 1
            return
        (csms,) = [end for end in self._streams if end != self._client]
        method, path, request = self._request or ("GET", "/", ())
        status, response = self._response or (None, ())
        closed: tuple[int, CloseFacts] | None = None
        if self._first_to_end is not None:
            by = "charge-point" if self._first_to_end == self._client else "csms"
            closed = self._last_ns, {"closed_by": by, **self._codes}  # type: ignore[typeddict-item]
        host = get(request, "host") or f"{_bracketed(csms[0])}:{csms[1]}"
        connection = Connection(
            session=str(self._number),
            url=f"ws://{host}{path}",
            method=method,
            request=request,
            status=status,
            response=response,
            opened_ns=self._opened_ns,
            closed=closed,
            remote_addr=f"{_bracketed(self._client[0])}:{self._client[1]}",
        )
        if not is_ocpp(connection, self._messages[0].raw if self._messages else None):
            reading.passed_over += 1
            return
        if self._events and self._messages:
            last = self._messages[-1]
            meta = last.meta or Meta()
            self._messages[-1] = last._replace(meta=meta._replace(after=(*meta.after, *self._events)))
        yield from session(connection, self._messages)


def _head(buffer: bytearray) -> tuple[list[str], Headers] | None:
    """Remove the head of an HTTP message; return the words of its first line, and its headers. None: not whole yet."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    line, *fields = bytes(buffer[:end]).split(b"\r\n")
    del buffer[: end + 4]
    pairs = [field.partition(b":") for field in fields]
    return line.decode("latin-1").split(" ", 2), tuple((name.strip(), value.strip()) for name, _, value in pairs)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _exported(packet: Packet) -> Captured | None:
    """Return the frame in a packet that this program exported; None for packets of other dissectors."""
    data, at, tags = packet.data, 0, dict[int, bytes]()
    try:
        while True:
            tag, size = struct.unpack_from(">HH", data, at)
            at += 4
            if tag == 0:
                break
            tags[tag] = data[at : at + size]
            at += size
        dissector = tags.get(_JSON_TAG, b"").rstrip(b"\0")
        if dissector not in (b"json", b"data") or _DIRECTION_TAG not in tags:
            return None
        (sent,) = struct.unpack(">I", tags[_DIRECTION_TAG])
    except struct.error:
        return None
    up = sent == 0
    ports = [tags.get(tag, b"")[:4] for tag in ((25, 26) if up else (26, 25))]
    ends = [tags.get(tag, b"") for tag in ((20, 22, 21, 23) if up else (21, 23, 20, 22))]
    direction = Direction.FROM_CHARGE_POINT if up else Direction.FROM_CSMS
    key = b"".join((*ends, *ports)).hex()
    return Captured(data[at:], direction, packet.ts_ns, packet.ts_ns, session=key, binary=dissector == b"data")
