"""Secrets and personal values that show by their form within any text: URLs, headers, NAME=VALUE, private keys."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import unquote

from inspector.redaction.sensitive_names import is_secret_parameter

_TELLS = re.compile(r"[:=/ ]")
"""One of these is in whatever tells by its form; most values have none."""

# Every repetition that another one follows has a bound: a hostile frame of megabytes must cost no more than its length.
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", re.S)
_URL_PASSWORD = (
    re.compile(r"\b[a-z][a-z0-9+.\-]{0,20}:\\?/\\?/[^/\s:@\"]{0,200}:([^/\s\"]{1,500})@", re.I),
    # A slash belongs into no password, but people write it; what looks like a port is none.
    re.compile(r"\b[a-z][a-z0-9+.\-]{0,20}://[^/\s:@\"]{0,200}:(?!\d{1,5}/)([^\s\"@]{1,500})@", re.I),
)
# A semicolon separates parameters as an ampersand does, but a password may hold one: what follows it tells.
_QUERY = re.compile(r"[?&;#]([^=&;#\s\"?]{1,60})=((?:[^&;#\s\"]|;(?![^=&;#\s\"?]{1,60}=))+)")
_ASSIGNED = re.compile(r"\b([A-Za-z][\w.\-]{1,60})[\"']?\s*[:=]\s*[\"']?([^\s\"',;&}\])]+)")
_HEADER = re.compile(
    r"\b(authorization|proxy-authorization|cookie|set-cookie|x-api-key|x-auth-token)[\"']?\s*[:=,]\s*[\"']?"
    r"(?:(?:basic|bearer|digest|token)\s+)?([^\s\"',]+)",
    re.I,
)
_SCHEME = re.compile(r"\b(basic|bearer)\s+([A-Za-z0-9+/=._~\-]{8,})", re.I)


class Told(NamedTuple):
    """A part of a text that is a secret or, where `personal`, tells of a person."""

    start: int
    end: int
    personal: bool


def find(text: str, is_secret: Callable[[str], bool], is_personal: Callable[[str], bool] | None) -> Iterator[Told]:
    """What a text tells by its form; `is_secret` and `is_personal` say what a name means."""
    if not _TELLS.search(text):
        return
    for match in _PRIVATE_KEY.finditer(text):
        yield Told(*match.span(), False)
    for pattern in _URL_PASSWORD:
        for match in pattern.finditer(text):
            yield Told(*match.span(1), False)
    for match in _QUERY.finditer(text):
        name = unquote(match[1])
        if is_personal is not None and is_personal(name):
            yield Told(*match.span(2), True)
        elif is_secret_parameter(name) or is_secret(name):
            yield Told(*match.span(2), False)
    for match in _ASSIGNED.finditer(text):
        if is_secret(match[1]):
            yield Told(*match.span(2), False)
        elif is_personal is not None and is_personal(match[1]):
            yield Told(*match.span(2), True)
    for match in _HEADER.finditer(text):
        yield Told(*match.span(2), False)
    for match in _SCHEME.finditer(text):
        if _is_credential(match[1], match[2]):
            yield Told(*match.span(2), False)


def _is_credential(scheme: str, text: str) -> bool:
    if scheme.lower() == "bearer":
        return len(text) >= 16
    try:
        return b":" in base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
