"""The API's OpenAPI 3.1 description, made from the operations themselves; routes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from csms.api import Operation

PARAMETER = re.compile(r"{(\w+)(?::(\w+))?}")
ERROR = {
    "description": "refused; `error` says why",
    "content": {"application/json": {"schema": {"type": "object", "properties": {"error": {"type": "string"}}}}},
}


def describe(operations: Iterable[Operation]) -> dict[str, Any]:
    """Write the description of a list of operations."""
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
            "204": {"description": "done; there is nothing to say"},
            "4XX": ERROR,
        },
    }
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": operation.body}}}
    return described
