"""Write recorded frames as a pcapng file that Wireshark and tshark show as OCPP.

A frame becomes one packet of the link type "Exported PDU": its tags give Wireshark the addresses, the texts of the
columns Protocol and Info, and the dissector, which is JSON. So no TCP streams have to be invented, and no preference
has to be set. Findings and gaps become comments of packets.
"""

from __future__ import annotations

import ipaddress
import sqlite3
import struct
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

from inspector.escaping import visible
from inspector.formats.stored import Stored
from inspector.protocol.messages import Call, CallError, CallResult, CallResultError, Send, parse
from inspector.protocol.vocabulary import OcppVersion
from inspector.records import BINARY, EventRecord, FrameRecord

EXPORTED_PDU = 252
"""LINKTYPE_WIRESHARK_UPPER_PDU."""
LONGEST = 16 * 1024 * 1024
"""The most bytes of a frame that a packet can have; longer ones are cut, and the packet says how long they were."""
_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_COMMENT, _TSRESOL, _NAME, _HARDWARE = 1, 9, 2, 4
_DISSECTOR = 12
_IPV4_SRC, _IPV4_DST, _IPV6_SRC, _IPV6_DST = 20, 21, 22, 23
_PORT_TYPE, _SRC_PORT, _DST_PORT, _DIRECTION = 24, 25, 26, 35
_PROTOCOL_TEXT, _INFO_TEXT = 33, 36
_TCP = 2
_UNKNOWN = ("192.0.2.1", "192.0.2.2")
"""Addresses for documentation (RFC 5737), in place of those of a charge point and a CSMS that are not known."""
_LONGEST_TEXT = 300
_LONGEST_COMMENT = 4000

type Address = tuple[str, int]


def write(steps: Iterable[Stored], findings: sqlite3.Connection) -> Iterator[bytes]:
    """Yield the file in pieces, one for each packet.

    Args:
        steps: from `stored`.
        findings: a connection to the recording, to read the findings of each frame.
    """
    program = f"ChargeSentinel {version('chargesentinel')}".encode()
    yield _block(_SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1) + _options([(_HARDWARE, program)]))
    options = _options([(_NAME, b"ocpp"), (_TSRESOL, bytes([9]))])
    yield _block(_INTERFACE, struct.pack("<HHI", EXPORTED_PDU, 0, 0) + options)
    ends: dict[int, tuple[Address, Address]] = {}
    answered: dict[tuple[int, bool, str], str] = {}
    versions: dict[int, OcppVersion | None] = {}
    for step in steps:
        if step.opened is not None:
            ends[step.session_id] = _addresses(step.opened.facts)
            versions[step.session_id] = _version(step.opened.facts)
        if step.frame is None:
            continue
        said = _info(step.frame, versions[step.session_id], step.session_id, answered)
        protocol = f"OCPP {versions[step.session_id] or ''}".strip()
        comments = [*_gaps(step.before), *_findings(findings, step.row_id)]
        yield _packet(step.frame, ends[step.session_id], protocol, said, comments)
        if step.last:
            ends.pop(step.session_id, None)


def _packet(frame: FrameRecord, ends: tuple[Address, Address], protocol: str, said: str, comments: list[str]) -> bytes:
    up = frame.from_charge_point
    (source, source_port), (target, target_port) = ends if up else ends[::-1]
    six = ":" in source
    tags = [
        (_DISSECTOR, b"data" if frame.opcode == BINARY else b"json"),
        (_IPV6_SRC if six else _IPV4_SRC, ipaddress.ip_address(source).packed),
        (_IPV6_DST if six else _IPV4_DST, ipaddress.ip_address(target).packed),
        (_PORT_TYPE, struct.pack(">I", _TCP)),
        (_SRC_PORT, struct.pack(">I", source_port)),
        (_DST_PORT, struct.pack(">I", target_port)),
        (_DIRECTION, struct.pack(">I", 0 if up else 1)),
        (_PROTOCOL_TEXT, protocol.encode()),
        (_INFO_TEXT, said.encode()[:_LONGEST_TEXT]),
    ]
    head = b"".join(struct.pack(">HH", tag, len(value) + -len(value) % 4) + _padded(value) for tag, value in tags)
    head += struct.pack(">HH", 0, 0)
    whole, data = len(head) + len(frame.payload), head + frame.payload[:LONGEST]
    high, low = divmod(max(0, frame.ts_ns), 2**32)
    body = struct.pack("<IIIII", 0, high, low, len(data), whole) + _padded(data)
    return _block(_PACKET, body + _options([(_COMMENT, one.encode()[:_LONGEST_COMMENT]) for one in comments]))


def _info(
    frame: FrameRecord, version: OcppVersion | None, session: int, asked: dict[tuple[int, bool, str], str]
) -> str:
    """Return the text of the column Info; `asked` remembers the actions of CALLs for their answers."""
    message: Any = parse(frame.payload, version, frame.opcode == BINARY)
    up = frame.from_charge_point
    if isinstance(message, Call | Send):
        if isinstance(message, Call):
            asked[session, up, message.message_id] = message.action
            if len(asked) > 100_000:
                del asked[next(iter(asked))]
        return visible(f"{'CALL' if isinstance(message, Call) else 'SEND'} {message.action} {message.message_id}")
    if isinstance(message, CallResult | CallError):
        action = asked.pop((session, not up, message.message_id), "")
        kind = "CALLRESULT" if isinstance(message, CallResult) else f"CALLERROR {message.error_code}"
        return visible(" ".join(part for part in (kind, action, message.message_id) if part))
    if isinstance(message, CallResultError):
        return visible(f"CALLRESULTERROR {message.error_code} {message.message_id}")
    return "binary message" if frame.opcode == BINARY else "malformed message"


def _gaps(before: tuple[EventRecord, ...]) -> Iterator[str]:
    for event in before:
        if event.is_gap:
            missing = event.detail.get("frames", "an unknown number of")
            yield f"{event.kind}: {missing} frames are missing before this one"


def _findings(db: sqlite3.Connection, row_id: int) -> list[str]:
    rows = db.execute(
        "SELECT severity, rule_id, message FROM findings WHERE frame_id = ? ORDER BY id LIMIT 20", (row_id,)
    )
    return [visible(f"{severity} {rule}: {message}") for severity, rule, message in rows.fetchall()]


def _version(facts: Any) -> OcppVersion | None:
    with suppress(ValueError):
        return OcppVersion(facts.get("ocpp_version") or str(facts.get("subprotocol") or "").removeprefix("ocpp"))
    return None


def _addresses(facts: Any) -> tuple[Address, Address]:
    """Return the addresses of the charge point and the CSMS, both of the same IP version."""
    ours = _split(f"//{facts.get('remote_addr') or ''}", 50_000)
    url = str(facts.get("upstream_url") or "")
    theirs = _split(url, 443 if url.startswith(("wss", "https")) else 80)
    first, second = ours[0] or _UNKNOWN[0], theirs[0] or _UNKNOWN[1]
    if (":" in first) != (":" in second):  # IPv6 can hold an IPv4 address (RFC 4291, section 2.5.5.2)
        first, second = (one if ":" in one else f"::ffff:{one}" for one in (first, second))
    return (first, ours[1]), (second, theirs[1])


def _split(url: str, port: int) -> tuple[str | None, int]:
    try:
        parts = urlsplit(url)
        found, port = parts.hostname or "", parts.port or port
        return str(ipaddress.ip_address(found.partition("%")[0])), port
    except ValueError:
        return None, port


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _options(options: list[tuple[int, bytes]]) -> bytes:
    if not options:
        return b""
    parts = [struct.pack("<HH", code, len(value)) + _padded(value) for code, value in options]
    return b"".join(parts) + struct.pack("<HH", 0, 0)


def _block(kind: int, body: bytes) -> bytes:
    size = len(body) + 12
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)
