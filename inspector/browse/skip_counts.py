"""Keep Datasette from counting rows that nobody asked about: an ASGI wrapper for the longest tables.

Datasette counts all rows and all facets of a table before it shows the first fifty. For the tables with a row for every
frame of a long recording, that takes longer than the rest of the page. So the wrapper adds `_nocount` and `_nofacet` to
the address, unless it asks for a facet or has a filter that leaves few rows, such as a session.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl

from inspector.browse.security import App, Receive, Scope, Send

LONG_BYTES = 50_000_000
"""Rows of larger files are not counted: this is about 100,000 frames."""

SELECTIVE = {"id", "session_id", "max_severity", "call_id", "transaction_id"}
"""Columns whose index leaves few rows. The action is not one of them: half of all frames may have the same action."""
_EXACT = {"", "exact", "in"}
"""Comparisons that leave few rows; others, such as "contains", may leave nearly all rows."""


def uncounted(app: App, tables: Mapping[str, Path]) -> App:
    """Return an ASGI application that wraps `app`; `tables` has the file for the address of each long table."""

    async def frugal(scope: Scope, receive: Receive, send: Send) -> None:
        path = tables.get(scope["path"].removesuffix(".json")) if scope["type"] == "http" else None
        if path is not None and path.exists() and path.stat().st_size > LONG_BYTES:
            scope = {**scope, "query_string": frugal_query(scope["query_string"].decode("latin-1")).encode("latin-1")}
        await app(scope, receive, send)

    return frugal


def frugal_query(query: str) -> str:
    """Switch counting off in a query, unless it filters by an index, asks for a facet or has such a parameter."""
    names = [name for name, _ in parse_qsl(query, keep_blank_values=True)]
    compared = (name.partition("__")[::2] for name in names if not name.startswith("_"))
    indexed = any(column in SELECTIVE and comparison in _EXACT for column, comparison in compared)
    if indexed or {"_nocount", "_nofacet", "_facet", "_facet_size"} & set(names):
        return query
    return "&".join(part for part in (query, "_nocount=1&_nofacet=1") if part)
