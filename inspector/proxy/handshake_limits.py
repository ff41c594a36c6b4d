"""Keeps a handshake within bounds of time and size; mitmproxy sets none. Knows bytes, no socket and no OCPP."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

HEAD_LIMIT = 64 * 1024
"""Bytes of the head of a request or an answer."""

EARLY_LIMIT = 1024 * 1024
"""Bytes a charge point may send before its upgrade is answered."""

_TLS_HANDSHAKE = 0x16
"""First byte of a TLS record with a ClientHello (RFC 8446 section 5.1); no HTTP method starts with it."""

_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)\d\d[ \r\n]")
_INTERIM_SIZE = 13
"""Bytes that tell an interim answer from another."""


class HandshakeBounds:
    """One connection until it is a WebSocket: how far it is, and whether that is too slow or too much."""

    def __init__(self, seconds: float, overdue: Callable[[bool], None]) -> None:
        """`overdue` is called when no complete request comes in time; True where others were answered before."""
        self._seconds, self._overdue = seconds, overdue
        self.head_seen = False
        """True once the head of a request has come."""
        self._head_awaited = False
        self._early = self._answered = 0
        self._interim = b""
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def begun(self) -> bool:
        """Tell whether anything of a request has come."""
        return self._early > 0

    @property
    def between_requests(self) -> bool:
        """Tell whether it is the charge point's turn."""
        return self._deadline is not None

    def expect_request(self) -> None:
        """Start the clock for a complete request: the first one, or one more after a rejection."""
        self.asked()
        self._early = 0
        self._deadline = asyncio.get_running_loop().call_later(self._seconds, self._overdue, self.head_seen)

    def asked(self) -> None:
        """Stop the clock: a complete request is here, and the CSMS may take its time."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._head_awaited, self._answered, self._interim = True, 0, b""

    def answering(self) -> None:
        """Note that the whole head of the answer is here."""
        self._head_awaited = False

    def breach_by_charge_point(self, data: bytes) -> str | None:
        """Take what a charge point sent; returns what it must not do, None when all is well."""
        if not self._early and data[0] == _TLS_HANDSHAKE:
            return "speaks TLS to a ws:// port; --tls-cert makes it a wss:// one"
        self._early += len(data)
        if self._early > (EARLY_LIMIT if self.head_seen else HEAD_LIMIT):
            return "sent too much before its upgrade was answered"
        return None

    def breach_by_csms(self, data: bytes) -> str | None:
        """Take what a CSMS answered; returns what it must not do, None when all is well."""
        if self._head_awaited:
            self._answered += len(data)
            if self._answered + len(self._interim) > HEAD_LIMIT:
                return f"the CSMS answered with more than {HEAD_LIMIT} bytes of headers"
        return None

    def interim(self, data: bytes) -> tuple[bytes, bytes]:
        """Split off whole interim answers (RFC 9110 section 15.2), which mitmproxy would take for the real one.

        Returns (what is to be passed on at once, what is left); a beginning of one is kept for the next call.
        """
        if self._answered or not self._head_awaited:
            return b"", data
        whole, rest = b"", self._interim + data
        self._interim = b""
        while _INTERIM.match(rest):
            head, end, behind = rest.partition(b"\r\n\r\n")
            if not end:
                self._interim = rest
                return whole, b""
            whole, rest = whole + head + end, behind
        if len(rest) < _INTERIM_SIZE and rest[:10] in (b"HTTP/1.1 1"[: len(rest)], b"HTTP/1.0 1"[: len(rest)]):
            self._interim, rest = rest, b""
        return whole, rest
