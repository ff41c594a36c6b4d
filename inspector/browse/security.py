"""Restrict who may send requests and what pages may load: an ASGI wrapper with a Host allowlist, a token and headers.

The Host allowlist stops DNS rebinding: a foreign page can let its own name point to this machine, but its requests have
that name as Host. Requests by pages of other origins never reach Datasette, because their duration could reveal the
result of a query. A link from a foreign page to a query leads to a page with a link that the user has to click.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from html import escape
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, unquote_plus, urlencode

from inspector.web_requests import admits_host, is_foreign, is_visit

type Scope = dict[str, Any]
type Message = dict[str, Any]
type Send = Callable[[Message], Awaitable[None]]
type Receive = Callable[[], Awaitable[Message]]
type App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "chargesentinel_token"

_INLINE_SCRIPT = re.compile(r"<script>(.+?)</script>", re.DOTALL)
_ALLOW_FACET = "{{ datasette_allow_facet }}"


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules for accepting requests.

    Attributes:
        hosts: allowed names in a request's Host besides loopback names; "*" allows every name.
        any_address: whether every IP address is allowed as Host (DNS rebinding needs a name).
        token: the token that a request needs; None allows requests without one.
        scripts: the CSP sources for inline scripts of Datasette's own templates.
    """

    hosts: frozenset[str] = frozenset()
    any_address: bool = True
    token: str | None = None
    scripts: tuple[str, ...] = ()

    def admits_host(self, host: str) -> bool:
        """Return whether a Host header (with or without a port) names this machine."""
        return admits_host(host, self.hosts, any_address=self.any_address)

    def admits_token(self, shown: str | None) -> bool:
        """Return whether the shown token is the right one; compare in constant time."""
        return self.token is None or secrets.compare_digest((shown or "").encode(), self.token.encode())

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers of every answer."""
        sources = " ".join(("'self'", *self.scripts))
        csp = (
            f"default-src 'none'; script-src {sources}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
            "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        return [
            (b"content-security-policy", csp.encode()),
            (b"x-frame-options", b"DENY"),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-resource-policy", b"same-origin"),
        ]


def inline_scripts(templates: Path) -> tuple[str, ...]:
    """Return the CSP hashes of the inline scripts in Datasette's installed templates."""
    found = []
    for path in sorted(templates.glob("*.html")):
        for script in _INLINE_SCRIPT.findall(path.read_text("utf-8")):
            variants = (
                [script.replace(_ALLOW_FACET, value) for value in ("true", "false")]
                if _ALLOW_FACET in script
                else [script]
            )
            # A script with an unknown template expression cannot be hashed: it stays forbidden.
            found += [_hash(text) for text in variants if "{{" not in text and "{%" not in text]
    return tuple(dict.fromkeys(found))


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def guard(app: App, policy: Policy) -> App:
    """Wrap an ASGI application: refuse foreign Hosts (421), foreign pages (403), writing (405) and strangers (401)."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            # Datasette has no WebSockets, but would still process the request.
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        host, target = headers.get("host", ""), _target(scope)
        extra = policy.headers()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in extra}
                kept = [(key, value) for key, value in message.get("headers", []) if key.lower() not in names]
                message = {**message, "headers": [*kept, *extra]}
            await send(message)

        if not policy.admits_host(host):
            what = (
                f"This recording is not shown under the name {host[:200]!r}. Open it at the address that was printed "
                "when it was started, or allow the name with --allow-host."
            )
            await _refuse(answer, 421, "Foreign Host", what)
        elif is_foreign(scope["method"], target, headers):
            await _refuse_foreign(answer, scope["method"], target, headers)
        elif scope["method"] not in ("GET", "HEAD", "OPTIONS"):
            await _refuse(answer, 405, "Reading only", "Recordings are browsed, never changed.")
        elif not policy.token:
            await app(scope, receive, answer)
        elif policy.admits_token(_in_query(scope)):
            await _let_in(scope, answer, str(policy.token))
        elif policy.admits_token(_in_headers(headers)):
            await app(scope, receive, answer)
        else:
            what = "Open the address with ?token=… that was printed when it was started, or send the token as Bearer."
            await _refuse(answer, 401, "Token needed", what)

    return guarded


def _target(scope: Scope) -> str:
    """Return the path as it was sent, and the query, but with a single slash in front: two lead to another machine."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    path, query = raw.partition(b"?")[0].decode("latin-1"), scope["query_string"].decode("latin-1")
    return "/" + path.lstrip("/\\") + (f"?{query}" if query else "")


async def _refuse_foreign(send: Send, method: str, target: str, headers: dict[str, str]) -> None:
    if is_visit(method, headers):
        shown = unquote_plus(target)
        what = (
            "A page of another site sent you to this address, which asks the recording a question. Open it only if "
            "the question is yours to ask:"
        )
        link = f'<p><a href="{escape(target)}">{escape(shown[:2000])}{"…" if len(shown) > 2000 else ""}</a></p>'
        await _refuse(send, 403, "A link from another site", what, link)
    else:
        what = "A page of another site asked for this. Open the address itself, or ask with a program such as curl."
        await _refuse(send, 403, "Foreign page", what)


def _in_query(scope: Scope) -> str | None:
    return dict(parse_qsl(scope["query_string"].decode("latin-1"))).get("token")


def _in_headers(headers: dict[str, str]) -> str | None:
    scheme, _, shown = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        # Headers are decoded as Latin-1, but a token may contain UTF-8.
        return shown.strip().encode("latin-1").decode("utf-8", "replace")
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return unquote(morsel.value) if morsel else None


async def _let_in(scope: Scope, send: Send, token: str) -> None:
    """Move the token from the address into a cookie, so that no link or browser history contains it."""
    kept = [(k, v) for k, v in parse_qsl(scope["query_string"].decode("latin-1"), True) if k != "token"]
    target = _target(scope).partition("?")[0] + (f"?{urlencode(kept)}" if kept else "")
    cookie = f"{COOKIE}={quote(token, safe='')}; Path=/; HttpOnly; SameSite=Strict"
    headers = [(b"location", target.encode("latin-1")), (b"set-cookie", cookie.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


_REFUSAL = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title} · ChargeSentinel</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0; background: light-dark(#f4f6f7, #0e1419); color: light-dark(#14202b, #e3eaef);
  font: 1rem/1.5 system-ui, sans-serif; }}
header {{ background: #12303c; color: #fff; padding: 0.75rem 1.25rem; font-weight: 650; }}
main {{ max-width: 34rem; margin: 12vh auto; padding: 0 1.25rem; overflow-wrap: anywhere; }}
b {{ color: light-dark(#56646f, #9aa9b5); font-weight: 600; }}
h1 {{ font-size: 1.5rem; margin: 0 0 0.5rem; }}
</style></head>
<body><header>ChargeSentinel</header><main><b>{status}</b><h1>{title}</h1><p>{what}</p>{link}</main></body></html>
"""
"""The page of a refusal, with its own styles: without a token the style sheets cannot be loaded."""


async def _refuse(send: Send, status: int, title: str, what: str, link: str = "") -> None:
    """Answer with a page about the refusal; `link` is HTML."""
    body = _REFUSAL.format(status=status, title=escape(title), what=escape(what), link=link).encode()
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def hosts(names: Iterable[str]) -> frozenset[str]:
    """Return host names in the form for comparisons: lower case, without brackets."""
    return frozenset(name.lower().removeprefix("[").removesuffix("]") for name in names)
