"""Read the packets of a pcap or pcapng file, and the TCP segments in them. Hostile files end in Unreadable."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import ip_address
from typing import BinaryIO, NamedTuple

from inspector.formats.reading import Reading, Unreadable

LONGEST = 64 * 1024 * 1024
"""The most bytes of one packet or block."""
_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
"""The first bytes of a pcap file: its byte order, and nanoseconds per unit of the fractions of its times."""
SECTION = b"\n\r\r\n"
"""The first bytes of a pcapng file."""
EXPORTED_PDU = 252
_NULL, _ETHERNET, _LOOP, _COOKED, _COOKED2 = 0, 1, 108, 113, 276
_RAW = frozenset({12, 14, 101, 228, 229})
_TAGS = frozenset({0x8100, 0x88A8, 0x9100})
_TCP = 6
_IPV6_EXTENSIONS = frozenset({0, 43, 60})
FIN, SYN, RST = 1, 2, 4


class Packet(NamedTuple):
    """A captured packet; `link` is its link type."""

    ts_ns: int
    link: int
    data: bytes
    cut: bool


class Segment(NamedTuple):
    """A TCP segment; `source` and `target` are addresses with ports."""

    ts_ns: int
    source: tuple[str, int]
    target: tuple[str, int]
    sequence: int
    flags: int
    data: bytes


def looks_like_packets(head: bytes) -> bool:
    """Return whether a file that begins with these bytes is a pcap or pcapng file."""
    return head[:4] in _MAGIC or head[:4] == SECTION


def packets(file: BinaryIO, reading: Reading) -> Iterator[Packet]:
    """Yield the packets of a file.

    Raises:
        Unreadable: the file is damaged or cut off; its earlier packets have been yielded.
    """
    magic = file.read(4)
    try:
        if magic == SECTION:
            yield from _pcapng(file, reading)
        else:
            yield from _pcap(file, reading, *_MAGIC[magic])
    except (struct.error, KeyError, IndexError, OverflowError) as error:
        raise Unreadable(reading.source, None, "not a whole pcap or pcapng file") from error


def _pcap(file: BinaryIO, reading: Reading, order: str, unit: int) -> Iterator[Packet]:
    *_, link = struct.unpack(f"{order}HHiIII", _exactly(file, 20, reading))
    while head := file.read(16):
        seconds, fraction, kept, size = struct.unpack(f"{order}IIII", _whole(head, 16, reading))
        data = _exactly(file, kept, reading)
        yield Packet(seconds * 1_000_000_000 + fraction * unit, link & 0x0FFFFFFF, data, kept < size)


def _pcapng(file: BinaryIO, reading: Reading) -> Iterator[Packet]:
    order, kind, links = "<", 0x0A0D0D0A, list[tuple[int, int]]()
    while True:
        head = _exactly(file, 4, reading)
        if kind == 0x0A0D0D0A:
            mark = _exactly(file, 4, reading)
            order, links = "<" if mark == b"\x4d\x3c\x2b\x1a" else ">", []
            size = int(struct.unpack(f"{order}I", head)[0]) - 16
            body = mark + _exactly(file, size, reading)
        else:
            size = int(struct.unpack(f"{order}I", head)[0]) - 12
            body = _exactly(file, size, reading)
        _exactly(file, 4, reading)
        if kind == 1:
            (link,) = struct.unpack_from(f"{order}H", body)
            links.append((link, _resolution(body[8:], order)))
        elif kind in (2, 6):
            shape = "HHIIII" if kind == 2 else "IIIII"
            interface, *_, high, low, kept, size = struct.unpack_from(f"{order}{shape}", body)
            link, unit = links[interface]
            ticks = (high << 32) + low
            ts_ns = ticks * 1_000_000_000 // unit
            yield Packet(ts_ns, link, body[20 : 20 + kept], kept < size)
        following = file.read(4)
        if not following:
            return
        (kind,) = struct.unpack(f"{order}I", _whole(following, 4, reading))


def _resolution(options: bytes, order: str) -> int:
    """Return how many units a second has in the times of an interface."""
    at = 0
    while at + 4 <= len(options):
        code, size = struct.unpack_from(f"{order}HH", options, at)
        if code == 9 and size == 1:
            value = options[at + 4]
            return int(2 ** (value & 0x7F)) if value & 0x80 else int(10 ** min(value, 18))
        if code == 0:
            break
        at += 4 + size + -size % 4
    return 1_000_000


def _exactly(file: BinaryIO, size: int, reading: Reading) -> bytes:
    if not 0 <= size <= LONGEST:
        raise Unreadable(reading.source, None, f"a packet of {size:,} bytes; the largest read is {LONGEST:,}")
    return _whole(file.read(size), size, reading)


def _whole(data: bytes, size: int, reading: Reading) -> bytes:
    if len(data) < size:
        raise Unreadable(reading.source, None, "the file is cut off")
    return data


def segment(packet: Packet) -> Segment | None:
    """Return the TCP segment in a packet; None if it has another protocol, or is not whole."""
    try:
        data = _network(packet)
        return _internet(packet.ts_ns, data) if data else None
    except (struct.error, IndexError, ValueError):
        return None


def _network(packet: Packet) -> bytes:
    data, link = packet.data, packet.link
    if link in _RAW:
        return data
    if link == _ETHERNET:
        at = 12
        while struct.unpack_from(">H", data, at)[0] in _TAGS:
            at += 4
        return data[at + 2 :] if struct.unpack_from(">H", data, at)[0] in (0x0800, 0x86DD) else b""
    return data[{_NULL: 4, _LOOP: 4, _COOKED: 16, _COOKED2: 20}.get(link, len(data)) :]


def _internet(ts_ns: int, data: bytes) -> Segment | None:
    if data[0] >> 4 == 4:
        length, _, fragment, _, protocol = struct.unpack_from(">HHHBB", data, 2)
        if protocol != _TCP or fragment & 0x3FFF:
            return None
        source, target = data[12:16], data[16:20]
        body = data[(data[0] & 15) * 4 : length or None]
    elif data[0] >> 4 == 6:
        length, protocol = struct.unpack_from(">HB", data, 4)
        source, target = data[8:24], data[24:40]
        body = data[40 : 40 + length if length else None]
        while protocol in _IPV6_EXTENSIONS:
            protocol, body = body[0], body[(body[1] + 1) * 8 :]
        if protocol != _TCP:
            return None
    else:
        return None
    source_port, target_port, sequence, _, offset, flags = struct.unpack_from(">HHIIBB", body)
    names = str(ip_address(source)), str(ip_address(target))
    return Segment(ts_ns, (names[0], source_port), (names[1], target_port), sequence, flags, body[(offset >> 4) * 4 :])
