"""Reads addresses users type: where to listen and which CSMS to relay to; opens listening sockets, knows no HTTP."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from inspector.errors import UnusableAddress

BACKLOG = 4096
"""Connections the kernel keeps waiting, for whole sites that reconnect at once; it caps this at somaxconn."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """A CSMS: where it listens and the path that a charge point's own path is appended to."""

    host: str
    port: int
    path: str = ""
    tls: bool = False

    def __str__(self) -> str:
        return f"{'wss' if self.tls else 'ws'}://{bracketed(self.host)}:{self.port}{self.path}"

    def path_for(self, charge_point_path: str) -> str:
        """Append the charge point's path, query and %-escapes untouched."""
        return self.path + charge_point_path

    @classmethod
    def parse(cls, url: str) -> Upstream:
        """Read ws[s]://HOST[:PORT][/PATH]; raises UnusableAddress with what is wrong and what to type."""
        shown = re.sub(r"//[^/@]*@", "//", url)
        example = "write it as ws://HOST[:PORT][/PATH] or wss://…"
        if re.search(r"[\x00-\x20\x7f]", url):
            raise UnusableAddress(repr(shown), "a URL holds no spaces or control characters", example)
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise UnusableAddress(shown, f"not a URL ({error})", example) from None
        if parts.scheme not in ("ws", "wss"):
            raise UnusableAddress(shown, "the CSMS's address must start with ws:// or wss://", example)
        if not host:
            raise UnusableAddress(shown, "there is no host in it", example)
        if port == 0:
            raise UnusableAddress(shown, "0 is no port to connect to", example)
        if "@" in parts.netloc:
            raise UnusableAddress(
                shown,
                "the address must not hold a password",
                "the charge point's own Authorization header passes through; see --upstream-identities",
            )
        if parts.query or parts.fragment:
            raise UnusableAddress(shown, "a query or fragment cannot be prefixed to a charge point's path", example)
        secure = parts.scheme == "wss"
        return cls(host, port or (443 if secure else 80), parts.path.rstrip("/"), secure)


def bracketed(host: str) -> str:
    """Return a host as URLs write it: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def parse_listen(text: str) -> tuple[str, int]:
    """Read [HOST:]PORT; the host defaults to loopback. Raises UnusableAddress."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise UnusableAddress(text, "not an address to listen on", "write it as PORT or HOST:PORT (0 = any free port)")
    host = host.removeprefix("[").removesuffix("]") if host else "127.0.0.1"
    return host, int(port)


def listening_socket(host: str, port: int) -> socket.socket:
    """Open a listening socket; raises UnusableAddress when the port is taken or the host is not ours."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except OSError as error:
        why = {
            98: "the port is in use",
            48: "the port is in use",
            13: "not allowed to listen there",
            99: "this machine has no such address",
            49: "this machine has no such address",
        }.get(error.errno or 0, error.strerror or str(error))
        raise UnusableAddress(
            f"{bracketed(host)}:{port}", f"cannot listen: {why}", "choose another with --listen (0 = any free port)"
        ) from None


def lan_addresses() -> list[str]:
    """Return this machine's own IPv4 addresses as others on its networks reach it; sends nothing."""
    found: list[str] = []
    for target in ("192.168.255.255", "10.255.255.255", "172.16.255.255", "198.51.100.1"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((target, 9))
            except OSError:
                continue
            address = str(probe.getsockname()[0])
        if address not in found and not address.startswith(("127.", "0.")):
            found.append(address)
    return found
