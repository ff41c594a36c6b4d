"""The operations of the API, and the OpenAPI 3.1 description that is made from them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from starlette.requests import Request

PARAMETER = re.compile(r"{(\w+)(?::(\w+))?}")
ERROR = {
    "description": "the request is refused; `error` says why",
    "content": {"application/json": {"schema": {"type": "object", "properties": {"error": {"type": "string"}}}}},
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method and path of the API, with the function that answers it.

    Args:
        body, content: JSON schemas of the request and the response; None if there is no content or it varies.
        name: the operationId; None for the name of the function `answer`.
    """

    method: str
    path: str
    summary: str
    answer: Callable[[Request], Awaitable[Any]]
    body: dict[str, Any] | None = None
    query: tuple[str, ...] = ()
    content: dict[str, Any] | None = None
    name: str | None = None


def describe(operations: Iterable[Operation]) -> dict[str, Any]:
    """Return the OpenAPI document for some operations."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = PARAMETER.sub(r"{\1}", operation.path)
        paths.setdefault(path, {})[operation.method.lower()] = _describe(operation)
    try:
        release = version("chargesentinel")
    except PackageNotFoundError:
        release = "0"
    return {
        "openapi": "3.1.0",
        "info": {"title": "ChargeSentinel CSMS, operator API", "version": release},
        "paths": paths,
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{}, {"token": []}],
    }


def _describe(operation: Operation) -> dict[str, Any]:
    parameters = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer" if kind == "int" else "string"},
        }
        for name, kind in PARAMETER.findall(operation.path)
    ] + [{"name": name, "in": "query", "schema": {"type": "string"}} for name in operation.query]
    described: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": operation.name or operation.answer.__name__,
        "parameters": parameters,
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
