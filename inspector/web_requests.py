"""Decides which HTTP requests of web browsers a server on this machine answers; reads headers, opens nothing.

Every page in a user's browser can send requests to this machine. It cannot read the answers, but it can measure how
long they take. So a request that a page of another origin makes is refused before anything is looked up. The one
exception is a link: a visit to a page, in a tab of its own, whose address holds no query.

`csms/operator_api/origins.py` and `simulator/page_server/origins.py` hold the same rule;
`tests/origin_cases.py` tests all three.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from urllib.parse import parse_qsl, urlsplit

DATA = (".json", ".jsono", ".csv", ".blob", ".db")
"""Endings of addresses that return data rather than a page."""


def is_foreign(method: str, target: str, headers: Mapping[str, str]) -> bool:
    """Return whether a page of another origin made this request, and it is not a plain visit.

    Browsers say where a request comes from in `Sec-Fetch-Site`, which no page can forge. Programs and old browsers do
    not send it: for them only an `Origin` that is not ours counts.

    Args:
        method: "GET", "POST", …
        target: path and query, as in the request line.
        headers: values by lower-case name.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site not in (None, "same-origin", "none"):
        return not (is_visit(method, headers) and is_plain(target))
    if origin is None or (origin == "null" and site == "same-origin"):
        return False
    return _host_and_port(origin) != headers.get("host", "").lower()


def is_visit(method: str, headers: Mapping[str, str]) -> bool:
    """Return whether a browser opens an address in a tab: neither in a frame, nor ahead of time, nor for a script."""
    purpose = ",".join(headers.get(name, "") for name in ("sec-purpose", "purpose", "x-purpose", "x-moz"))
    return (
        method == "GET"
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest") == "document"
        and not re.search("prefetch|prerender|preview", purpose, re.IGNORECASE)
    )


def is_plain(target: str) -> bool:
    """Return whether an address names a page and nothing else; a token, which a stranger does not know, may follow."""
    path, _, query = target.partition("?")
    names = [name for name, _ in parse_qsl(query, keep_blank_values=True)]
    return not path.lower().endswith(DATA) and (not query or names == ["token"])


def may_connect(origin: str, host: str, allowed: Collection[str]) -> bool:
    """Return whether a page of this origin may open a WebSocket as a charge point.

    Pages that this machine serves may: those of loopback names and of the IP address in the request, on any port. An
    equal name is not enough: a stranger's DNS name can be made to point here.

    Args:
        origin, host: the headers of these names.
        allowed: more origins; "*" is all.
    """
    if "*" in allowed or origin.lower() in {one.lower().rstrip("/") for one in allowed} | {"file://"}:
        return True
    place = _host_and_port(origin)
    if place is None or origin.lower() != f"{urlsplit(origin).scheme}://{place}" or "@" in place:
        return False
    name = host_name(place)
    return is_loopback(name) or (is_address(name) and name == host_name(host))


def admits_host(host: str, names: Collection[str], *, any_address: bool) -> bool:
    """Return whether a Host header names this machine.

    A page of a stranger whose own DNS name points to this machine (DNS rebinding) still sends that name.

    Args:
        host: the header, with or without a port.
        names: lower-case names this machine has besides loopback ones; "*" admits every name.
        any_address: admit every IP address: no DNS server can point one elsewhere.
    """
    name = host_name(host)
    return is_loopback(name) or name in names or "*" in names or (any_address and is_address(name))


def host_name(host: str) -> str:
    """Return the name in a Host header: lower case, no port, no brackets, no dot at its end."""
    name = re.sub(r":\d*$", "", host.strip()).lower().removesuffix(".")
    return name.removeprefix("[").removesuffix("]")


def is_address(name: str) -> bool:
    """Return whether a host is named by its IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(name: str) -> bool:
    """Return whether a host name always means this machine."""
    return name == "localhost" or (is_address(name) and ipaddress.ip_address(name).is_loopback)


def _host_and_port(origin: str) -> str | None:
    try:
        parts = urlsplit(origin.lower())
    except ValueError:
        return None
    return parts.netloc if parts.scheme in ("http", "https") else None
