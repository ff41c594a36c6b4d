"""Read what a request asks for, and refuse what it may not ask for, with the status and the reason."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request

from inspector.toml_file import suggest

LARGEST_BODY = 1024 * 1024
"""Bytes. Reading a larger one would keep the frames of all charge points waiting."""
DEEPEST = 100


async def json_of(request: Request, *names: str, largest: int = LARGEST_BODY) -> dict[str, Any]:
    """Return the body, a JSON object with members of these names only, and at most `largest` bytes.

    Raises:
        HTTPException: the body is too large, of another type, or has other members.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send JSON, with the header `Content-Type: application/json`")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > largest:
            raise HTTPException(413, f"the body has more than {largest:,} bytes")
    try:
        content = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise HTTPException(422, f"the body is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise HTTPException(422, "the body must be a JSON object")
    if _too_deep(content):
        raise HTTPException(422, f"the body is nested more than {DEEPEST} levels deep")
    for name in content:
        if name not in names:
            hint = suggest(name, names) or f"known are {', '.join(names)}"
            raise HTTPException(422, f"unknown member {name[:100]!r}; {hint}")
    return content


def text_in(content: dict[str, Any], name: str, default: str | None = None) -> str:
    """Return a member that must be a string."""
    value = content.get(name, default)
    if not isinstance(value, str):
        raise HTTPException(422, f"{name}: expected a string" + ("" if value is None else f", got {value!r:.100}"))
    return value


def object_in(content: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a member that must be an object; {} if it is missing."""
    value = content.get(name, {})
    if not isinstance(value, dict):
        raise HTTPException(422, f"{name}: expected an object, got {value!r:.100}")
    return value


def one_of[T](content: dict[str, Any], name: str, known: dict[str, T]) -> T:
    """Return the value for a member that must be one of these words."""
    word = text_in(content, name)
    if word not in known:
        hint = suggest(word, known) or f"expected {' or '.join(known)}"
        raise HTTPException(422, f"{name}: unknown value {word[:100]!r}; {hint}")
    return known[word]


def unknown(what: str, given: str, known: Iterable[str]) -> HTTPException:
    """Return the refusal of a name that nothing has, with the most similar name."""
    names = list(known)
    hint = suggest(given, names) or (f"there are {', '.join(names[:10])}" if names else "there are none now")
    return HTTPException(404, f"no {what} {given[:100]!r}; {hint}")


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
