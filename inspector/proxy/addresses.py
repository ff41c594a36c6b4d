"""Parse the addresses that users type (where to listen, which CSMS to relay to) and open listening sockets."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from inspector.errors import CannotListen, UnusableAddress

BACKLOG = 4096
"""How many connections may wait to be accepted, as when a whole site reconnects. The kernel's limit is somaxconn."""

_FAR_IPV4 = ("192.168.255.255", "10.255.255.255", "172.16.255.255", "198.51.100.1")
_FAR_IPV6 = ("2001:db8::1", "fd00::1")
"""Addresses on the internet and in a private network, to ask the system from which own address it would connect."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """The address of a CSMS; a charge point's own path is appended to its path."""

    host: str
    port: int
    path: str = ""
    tls: bool = False

    def __str__(self) -> str:
        return f"{'wss' if self.tls else 'ws'}://{bracketed(self.host)}:{self.port}{self.path}"

    def path_for(self, charge_point_path: str) -> str:
        """Return the path to request at the CSMS: the charge point's path, query and %-escapes stay unchanged."""
        return self.path + charge_point_path

    @classmethod
    def parse(cls, url: str) -> Upstream:
        """Parse ws[s]://HOST[:PORT][/PATH]. Raises UnusableAddress with a message about the fix."""
        example = "write it as ws://HOST[:PORT][/PATH] or wss://…"
        if re.search(r"[\x00-\x20\x7f]", url):
            raise UnusableAddress(repr(url), "a URL must not contain spaces or control characters", example)
        if "@" in url:
            # Refuse an @ in the path too: if a password contains a slash, the rest of it looks like a path.
            raise UnusableAddress(
                url,
                "the address must not contain a password (write an @ in its path as %40)",
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
            raise UnusableAddress(url, "the host is missing", example)
        if not _is_host(host):
            raise UnusableAddress(
                url,
                f"{host} is not a valid host name: a part of it is empty, too long or has invalid characters",
                example,
            )
        if port == 0:
            raise UnusableAddress(url, "cannot connect to port 0", example)
        if parts.query or parts.fragment:
            raise UnusableAddress(
                url, "the address must not have a query or fragment: the charge point's path is appended to it", example
            )
        secure = parts.scheme == "wss"
        return cls(host, port or (443 if secure else 80), parts.path.rstrip("/"), secure)


def _is_host(host: str) -> bool:
    """Return whether a host name is valid for a look-up: connecting would refuse other names too, but later."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return not host.startswith(".")


def bracketed(host: str) -> str:
    """Return a host as written in a URL: IPv6 in brackets, but ::ffff:192.0.2.1 as 192.0.2.1."""
    mapped = host.removeprefix("::ffff:")
    if mapped != host and "." in mapped:
        return mapped
    return f"[{host}]" if ":" in host else host


def parse_listen(text: str) -> tuple[str, int]:
    """Parse [HOST:]PORT; the default host is loopback. Raises UnusableAddress."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit()) or int(port) > 65535 or "@" in host or not _is_host(host):
        raise UnusableAddress(text, "not an address to listen on", "write it as PORT or HOST:PORT (0 = any free port)")
    host = host.removeprefix("[").removesuffix("]") if host else "127.0.0.1"
    return host, int(port)


def listening_sockets(texts: Iterable[str]) -> list[socket.socket]:
    """Open a listening socket for each [HOST:]PORT. Raises UnusableAddress.

    An address that is given twice gets one socket, except port 0, which gets a new port each time.
    """
    places = [parse_listen(text) for text in texts]
    once = [place for number, place in enumerate(places) if not place[1] or place not in places[:number]]
    # If 0.0.0.0 listens on a port, [::] may use it for IPv6 only.
    ipv4 = {port for host, port in once if host == "0.0.0.0" and port}
    return [listening_socket(host, port, ipv6_only=port in ipv4) for host, port in once]


def listening_socket(host: str, port: int, *, ipv6_only: bool = False, option: str = "--listen") -> socket.socket:
    """Open a listening socket. Raises UnusableAddress if the port is in use or this machine has no such address.

    [::] accepts IPv4 too, unless `ipv6_only`. `option` is the one that gave the address, for the message.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        both = address[0] == "::" and not ipv6_only and socket.has_dualstack_ipv6()
        return socket.create_server(address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        raise CannotListen(f"{bracketed(host)}:{port}", error, option) from None


def reached_at(listener: socket.socket) -> list[str]:
    """Return the addresses at which other machines reach a listener on all networks; [] for any other listener."""
    host = listener.getsockname()[0]
    if host == "0.0.0.0":
        return lan_addresses()
    if host != "::":
        return []
    ipv4_too = not listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    return [*(lan_addresses() if ipv4_too else []), *map(bracketed, lan_addresses(ipv6=True))]


def lan_addresses(*, ipv6: bool = False) -> list[str]:
    """Return the addresses (IPv4, or with `ipv6` IPv6) at which others reach this machine. Sends nothing."""
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


def refuse_loop(upstream: Upstream, addresses: list[tuple[str, int]]) -> None:
    """Raise UnusableAddress if the CSMS is one of the proxy's own listeners: it would connect to itself forever."""
    loopback = {"localhost", "127.0.0.1", "::1"}
    for host, port in addresses:
        same = {host} | (loopback if host in loopback else set())
        if host in ("0.0.0.0", "::"):
            same |= loopback | set(lan_addresses()) | set(lan_addresses(ipv6=True))
        if upstream.port == port and upstream.host in same:
            raise UnusableAddress(str(upstream), "that is this proxy's own listener", "choose another with --listen")
