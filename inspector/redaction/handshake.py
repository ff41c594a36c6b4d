"""Reads facts out of a WebSocket handshake: knows HTTP headers, refuses to let a secret through; knows no socket."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from inspector.records import SessionFacts
from inspector.redaction.assignments import SCHEMES
from inspector.redaction.patterns import NO_PASSWORDS
from inspector.redaction.secret_names import is_secret_header, is_secret_parameter
from inspector.redaction.secrets import Secrets, replaced

type Headers = tuple[tuple[bytes, bytes], ...]
"""(name, value) as on the wire: case and order kept."""

REDACTED = "«redacted»"

_CREDENTIAL_LENGTH = 4
"""Characters of a credential that is looked for in what else a peer writes; shorter ones are in every text."""

_HEXADECIMAL = re.compile(rb"[0-9A-Fa-f]{40}")
"""An AuthorizationKey of 20 bytes as a configuration writes it."""

_PARAMETERS = re.compile(r"\?|[;#](?=[^=&;#/]{1,200}=)")
"""Where a target's parameters begin: a # or a ; too, when it names a value as in #token=…"""

_PARAMETER = re.compile(r"(?<=[?&;#])([^=&;#]+)=((?:[^&;#]|[;#](?![^=&;#]*=))*)")
"""One of them: a ; or # ends a value where a name and = follow, and is a part of it elsewhere."""

_IN_SUBPROTOCOL = re.compile(r"[.\-_:=|~]")
_RANDOM = re.compile(r"(?=[^.]{0,200}\d)(?=[^.]{0,200}[A-Za-z])[^.]{20,}|eyJ[\w\-]{8,}")
"""A part of a subprotocol that no specification would call one: a token."""


def get(headers: Headers, name: str) -> str | None:
    """Return a header's value, several joined with a comma as RFC 9110 section 5.2 has it; None if absent."""
    found = [text(v) for n, v in headers if text(n).lower() == name]
    return ", ".join(found) if found else None


def text(data: bytes) -> str:
    """Decode what a peer wrote into a header or request line; never fails."""
    return data.decode("utf-8", "backslashreplace")


def readable(decoded: str) -> str:
    """Return what was decoded with its odd bytes smuggled along ("surrogateescape") as `text` would have decoded it."""
    return text(decoded.encode("utf-8", "surrogateescape"))


def printable(text: str) -> str:
    """Return text a peer chose with its control characters escaped: a log line stays one line of text."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def tokens(value: str | None) -> list[str]:
    """Split a comma-separated header."""
    return [part for raw in (value or "").split(",") if (part := raw.strip())]


def charge_point_id(path: str) -> str:
    """Return the last segment of the request path, %-decoded (OCPP-J 3.1.1)."""
    return unquote(_parted(path)[0].rstrip("/").rpartition("/")[2])


def safe_path(path: str) -> str:
    """Return the request path without secrets: in parameters, and in segments before the charge point's id."""

    def safe(pair: re.Match[str]) -> str:
        return f"{pair[1]}={REDACTED}" if is_secret_parameter(unquote(pair[1]), pair[2]) else pair[0]

    base, parameters = _parted(path)
    segments = base.split("/")
    for at, start in _secret_segments(segments):
        segments[at] = segments[at][:start] + REDACTED
    return "/".join(segments) + _PARAMETER.sub(safe, parameters)


def _secret_segments(segments: list[str]) -> Iterator[tuple[int, int]]:
    """Find segments that are secrets, and where in them: behind one named so (/token/…/CP1), or NAME=VALUE.

    The last segment is the charge point's id, and nothing else.
    """
    last = max((at for at, segment in enumerate(segments) if segment), default=0)
    for at, segment in enumerate(segments[:last]):
        name, mark, value = segment.partition("=")
        if mark and value and is_secret_parameter(unquote(name)):
            yield at, len(name) + 1
        elif (segment and at and is_secret_parameter(unquote(segments[at - 1]))) or segment.startswith("eyJ"):
            yield at, 0


def safe_subprotocols(offered: list[str]) -> list[str]:
    """Return subprotocols without the tokens that clients put there for want of a header of their own.

    A token stands behind a word that says so (`bearer.…`), behind a subprotocol that does (`access_token, …`), or
    shows by its length and its digits.
    """
    shown: list[str] = []
    announced = False
    for one in offered:
        secret_from = 0 if announced and not one.lower().startswith("ocpp") else _token_start(one)
        shown.append(one if secret_from is None else one[:secret_from] + REDACTED)
        announced = secret_from is None and _announces(one)
    return shown


def _token_start(subprotocol: str) -> int | None:
    if subprotocol.lower().startswith("ocpp"):
        return None
    for mark in _IN_SUBPROTOCOL.finditer(subprotocol):
        if mark.end() < len(subprotocol) and _announces(subprotocol[: mark.start()]):
            return mark.end()
    found = _RANDOM.search(subprotocol)
    return found.start() if found else None


def _announces(name: str) -> bool:
    last = _IN_SUBPROTOCOL.split(name)[-1].lower()
    return last in SCHEMES or is_secret_header(last) or is_secret_parameter(name)


def _parted(path: str) -> tuple[str, str]:
    """Split a request path before its parameters."""
    found = _PARAMETERS.search(path)
    return (path[: found.start()], path[found.start() :]) if found else (path, "")


def safe_headers(headers: Headers) -> tuple[list[list[str]], list[str]]:
    """Return the headers without secrets, and the names of those that were replaced.

    Of Authorization the scheme stays, which is what a reader needs (OCPP security profiles 1 and 2).
    """
    shown: list[list[str]] = []
    redacted: list[str] = []
    for raw_name, raw_value in headers:
        name, value = text(raw_name), text(raw_value)
        lower = name.lower()
        if is_secret_header(name):
            redacted.append(name)
            scheme = _scheme(value)[0] if lower.endswith("authorization") else ""
            value = f"{scheme} {REDACTED}".strip()
        elif lower == "sec-websocket-protocol" and (safe := safe_subprotocols(tokens(value))) != tokens(value):
            redacted.append(name)
            value = ", ".join(safe)
        shown.append([name, value])
    return shown, redacted


def _scheme(value: str) -> tuple[str, str]:
    """Split the value of Authorization into its scheme, empty when it has none that is known, and what it is given."""
    scheme, given = [*value.split(None, 1), "", ""][:2]
    return (scheme, given.strip()) if given and scheme.lower() in SCHEMES else ("", value.strip())


def _decoded(given: str) -> bytes:
    """Decode Basic credentials, whatever a charge point did to their padding and letters."""
    plain = re.sub(r"[^A-Za-z0-9+/]", "", unquote(given).replace("-", "+").replace("_", "/"))
    return base64.b64decode(plain[: len(plain) - (len(plain) % 4 == 1)] + "=" * (-len(plain) % 4))


def authorization(headers: Headers) -> SessionFacts:
    """Return scheme, user and password length of Basic authorization, never the password."""
    value = get(headers, "authorization")
    if value is None:
        return {}
    scheme, credentials = _scheme(value)
    facts: SessionFacts = {"auth_scheme": scheme or None}
    if scheme.lower() == "basic":
        try:
            user, colon, password = base64.b64decode(credentials, validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return facts
        if colon and text(password) not in NO_PASSWORDS:
            facts["auth_user"] = text(user)
        if colon:
            facts["auth_password_length"] = len(password)
            if _HEXADECIMAL.fullmatch(password):
                facts["auth_password_form"] = "hexadecimal"
    return facts


def credentials(path: str, headers: Headers) -> list[str]:
    """Return every credential of a request and its answer, to be kept out of whatever quotes it; for memory alone."""
    found: list[str] = []
    for raw_name, raw_value in headers:
        name, value = text(raw_name).lower(), text(raw_value)
        if name.endswith(("authorization", "authentication", "x-auth")):
            scheme, given = _scheme(value)
            found += [given, unquote(given)] if scheme else [given, *given.split(None, 1)]
            if scheme.lower() == "basic":
                user, _, password = _decoded(given).partition(b":")
                found += [text(password), text(user) if text(password) in NO_PASSWORDS else ""]
        elif name in ("cookie", "set-cookie"):
            pairs = value.split(";") if name == "cookie" else [value.partition(";")[0]]
            found += [pair.partition("=")[2].strip(' "') for pair in pairs]
        elif name == "sec-websocket-protocol":
            offered = tokens(value)
            for one, safe in zip(offered, safe_subprotocols(offered), strict=True):
                found += [one, one[len(safe) - len(REDACTED) :]] if one != safe else []
        elif is_secret_header(name):
            found.append(value)
    base, parameters = _parted(path)
    for name, value in _PARAMETER.findall(parameters):
        if is_secret_parameter(unquote(name), value):
            found += [value, unquote(value)]
    segments = base.split("/")
    for at, start in _secret_segments(segments):
        found += [segments[at][start:], unquote(segments[at][start:])]
    own = charge_point_id(path)
    return list(dict.fromkeys(value for value in found if len(value) >= _CREDENTIAL_LENGTH and value != own))


def without_credentials[T](told: T, path: str, headers: Headers) -> T:
    """Return what is told of a handshake with the credentials that its request came with starred out of every text."""
    secrets = Secrets()
    secrets.add(credentials(path, headers))
    return _without(told, secrets) if secrets.values else told


def _without(told: Any, secrets: Secrets) -> Any:
    if isinstance(told, str):
        return replaced(told, secrets.spans(told, loose=True))
    if isinstance(told, dict):
        return {name: _without(value, secrets) for name, value in told.items()}
    return [_without(value, secrets) for value in told] if isinstance(told, list) else told


def is_upgrade(headers: Headers) -> bool:
    """Tell whether a request or a 101 speaks of WebSocket."""
    return "websocket" in [token.lower() for token in tokens(get(headers, "upgrade"))]


def link_facts(path: str, request: Headers, response: Headers, *, forced_version: str | None = None) -> SessionFacts:
    """Return what a completed handshake tells about the session to come.

    `forced_version` (--ocpp) holds where no subprotocol was agreed; an agreed one is the peers' own word.
    """
    subprotocol = get(response, "sec-websocket-protocol")
    offered = tokens(get(request, "sec-websocket-protocol"))
    facts: SessionFacts = {
        "charge_point_id": charge_point_id(path),
        "request_path": safe_path(path),
        "subprotocol": subprotocol and _safe_answer(offered, subprotocol),
        "subprotocols_offered": safe_subprotocols(offered),
        "extensions": get(response, "sec-websocket-extensions"),
        "ocpp_version": forced_version if not subprotocol else None,
        "from_start": True,
    }
    facts.update(authorization(request))
    facts["secrets"] = credentials(path, (*request, *response))
    return facts


def _safe_answer(offered: list[str], subprotocol: str) -> str:
    """Return the selected subprotocol as it is shown among those that were offered."""
    shown = dict(zip(offered, safe_subprotocols(offered), strict=True))
    return shown.get(subprotocol) or ", ".join(safe_subprotocols(tokens(subprotocol)))


def described(
    method: str,
    path: str,
    request: Headers,
    status: int | None = None,
    response: Headers = (),
) -> dict[str, Any]:
    """Return a handshake for the `events` table: both heads with secrets replaced and named."""
    shown, redacted = safe_headers(request)
    detail: dict[str, Any] = {
        "charge_point_id": charge_point_id(path),
        "method": method,
        "path": safe_path(path),
        "request_headers": shown,
    }
    if status is not None:
        detail["status"] = status
        detail["response_headers"], more = safe_headers(response)
        redacted += more
    if redacted:
        detail["redacted"] = redacted
    return without_credentials(detail, path, (*request, *response))
