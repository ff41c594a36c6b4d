"""Find secrets and personal values that show by their form in any text: addresses, names with values, private keys."""

from __future__ import annotations

import base64
import binascii
import re
import string
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import unquote

from inspector.redaction import assignments, private_keys, xml_text
from inspector.redaction.secret_names import is_secret_parameter

_TELLS = re.compile(r"[:=/ <>|(\t%&\0]|-----|%3|eyJ|MI[GHI]|MC4C|MHcC|LS0t|c3dvcmQ|N3b3Jk|d29yZ")
"""One of these is in whatever tells by its form; most values have none."""

_QUERY = re.compile(r"[?&;#]([^=&;#\s\"?]{1,60})=((?:[^&;#\s\"]|;(?![^=&;#\s\"?]{1,60}=))+)")
"""A parameter. A semicolon separates as an ampersand does, but a password may hold one: what follows it tells."""

_SCHEME = re.compile(r"\b(basic|bearer|negotiate|apikey|dpop)\s{1,20}([A-Za-z0-9+/=._~\-]{8,})", re.I)
_CODED_JSON = re.compile(r"(?<![\w+/\-])eyJ[\w+/\-]{16,}+={0,2}")
"""JSON in base64 begins so."""

_CODED_PASSWORD = re.compile(r"(?:Fzc3dvcmQ|hc3N3b3Jk|YXNzd29yZ)[\w+/\-]*+={0,2}")
"""Where `assword` stands in base64, at any of three places, up to its end."""
_BASE64 = f"{string.ascii_letters}{string.digits}+/-_"
_LONGEST_CODED = 4_000

_WIDE_QUOTE = re.compile("[\x18-\x1f] | [\x18-\x1f]")
"""A typographic quotation mark in UTF-16."""

_URL_START = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]{0,20}):\\?/\\?/$")
_NOT_IN_USER = re.compile(r"[\s\"<>]")
_PORT = re.compile(r"\d{1,5}/")
_LONGEST_USER = 800
_LONG_TOKEN = 20
NO_PASSWORDS = frozenset({"", "x", "x-oauth-basic", "x-token-auth"})
"""What stands for a password where the user's name is a token."""


class Told(NamedTuple):
    """A part of a text that is a secret or, where `personal`, tells of a person."""

    start: int
    end: int
    personal: bool


def find(text: str, is_secret: Callable[[str], bool], is_personal: Callable[[str], bool] | None) -> Iterator[Told]:
    """Find what a text tells by its form; `is_secret` and `is_personal` say what a name means."""
    if not _TELLS.search(text):
        return
    for told in _find(text, is_secret, is_personal):
        if text[told.start : told.end].strip("«»*") not in ("", "redacted"):
            yield told


def _find(text: str, is_secret: Callable[[str], bool], is_personal: Callable[[str], bool] | None) -> Iterator[Told]:
    if _is_wide(text):
        yield from _in_wide(text, is_secret, is_personal)
    for match in _CODED_JSON.finditer(text):
        coded = match[0].rstrip("=")
        coded = coded[: len(coded) - (len(coded) % 4 == 1)]  # one character over is the beginning of no byte
        decoded = base64.b64decode(coded + "==", altchars=b"-_").decode("utf-8", "replace")
        if not decoded.startswith("eyJ") and any(not told.personal for told in find(decoded, is_secret, None)):
            yield Told(*match.span(), False)
    for start, end in _in_base64(text, is_secret):
        yield Told(start, end, False)
    for start, end in private_keys.find(text):
        yield Told(start, end, False)
    for start, end in _in_addresses(text):
        yield Told(start, end, False)
    for match in _QUERY.finditer(text):
        name = unquote(match[1])
        if is_personal is not None and is_personal(name):
            yield Told(*match.span(2), True)
        elif is_secret_parameter(name, match[2]) or is_secret(name):
            yield Told(*match.span(2), False)
    for start, end, personal in assignments.find(text, is_secret, is_personal):
        yield Told(start, end, personal)
    for start, end in xml_text.find(text, is_secret):
        yield Told(start, end, False)
    for match in _SCHEME.finditer(text):
        if _is_credential(match[1], match[2]):
            yield Told(*match.span(2), False)


def _is_wide(text: str) -> bool:
    """Tell whether it is UTF-16 that was taken for bytes: every second character is NUL."""
    return 3 * text.count("\0") >= len(text)


def _in_wide(text: str, is_secret: Callable[[str], bool], is_personal: Callable[[str], bool] | None) -> Iterator[Told]:
    """Find the same in UTF-16, whose characters of one byte have a NUL before or behind them."""
    data = text.encode("utf-8", "surrogateescape") if len(text) < 4 * text.count("\0") else b""
    if len(data) == len(text):
        for offset, order in ((0, "utf-16-le"), (0, "utf-16-be"), (1, "utf-16-le"), (1, "utf-16-be")):
            whole = data[offset : len(data) - (len(data) - offset) % 2]
            decoded = whole.decode(order, "replace")
            if 2 * len(decoded) == len(whole) and 2 * sum(map(str.isascii, decoded)) > len(decoded):
                for start, end, personal in find(decoded.replace("\0", " "), is_secret, is_personal):
                    yield Told(offset + 2 * start, offset + 2 * end, personal)
    text = _WIDE_QUOTE.sub('"\0', text)
    places = [at for at, char in enumerate(text) if char != "\0"]
    for start, end, personal in find("".join(text[at] for at in places), is_secret, is_personal):
        yield Told(places[start], places[end - 1] + 1, personal)


def _in_base64(text: str, is_secret: Callable[[str], bool]) -> Iterator[tuple[int, int]]:
    """Find base64 of a text that has a secret, when it is one of a password."""
    reached = 0
    for match in _CODED_PASSWORD.finditer(text):
        if match.start() < reached:
            continue
        window = max(reached, match.start() - _LONGEST_CODED)
        start = window + len(text[window : match.start()].rstrip(_BASE64))
        coded = text[start : match.end()].rstrip("=")
        decoded = base64.b64decode(coded[: len(coded) - (len(coded) % 4 == 1)] + "==", altchars=b"-_")
        if any(True for _ in find(decoded.decode("utf-8", "replace"), is_secret, None)):
            yield start, match.end()
        reached = match.end()


def _in_addresses(text: str) -> Iterator[tuple[int, int]]:
    """Find passwords, and tokens instead of a user's name, before the @ of an address.

    A slash belongs into no password, but people write it; what looks like a port and a path is none.
    """
    reached = 0
    at = text.find("@")
    while at >= 0:
        start = max(text.rfind("://", reached, at), text.rfind(":\\/\\/", reached, at)) if at else -1
        if start >= 0 and at - start <= _LONGEST_USER:
            start += 3 if text[start + 1] == "/" else 5
            scheme = _URL_START.search(text, max(0, start - 26), start)
            user, colon, password = text[start:at].partition(":")
            if scheme and not _NOT_IN_USER.search(text, start, at) and not any(c in user for c in "/?#"):
                if colon and password and not _PORT.match(password):
                    yield start + len(user) + 1, at
                tokens = password in NO_PASSWORDS if colon else scheme[1].lower() in ("http", "https", "ws", "wss")
                if user and (tokens or (not colon and len(user) >= _LONG_TOKEN)):
                    yield start, start + len(user)
        reached = at + 1
        at = text.find("@", reached)


def _is_credential(scheme: str, text: str) -> bool:
    if scheme.lower() != "basic":
        return len(text) >= 16 or any(map(str.isdigit, text))
    try:
        return b":" in base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
