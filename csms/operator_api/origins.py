"""Decide which requests of web pages the operator's API answers, and which web pages may be charge points.

Every page in a user's browser can send requests and open WebSockets to this machine. The browser adds the headers
`Sec-Fetch-Site` and `Origin` with the origin of the page; a page cannot forge them.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from urllib.parse import SplitResult, urlsplit

PAGE_ADDRESS = re.compile(r"(?!/api/)[^?]*(?<!\.json)(?<!\.csv)(\?(token=[^&]*)?)?")
"""The address of a page, without a query except a token, which foreign pages do not know."""
AHEAD = re.compile("prefetch|prerender|preview", re.IGNORECASE)
SAVED_PAGE = "file://"
"""The origin of a page that was opened from a file. Web pages never have it."""


def is_foreign(method: str, target: str, headers: Mapping[str, str]) -> bool:
    """Return whether a page of another origin made this request, other than by a link to a page.

    Args:
        method: "GET", "POST", …
        target: the path and query.
        headers: the values by lower-case name.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site not in (None, "same-origin", "none"):
        how = method, headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
        purpose = ",".join(headers.get(name, "") for name in ("sec-purpose", "purpose", "x-purpose", "x-moz"))
        visit = how == ("GET", "navigate", "document") and not AHEAD.search(purpose)
        return not (visit and PAGE_ADDRESS.fullmatch(target))
    if origin is None or (origin == "null" and site == "same-origin"):
        return False
    page = _parts(origin)
    return page.scheme not in ("http", "https") or page.netloc != headers.get("host", "").lower()


def may_connect(origin: str, host: str, allowed: Collection[str]) -> bool:
    """Return whether a page of this origin may open a WebSocket as a charge point.

    Pages from files may, and so may pages that this machine serves, on any port: from a loopback name, or from the IP
    address under which the page calls the CSMS. A DNS name is not enough: anybody can let a name point to this machine.

    Args:
        origin, host: the headers of these names.
        allowed: other allowed origins; "*" allows all.
    """
    if "*" in allowed or origin.lower() in {one.lower().rstrip("/") for one in allowed} | {SAVED_PAGE}:
        return True
    page = _parts(origin)
    if page.scheme not in ("http", "https") or page.hostname is None or page.path or "@" in page.netloc:
        return False
    if page.hostname == "localhost":
        return True
    try:
        address = ipaddress.ip_address(page.hostname)
    except ValueError:
        return False
    return address.is_loopback or page.hostname == _parts(f"//{host}").hostname


def _parts(url: str) -> SplitResult:
    """Split a URL; all parts of a malformed URL are empty."""
    try:
        return urlsplit(url.lower())
    except ValueError:
        return urlsplit("")
