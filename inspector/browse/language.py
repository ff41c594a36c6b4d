"""Translate pages into Turkish: the static text of a template is the key for its translation in `turkish.py`.

Only static parts of a template are translated, when Jinja compiles it: texts between tags, and attributes that people
read. Values of a recording come from expressions, so they are never translated. Templates call `_("…")` for texts of
the page that are in an expression. A text without a translation stays English.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from html import unescape
from http.cookies import CookieError, SimpleCookie

from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream

from inspector.browse.security import App, Receive, Scope, Send
from inspector.browse.turkish import TURKISH

LANGUAGES = ("en", "tr")
LANGUAGE: ContextVar[str] = ContextVar("language", default="en")
"""The language of the current request."""

_COOKIE = "chargesentinel_language"
_ATTRIBUTE = re.compile(r'(\s(?:title|placeholder|aria-label)=")([^"]*)(")')
_CORE = re.compile(r"^([^A-Za-z]*)(.*?)([^A-Za-z.?!…)]*)$", re.DOTALL)


def wanted(headers: Mapping[str, str]) -> str:
    """Return the language that the reader chose; without a choice Turkish if the browser prefers it, else English."""
    try:
        chosen = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
    except CookieError:
        chosen = None
    if chosen is not None and chosen.value in LANGUAGES:
        return chosen.value
    return "tr" if headers.get("accept-language", "").lower().startswith("tr") else "en"


def chosen(app: App) -> App:
    """Wrap an ASGI application so that it answers each request in the language of the reader."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            LANGUAGE.set(
                wanted({key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]})
            )
        await app(scope, receive, send)

    return answered


def language() -> str:
    """Return the language of the current request."""
    return LANGUAGE.get()


def translated(text: object) -> str:
    """Return a text of the pages in the language of the current request."""
    said = str(text)
    return TURKISH.get(said, said) if LANGUAGE.get() == "tr" else said


def phrase(text: object) -> str:
    """Return a phrase such as "CSMS closed it: internal error (1011)" in the language of the present request."""
    said = translated(text)
    if said != str(text) or LANGUAGE.get() == "en":
        return said
    parts = [re.fullmatch(r"(.*?)( \(\d+\))?", part) for part in said.split(": ")]
    return ": ".join(translated(part[1]) + (part[2] or "") for part in parts if part)


class StaticText(Extension):
    """Put `_("…")` around the static texts of ChargeSentinel's templates."""

    def filter_stream(self, stream: TokenStream) -> TokenStream | Iterable[Token]:
        """Return the tokens of a template with `_("…")` around its texts; Datasette's templates stay unchanged."""
        name = stream.name or ""
        ours = name.startswith("chargesentinel/") or name in ("base.html", "error.html")
        return _marked(stream) if ours and not name.startswith("default:") else stream


def _marked(stream: Iterable[Token]) -> Iterator[Token]:
    inside = False  # whether a tag that began in an earlier token is still open
    previous = ""
    for token in stream:
        if token.type == "data":
            for text, translatable in pieces(token.value, inside):
                yield from _call(token.lineno, text) if translatable else [Token(token.lineno, "data", text)]
            inside = still_inside(token.value, inside)
        elif token.type == "string" and token.value == "s" and previous == "variable_begin":
            yield from _call(token.lineno, "s", bare=True)
        else:
            yield token
        previous = token.type


def _call(line: int, text: str, *, bare: bool = False) -> Iterator[Token]:
    around = ("", "") if bare else ("variable_begin", "variable_end")
    call = (("name", "_"), ("lparen", "("), ("string", text), ("rparen", ")"))
    for kind, value in ((around[0], "{{"), *call, (around[1], "}}")):
        if kind:
            yield Token(line, kind, value)


def still_inside(data: str, inside: bool) -> bool:
    """Return whether a static text ends inside a tag; `inside` is whether it began inside one."""
    opened, closed = data.rfind("<"), data.rfind(">")
    return inside if opened == closed else opened > closed


def pieces(data: str, inside: bool) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a static text, in order, as (part, whether to translate it)."""
    end = 0
    if inside:
        end = data.find(">") + 1 or len(data)
        yield from _attributes(data[:end])
    for tag, text in re.findall(r"(<[^>]*(?:>|$))|([^<]+)", data[end:]):
        yield from _attributes(tag) if tag else _words(text)


def _attributes(tag: str) -> Iterator[tuple[str, bool]]:
    end = 0
    for found in _ATTRIBUTE.finditer(tag):
        yield tag[end : found.start(2)], False
        yield from _words(found[2])
        end = found.end(2)
    yield tag[end:], False


def _words(text: str) -> Iterator[tuple[str, bool]]:
    found = _CORE.match(text)
    before, core, after = found.groups() if found else (text, "", "")
    plain = " ".join(unescape(core).split())
    yield before, False
    # Do not translate a word within an address or a name.
    known = plain in TURKISH and before[-1:] not in tuple("/=?&_#-")
    yield (plain, True) if known else (core, False)
    yield after, False
