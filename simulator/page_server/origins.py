"""Decide which HTTP requests of pages of other origins to answer: only links to the simulator page.

A link from another page must not contain settings, which could start a charging session that the user does not want.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

LOOPBACK = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])\.?(:\d*)?", re.IGNORECASE)
PAGE_ADDRESS = re.compile(r"[^?]*(?<!\.json)(?<!\.csv)(\?(token=[^&]*)?)?")
AHEAD = re.compile("prefetch|prerender|preview", re.IGNORECASE)


def is_foreign(method: str, target: str, headers: Mapping[str, str]) -> bool:
    """Return whether a page of another origin made this request, other than by a link to the page.

    Browsers send `Sec-Fetch-Site` and `Origin`, which a page cannot forge. A program that sends neither is allowed.
    The keys of `headers` are lower-case names.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site not in (None, "same-origin", "none"):
        how = method, headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
        purpose = ",".join(headers.get(name, "") for name in ("sec-purpose", "purpose", "x-purpose", "x-moz"))
        visit = how == ("GET", "navigate", "document") and not AHEAD.search(purpose)
        return not (visit and PAGE_ADDRESS.fullmatch(target))
    if origin is None or (origin == "null" and site == "same-origin"):
        return False
    try:
        page = urlsplit(origin.lower())
    except ValueError:
        return True
    return page.scheme not in ("http", "https") or page.netloc != headers.get("host", "").lower()
