"""A small CSMS for tests: answers as the specification says, keeps every frame, and sends what a test asks for."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

type Frame = list[Any]

VERSIONS = ("1.6", "2.0.1", "2.1")


class ListeningCsms:
    """Answers what charge points send.

    Attributes:
        frames: ("cp" or "csms", parsed frame) of every frame, in order.
        heard: (monotonic seconds, parsed frame) of each CALL of a charge point, taken before the answer goes out.
    """

    def __init__(self) -> None:
        self.frames: list[tuple[str, Frame]] = []
        self.heard: list[tuple[float, Frame]] = []
        self.connections: list[ServerConnection] = []
        self.answers: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {}
        self.refuse_tokens: set[str] = set()
        self.errors: dict[str, list[str]] = {}
        """Codes of the CALLERRORs that answer the next CALLs of an action."""
        self.insist_on_boot = False
        self._booted: set[ServerConnection] = set()
        self._waiting: dict[str, asyncio.Future[Frame]] = {}
        self._news = asyncio.Condition()
        self._transactions = 0
        self._server: Server | None = None

    async def start(self, port: int = 0) -> None:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            port,
            subprotocols=["ocpp2.1", "ocpp2.0.1", "ocpp1.6"],  # type: ignore[list-item]
        )

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(next(iter(self._server.sockets)).getsockname()[1])

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def calls(self, action: str | None = None) -> list[dict[str, Any]]:
        """Return the payloads of the charge points' CALLs, in order."""
        return [
            frame[3] for side, frame in self.frames if side == "cp" and frame[0] == 2 and action in (None, frame[2])
        ]

    def actions(self) -> list[str]:
        return [frame[2] for side, frame in self.frames if side == "cp" and frame[0] == 2]

    def heard_at(self, name: str) -> float:
        """Return the time of the first CALL with an action, or of the first TransactionEvent with an eventType."""
        return next(at for at, frame in self.heard if name in (frame[2], frame[3].get("eventType")))

    async def until(self, happened: Callable[[], object], timeout: float = 10.0) -> None:
        """Wait until a condition holds; check it whenever a frame comes in."""
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(lambda: bool(happened())), timeout)

    async def ask(self, action: str, payload: dict[str, Any], timeout: float = 10.0) -> Frame:
        """Send a CALL over the newest connection and return the whole answer."""
        message_id = str(uuid.uuid4())
        self._waiting[message_id] = asyncio.get_running_loop().create_future()
        await self.send([2, message_id, action, payload])
        return await asyncio.wait_for(self._waiting[message_id], timeout)

    async def send(self, frame: Frame) -> None:
        self.frames.append(("csms", frame))
        await self.connections[-1].send(json.dumps(frame))

    async def _serve(self, socket: ServerConnection) -> None:
        self.connections.append(socket)
        await self._tell()
        try:
            async for raw in socket:
                frame = json.loads(raw)
                self.frames.append(("cp", frame))
                if frame[0] == 2:
                    self.heard.append((time.monotonic(), frame))
                    await self._answer(socket, frame)
                elif frame[1] in self._waiting:
                    self._waiting[frame[1]].set_result(frame)
                await self._tell()
        except ConnectionClosed:
            pass

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def _answer(self, socket: ServerConnection, frame: Frame) -> None:
        action, payload = frame[2], frame[3]
        if action == "BootNotification":
            self._booted.add(socket)
        elif self.insist_on_boot and socket not in self._booted:
            await socket.send(json.dumps([4, frame[1], "SecurityError", "boot first", {}]))
            return
        if self.errors.get(action):
            await socket.send(json.dumps([4, frame[1], self.errors[action].pop(0), "refused by the test", {}]))
            return
        make = self.answers.get(action)
        answer = make(payload) if make else self.usual(action, payload)
        if answer is not None:
            self.frames.append(("csms", [3, frame[1], answer]))
            await socket.send(json.dumps([3, frame[1], answer]))

    def usual(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        token = payload.get("idTag") or payload.get("idToken", {}).get("idToken")
        status = {"status": "Invalid" if token in self.refuse_tokens else "Accepted"}
        match action:
            case "BootNotification":
                return {"status": "Accepted", "currentTime": now, "interval": 300}
            case "Heartbeat":
                return {"currentTime": now}
            case "Authorize":
                return {"idTagInfo": status} if "idTag" in payload else {"idTokenInfo": status}
            case "StartTransaction":
                self._transactions += 1
                return {"transactionId": self._transactions, "idTagInfo": status}
            case "TransactionEvent":
                return {"idTokenInfo": status} if token else {}
            case (
                "DataTransfer"
                | "OpenPeriodicEventStream"
                | "SignCertificate"
                | "Get15118EVCertificate"
                | "NotifyEVChargingNeeds"
            ):
                return {"status": "Accepted"}
            case _:
                return {}
