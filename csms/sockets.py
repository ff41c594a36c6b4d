"""Opens the sockets that asyncio opens otherwise than users mean it; knows neither OCPP nor HTTP."""

from __future__ import annotations

import socket

EVERYBODY = "::"
BACKLOG = 2048


def listen_to_everybody(port: int) -> socket.socket:
    """Listen on `EVERYBODY`: on every network, IPv4 too, where asyncio would take IPv6 alone; raises OSError."""
    both = socket.has_dualstack_ipv6()
    return socket.create_server((EVERYBODY, port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=both)
