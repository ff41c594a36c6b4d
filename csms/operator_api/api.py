"""The operator's HTTP API (JSON, with Starlette): every route, and the function that answers it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from csms import actions, call_rules, configuration, learning, misbehaviour, passwords, schemas, tokens
from csms.context import Context
from csms.operator_api import contracts, examples, openapi, operations, overview
from csms.operator_api.openapi import Operation
from csms.operator_api.overview import Connections
from csms.schemas import VERSIONS, Version
from csms.wire import call_order, nesting
from csms.wire.connection import Connection

LOG = logging.getLogger("csms")
PAGE = Path(__file__).parents[1] / "page"
LARGEST_BODY = 2**20
LONGEST_NUMBER = 18
CALL = {
    "type": "object",
    "required": ["action", "payload"],
    "properties": {
        "action": {"type": "string", "examples": ["GetLocalListVersion"]},
        "payload": {"type": "object"},
        "checked": {
            "type": "boolean",
            "default": True,
            "description": "false sends the CALL even where the schema or the specification forbids it",
        },
    },
}
ORDER = {
    "type": "object",
    "required": ["what"],
    "properties": {
        "what": {"enum": list(misbehaviour.KINDS)},
        "charge_point": {"type": "string", "default": "*"},
        "action": {"type": "string", "default": "*"},
        "times": {"type": "integer", "minimum": 1},
        "seconds": {"type": "number", "description": "for delay"},
        "code": {"type": ["string", "integer"], "description": "for error and close"},
        "field": {"type": "string", "description": "JSON pointer into the answer's payload"},
        "value": {"description": "the new value of the field; without it the field is removed"},
    },
}
POLICY = {
    "type": "object",
    "properties": {"boot": {"enum": list(configuration.BOOT_POLICIES)}, "password": {"type": "string"}},
}
TOKEN = {
    "type": "object",
    "properties": {
        "status": {"enum": list(configuration.TOKEN_STATUSES)},
        "expires": {"type": "string", "format": "date-time"},
        "parent": {"type": "string"},
        "concurrent": {"type": "boolean", "default": True},
    },
}
RAW = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
OUTCOME = {
    "type": "object",
    "required": ["kind", "payload", "error_code", "error_description"],
    "properties": {
        "kind": {"enum": ["CALLRESULT", "CALLERROR", "timeout", "closed"]},
        "payload": {"type": ["object", "null"], "description": "the payload of the CALLRESULT"},
        "error_code": {
            "type": ["string", "null"],
            "description": "the code of a CALLERROR, or of the fault in a CALLRESULT",
        },
        "error_description": {"type": ["string", "null"]},
        "action": {"type": "string", "description": "the action that an operation was sent as"},
        "request": {"type": "object", "description": "the payload that was sent"},
    },
}


class Api:
    """The API of one CSMS."""

    def __init__(self, context: Context, connections: Connections) -> None:
        self.context, self.connections = context, connections
        one = "/api/charge-points/{id:path}"
        self.operations = [
            Operation("GET", "/api/status", "Sum up the CSMS", self.status),
            Operation("GET", "/api/charge-points", "List charge points", self.listed, query=("search", "limit")),
            Operation(
                "POST", f"{one}/calls", "Send any CALL and wait for its answer", self.call, CALL, content=OUTCOME
            ),
            *(
                Operation(
                    "POST", f"{one}/operations/{name}", summary, partial(self.operate, name=name),
                    operations.schema(name), content=OUTCOME, name=name,
                )
                for name, summary in operations.SUMMARIES.items()
            ),
            Operation("POST", f"{one}/frames", "Send a text frame exactly as written", self.frame, RAW),
            Operation("POST", f"{one}/disconnect", "Close the charge point's connection", self.disconnect),
            Operation("GET", one, "Show everything known of a charge point", self.show),
            Operation("PATCH", one, "Set a charge point's boot policy or password, or add it", self.decide, POLICY),
            Operation("DELETE", one, "Delete a disconnected charge point and everything it sent", self.forget),
            Operation("GET", "/api/actions/{version}", "List the actions of a version by who sends them", self.actions),
            Operation("GET", "/api/actions/{version}/{action}", "Show an action's schema and an example", self.action),
            Operation("GET", "/api/tokens", "List id tokens", self.tokens),
            Operation("PUT", "/api/tokens/{id:path}", "Add or replace an id token", self.put_token, TOKEN),
            Operation("DELETE", "/api/tokens/{id:path}", "Delete an id token", self.delete_token),
            Operation("GET", "/api/contracts", "List contract certificates", self.contracts),
            Operation("POST", "/api/contracts", "Issue a contract certificate", self.contract, contracts.CONTRACT),
            Operation("DELETE", "/api/contracts/{serial}", "Revoke a contract certificate", self.revoke),
            Operation("GET", "/api/misbehaviours", "List the orders to misbehave", self.orders),
            Operation("POST", "/api/misbehaviours", "Order the CSMS to misbehave", self.order, ORDER),
            Operation("DELETE", "/api/misbehaviours/{number:int}", "Withdraw an order", self.withdraw),
        ]  # fmt: skip

    def application(self) -> Starlette:
        """Build the ASGI application: the API, its description and the page."""
        routes: list[Route | Mount] = [
            # `_number` reads numbers: Starlette's `int` convertor raises an error for thousands of digits.
            Route(operation.path.replace(":int}", "}"), self._endpoint(operation), methods=[operation.method])
            for operation in self.operations
        ]
        routes.append(Route("/api/charge-points/{id:path}/operations/{name}", _no_operation, methods=["POST"]))
        routes += contracts.routes(self.context)
        routes.append(Route("/openapi.json", self._description))
        routes.append(Mount("/", StaticFiles(directory=PAGE, html=True)))
        return Starlette(routes=routes, exception_handlers={HTTPException: _error, Exception: _fault})

    def _endpoint(self, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                content = await operation.answer(request)
            except (ValueError, OverflowError) as error:
                raise HTTPException(422, str(error)) from None
            if content is None:
                return Response(status_code=204)
            return Response(orjson.dumps(content, default=str), media_type="application/json")

        return endpoint

    async def _description(self, request: Request) -> Response:
        return JSONResponse(openapi.describe(self.operations))

    async def status(self, request: Request) -> Any:
        return overview.status(self.context, self.connections)

    async def listed(self, request: Request) -> Any:
        limit = request.query_params.get("limit", str(overview.SHOWN_CHARGE_POINTS))
        if not limit.isdecimal():
            raise ValueError("limit must be a whole number")
        return overview.charge_points(
            self.context, self.connections, request.query_params.get("search", ""), int(limit)
        )

    async def show(self, request: Request) -> Any:
        found = overview.charge_point(self.context, self.connections, request.path_params["id"])
        if found is None:
            raise HTTPException(404, f"the CSMS does not know the charge point {request.path_params['id']!r}")
        return found

    async def decide(self, request: Request) -> Any:
        name = configuration.identity(request.path_params["id"])
        self.context.store.set_charge_point(name, **configuration.charge_point(await _json(request)))

    async def forget(self, request: Request) -> Any:
        name = request.path_params["id"]
        if name in self.connections:
            raise HTTPException(409, f"charge point {name!r} is connected; disconnect it first")
        if not self.context.store.forget(name):
            raise HTTPException(404, f"the CSMS does not know the charge point {name!r}")
        self.context.log.forget(name)

    async def call(self, request: Request) -> Any:
        connection = self._connection(request)
        match await _json(request):
            case {"action": str(action), "payload": dict(payload), **more} if set(more) <= {"checked"}:
                if more.get("checked", True) is not False:
                    self._object(connection, action, payload)
                return self._shown(connection, asdict(await connection.send_call(action, payload)))
        raise ValueError("expected action (text), payload (object) and, if wanted, checked (true or false)")

    async def operate(self, request: Request, name: str) -> Any:
        connection = self._connection(request)
        content = await _json(request)
        checked = content.pop("checked", True) is not False
        action, payload = operations.call_for(connection.version, name, content)
        if checked:
            self._object(connection, action, payload)
        outcome = asdict(await connection.send_call(action, payload))
        return self._shown(connection, {"action": action, "request": payload} | outcome)

    def _shown(self, connection: Connection, outcome: dict[str, Any]) -> Any:
        """Return an outcome in which asterisks replace passwords."""
        memory = self.context.passwords.of(connection.id)
        return passwords.hidden(passwords.hidden(outcome, memory), memory)

    def _object(self, connection: Connection, action: str, payload: dict[str, Any]) -> None:
        def token_status(token: str) -> str:
            unknown = self.context.settings.unknown_tokens
            return tokens.judge(self.context.store, token, unknown, connection.id).status

        version, boot_status = connection.version, connection.boot_status
        store, name = self.context.store, connection.id
        facts = call_rules.Facts(
            token_status,
            lambda component, variable: store.variable_value(name, component, variable),
            lambda purpose: store.profiles(name, purpose),
            {str(row["transaction_id"]) for row in store.open_transactions(name)},
            learning.hash_algorithms(store.last_notice(name, "GetInstalledCertificateIds") or {}),
            store.has_noticed(name, "NotifyEVChargingNeeds"),
        )
        objection = call_order.objection(version, boot_status, action, payload, facts)
        if objection is not None:
            raise ValueError(objection)

    async def frame(self, request: Request) -> Any:
        connection = self._connection(request)
        match await _json(request):
            case {"text": str(text)}:
                await connection.send_raw(text)
                return None
        raise ValueError("expected text (the frame to send)")

    async def disconnect(self, request: Request) -> Any:
        await self._connection(request).websocket.close(1000, "closed by the operator")

    def _connection(self, request: Request) -> Connection:
        connection = self.connections.get(request.path_params["id"])
        if connection is None:
            raise HTTPException(409, f"charge point {request.path_params['id']!r} is not connected")
        return connection

    async def actions(self, request: Request) -> Any:
        version = _version(request)
        return {
            "from_csms": sorted(actions.from_csms(version)),
            "from_charge_point": sorted(actions.from_charge_point(version)),
        }

    async def action(self, request: Request) -> Any:
        schema = schemas.schema(_version(request), request.path_params["action"], "request")
        if schema is None:
            raise HTTPException(404, f"unknown action {request.path_params['action']!r}")
        return {"schema": schema, "example": examples.example(schema)}

    async def tokens(self, request: Request) -> Any:
        return self.context.store.rows("SELECT * FROM tokens ORDER BY id_token")

    async def put_token(self, request: Request) -> Any:
        name = configuration.id_token(request.path_params["id"])
        self.context.store.set_token(name, **configuration.token(await _json(request)))

    async def delete_token(self, request: Request) -> Any:
        if not self.context.store.delete_token(request.path_params["id"]):
            raise HTTPException(404, "unknown id token")

    async def contracts(self, request: Request) -> Any:
        return contracts.listed(self.context)

    async def contract(self, request: Request) -> Any:
        return contracts.issue(self.context, await _json(request))

    async def revoke(self, request: Request) -> Any:
        if not self.context.store.revoke_contract(request.path_params["serial"].lower().lstrip("0")):
            raise HTTPException(404, "unknown serial number of a contract certificate")

    async def orders(self, request: Request) -> Any:
        return self.context.misbehaviours.listed()

    async def order(self, request: Request) -> Any:
        return {"number": self.context.misbehaviours.add(misbehaviour.read(await _json(request)))}

    async def withdraw(self, request: Request) -> Any:
        if not self.context.misbehaviours.remove(_number(request.path_params["number"])):
            raise HTTPException(404, "unknown number of an order")


async def _json(request: Request) -> dict[str, Any]:
    """Read the body as a JSON object; refuse other JSON and a body that is too large."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise HTTPException(413, f"the body is larger than {LARGEST_BODY} bytes")
    try:
        content = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the body is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError("the body must be a JSON object")
    if nesting.too_deep(content):
        raise ValueError(f"the body is nested deeper than {nesting.DEEPEST}")
    return content


def _number(text: str) -> int:
    """Return the number in a path; 0, which no order has, if the text is not a number."""
    return int(text) if text.isdecimal() and len(text) <= LONGEST_NUMBER else 0


def _version(request: Request) -> Version:
    for version in VERSIONS:
        if version == request.path_params["version"]:
            return version
    raise HTTPException(404, f"unknown version; the versions are {', '.join(VERSIONS)}")


async def _no_operation(request: Request) -> Response:
    name = request.path_params["name"]
    raise HTTPException(404, f"unknown operation {name!r}; the operations are {', '.join(operations.OPERATIONS)}")


async def _fault(request: Request, error: Exception) -> Response:
    LOG.error("internal error in the operator's API: %s %s", request.method, request.url.path, exc_info=error)
    return JSONResponse({"error": "the CSMS failed; see its log"}, 500)


async def _error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)
