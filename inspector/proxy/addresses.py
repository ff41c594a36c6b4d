"""Reads addresses users type: where to listen and which CSMS to relay to; opens listening sockets, knows no HTTP."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from inspector.errors import CannotListen, UnusableAddress

BACKLOG = 4096
"""Connections the kernel keeps waiting, for whole sites that reconnect at once; it caps this at somaxconn."""

_FAR_IPV4 = ("192.168.255.255", "10.255.255.255", "172.16.255.255", "198.51.100.1")
_FAR_IPV6 = ("2001:db8::1", "fd00::1")
"""Addresses of private networks and of the world: the system knows by which of its own it would speak to them."""


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
        example = "write it as ws://HOST[:PORT][/PATH] or wss://…"
        if re.search(r"[\x00-\x20\x7f]", url):
            raise UnusableAddress(repr(url), "a URL holds no spaces or control characters", example)
        if "@" in url:
            # Wherever it stands: of a password with a slash in it, what follows the slash looks like a path.
            raise UnusableAddress(
                url,
                "the address must not hold a password (an @ of its path is written %40)",
                "the charge point's own Authorization header passes through; see --upstream-identities",
            )
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise UnusableAddress(url, f"not a URL ({error})", example) from None
        if parts.scheme not in ("ws", "wss"):
            raise UnusableAddress(url, "the CSMS's address must start with ws:// or wss://", example)
        if not host:
            raise UnusableAddress(url, "there is no host in it", example)
        if not _is_host(host):
            raise UnusableAddress(
                url, f"{host} is no name of a host: a part of it is empty, too long or of odd characters", example
            )
        if port == 0:
            raise UnusableAddress(url, "0 is no port to connect to", example)
        if parts.query or parts.fragment:
            raise UnusableAddress(url, "a query or fragment cannot be prefixed to a charge point's path", example)
        secure = parts.scheme == "wss"
        return cls(host, port or (443 if secure else 80), parts.path.rstrip("/"), secure)


def _is_host(host: str) -> bool:
    """Whether a name can be looked up at all: connecting encodes it so, and fails late where it cannot."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return not host.startswith(".")


def bracketed(host: str) -> str:
    """Return a host as URLs write it: IPv6 in brackets, and IPv4 as such where an IPv6 socket says it its own way."""
    mapped = host.removeprefix("::ffff:")
    if mapped != host and "." in mapped:
        return mapped
    return f"[{host}]" if ":" in host else host


def parse_listen(text: str) -> tuple[str, int]:
    """Read [HOST:]PORT; the host defaults to loopback. Raises UnusableAddress."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit()) or int(port) > 65535 or "@" in host or not _is_host(host):
        raise UnusableAddress(text, "not an address to listen on", "write it as PORT or HOST:PORT (0 = any free port)")
    host = host.removeprefix("[").removesuffix("]") if host else "127.0.0.1"
    return host, int(port)


def listening_sockets(texts: Iterable[str]) -> list[socket.socket]:
    """Open a listening socket for each address users typed: [HOST:]PORT. Raises UnusableAddress.

    One that is given twice is one, but each port 0 is a port of its own.
    """
    places = [parse_listen(text) for text in texts]
    once = [place for number, place in enumerate(places) if not place[1] or place not in places[:number]]
    # Where 0.0.0.0 has the port, [::] can only have what is left.
    ipv4 = {port for host, port in once if host == "0.0.0.0" and port}
    return [listening_socket(host, port, ipv6_only=port in ipv4) for host, port in once]


def listening_socket(host: str, port: int, *, ipv6_only: bool = False, option: str = "--listen") -> socket.socket:
    """Open a listening socket; raises UnusableAddress when the port is taken or the host is not ours.

    [::] is everybody, IPv4 too, unless `ipv6_only`. `option` is the one that gave the address, for the message.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        both = address[0] == "::" and not ipv6_only and socket.has_dualstack_ipv6()
        return socket.create_server(address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        raise CannotListen(f"{bracketed(host)}:{port}", error, option) from None


def reached_at(listener: socket.socket) -> list[str]:
    """Return what others type for a listener on every network, IPv6 in brackets; [] for one on a single address."""
    host = listener.getsockname()[0]
    if host == "0.0.0.0":
        return lan_addresses()
    if host != "::":
        return []
    ipv4_too = not listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    return [*(lan_addresses() if ipv4_too else []), *map(bracketed, lan_addresses(ipv6=True))]


def lan_addresses(*, ipv6: bool = False) -> list[str]:
    """Return this machine's own addresses, of IPv4 or IPv6, as others on its networks reach it; sends nothing."""
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    found: list[str] = []
    for target in _FAR_IPV6 if ipv6 else _FAR_IPV4:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((target, 9))
                address = str(probe.getsockname()[0])
        except OSError:
            continue
        if address not in found and address != "::1" and not address.startswith(("127.", "0.")):
            found.append(address)
    return found
