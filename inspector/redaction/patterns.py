"""Find secrets and personal values in any text, by their names and by their forms."""

from __future__ import annotations

import base64
import binascii
import re
import string
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple
from urllib.parse import unquote

from inspector.redaction import assignments, encoded_text, own_forms, xml_text
from inspector.redaction.assignments import IsPersonal, IsSecret
from inspector.redaction.secret_names import is_secret_parameter

_TELLS = re.compile(
    r"[:=/ <>|(\t%&\\\0]|-----|eyJ|MI[GHI]|MC4C|MHcC|LS0t|c3dvcmQ|N3b3Jk|d29yZ|A[KS]IA|" + "|".join(own_forms.VENDORS)
)
"""Every text with a secret matches this pattern; most other texts do not."""

_QUERY = re.compile(r"[?&;#]([^=&;#\s\"?]{1,60})=((?:[^&;#\s\"]|;(?![^=&;#\s\"?]{1,60}=))+)")
"""Finds the name and value of a parameter. A semicolon ends the value only if NAME= follows: passwords may have one."""

_SCHEME = re.compile(r"\b(basic|bearer|negotiate|apikey|dpop)\s{1,20}([A-Za-z0-9+/=._~\-]{8,})", re.I)
_CODED_JSON = re.compile(r"(?<![\w+/\-])eyJ[\w+/\-]{16,}+={0,2}", re.A)
"""Finds JSON in base64, which always begins with the letters eyJ."""

_CODED_PASSWORD = re.compile(r"(?:Fzc3dvcmQ|hc3N3b3Jk|YXNzd29yZ)[\w+/\-]*+={0,2}", re.A)
"""Finds `assword` in base64 and the rest of the base64; depending on its position, it is encoded in three ways."""
_BASE64 = f"{string.ascii_letters}{string.digits}+/-_"
_LONGEST_CODED = 4_000

_WIDE_QUOTE = re.compile("[\x18-\x1f] | [\x18-\x1f]")
"""Finds a typographic quotation mark in UTF-16, which has no NUL byte."""

_URL_START = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]{0,20}):\\?/\\?/$")
_NOT_IN_USER = re.compile(r"[\s\"<>]")
_PORT = re.compile(r"\d{1,5}/")
_LONGEST_USER = 800
_LONG_TOKEN = 20
NO_PASSWORDS = frozenset({"", "x", "x-oauth-basic", "x-token-auth"})
"""Placeholders for a password in credentials whose user name is a token."""


class Hidden(NamedTuple):
    """A part of a text that is a secret or, if `personal`, a personal value."""

    start: int
    end: int
    personal: bool


def find(text: str, is_secret: IsSecret, is_personal: IsPersonal | None) -> Iterator[Hidden]:
    """Yield the parts of a text to hide; `is_secret` and `is_personal` decide about names."""
    if not _TELLS.search(text):
        return
    found = _find(text, is_secret, is_personal)
    if encoded := encoded_text.decoded(text):
        plain, places = encoded
        in_plain = _find(plain, is_secret, is_personal)
        found = chain(found, (Hidden(places[start], places[end], personal) for start, end, personal in in_plain))
    for part in found:
        if text[part.start : part.end].strip("«»*") not in ("", "redacted"):
            yield part


def _find(text: str, is_secret: IsSecret, is_personal: IsPersonal | None) -> Iterator[Hidden]:
    if _is_wide(text):
        yield from _in_wide(text, is_secret, is_personal)
    for match in _CODED_JSON.finditer(text):
        coded = match[0].rstrip("=")
        coded = coded[: len(coded) - (len(coded) % 4 == 1)]  # one last character of four is less than a byte
        decoded = base64.b64decode(coded + "==", altchars=b"-_").decode("utf-8", "replace")
        if not decoded.startswith("eyJ") and any(not part.personal for part in find(decoded, is_secret, None)):
            yield Hidden(*match.span(), False)
    for start, end in _in_base64(text, is_secret):
        yield Hidden(start, end, False)
    for start, end in own_forms.find(text):
        yield Hidden(start, end, False)
    for start, end in _in_addresses(text):
        yield Hidden(start, end, False)
    for match in _QUERY.finditer(text):
        name = unquote(match[1])
        if is_personal is not None and is_personal(name):
            yield Hidden(*match.span(2), True)
        elif is_secret_parameter(name, match[2]) or is_secret(name):
            yield Hidden(*match.span(2), False)
    for start, end, personal in assignments.find(text, is_secret, is_personal):
        yield Hidden(start, end, personal)
    for start, end in xml_text.find(text, is_secret):
        yield Hidden(start, end, False)
    for match in _SCHEME.finditer(text):
        if _is_credential(match[1], match[2]):
            yield Hidden(*match.span(2), False)


def _is_wide(text: str) -> bool:
    """Return whether a text is probably UTF-16 that was read byte by byte: at least every third character is NUL."""
    return 3 * text.count("\0") >= len(text)


def _in_wide(text: str, is_secret: IsSecret, is_personal: IsPersonal | None) -> Iterator[Hidden]:
    """Yield the parts to hide in UTF-16, in which each ASCII character has a NUL before or after it."""
    data = text.encode("utf-8", "surrogateescape") if len(text) < 4 * text.count("\0") else b""
    if len(data) == len(text):
        for offset, order in ((0, "utf-16-le"), (0, "utf-16-be"), (1, "utf-16-le"), (1, "utf-16-be")):
            whole = data[offset : len(data) - (len(data) - offset) % 2]
            decoded = whole.decode(order, "replace")
            if 2 * len(decoded) == len(whole) and 2 * sum(map(str.isascii, decoded)) > len(decoded):
                for start, end, personal in find(decoded.replace("\0", " "), is_secret, is_personal):
                    yield Hidden(offset + 2 * start, offset + 2 * end, personal)
    text = _WIDE_QUOTE.sub('"\0', text)
    places = [at for at, char in enumerate(text) if char != "\0"]
    for start, end, personal in find("".join(text[at] for at in places), is_secret, is_personal):
        yield Hidden(places[start], places[end - 1] + 1, personal)


def _in_base64(text: str, is_secret: IsSecret) -> Iterator[tuple[int, int]]:
    """Yield the positions of base64 that decodes to a text with a password."""
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
    """Yield the positions of passwords before the @ of an address, and of tokens in place of the user name.

    A password may contain a slash, although that is not valid. A port and path before an @ are not a password.
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
