"""OCPP-J over one WebSocket of a charge point: send CALLs, wait for their answers, and answer the CSMS's CALLs.

Payloads are dicts with the specification's names. Frames, error codes and schemas are those of the `ocpp` package. Its
ChargePoint class is not used: it converts names to snake_case and back, which changes names such as `V2XControl`, and
it supports neither SEND nor CALLRESULTERROR (OCPP 2.1 part 4, 4.2.3 and 4.2.4).
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from array import array
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ocpp.exceptions import OCPPError, ProtocolError
from ocpp.messages import Call, CallError, CallResult, unpack
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from simulator.answer_faults import Delivery, Order
from simulator.schemas import violation

type Payload = dict[str, Any]
type Message = tuple[str, Payload]
"""The action and the payload of a CALL."""

SUBPROTOCOLS = {"1.6": "ocpp1.6", "2.0.1": "ocpp2.0.1", "2.1": "ocpp2.1"}

SPELLING_1_6 = {
    "FormatViolation": "FormationViolation",
    "OccurrenceConstraintViolation": "OccurenceConstraintViolation",
}
"""Two error codes in the spelling of OCPP-J 1.6, which has typing errors there (table 7)."""

LAST_ANSWER_S = 1.0
"""Seconds that `close` waits for the answer to a pending CALL."""


class Reply(NamedTuple):
    """The payload of an answer, and a coroutine function to run once the answer is sent."""

    payload: Payload
    then: Callable[[], Coroutine[Any, Any, Any]] | None = None


class CallFailed(Exception):
    """A CALL to the CSMS failed; `str()` returns the message for the user."""

    def __init__(self, action: str, why: str) -> None:
        self.action, self.why = action, why
        super().__init__(action, why)

    def __str__(self) -> str:
        return f"{self.action} {self.why}"


class CallRefused(CallFailed):
    """The CSMS answered with a CALLERROR with this `code`, or with a payload that does not fit its schema."""

    def __init__(self, action: str, why: str, code: str = "") -> None:
        super().__init__(action, why)
        self.code = code


class CallUnanswered(CallFailed):
    """The CSMS did not answer within the time-out."""


class LinkLost(CallFailed):
    """The WebSocket ended before the answer came."""


class NotAnswered(Exception):
    """A CALL of the CSMS that must not get an answer."""


@dataclass(slots=True)
class Traffic:
    """Counts of one charge point's messages; `latencies` are milliseconds by action, as 32-bit floats."""

    sent: int = 0
    answered: int = 0
    refused: int = 0
    unanswered: int = 0
    served: int = 0
    orphans: int = 0
    latencies: dict[str, array[float]] = field(default_factory=dict)


class Link:
    """OCPP-J over one open WebSocket: at most one CALL is pending, and the CSMS's CALLs are answered in order."""

    def __init__(
        self,
        socket: ClientConnection,
        version: str,
        answer: Callable[[str, Payload], Reply],
        spawn: Callable[[Coroutine[Any, Any, Any]], object],
        traffic: Traffic,
        timeout: float = 30.0,
    ) -> None:
        self.socket, self.version, self.traffic, self.timeout = socket, version, traffic, timeout
        self._answer, self._spawn = answer, spawn
        self._one_call = asyncio.Lock()
        self._pending: dict[str, asyncio.Future[CallResult | CallError]] = {}
        self.last_called = time.monotonic()
        self.spoil: Order | None = None
        """Replaces the next answer that it concerns, for misbehaviour on request."""

    async def serve(self) -> None:
        """Read until the WebSocket ends; then every pending CALL fails with LinkLost."""
        try:
            async for raw in self.socket:
                await self._receive(raw)
        except ConnectionClosed:
            pass
        finally:
            for waiting in self._pending.values():
                if not waiting.done():
                    waiting.cancel()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the WebSocket, after waiting at most `LAST_ANSWER_S` for the answer to a pending CALL."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_ANSWER_S), self._one_call:
                pass
        await self.socket.close(code, reason)

    async def call(self, action: str, payload: Payload, message_id: str | None = None) -> Payload:
        """Send a CALL and return the payload of its CALLRESULT.

        Raises:
            CallRefused: the answer is a CALLERROR, or does not fit its schema.
            CallUnanswered: there is no answer within the time-out.
            LinkLost: the WebSocket ended first.
        """
        async with self._one_call:
            call = Call(message_id or str(uuid.uuid4()), action, payload)
            waiting: asyncio.Future[CallResult | CallError] = asyncio.get_running_loop().create_future()
            self._pending[call.unique_id] = waiting
            self.last_called = started = time.monotonic()
            try:
                await self.send(call.to_json())
                self.traffic.sent += 1
                result = await asyncio.wait_for(waiting, self.timeout)
            except TimeoutError:
                self.traffic.unanswered += 1
                raise CallUnanswered(action, f"was not answered within {self.timeout:g} s") from None
            except ConnectionClosed:
                raise LinkLost(action, "was not answered: the connection ended") from None
            except asyncio.CancelledError:
                if waiting.cancelled() and not _being_cancelled():
                    self.traffic.unanswered += 1
                    raise LinkLost(action, "was not answered: the connection ended") from None
                raise
            finally:
                del self._pending[call.unique_id]
            self.traffic.latencies.setdefault(action, array("f")).append((time.monotonic() - started) * 1000)
        self.traffic.answered += 1
        return await self._judged(action, result)

    async def _judged(self, action: str, result: CallResult | CallError) -> Payload:
        if isinstance(result, CallError):
            self.traffic.refused += 1
            why = f"was refused: {result.error_code} {result.error_description}".rstrip()
            raise CallRefused(action, why, str(result.error_code))
        if fault := violation("response", action, result.payload, self.version):
            self.traffic.refused += 1
            if self.version == "2.1":
                await self.send(json.dumps([5, result.unique_id, fault.code, fault.description, {}]))
            raise CallRefused(action, f"got an answer that does not fit its schema: {fault.description}")
        payload: Payload = result.payload
        return payload

    async def shout(self, text: str | bytes, message_id: str | None = None, wait: float = 1.0) -> None:
        """Send a frame that may be invalid; with an id, wait up to `wait` seconds for an answer, and ignore it."""
        async with self._one_call:
            self.last_called = time.monotonic()
            await self.socket.send(text)
            if message_id is None:
                return
            self._pending[message_id] = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._pending[message_id]], timeout=wait)
            del self._pending[message_id]

    async def shout_at_once(self, texts: dict[str, str], wait: float = 1.0) -> None:
        """Send several CALLs (by message id) in one write, so that no answer can come between them."""
        async with self._one_call:
            self.last_called = time.monotonic()
            for message_id in texts:
                self._pending[message_id] = asyncio.get_running_loop().create_future()
            frames = [Frame(Opcode.TEXT, text.encode()).serialize(mask=True) for text in texts.values()]
            self.socket.transport.write(b"".join(frames))
            await asyncio.wait([self._pending[message_id] for message_id in texts], timeout=wait)
            for message_id in texts:
                del self._pending[message_id]

    async def send_only(self, action: str, payload: Payload) -> None:
        """Send a SEND (2.1 only), which gets no answer."""
        await self.send(json.dumps([6, str(uuid.uuid4()), action, payload], separators=(",", ":")))

    async def send(self, text: str) -> None:
        """Send one text frame."""
        await self.socket.send(text)

    async def _receive(self, raw: str | bytes) -> None:
        try:
            message = unpack(raw)
        except (OCPPError, ValueError, RecursionError) as fault:
            await self._complain(raw, fault)
            return
        if isinstance(message, Call):
            await self._serve(message)
            return
        waiting = self._pending.get(message.unique_id) if isinstance(message.unique_id, str) else None
        if waiting is None or waiting.done():
            self.traffic.orphans += 1
        else:
            waiting.set_result(message)
            # Let the waiting task handle the answer before the next frame is read. That frame may depend on it, such as
            # RemoteStopTransaction with the transaction id in the answer to StartTransaction.
            await asyncio.sleep(0)

    async def _complain(self, raw: str | bytes, fault: Exception) -> None:
        """Answer an unreadable frame (2.x part 4, 4.1.3 and 4.2.3); 1.6 has no answer for that."""
        if self.version == "1.6":
            return
        try:
            frame = json.loads(raw)
        except (ValueError, RecursionError):
            frame = None
        kind, message_id = (*frame, None, None)[:2] if isinstance(frame, list) else (None, None)
        if kind in (3, 4, 5, 6):
            return
        if isinstance(kind, int) and kind != 2 and isinstance(message_id, str):
            complaint = [4, message_id, "MessageTypeNotSupported", f"unknown message type {kind}", {}]
        else:
            complaint = [4, "-1", "RpcFrameworkError", type(fault).__name__, {}]
        await self.send(json.dumps(complaint))

    async def _serve(self, call: Call) -> None:
        self.traffic.served += 1
        try:
            if not isinstance(call.unique_id, str) or not isinstance(call.action, str):
                raise ProtocolError(description="the message id and the action must be strings")
            reply = self._answer(call.action, call.payload)
        except OCPPError as fault:
            await self.send(self._call_error(call.unique_id, fault))
            return
        except NotAnswered:
            return
        text = call.create_call_result(reply.payload).to_json()
        if self.spoil is None or not self.spoil.concerns(call.action):
            await self.send(text)
            if reply.then is not None:
                self._spawn(reply.then())
            return
        delivery, self.spoil = self.spoil.carry_out(text, self.version), None
        self._spawn(self._deliver(delivery, reply))

    async def _deliver(self, delivery: Delivery, reply: Reply) -> None:
        """Send the frames that replace an answer, then run the coroutine that follows the correct answer."""
        await asyncio.sleep(delivery.delay_s)
        with suppress(ConnectionClosed):
            for frame in delivery.frames:
                await self.send(frame)
        if delivery.close_code is not None:
            await self.socket.close(delivery.close_code, "misbehaving on request")
        elif reply.then is not None:
            await reply.then()

    def _call_error(self, message_id: object, fault: OCPPError) -> str:
        code = SPELLING_1_6.get(fault.code, fault.code) if self.version == "1.6" else fault.code
        text: str = CallError(message_id, code, (fault.description or "")[:255], {}).to_json()
        return text


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
