"""Listening sockets, their addresses, and the limit of connections. This module depends neither on OCPP nor on HTTP."""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
import socket
import time
from contextlib import suppress
from typing import Any

LOG = logging.getLogger("csms")

EVERY_ADDRESS = "::"
BACKLOG = 2048
LOG_EVERY_S = 10.0


def listen_on_every_address(port: int) -> socket.socket:
    """Listen on `EVERY_ADDRESS`, over IPv6 and IPv4; asyncio would listen over IPv6 only.

    Raises:
        OSError: the port cannot be used.
    """
    both = socket.has_dualstack_ipv6()
    return socket.create_server((EVERY_ADDRESS, port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=both)


def host_and_port(listener: socket.socket) -> str:
    """Return the address of a listening socket in the form of URLs, such as `127.0.0.1:9000` or `[::1]:9000`."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def why_not_listening(error: Exception) -> str:
    """Return, in a few words, why the CSMS cannot listen on an address."""
    known = {
        errno.EADDRINUSE: "the port is in use",
        errno.EADDRNOTAVAIL: "this machine does not have that address",
        errno.EACCES: "this user may not use that port",
    }
    if (number := getattr(error, "errno", None)) in known:
        return known[number]
    words = getattr(error, "strerror", None) or str(error)
    if "could not bind on any address" in words:
        return known[errno.EADDRNOTAVAIL]
    return str(words)


def allow_many_files() -> None:
    """Raise the limit of open files as far as the system allows: every connection takes one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS reports an unlimited hard limit, but does not allow setting it.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class TooManyConnections:
    """An exception handler for event loops that logs too many connections at most once in `LOG_EVERY_S` seconds.

    asyncio calls it hundreds of times a second while connections wait and the process may not open another file.
    """

    def __init__(self) -> None:
        self._logged = float("-inf")

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE):
            loop.default_exception_handler(context)
        elif time.monotonic() - self._logged > LOG_EVERY_S:
            self._logged = time.monotonic()
            limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            LOG.error("no more connections: the system allows %d open files; raise the limit with ulimit -n", limit)
