"""The Datasette plugin: thin hooks that call pure functions.

The hooks only change pages of databases that are recordings. `chargesentinel browse` embeds Datasette; a plain
`datasette FILE` gets the same views through the entry point.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datasette as datasette_package
from datasette import Response, hookimpl
from datasette.utils import sqlite_timelimit, tilde_decode, tilde_encode
from markupsafe import Markup

from inspector.browse import cells, formatting, language, metadata, queries
from inspector.browse.query_worker import isolate
from inspector.browse.security import App, Policy, guard, hosts, inline_scripts
from inspector.browse.skip_counts import uncounted
from inspector.browse.views import pages
from inspector.browse.views.request import Ask, NotThere
from inspector.store.files.connection import distrust, is_recording

if TYPE_CHECKING:
    # Datasette imports this module during its own import, so these names do not exist yet at run time.
    from datasette.app import Datasette
    from datasette.database import Database

STATIC = "/-/static-plugins/chargesentinel"

_TEMPLATES = Path(datasette_package.__file__).parent / "templates"


def recordings(datasette: Datasette) -> dict[str, Database]:
    """Return the databases that are recordings, by name; each file is checked only once."""
    known: dict[str, bool] = datasette.__dict__.setdefault("chargesentinel_recordings", {})
    for name, database in datasette.databases.items():
        if name not in known:
            known[name] = not database.is_memory and is_recording(database.path)
    return {name: database for name, database in datasette.databases.items() if known[name]}


def only_recording(datasette: Datasette) -> str | None:
    """Return the name of the recording if it is Datasette's only database, else None."""
    found = recordings(datasette)
    databases = [name for name in datasette.databases if name != "_internal"]
    return next(iter(found)) if len(found) == len(databases) == 1 else None


def _ours(datasette: Datasette, database: str | None) -> bool:
    return database is not None and database in recordings(datasette)


@hookimpl
def get_metadata(datasette: Datasette, key: str | None, database: str | None, table: str | None) -> dict[str, Any]:
    """Return titles, descriptions, order and facets; Datasette's own metadata file takes precedence."""
    return metadata.describe(list(recordings(datasette)))


@hookimpl
def prepare_connection(conn: sqlite3.Connection, database: str, datasette: Datasette) -> None:
    """Do not trust definitions in the file. SQL from users does not run here but in `query_process.py`."""
    if _ours(datasette, database):
        distrust(conn)


@hookimpl
def handle_exception(datasette: Datasette, request: Any, exception: Exception) -> Any:
    """Answer that a CSV took too long; Datasette itself does that only for its pages and JSON."""
    from datasette.database import QueryInterrupted

    if isinstance(exception, QueryInterrupted) and recordings(datasette):
        return Response.text("The query took too long; ask for less.\n", status=400)
    return None


@hookimpl
def canned_queries(datasette: Datasette, database: str, actor: Any) -> dict[str, dict[str, Any]]:
    """Return the canned queries of a recording."""
    return queries.canned() if _ours(datasette, database) else {}


@hookimpl
def render_cell(row: Any, value: Any, column: str, table: str | None, database: str, datasette: Datasette) -> Any:
    """Return markup with arrows, badges, times or readable JSON for a cell of a recording."""
    if not _ours(datasette, database):
        return None
    shown = cells.render(table, column, value, str(datasette.urls.database(database)))
    return None if shown is None else Markup(formatting.sendable(shown))


@hookimpl
def extra_css_urls(
    template: str, database: str | None, table: str | None, columns: Any, view_name: str, request: Any, datasette: Any
) -> list[str]:
    """Return the style sheets for Datasette's own pages about a recording."""
    names = ("shared/tokens", "shared/bar", "shared/frames", "theme", "tables")
    return [f"{STATIC}/{name}.css" for name in names] if _ours(datasette, database) else []


@hookimpl
def extra_js_urls(
    template: str, database: str | None, table: str | None, columns: Any, view_name: str, request: Any, datasette: Any
) -> list[dict[str, Any]]:
    """Return the scripts for Datasette's pages: local times on hover, names for fields, bars behind numbers."""
    if not _ours(datasette, database):
        return []
    scripts = ["bar.js", "tables.js", *(["bars.js"] if template == "query.html" else [])]
    return [{"url": f"{STATIC}/{name}", "module": True} for name in scripts]


@hookimpl
def prepare_jinja2_environment(env: Any, datasette: Datasette) -> None:
    """Give Datasette's templates a function that returns the facts of a recording, or None for other databases."""

    def recording(database: Any) -> dict[str, str] | None:
        found = recordings(datasette)
        name = database if isinstance(database, str) else only_recording(datasette)
        if name is None or name not in found:
            return None
        return {"base": str(datasette.urls.database(name)), "name": str(found[name].path), "static": STATIC}

    env.add_extension(language.StaticText)
    env.globals["_"] = language.translated
    env.globals["_phrase"] = language.phrase
    env.globals["chargesentinel_language"] = language.language
    env.globals["chargesentinel_recording"] = recording
    env.globals["chargesentinel_file"] = formatting.file
    env.globals["chargesentinel_title"] = lambda table: metadata.TABLES.get(table, {}).get("title", table)


@hookimpl
def asgi_wrapper(datasette: Datasette) -> Callable[[App], App]:
    """Return a wrapper that guards Datasette if it shows a recording, and does nothing otherwise."""
    policy = datasette.__dict__.get("chargesentinel_policy")
    if policy is None and recordings(datasette):
        policy = Policy(hosts=hosts(_allowed(datasette)))
    if policy is None:
        return lambda app: app
    for database in recordings(datasette).values():
        isolate(database)
    scripts = inline_scripts(_TEMPLATES)
    guarded = Policy(policy.hosts, policy.any_address, policy.token, scripts)
    tables = {
        str(datasette.urls.table(name, table)): Path(database.path)
        for name, database in recordings(datasette).items()
        for table in ("frames", "meter_samples")
    }
    return lambda app: guard(language.chosen(uncounted(app, tables)), guarded)


def _allowed(datasette: Datasette) -> Iterable[str]:
    config = datasette.plugin_config("chargesentinel") or {}
    names = config.get("hosts", [])
    return [str(name) for name in names] if isinstance(names, list) else [str(names)]


@hookimpl
def register_routes(datasette: Datasette) -> list[tuple[str, Callable[..., Awaitable[Any]]]]:
    """Return the routes of the recordings' pages; if a recording is the only database, the home page too."""
    found = recordings(datasette)
    routes: list[tuple[str, Callable[..., Awaitable[Any]]]] = []
    if not found:
        return routes
    names = "|".join(re.escape(tilde_encode(database.route)) for database in found.values())
    for page in pages.PAGES:
        routes.append((rf"/(?P<database>{names}){page.path}$", _view(page)))
    if only_recording(datasette):
        routes.append((r"/$", _view(pages.HOME)))
    return routes


def _view(page: pages.Page) -> Callable[..., Awaitable[Any]]:
    async def view(request: Any, datasette: Datasette) -> Any:
        values = dict(request.url_vars)
        route = values.pop("database", None)
        database = (
            datasette.get_database(route=tilde_decode(route)) if route else next(iter(recordings(datasette).values()))
        )
        await datasette.ensure_permissions(request.actor, [("view-database", database.name), "view-instance"])
        as_json = values.pop("format", None) == "json" or page.template is None
        ask = Ask(
            base=str(datasette.urls.database(database.name)),
            file=str(Path(database.path).resolve()),
            name=str(database.path),
            values={name: value for name, value in values.items() if value is not None},
            args={name: request.args.getlist(name) for name in request.args},
        )
        limit_ms = datasette.setting("sql_time_limit_ms")

        def read(connection: sqlite3.Connection) -> Any:
            with sqlite_timelimit(connection, limit_ms):
                return page.view(connection, ask)

        status, heading = 200, ""
        try:
            content = await database.execute_fn(read)
        except NotThere as missing:
            status, heading, content = 404, "Not there", {"error": str(missing)}
        except sqlite3.DatabaseError as error:
            if "interrupted" in str(error):
                heading, said = "That took too long", f"This took longer than {limit_ms} ms; narrow it with a filter."
            elif (trouble := _trouble(error, Path(database.path))) is not None:
                heading, said = "Not readable now", f"{trouble} Try again in a moment."
            else:
                raise
            status, content = 503, {"error": said}
        if as_json:
            text = formatting.sendable(json.dumps(content, ensure_ascii=False))
            return Response(text, status=status, content_type="application/json; charset=utf-8")
        template = page.template if status == 200 else "error.html"
        if template == page.template and "panel" in ask.args and page.panel:
            template = page.panel
        extra = page.markup(content) if status == 200 and page.markup else {}
        shown = {
            **content,
            **extra,
            "status": status,
            "heading": heading,
            "ask": ask,
            "base": ask.base,
            "static": STATIC,
            "wording": formatting,
            "cells": cells,
        }
        html = await datasette.render_template(f"chargesentinel/{template}", shown, request=request)
        return Response.html(formatting.sendable(html), status=status)

    return view


_TROUBLES = {
    "SQLITE_BUSY": "is held by another program, which lets nobody read it meanwhile.",
    "SQLITE_CANTOPEN": "cannot be opened: it was moved or deleted, or its folder lets nobody in.",
    "SQLITE_IOERR": "cannot be read: it was changed while it was open, or its disk fails.",
    "SQLITE_CORRUPT": "is damaged, or was replaced while it was open.",
    "SQLITE_NOTADB": "is not a recording any more: something else has taken its place.",
}
"""Errors that can happen while somebody browses a recording, by SQLite's name of the error."""


def _trouble(error: sqlite3.DatabaseError, path: Path) -> str | None:
    """Return a sentence about the fault of the file; None if the error is a bug in ChargeSentinel."""
    kind = "_".join(getattr(error, "sqlite_errorname", "").split("_")[:2])
    if kind == "SQLITE_ERROR" and not is_recording(path):
        kind = "SQLITE_NOTADB"  # a table is missing
    return f"{formatting.file(str(path))} {_TROUBLES[kind]}" if kind in _TROUBLES else None


@hookimpl
def menu_links(datasette: Datasette, actor: Any, request: Any) -> list[dict[str, str]]:
    """Return links to the recordings' pages, if Datasette also shows other databases and so has no bar."""
    links: list[dict[str, str]] = []
    if only_recording(datasette):
        return links
    for name in recordings(datasette):
        base = datasette.urls.database(name)
        links += [
            {"href": f"{base}/-/home", "label": f"{name}: charge points and sessions"},
            {"href": f"{base}/-/live", "label": f"{name}: live"},
            {"href": f"{base}/-/dashboards", "label": f"{name}: dashboards"},
            {"href": f"{base}/rules", "label": f"{name}: rules"},
        ]
    return links
