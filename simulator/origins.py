"""Decides which HTTP requests the page's server answers: none that a page of another origin makes, but for links.

A link must not hold settings: it could start a charging session in the name of whoever follows it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

LOOPBACK = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])\.?(:\d*)?", re.IGNORECASE)
PAGE_ADDRESS = re.compile(r"[^?]*(?<!\.json)(?<!\.csv)(\?(token=[^&]*)?)?")
AHEAD = re.compile("prefetch|prerender|preview", re.IGNORECASE)


def is_foreign(method: str, target: str, headers: Mapping[str, str]) -> bool:
    """Return whether a page of another origin made this request, other than by leading the user to the page.

    Browsers send `Sec-Fetch-Site` and `Origin`, and no page can forge them; for programs, which send neither, nothing
    is foreign. `headers` holds values by lower-case name.
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
