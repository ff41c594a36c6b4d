"""Pages in Turkish: the static text of a template is the key, and `turkish.py` has its translation.

Only what a template says itself is translated, when Jinja compiles it: texts between tags, and the attributes that
people read. What comes from a recording passes through expressions, so it is never mistaken for a word of ours.
Templates call `_("…")` where a word of ours is in an expression. A text without a translation stays English.
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
"""The language of the request that is being answered."""

_COOKIE = "chargesentinel_language"
_ATTRIBUTE = re.compile(r'(\s(?:title|placeholder|aria-label)=")([^"]*)(")')
_CORE = re.compile(r"^([^A-Za-z]*)(.*?)([^A-Za-z.?!…)]*)$", re.DOTALL)


def wanted(headers: Mapping[str, str]) -> str:
    """Return the language that a reader chose, or the browser's if it is Turkish, or English."""
    try:
        chosen = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
    except CookieError:
        chosen = None
    if chosen is not None and chosen.value in LANGUAGES:
        return chosen.value
    return "tr" if headers.get("accept-language", "").lower().startswith("tr") else "en"


def chosen(app: App) -> App:
    """Wrap an ASGI application: each request is answered in its reader's language."""

    async def answered(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            LANGUAGE.set(
                wanted({key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]})
            )
        await app(scope, receive, send)

    return answered


def language() -> str:
    """Return the language of the present request."""
    return LANGUAGE.get()


def translated(text: object) -> str:
    """Return a text of ours in the language of the present request."""
    said = str(text)
    return TURKISH.get(said, said) if LANGUAGE.get() == "tr" else said


class StaticText(Extension):
    """Puts `_("…")` around the static texts of our templates."""

    def filter_stream(self, stream: TokenStream) -> TokenStream | Iterable[Token]:
        """Return the tokens of a template; those of Datasette's own templates stay as they are."""
        name = stream.name or ""
        ours = name.startswith("chargesentinel/") or name in ("base.html", "error.html")
        return _marked(stream) if ours and not name.startswith("default:") else stream


def _marked(stream: Iterable[Token]) -> Iterator[Token]:
    inside = False  # of a tag whose beginning was in an earlier token
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
    """Return whether static text ends within a tag, given whether it began in one."""
    opened, closed = data.rfind("<"), data.rfind(">")
    return inside if opened == closed else opened > closed


def pieces(data: str, inside: bool) -> Iterator[tuple[str, bool]]:
    """Split static text: (text, whether it is to be translated). Joined again, they are the text."""
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
    # Within an address or a name, a word is no word of ours.
    known = plain in TURKISH and before[-1:] not in tuple("/=?&_#-")
    yield (plain, True) if known else (core, False)
    yield after, False
