"""Limit the time and the size of a handshake; mitmproxy has no such limits."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

HEAD_LIMIT = 64 * 1024
"""The most bytes in the head of a request or an answer."""

EARLY_LIMIT = 1024 * 1024
"""The most bytes that a charge point may send before its upgrade is answered."""

_TLS_HANDSHAKE = 0x16
"""The first byte of a TLS ClientHello (RFC 8446 section 5.1); no HTTP method starts with it."""

_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)\d\d[ \r\n]")
_INTERIM_SIZE = 13
"""How many bytes are needed to recognise an interim answer."""


class HandshakeLimits:
    """Follow the handshake of one connection, and notice if it takes too long or is too large."""

    def __init__(self, seconds: float, overdue: Callable[[bool], None]) -> None:
        """Set the time limit. `overdue` is called if no complete request arrives within `seconds`.

        Its argument is True if an earlier request on the connection was answered.
        """
        self._seconds, self._overdue = seconds, overdue
        self.head_seen = False
        """Whether the head of a request has arrived."""
        self._head_awaited = False
        self._early = self._answered = 0
        self._interim = b""
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def begun(self) -> bool:
        """Return whether a part of a request has arrived."""
        return self._early > 0

    @property
    def between_requests(self) -> bool:
        """Return whether the charge point has to send a request."""
        return self._deadline is not None

    def expect_request(self) -> None:
        """Start the timeout for a complete request: the first one, or the next one after a rejection."""
        self.asked()
        self._early = 0
        self._deadline = asyncio.get_running_loop().call_later(self._seconds, self._overdue, self.head_seen)

    def asked(self) -> None:
        """Stop the timeout: the request is complete, and the CSMS may take any time to answer."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._head_awaited, self._answered, self._interim = True, 0, b""

    def answering(self) -> None:
        """Note that the head of the answer is complete."""
        self._head_awaited = False

    def breach_by_charge_point(self, data: bytes) -> str | None:
        """Count bytes from the charge point; return the limit that they exceed in words, else None."""
        if not self._early and data[0] == _TLS_HANDSHAKE:
            return "speaks TLS, but this is a ws:// port; for wss:// give --tls-cert"
        self._early += len(data)
        if self._early > (EARLY_LIMIT if self.head_seen else HEAD_LIMIT):
            return "sent too much before its upgrade was answered"
        return None

    def breach_by_csms(self, data: bytes) -> str | None:
        """Count bytes from the CSMS; return the limit that they exceed in words, else None."""
        if self._head_awaited:
            self._answered += len(data)
            if self._answered + len(self._interim) > HEAD_LIMIT:
                return f"the CSMS answered with more than {HEAD_LIMIT} bytes of headers"
        return None

    def interim(self, data: bytes) -> tuple[bytes, bytes]:
        """Separate interim answers (RFC 9110 section 15.2), which mitmproxy would take for the final one.

        Return the interim answers, which are passed on at once, and the rest. An incomplete beginning of an interim
        answer is kept for the next call.
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
