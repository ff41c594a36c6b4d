"""The control API (JSON, with Starlette): every operation, and the function that answers it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from inspector.errors import SettingsMistake
from inspector.interventions import rules_file
from inspector.interventions.intervention import Intervention
from inspector.proxy.control import openapi, shapes
from inspector.proxy.control.by_hand import edited_text, error_text, result_text
from inspector.proxy.control.openapi import Operation
from inspector.proxy.control.requests import json_of, object_in, one_of, text_in, unknown
from inspector.proxy.control.schemas import SchemaApi
from inspector.proxy.live_sessions import HeldFrame, LiveSessions, Refused
from inspector.proxy.session_tap import SessionTap

logger = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"
_KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
MOST_HELD = 500
"""Held frames in one answer."""
MOST_HELD_BYTES = 256 * 1024
"""The texts of the held frames in one answer; of the others it has the beginning only."""
LONGEST_WAIT_S = 600.0
_AS = {"csms": True, "charge_point": False}
_RULE = Path("rule")
"""Named in messages about a rule of a request, where a file is named in messages about a file."""


class ControlApi:
    """The API of one proxy."""

    def __init__(self, live: LiveSessions, upstream: str) -> None:
        """`upstream` is the address of the CSMS, as the page shows it."""
        self._live, self._upstream = live, upstream
        one, held = "/api/sessions/{charge_point:path}", "/api/held/{id}"
        self.operations = [
            Operation("GET", "/api/status", "Count sessions, rules and held frames", self.status),
            Operation("GET", "/api/sessions", "List the open sessions", self.sessions, content=shapes.SESSIONS),
            Operation(
                "POST", f"{one}/calls", "Send a CALL as one of the peers and wait for the answer", self.call,
                shapes.CALL, shapes.OUTCOME,
            ),
            Operation("POST", f"{one}/frames", "Send a text frame exactly as written", self.send, shapes.TEXT),
            Operation("POST", f"{one}/close", "Close the session with a close frame to both", self.close, shapes.CLOSE),
            Operation("GET", "/api/rules", "List the rules with how often each was applied", self.rules),
            Operation("POST", "/api/rules", "Add a rule, or several as TOML", self.add, shapes.RULE),
            Operation("PATCH", "/api/rules/{name:path}", "Switch a rule on or off", self.switch, shapes.SWITCH),
            Operation("DELETE", "/api/rules/{name:path}", "Remove a rule that was added", self.remove),
            Operation("GET", "/api/held", "List the held frames", self.held, content=shapes.HELD),
            Operation(
                "POST", f"{held}/release", "Send a held frame on, unchanged or edited", self.release, shapes.RELEASE
            ),
            Operation("POST", f"{held}/answer", "Answer a held CALL for its receiver", self.answer, shapes.ANSWER),
            Operation("POST", f"{held}/drop", "Do not send a held frame", self.drop, shapes.NOTHING),
            *SchemaApi().operations,
        ]  # fmt: skip

    def application(self) -> Starlette:
        """Build the ASGI application: the API, its description and the page."""
        routes = [
            Route(operation.path, _endpoint(operation), methods=[operation.method]) for operation in self.operations
        ]
        routes.append(Route("/openapi.json", self._description))
        routes += [Route(path, _file(content, kind)) for path, content, kind in _page()]
        return Starlette(routes=routes, exception_handlers={HTTPException: _error, Exception: _fault})

    async def _description(self, request: Request) -> Response:
        return JSONResponse(openapi.describe(self.operations))

    # --- sessions ---------------------------------------------------------------------------------------------

    async def status(self, request: Request) -> Any:
        sessions, rules = self._live.all(), self._live.interventions
        return {
            "upstream": self._upstream,
            "sessions": len(sessions),
            "editing": sum(tap.edited is not None for tap in sessions),
            "held": sum(1 for _ in self._live.held()),
            "rules": len(rules.known),
            "file": str(rules.path) if rules.path else None,
        }

    async def sessions(self, request: Request) -> Any:
        return [shapes.session(tap, self._live.version(tap), self._live.refusal(tap)) for tap in self._live.all()]

    def _session(self, request: Request) -> SessionTap:
        name = request.path_params["charge_point"]
        tap = self._live.find(name)
        if tap is None:
            known = [str(one.facts.get("charge_point_id") or "") for one in self._live.all()]
            raise unknown("session of the charge point", name, known)
        return tap

    async def call(self, request: Request) -> Any:
        content = await json_of(request, "as", "action", "payload", "seconds")
        as_csms, action = one_of(content, "as", _AS), text_in(content, "action")
        seconds = content.get("seconds", 30)
        if type(seconds) not in (int, float) or not 0 < seconds <= LONGEST_WAIT_S:
            raise HTTPException(422, f"seconds: expected a number up to {LONGEST_WAIT_S:g}, got {seconds!r:.100}")
        return await self._live.call(self._session(request), as_csms, action, object_in(content, "payload"), seconds)

    async def send(self, request: Request) -> Any:
        content = await json_of(request, "as", "text")
        self._live.send_text(self._session(request), one_of(content, "as", _AS), text_in(content, "text"))

    async def close(self, request: Request) -> Any:
        content = await json_of(request, "code", "reason")
        try:
            code, reason = rules_file.close_of(content)
        except SettingsMistake as mistake:
            raise _wrong(mistake) from None
        self._live.close(self._session(request), code, reason)

    # --- rules ------------------------------------------------------------------------------------------------

    async def rules(self, request: Request) -> Any:
        rules, applied = self._live.interventions, self._live.interventions.turns.applied()
        return [
            {
                "name": rule.name,
                "on": rule.name not in rules.off,
                "applied": applied.get(rule.name, 0),
                "match": rule.source.get("match", {}),
                "do": rule.source.get("do", {}),
                "from": "api" if rule.name in rules.added else "file",
            }
            for rule in rules.known
        ]

    async def add(self, request: Request) -> Any:
        content = await json_of(request, "toml", "name", "match", "do")
        try:
            rules = await asyncio.to_thread(_rules_in, content)  # frames are relayed meanwhile
            if not rules:
                raise HTTPException(422, "the text has no rule: it needs [[intervention]]")
            self._live.interventions.add(rules)
            await self._live.matched()
        except SettingsMistake as mistake:
            raise _wrong(mistake, several="toml" in content) from None
        except ValueError as mistake:
            raise HTTPException(409, str(mistake)) from None
        refused = {
            str(tap.facts.get("charge_point_id") or ""): why
            for tap in self._live.all()
            if (why := self._live.refusal(tap)) is not None
            and any(rule.match.takes_charge_point(tap.facts.get("charge_point_id") or "") for rule in rules)
        }
        return {"added": [rule.name for rule in rules], "cannot_apply_to": refused}

    async def switch(self, request: Request) -> Any:
        content = await json_of(request, "on")
        if type(content.get("on")) is not bool:
            raise HTTPException(422, "on: expected true or false")
        name = self._rule_name(request)
        self._live.interventions.switch(name, content["on"])
        await self._live.matched()

    async def remove(self, request: Request) -> Any:
        try:
            self._live.interventions.remove(self._rule_name(request))
        except ValueError as mistake:
            raise HTTPException(409, str(mistake)) from None

    def _rule_name(self, request: Request) -> str:
        name: str = request.path_params["name"]
        known = [rule.name for rule in self._live.interventions.known]
        if name not in known:
            raise unknown("rule", name, known)
        return name

    # --- held frames ------------------------------------------------------------------------------------------

    async def held(self, request: Request) -> Any:
        frames, room = [], MOST_HELD_BYTES
        for one in islice(self._live.held(), MOST_HELD):
            frames.append(shapes.held(one, self._live.version(one.tap), room))
            room -= len(one.held.raw)
        return frames

    def _held(self, request: Request) -> HeldFrame:
        known = {one.id: one for one in self._live.held()}
        if request.path_params["id"] not in known:
            raise unknown("held frame", request.path_params["id"], known)
        return known[request.path_params["id"]]

    async def release(self, request: Request) -> Any:
        content = await json_of(request, "text", "payload", "edit")
        one = self._held(request)
        text = edited_text(one.held, content)
        self._live.release(one, None if text is None else [(True, text)])

    async def answer(self, request: Request) -> Any:
        content = await json_of(request, "payload", "error")
        one = self._held(request)
        if ("payload" in content) is ("error" in content):
            raise HTTPException(422, "expected either payload or error")
        text = error_text(one.held, object_in(content, "error")) if "error" in content else None
        self._live.release(one, [(False, text or result_text(one.held, object_in(content, "payload")))])

    async def drop(self, request: Request) -> Any:
        await json_of(request)
        self._live.release(self._held(request), [])


def _wrong(mistake: SettingsMistake, *, several: bool = False) -> HTTPException:
    """Return the refusal of a rule or a close code: its place in the request, and what is wrong."""
    place = mistake.place if several else mistake.place.removeprefix("intervention 1").removeprefix(".close").strip(".")
    return HTTPException(422, f"{place}: {mistake.why}" if place else mistake.why)


def _page() -> Iterator[tuple[str, bytes, str]]:
    """Return the path, the content and the media type of each file of the page.

    Starlette's own class for files needs anyio's task groups, which fail in mitmproxy's event loop (eager tasks).
    """
    for file in sorted(path for path in PAGE.rglob("*") if path.suffix in _KINDS):
        name = file.relative_to(PAGE).as_posix()
        yield "/" if name == "index.html" else f"/{name}", file.read_bytes(), _KINDS[file.suffix]


def _file(content: bytes, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return Response(content, media_type=kind)

    return endpoint


def _rules_in(content: dict[str, Any]) -> tuple[Intervention, ...]:
    """Return the rules of a request: TOML text, or one rule as JSON. Raises SettingsMistake."""
    if "toml" in content:
        if len(content) > 1:
            raise HTTPException(422, "expected either toml, or name, match and do")
        return rules_file.read(text_in(content, "toml"), _RULE)
    return rules_file.rules_of({"intervention": [content]}, _RULE)


def _endpoint(operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            content = await operation.answer(request)
        except Refused as refused:
            raise HTTPException(409, str(refused)) from None
        if content is None:
            return Response(status_code=204)
        return Response(orjson.dumps(content, default=str), media_type="application/json")

    return endpoint


async def _error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


async def _fault(request: Request, error: Exception) -> Response:
    logger.error("internal error in the control API: %s %s", request.method, request.url.path, exc_info=error)
    return JSONResponse({"error": "the proxy failed; see its log"}, 500)
