"""The operator's HTTP+JSON API on Starlette, and its OpenAPI description; decides nothing, it asks the CSMS."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from csms import (
    actions,
    call_order,
    configuration,
    examples,
    misbehaviour,
    nesting,
    openapi,
    operations,
    overview,
    passwords,
    schemas,
)
from csms.connection import Connection
from csms.schemas import VERSIONS, Version

if TYPE_CHECKING:
    from csms.central_system import CentralSystem

LOG = logging.getLogger("csms")
PAGE = Path(__file__).parent / "page"
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
            "description": "false sends what the schema or the order of things forbids",
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
        "seconds": {"type": "number", "description": "of a delay"},
        "code": {"type": ["string", "integer"], "description": "of an error or a close"},
        "field": {"type": "string", "description": "JSON pointer into the answer's payload"},
        "value": {"description": "what to put there; left out, the field is removed"},
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
        "payload": {"type": ["object", "null"], "description": "of the CALLRESULT"},
        "error_code": {"type": ["string", "null"], "description": "of a CALLERROR, or why a CALLRESULT does not fit"},
        "error_description": {"type": ["string", "null"]},
        "action": {"type": "string", "description": "what an operation was sent as"},
        "request": {"type": "object", "description": "its payload"},
    },
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One entry of the API: routed and described from the same place.

    Args:
        body, content: JSON schemas of what is sent and of what comes back; None where there is none or it varies.
        name: its operationId; None takes the name of `answer`.
    """

    method: str
    path: str
    summary: str
    answer: Callable[[Request], Awaitable[Any]]
    body: dict[str, Any] | None = None
    query: tuple[str, ...] = ()
    content: dict[str, Any] | None = None
    name: str | None = None


class Api:
    """What the operator can ask of one CSMS."""

    def __init__(self, csms: CentralSystem) -> None:
        self.csms = csms
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
            Operation("POST", f"{one}/frames", "Send a text frame as it is", self.frame, RAW),
            Operation("POST", f"{one}/disconnect", "Close the charge point's connection", self.disconnect),
            Operation("GET", one, "Tell all of one charge point", self.show),
            Operation("PATCH", one, "Set a charge point's boot policy or password, or add it", self.decide, POLICY),
            Operation("DELETE", one, "Forget a charge point that is not connected, and all it told", self.forget),
            Operation("GET", "/api/actions/{version}", "List the actions of a version by who sends them", self.actions),
            Operation("GET", "/api/actions/{version}/{action}", "Show an action's schema and an example", self.action),
            Operation("GET", "/api/tokens", "List id tokens", self.tokens),
            Operation("PUT", "/api/tokens/{id:path}", "Add or replace an id token", self.put_token, TOKEN),
            Operation("DELETE", "/api/tokens/{id:path}", "Forget an id token", self.delete_token),
            Operation("GET", "/api/misbehaviours", "List the orders to misbehave", self.orders),
            Operation("POST", "/api/misbehaviours", "Order the CSMS to misbehave", self.order, ORDER),
            Operation("DELETE", "/api/misbehaviours/{number:int}", "Withdraw an order", self.withdraw),
        ]  # fmt: skip

    def application(self) -> Starlette:
        """Build the ASGI application: the API, its description and the page."""
        routes: list[Route | Mount] = [
            # Starlette's own whole numbers fail where there are thousands of digits.
            Route(operation.path.replace(":int}", "}"), self._endpoint(operation), methods=[operation.method])
            for operation in self.operations
        ]
        routes.append(Route("/api/charge-points/{id:path}/operations/{name}", _no_operation, methods=["POST"]))
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
        return overview.status(self.csms)

    async def listed(self, request: Request) -> Any:
        limit = request.query_params.get("limit", str(overview.SHOWN_CHARGE_POINTS))
        if not limit.isdecimal():
            raise ValueError("limit must be a whole number")
        return overview.charge_points(self.csms, request.query_params.get("search", ""), int(limit))

    async def show(self, request: Request) -> Any:
        found = overview.charge_point(self.csms, request.path_params["id"])
        if found is None:
            raise HTTPException(404, f"no charge point {request.path_params['id']!r} is known")
        return found

    async def decide(self, request: Request) -> Any:
        name = configuration.identity(request.path_params["id"])
        self.csms.store.set_charge_point(name, **configuration.charge_point(await _json(request)))

    async def forget(self, request: Request) -> Any:
        name = request.path_params["id"]
        if name in self.csms.connections:
            raise HTTPException(409, f"charge point {name!r} is connected")
        if not self.csms.store.forget(name):
            raise HTTPException(404, f"no charge point {name!r} is known")
        self.csms.seen.forget(name)

    async def call(self, request: Request) -> Any:
        connection = self._connection(request)
        match await _json(request):
            case {"action": str(action), "payload": dict(payload), **more} if set(more) <= {"checked"}:
                if more.get("checked", True) is not False:
                    self._object(connection, action, payload)
                return self._shown(connection, asdict(await connection.send_call(action, payload)))
        raise ValueError("expected action (text), payload (object) and perhaps checked (true or false)")

    async def operate(self, request: Request, name: str) -> Any:
        connection = self._connection(request)
        action, payload = operations.call_for(connection.version, name, await _json(request))
        self._object(connection, action, payload)
        outcome = asdict(await connection.send_call(action, payload))
        return self._shown(connection, {"action": action, "request": payload} | outcome)

    def _shown(self, connection: Connection, told: dict[str, Any]) -> Any:
        """Return what an operator gets to see: no password."""
        memory = self.csms.passwords.of(connection.id)
        return passwords.hidden(passwords.hidden(told, memory), memory)

    def _object(self, connection: Connection, action: str, payload: dict[str, Any]) -> None:
        objection = call_order.objection(connection.version, connection.boot_status, action, payload)
        if objection is not None:
            raise ValueError(objection)

    async def frame(self, request: Request) -> Any:
        connection = self._connection(request)
        match await _json(request):
            case {"text": str(text)}:
                await connection.send_raw(text)
                return None
        raise ValueError("expected text")

    async def disconnect(self, request: Request) -> Any:
        await self._connection(request).websocket.close(1000, "closed by the operator")

    def _connection(self, request: Request) -> Connection:
        connection = self.csms.connections.get(request.path_params["id"])
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
            raise HTTPException(404, f"there is no action {request.path_params['action']!r}")
        return {"schema": schema, "example": examples.example(schema)}

    async def tokens(self, request: Request) -> Any:
        return self.csms.store.rows("SELECT * FROM tokens ORDER BY id_token")

    async def put_token(self, request: Request) -> Any:
        name = configuration.id_token(request.path_params["id"])
        self.csms.store.set_token(name, **configuration.token(await _json(request)))

    async def delete_token(self, request: Request) -> Any:
        if not self.csms.store.delete_token(request.path_params["id"]):
            raise HTTPException(404, "there is no such token")

    async def orders(self, request: Request) -> Any:
        return self.csms.misbehaviours.listed()

    async def order(self, request: Request) -> Any:
        return {"number": self.csms.misbehaviours.add(misbehaviour.read(await _json(request)))}

    async def withdraw(self, request: Request) -> Any:
        if not self.csms.misbehaviours.remove(_number(request.path_params["number"])):
            raise HTTPException(404, "there is no such order")


async def _json(request: Request) -> dict[str, Any]:
    """Read a body; anything but a JSON object of a sensible size is refused."""
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
    """Read the number of an order; 0, which no order has, where there is none."""
    return int(text) if text.isdecimal() and len(text) <= LONGEST_NUMBER else 0


def _version(request: Request) -> Version:
    for version in VERSIONS:
        if version == request.path_params["version"]:
            return version
    raise HTTPException(404, f"the versions are {', '.join(VERSIONS)}")


async def _no_operation(request: Request) -> Response:
    name = request.path_params["name"]
    raise HTTPException(404, f"{name!r} is none of {', '.join(operations.OPERATIONS)}")


async def _fault(request: Request, error: Exception) -> Response:
    LOG.error("the operator's API failed at %s %s", request.method, request.url.path, exc_info=error)
    return JSONResponse({"error": "the CSMS failed; see its log"}, 500)


async def _error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)
