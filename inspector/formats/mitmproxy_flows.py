"""Read the WebSockets in mitmproxy's flow files, with mitmproxy's own reader.

mitmproxy reads a whole flow into memory, with all messages of its WebSocket; a flow larger than LIMIT is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, BinaryIO

from inspector.errors import UnusableFile, UserMistake
from inspector.formats.captured import Captured
from inspector.formats.connections import Connection, is_ocpp, session
from inspector.formats.reading import Reading, Unreadable
from inspector.protocol.vocabulary import Direction
from inspector.records import CloseFacts

if TYPE_CHECKING:
    from mitmproxy.http import HTTPFlow
    from mitmproxy.websocket import WebSocketData

LIMIT = 512 * 1024 * 1024
"""The most bytes of one flow."""

_FLOW = re.compile(rb"\d{1,12}:\d{1,12}:[a-z_]+;")
"""The beginning of a flow, which is a tnetstring of a dict whose keys are text: `4028:9:websocket;...`."""


def looks_like_flows(head: bytes) -> bool:
    """Return whether a file that begins with these bytes is a flow file."""
    return _FLOW.match(head) is not None


def read(file: BinaryIO, reading: Reading) -> Iterator[Captured]:
    """Yield the frames of every OCPP WebSocket in a flow file, one WebSocket after the other.

    Raises:
        Unreadable: the file is not a flow file, or it is incomplete; its earlier frames have been yielded.
        UnusableFile: a flow is larger than LIMIT.
    """
    from mitmproxy.http import HTTPFlow
    from mitmproxy.io import FlowReader

    try:
        for number, flow in enumerate(FlowReader(_Guarded(file, reading)).stream(), 1):  # type: ignore[arg-type]
            if not isinstance(flow, HTTPFlow) or flow.websocket is None:
                reading.passed_over += 1
                continue
            connection = _connection(number, flow, flow.websocket)
            messages = _messages(flow.websocket)
            first = next(messages, None)
            if not is_ocpp(connection, first.raw if first else None):
                reading.passed_over += 1
                continue
            yield from session(connection, chain([first], messages) if first else ())
    except UserMistake:
        raise
    except Exception as error:  # mitmproxy's reader may raise anything on a hostile file
        why = " ".join(str(error).split())[:100] or type(error).__name__
        raise Unreadable(reading.source, None, f"not a whole flow file of mitmproxy ({why})") from error


def _connection(number: int, flow: HTTPFlow, websocket: WebSocketData) -> Connection:
    request, response = flow.request, flow.response
    closed: tuple[int, CloseFacts] | None = None
    if websocket.timestamp_end is not None:
        side = "cp" if websocket.closed_by_client else "csms"
        facts: Any = {"closed_by": "charge-point" if websocket.closed_by_client else "csms"}
        if websocket.close_code is not None:
            facts |= {f"{side}_close_code": websocket.close_code, f"{side}_close_reason": websocket.close_reason or ""}
        closed = _ns(websocket.timestamp_end), facts
    peer = flow.client_conn.peername
    began = response.timestamp_end if response is not None else None
    return Connection(
        session=str(number),
        url=re.sub(r"^http", "ws", request.url),
        method=request.method,
        request=request.headers.fields,
        status=response.status_code if response is not None else None,
        response=response.headers.fields if response is not None else (),
        opened_ns=_ns(began or request.timestamp_start),
        closed=closed,
        remote_addr=f"{peer[0]}:{peer[1]}" if peer else None,
    )


def _messages(websocket: WebSocketData) -> Iterator[Captured]:
    for message in websocket.messages:
        yield Captured(
            raw=message.content,
            direction=Direction.FROM_CHARGE_POINT if message.from_client else Direction.FROM_CSMS,
            ts_ns=_ns(message.timestamp),
            binary=not message.is_text,
            notes={"forwarded": False} if message.dropped else None,
        )


def _ns(seconds: float) -> int:
    """Return seconds as nanoseconds, rounded to microseconds, which is the accuracy of mitmproxy's floats."""
    return round(seconds * 1_000_000) * 1000


class _Guarded:
    """A file that refuses to read a flow larger than LIMIT; the lengths that a file states may be wrong."""

    def __init__(self, file: BinaryIO, reading: Reading) -> None:
        self._file = file
        self._reading = reading

    def read(self, size: int = -1) -> bytes:
        if size > LIMIT:
            raise UnusableFile(self._reading.source, f"a flow of {size:,} bytes; the largest read is {LIMIT:,}")
        parts, left = [], size
        # A file of ten bytes may state a length of half a gigabyte; do not allocate that.
        while left > 0 and (part := self._file.read(min(left, 1024 * 1024))):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def peek(self, size: int) -> bytes:
        return self._file.peek(size)  # type: ignore[attr-defined, no-any-return]
