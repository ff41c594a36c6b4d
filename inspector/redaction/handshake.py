"""Read the facts of a WebSocket handshake from its path and headers, without secrets."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from inspector.records import SessionFacts
from inspector.redaction import own_forms
from inspector.redaction.assignments import SCHEMES
from inspector.redaction.patterns import NO_PASSWORDS
from inspector.redaction.secret_names import is_secret_header, is_secret_name, is_secret_parameter, squeezed
from inspector.redaction.secrets import Secrets, replaced

type Headers = tuple[tuple[bytes, bytes], ...]
"""(name, value) of each header, in the case and order in which they were sent."""

REDACTED = "«redacted»"

_CREDENTIAL_LENGTH = 4
"""Secrets with fewer characters are not searched for in other texts, because they occur there by chance."""

_HEXADECIMAL = re.compile(rb"[0-9A-Fa-f]{40}")
"""Matches an AuthorizationKey of 20 bytes, written as hexadecimal digits."""

_PARAMETERS = re.compile(r"\?|[;#](?=[^=&;#/]{1,200}=)")
"""Finds where the parameters of a path begin: at a ?, or at a # or ; before NAME=, as in #token=…"""

_PARAMETER = re.compile(r"(?<=[?&;#])([^=&;#]+)=((?:[^&;#]|[;#](?![^=&;#]*=))*)")
"""Finds the name and value of a parameter. A ; or # ends the value only if NAME= follows."""

_IN_SUBPROTOCOL = re.compile(r"[.\-_:=|~]")
_RANDOM = re.compile(r"(?=[^.]{0,200}\d)(?=[^.]{0,200}[A-Za-z])[^.]{20,}|eyJ[\w\-]{8,}")
"""Finds a part of a subprotocol that looks like a token: long with letters and digits, or a JWT."""


def get(headers: Headers, name: str) -> str | None:
    """Return the value of a header, None if it is absent; `name` must be in lower case.

    The values of several headers with this name are joined with commas (RFC 9110 section 5.2).
    """
    found = [text(v) for n, v in headers if text(n).lower() == name]
    return ", ".join(found) if found else None


def text(data: bytes) -> str:
    """Return the bytes of a header or request line as text. Bytes that are not UTF-8 become escapes such as \\xff."""
    return data.decode("utf-8", "backslashreplace")


def readable(decoded: str) -> str:
    """Return a text that was decoded with "surrogateescape" in the form that `text` returns."""
    return text(decoded.encode("utf-8", "surrogateescape"))


def printable(text: str) -> str:
    """Return a peer's text with characters that are not printable as escapes, so that it fits on one line of a log."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def tokens(value: str | None) -> list[str]:
    """Return the parts of a comma-separated header; empty if `value` is None."""
    return [part for raw in (value or "").split(",") if (part := raw.strip())]


def charge_point_id(path: str) -> str:
    """Return the charge point's id from a request path: its last segment, %-decoded (OCPP-J 3.1.1).

    If the path ends with a token, the id is the segment before it.
    """
    segments = _parted(path)[0].split("/")
    hidden = {at for at, start in _secret_segments(segments) if not start}
    names_next = False
    for at in reversed(range(len(segments))):
        if at in hidden:
            names_next = True
        elif segments[at] and not (names_next and _names_a_token(segments[at])):
            return unquote(segments[at])
        elif segments[at]:
            names_next = False
    return ""


def safe_path(path: str) -> str:
    """Return the request path without the secrets in its parameters and segments."""

    def safe(pair: re.Match[str]) -> str:
        return f"{pair[1]}={REDACTED}" if is_secret_parameter(unquote(pair[1]), pair[2]) else pair[0]

    base, parameters = _parted(path)
    segments = base.split("/")
    for at, start in _secret_segments(segments):
        segments[at] = segments[at][:start] + REDACTED
    return "/".join(segments) + _PARAMETER.sub(safe, parameters)


def _secret_segments(segments: list[str]) -> Iterator[tuple[int, int]]:
    """Yield the index of each segment with a secret, and the position in the segment where the secret begins.

    A segment is secret if it follows a secret name (/token/…) or looks like a token; of NAME=VALUE, the value can be.
    The last segment is the charge point's id, unless it looks like a token or follows a name such as `token`.
    """
    last = max((at for at, segment in enumerate(segments) if segment), default=0)
    before = ""
    for at, segment in enumerate(segments[: last + 1]):
        if not segment:
            continue
        name, mark, value = segment.partition("=")
        announced = before and (is_secret_parameter(unquote(before)) if at < last else _names_a_token(before))
        if at < last and mark and value and is_secret_parameter(unquote(name)):
            yield at, len(name) + 1
        elif announced or segment.startswith("eyJ") or any(True for _ in own_forms.find(unquote(segment))):
            yield at, 0
        before = segment


def _names_a_token(segment: str) -> bool:
    return is_secret_name(unquote(segment)) or squeezed(unquote(segment)) == "key"


def safe_subprotocols(offered: list[str]) -> list[str]:
    """Return subprotocols without tokens. Browsers put tokens there, because they cannot set other headers.

    A token follows a word that announces it, in the same subprotocol (`bearer.…`) or in the one before
    (`access_token, …`), or it looks like a token because of its length and digits.
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
    """Split a request path into (path, parameters)."""
    found = _PARAMETERS.search(path)
    return (path[: found.start()], path[found.start() :]) if found else (path, "")


def safe_headers(headers: Headers) -> tuple[list[list[str]], list[str]]:
    """Return the headers without secrets, and the names of the headers that had a secret.

    The scheme of Authorization stays, because it shows the OCPP security profile.
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
    """Split the value of Authorization into (scheme, credentials); an unknown scheme counts as a part of the latter."""
    scheme, given = [*value.split(None, 1), "", ""][:2]
    return (scheme, given.strip()) if given and scheme.lower() in SCHEMES else ("", value.strip())


def _decoded(given: str) -> bytes:
    """Return decoded Basic credentials, even if their padding is wrong or their base64 alphabet is another one."""
    plain = re.sub(r"[^A-Za-z0-9+/]", "", unquote(given).replace("-", "+").replace("_", "/"))
    return base64.b64decode(plain[: len(plain) - (len(plain) % 4 == 1)] + "=" * (-len(plain) % 4))


def authorization(headers: Headers) -> SessionFacts:
    """Return the facts of the header Authorization: its scheme and, for Basic, the user and the password's length."""
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
    """Return every secret in the path and headers of a handshake, to hide them where they are quoted later.

    Callers must keep them in memory only.
    """
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


def without_credentials[T](described: T, path: str, headers: Headers) -> T:
    """Return a description of a handshake with its secrets hidden in every text.

    `path` and `headers` are those that the description is about.
    """
    secrets = Secrets()
    secrets.add(credentials(path, headers))
    return _without(described, secrets) if secrets.values else described


def _without(described: Any, secrets: Secrets) -> Any:
    if isinstance(described, str):
        return replaced(described, secrets.spans(described, loose=True))
    if isinstance(described, dict):
        return {name: _without(value, secrets) for name, value in described.items()}
    return [_without(value, secrets) for value in described] if isinstance(described, list) else described


def is_upgrade(headers: Headers) -> bool:
    """Return whether the headers of a request or an answer upgrade to WebSocket."""
    return "websocket" in [token.lower() for token in tokens(get(headers, "upgrade"))]


def session_facts(path: str, request: Headers, response: Headers, *, forced_version: str | None = None) -> SessionFacts:
    """Return the facts of a session from its completed handshake.

    `forced_version` (--ocpp) is used only if the peers have not agreed on a subprotocol.
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
    """Return the selected subprotocol without secrets, in the form that it has among the offered ones."""
    shown = dict(zip(offered, safe_subprotocols(offered), strict=True))
    return shown.get(subprotocol) or ", ".join(safe_subprotocols(tokens(subprotocol)))


def described(
    method: str,
    path: str,
    request: Headers,
    status: int | None = None,
    response: Headers = (),
) -> dict[str, Any]:
    """Return the detail of a handshake event: request and response without secrets, and which headers had a secret."""
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
