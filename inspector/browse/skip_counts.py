"""Keeps Datasette from counting what nobody asked about: an ASGI wrapper for the longest tables.

Datasette counts all rows and all facets of a table before it shows the first fifty. In a long recording, on the
tables that hold every frame, that takes longer than the rest of the page, so an address gets `_nocount` and
`_nofacet` unless it filters for a session or something as rare, or asks for a facet: then Datasette counts as usual.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl

from inspector.browse.security import App, Receive, Scope, Send

LONG_BYTES = 50_000_000
"""Size of a file from which on its frames are not counted unasked: about 100,000 frames."""

SELECTIVE = {"id", "session_id", "max_severity", "call_id", "transaction_id"}
"""Columns of the long tables whose index leads to few rows; half of all frames may have the same action."""
_EXACT = {"", "exact", "in"}
"""Comparisons that leave few rows; greater-than, contains and not-equal may leave nearly all."""


def uncounted(app: App, tables: Mapping[str, Path]) -> App:
    """Wrap an application; `tables` are files by the address of their long tables, as "/ocpp/frames"."""

    async def frugal(scope: Scope, receive: Receive, send: Send) -> None:
        path = tables.get(scope["path"].removesuffix(".json")) if scope["type"] == "http" else None
        if path is not None and path.exists() and path.stat().st_size > LONG_BYTES:
            scope = {**scope, "query_string": frugal_query(scope["query_string"].decode("latin-1")).encode("latin-1")}
        await app(scope, receive, send)

    return frugal


def frugal_query(query: str) -> str:
    """Add what switches counting off, unless the query filters by an index, asks for a facet or has decided itself."""
    names = [name for name, _ in parse_qsl(query, keep_blank_values=True)]
    compared = (name.partition("__")[::2] for name in names if not name.startswith("_"))
    indexed = any(column in SELECTIVE and comparison in _EXACT for column, comparison in compared)
    if indexed or {"_nocount", "_nofacet", "_facet", "_facet_size"} & set(names):
        return query
    return "&".join(part for part in (query, "_nocount=1&_nofacet=1") if part)
