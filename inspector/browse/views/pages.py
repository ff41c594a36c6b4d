"""The list of the pages: the path, the function for the content, and the template of each."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from inspector.browse.views import (
    charge_point,
    compare,
    dashboards,
    frame,
    home,
    live,
    missing,
    rule,
    search,
    session,
    transaction,
)
from inspector.browse.views.request import Ask, View

_ID = r"(?P<id>\d{1,19})"
_JSON = r"(\.(?P<format>json))?"


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Attributes:
        path: a regular expression for the path after the address of the database.
        view: returns the content, which is also the JSON.
        template: the template for the content; None if there is only JSON.
        markup: returns the values that the template needs besides the JSON.
        panel: the template of the same content without a page around it, for `?panel`.
    """

    path: str
    view: Callable[[sqlite3.Connection, Ask], View]
    template: str | None
    markup: Callable[[View], dict[str, Any]] | None = None
    panel: str | None = None


HOME = Page(rf"/-/home{_JSON}", home.view, "home.html")

PAGES = (
    HOME,
    Page(rf"/-/search{_JSON}", search.view, "search.html"),
    Page(rf"/-/live{_JSON}", live.view, "live.html"),
    Page(rf"/-/dashboards{_JSON}", dashboards.view, "dashboards.html", dashboards.markup),
    Page(rf"/-/compare{_JSON}", compare.view, "compare.html"),
    Page(rf"/sessions/{_ID}{_JSON}", session.view, "session.html", session.markup),
    Page(rf"/sessions/{_ID}/frames\.json", session.frames, None),
    Page(rf"/sessions/{_ID}/plot\.json", session.plot, None),
    Page(rf"/frames/{_ID}{_JSON}", frame.view, "frame.html", frame.markup, "_frame.html"),
    Page(rf"/missing/{_ID}/(?P<number>\d{{1,9}}){_JSON}", missing.view, "missing.html", None, "_missing.html"),
    Page(rf"/charge_points/(?P<id>[^/]+?){_JSON}", charge_point.view, "charge_point.html"),
    Page(rf"/transactions/{_ID}{_JSON}", transaction.view, "transaction.html"),
    Page(rf"/rules{_JSON}", rule.catalogue, "rules.html"),
    Page(rf"/rules/(?P<id>[^/]+?){_JSON}", rule.view, "rule.html", rule.markup),
)
