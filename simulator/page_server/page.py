"""Assemble the simulator page into one self-contained HTML file.

From file:// a browser loads no modules and fetches no files. So the HTML contains everything that the page needs:
styles, scripts, and the request schemas of the installed `ocpp` package.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.util
import json
from pathlib import Path
from urllib.parse import quote

HOME = Path(__file__).parents[1] / "page"

SHARED_STYLES = ("tokens", "bar", "frames")
SHARED_SCRIPTS = ("preferences", "clock", "bar", "frame_row", "frame_summary", "json_view")
"""Copies of the files that all pages of ChargeSentinel share."""
STYLES = ("base", "layout", "station", "tools", "log")
SCRIPTS = (
    *("vocabulary", "frames", "schemas", "settings", "clock", "link", "outbox", "log"),
    *("meter", "profiles", "profile_rules", "variables", "device_model", "connector", "dialect16", "dialect2x"),
    *(
        "tester",
        "sequences",
        "authorization",
        "charging",
        "flow",
        "memory",
        "answers_shared",
        "display",
        "answers_16",
        "answers_2x",
        "answers_21",
        "limits_21",
        "der_21",
        "tariffs_21",
        "answering",
        "station",
    ),
    *("i18n_en", "i18n_tr", "i18n", "dom", "form", "chart", "gist", "facts", "needs_2x", "scenarios"),
    *("view_connection", "view_station", "view_messages", "view_tester", "view_raw", "view_limits", "view_log", "main"),
)
"""The scripts in the order in which they run: while it loads, a script only uses the scripts before it."""

SCHEMAS = {"1.6": ("v16", ""), "2.0.1": ("v201", "Request"), "2.1": ("v21", "Request")}
"""Version -> folder in the `ocpp` package, and the suffix after the action in the file name of a request schema."""


def content_policy(html: str) -> str:
    """Return the Content-Security-Policy of the page: it allows its own scripts and styles, and all WebSockets.

    It also allows the worker, made from a blob, that keeps the clock running in a background tab.
    """
    scripts = " ".join(_hash(part) for part in _between(html, "<script>", "</script>"))
    styles = " ".join(_hash(part) for part in _between(html, "<style>", "</style>"))
    return (
        f"default-src 'none'; script-src {scripts}; style-src {styles}; img-src data:; connect-src ws: wss:; "
        "worker-src blob:; base-uri 'none'; form-action 'none'"
    )


@functools.cache
def assemble() -> str:
    """Return the page as one HTML text, for serving and for saving."""
    html = (HOME / "index.html").read_text(encoding="utf-8")
    styles = "\n".join(
        f"<style>{_part(folder, name, '.css')}</style>"
        for folder, names in (("shared", SHARED_STYLES), ("css", STYLES))
        for name in names
    )
    schemas = "\n".join(
        f'<script type="application/json" id="schemas-{version}">{_schemas(version)}</script>' for version in SCHEMAS
    )
    scripts = "\n".join(
        f'<script>"use strict";\n{_part(folder, name, ".js")}</script>'
        for folder, names in (("shared", SHARED_SCRIPTS), ("js", SCRIPTS))
        for name in names
    )
    icon = quote(_part("shared", "icon", ".svg").strip(), safe="")
    html = html.replace("<!-- icon -->", f'<link rel="icon" href="data:image/svg+xml,{icon}">')
    html = html.replace("<!-- security", f"<script>{_part('shared', 'theme', '.js')}</script>\n<!-- security")
    html = html.replace("<!-- schemas and scripts are put here -->", f"{schemas}\n{scripts}")
    html = html.replace("<!-- security policy and styles are put here -->", f"<!-- policy -->\n{styles}")
    policy = f'<meta http-equiv="Content-Security-Policy" content="{content_policy(html)}">'
    return html.replace("<!-- policy -->", policy, 1)


def _part(folder: str, name: str, suffix: str) -> str:
    return (HOME / folder / f"{name}{suffix}").read_text(encoding="utf-8")


def _schemas(version: str) -> str:
    """Return the request schemas of a version as one JSON object by action, escaped for a script element."""
    folder, ending = SCHEMAS[version]
    spec = importlib.util.find_spec("ocpp")
    assert spec and spec.submodule_search_locations, "ocpp is a dependency and is installed"
    files = Path(spec.submodule_search_locations[0]) / folder / "schemas"
    found = {}
    for path in sorted(files.glob("*.json")):
        # NotifyPeriodicEventStream of 2.1, which is sent as SEND, has no "Request" in its file name.
        if not path.stem.endswith("Response"):
            found[path.stem.removesuffix(ending)] = json.loads(path.read_text(encoding="utf-8-sig"))
    return json.dumps(found, separators=(",", ":")).replace("<", "\\u003c")


def _between(html: str, start: str, end: str) -> list[str]:
    return [part.split(end, 1)[0] for part in html.split(start)[1:]]


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
