"""Describe the operations of the control API in an OpenAPI 3.1 document."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from starlette.requests import Request

_PARAMETER = re.compile(r"{(\w+)(?::path)?}")
ERROR = {
    "description": "the request is refused; `error` says why",
    "content": {"application/json": {"schema": {"type": "object", "properties": {"error": {"type": "string"}}}}},
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method and path of the API, with the function that answers it.

    Attributes:
        method, path: as Starlette writes them.
        summary: one line in the imperative.
        answer: returns the JSON of the answer, None for an answer without content.
        body: the JSON schema of the request; None if it has no content.
        content: the JSON schema of the answer; None if it varies.
    """

    method: str
    path: str
    summary: str
    answer: Callable[[Request], Awaitable[Any]]
    body: dict[str, Any] | None = None
    content: dict[str, Any] | None = None


def describe(operations: Iterable[Operation]) -> dict[str, Any]:
    """Return the OpenAPI document of some operations."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = _PARAMETER.sub(r"{\1}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _describe(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "ChargeSentinel proxy, control API", "version": version("chargesentinel")},
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    }


def _describe(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": operation.answer.__name__,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in _PARAMETER.findall(operation.path)
        ],
        "responses": {
            "200": {
                "description": "done; the content is JSON",
                "content": {"application/json": {"schema": operation.content or {}}},
            },
            "204": {"description": "done; without content"},
            "4XX": ERROR,
        },
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": operation.body}}}
    return described
