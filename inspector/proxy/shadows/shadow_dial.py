"""Connect to a shadow as the charge point would. Redirects are not followed: the operator has chosen the address."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

from inspector.proxy import tls

OPEN_S = 10.0
"""How long a shadow has to accept a connection."""
PING_S = 20.0
"""How often a shadow is pinged, and how long it has to answer."""
CLOSE_S = 0.5
MOST_MESSAGE = 1024 * 1024
"""In bytes; a shadow that sends a longer message is disconnected with 1009."""
RECEIVE_BUFFER = 32 * 1024
"""In bytes: what a shadow sends too fast waits at the shadow, and no more than this is parsed at once."""
_MESSAGES_READ = 16

_quiet = logging.getLogger("chargesentinel.shadow.websockets")
_quiet.setLevel(logging.CRITICAL)


class _Connect(connect):
    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def dial(
    url: str, subprotocol: str | None, headers: dict[str, str], context: ssl.SSLContext | None
) -> ClientConnection:
    """Connect to a shadow. Raises OSError, ValueError, TimeoutError or InvalidHandshake; see `why`."""
    options: dict[str, Any] = {"ssl": context} if url.startswith("wss:") else {}
    connection = await _Connect(
        url,
        subprotocols=[subprotocol] if subprotocol else None,  # type: ignore[list-item]
        additional_headers=headers,
        compression=None,
        user_agent_header=None,
        proxy=None,
        open_timeout=OPEN_S,
        ping_interval=PING_S,
        ping_timeout=PING_S,
        close_timeout=CLOSE_S,
        max_size=MOST_MESSAGE,
        max_queue=_MESSAGES_READ,
        logger=_quiet,
        **options,
    )
    raw = connection.transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    if connection.subprotocol != subprotocol:
        await connection.close(1002, "no common subprotocol")
        raise OSError(f"it does not speak {subprotocol}")
    return connection


FAILURES = (OSError, ValueError, TimeoutError, InvalidHandshake, InvalidURI)
"""The exceptions of `dial`."""


def why(failure: BaseException) -> str:
    """Return in words why a shadow could not be reached."""
    if isinstance(failure, InvalidStatus):
        status = failure.response.status_code
        hint = "; if it wants the charge points' passwords, use --shadow-authorization" if status == 401 else ""
        return f"it answered HTTP {status} to the handshake{hint}"
    if isinstance(failure, InvalidHandshake):
        return f"it is not a WebSocket server ({type(failure).__name__})"
    if isinstance(failure, TimeoutError | asyncio.CancelledError):
        return f"it did not accept the connection within {OPEN_S:g} s"
    said = tls.upstream_failure(failure, OPEN_S)
    return said.replace("--upstream-ca", "--shadow-ca").removesuffix(" (--upstream-cert)")
