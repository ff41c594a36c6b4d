"""Turn a WebSocket that another tool captured into a session: handshake, frames, end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from inspector.formats.captured import Captured, Meta
from inspector.protocol.vocabulary import SUBPROTOCOLS, OcppVersion
from inspector.records import CloseFacts, CloseRecord, EventRecord, OpenRecord, Record
from inspector.redaction import handshake
from inspector.redaction.handshake import Headers


class Connection(NamedTuple):
    """The facts about a captured WebSocket besides its messages.

    Attributes:
        session: a key that is unique in the file.
        url: the address that the client connected to, as ws(s):// or http(s)://.
        method, request, status, response: the request and the response of the handshake.
        opened_ns: when the WebSocket was opened, in nanoseconds since 1970; None if unknown.
        closed: when and how it was closed; None if unknown.
    """

    session: str
    url: str
    method: str
    request: Headers
    status: int | None
    response: Headers
    opened_ns: int | None
    closed: tuple[int, CloseFacts] | None = None
    remote_addr: str | None = None

    @property
    def subprotocol(self) -> str | None:
        """The selected subprotocol, or else the first OCPP subprotocol that was offered."""
        agreed = handshake.get(self.response, "sec-websocket-protocol")
        offered = handshake.tokens(handshake.get(self.request, "sec-websocket-protocol"))
        return agreed or next((name for name in offered if name in SUBPROTOCOLS), None)

    @property
    def path(self) -> str:
        """The path and query of the request."""
        try:
            parts = urlsplit(self.url)
        except ValueError:
            return self.url
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def is_ocpp(connection: Connection, first: bytes | None) -> bool:
    """Return whether a WebSocket carries OCPP, by its subprotocol or else by its first message."""
    if (connection.subprotocol or "").lower().startswith("ocpp"):
        return True
    return first is not None and first.lstrip()[:1] == b"[" and first.lstrip()[1:].lstrip()[:1] in b"23456"


def session(connection: Connection, messages: Iterable[Captured]) -> Iterator[Captured]:
    """Yield the messages, the first with the opening and the last with the close; without messages, a placeholder."""
    path = connection.path
    facts = handshake.session_facts(path, connection.request, connection.response)
    facts["upstream_url"] = _bare(connection.url)
    if connection.remote_addr:
        facts["remote_addr"] = connection.remote_addr
    version: OcppVersion | None = SUBPROTOCOLS.get(connection.subprotocol or "")
    told: dict[str, Any] = {"charge_point_id": facts["charge_point_id"], "ocpp_version": version}
    shaken = handshake.described(
        connection.method, path, connection.request, connection.status, connection.response if connection.status else ()
    )
    held: Captured | None = None
    for message in messages:
        if held is not None:
            yield held
        held = message._replace(session=connection.session, **told)
        if facts is not None:
            at = connection.opened_ns if connection.opened_ns is not None else message.ts_ns or 0
            held = _with(held, opened=OpenRecord(0, at, at, facts), first=_shaken(at, shaken))
            facts = None  # type: ignore[assignment]
    if held is None:
        at = connection.opened_ns or 0
        meta = Meta(OpenRecord(0, at, at, facts), (_shaken(at, shaken),), placeholder=True)
        held = Captured(b"", ts_ns=at, mono_ns=at, session=connection.session, meta=meta, **told)
    if connection.closed is not None:
        at, how = connection.closed
        meta = held.meta or Meta()
        held = held._replace(meta=meta._replace(closed=CloseRecord(0, at, at, how)))
    yield held


def _shaken(at: int, detail: dict[str, Any]) -> Record:
    return EventRecord(0, at, at, "handshake", detail)


def _with(message: Captured, opened: OpenRecord, first: Record) -> Captured:
    meta = message.meta or Meta()
    if meta.opened is None:
        meta = meta._replace(opened=opened, before=(first, *meta.before))
    return message._replace(meta=meta)


def _bare(url: str) -> str:
    """Return an address without credentials, which may be before the host or in the query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{handshake.safe_path(parts.path + query)}"
