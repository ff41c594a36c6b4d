"""One charge point's WebSocket: answers its CALLs and sends ours, one at a time; knows no version's actions."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

import ocpp.charge_point
import ocpp.routing
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from csms import frames, schemas
from csms.errors import Refusal
from csms.frames import Call, CallError, CallResult, Malformed
from csms.learning import learn
from csms.misbehaviour import Delivery, spoil
from csms.nesting import too_deep
from csms.schemas import Payload, Version

if TYPE_CHECKING:
    from csms.central_system import CentralSystem

LOG = logging.getLogger("csms")
ANSWER_TIMEOUT_S = 30.0


def answers[Handler: Callable[..., Any]](action: str) -> Callable[[Handler], Handler]:
    """Mark the method that answers the CALLs of an action, by way of ocpp's own routing."""
    return cast(Callable[[Handler], Handler], ocpp.routing.on(action))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a CALL of ours ended: kind is CALLRESULT, CALLERROR, timeout or closed."""

    kind: str
    payload: Payload | None = None
    error_code: str | None = None
    error_description: str | None = None

    @property
    def status(self) -> str | None:
        return self.payload.get("status") if self.payload else None


class Connection(ocpp.charge_point.ChargePoint):  # type: ignore[misc]
    """A charge point as the CSMS meets it. The versions add the answers, as methods marked with `answers`.

    `ocpp` gives the routing, the message classes and the ids. Reading and validating are our own: ocpp's reader
    raises on hostile frames, knows neither SEND nor CALLRESULTERROR and spells error codes one way for all versions.
    A handler takes the payload as it came and returns one of ocpp's `call_result` classes; it raises `Refusal`
    for a CALLERROR.
    """

    version: ClassVar[Version]

    def __init__(self, charge_point_id: str, websocket: ServerConnection, csms: CentralSystem) -> None:
        super().__init__(charge_point_id, websocket, response_timeout=ANSWER_TIMEOUT_S, logger=LOG)
        self.websocket, self.csms, self.store = websocket, csms, csms.store
        known = self.store.charge_point(charge_point_id)
        self.boot_status: str | None = known["boot_status"] if known else None
        self.asked_for: set[str] = set()
        self.seen = csms.seen.of(charge_point_id)
        self._pending: tuple[str, str, asyncio.Future[CallResult | CallError | None]] | None = None
        self._last_answer: tuple[str, str] | None = None
        self._follow_ups: list[Callable[[], Coroutine[Any, Any, object]]] = []
        self._tasks: set[asyncio.Task[object]] = set()

    async def serve(self) -> None:
        """Handle frames until the connection ends; a charge point's faults never end it."""
        try:
            async for raw in self.websocket:
                self.seen.add("charge_point", raw if isinstance(raw, str) else f"<{len(raw)} bytes>")
                await self.route_message(raw)
        except ConnectionClosed:
            pass
        finally:
            if self._pending and not self._pending[2].done():
                self._pending[2].set_result(None)
            for task in self._tasks:
                task.cancel()

    async def route_message(self, raw_msg: str | bytes) -> None:
        """Take one frame as it came."""
        message = frames.parse(raw_msg, self.version)
        match message:
            case Call(answered=True):
                await self._answer(message, str(raw_msg))
            case Call():
                self._take_send(message)
            case CallResult() | CallError():
                self._take_answer(message)
            case Malformed():
                LOG.warning("%s: %s", self.id, message.reason)
                if message.message_id is not None and message.code is not None:
                    error = frames.call_error(self.version, message.message_id, message.code, message.reason)
                    await self._send(error)

    async def _answer(self, call: Call, raw: str) -> None:
        # A charge point may send the very same CALL again when the answer was late (OCPP-J 1.6, errata 3.1).
        if self._last_answer is not None and self._last_answer[0] == raw:
            answer = self._last_answer[1]
        else:
            try:
                answer = self._result_or_error(call)
                self._last_answer = (raw, answer)
            except Exception:
                # Not remembered: what failed is done when it is sent again.
                LOG.exception("%s: %s could not be answered", self.id, call.action)
                reason = "the CSMS failed; see its log"
                answer = frames.call_error(self.version, call.message_id, "InternalError", reason)
        order = self.csms.misbehaviours.pick(self.id, call.action)
        if order is not None:
            LOG.warning("%s: misbehaving as ordered, %s", self.id, order)
        delivery = spoil(order, self.version, answer)
        if delivery.delay_s:
            # Other frames are read meanwhile, or a delayed answer would hold up the answers to our own CALLs.
            self.spawn(self._deliver(delivery))
        else:
            await self._deliver(delivery)

    async def _deliver(self, delivery: Delivery) -> None:
        follow_ups, self._follow_ups = self._follow_ups, []
        if delivery.delay_s:
            await asyncio.sleep(delivery.delay_s)
        for text in delivery.texts:
            await self._send(text)
        if delivery.close_code is not None:
            await self.websocket.close(delivery.close_code, "as requested")
        for follow_up in follow_ups:
            self.spawn(follow_up())

    def _result_or_error(self, call: Call) -> str:
        try:
            with self.store.writing():
                payload = self._handle(call)
        except Refusal as refusal:
            LOG.warning("%s: %s refused, %s", self.id, call.action[:40], refusal)
            return frames.call_error(self.version, call.message_id, refusal.code, refusal.description)
        except (OverflowError, sqlite3.IntegrityError) as error:
            LOG.warning("%s: %s refused, %s", self.id, call.action, error)
            reason = "a number is too large to be kept"
            return frames.call_error(self.version, call.message_id, "PropertyConstraintViolation", reason)
        return frames.call_result(call.message_id, payload)

    def _handle(self, call: Call) -> Payload:
        """Judge, route and answer one CALL; returns the CALLRESULT's payload."""
        handler = self.route_map.get(call.action, {}).get("_on_action")
        if handler is None or call.action in schemas.SENDS:
            raise self._not_ours(call.action)
        welcome = self.boot_status == "Accepted" or call.action in self.asked_for
        if not welcome and call.action != "BootNotification":
            # 2.0.1 B01.FR.10; 1.6, 4.2 has no code for it but the same sense.
            raise Refusal("SecurityError", f"{call.action} before this charge point's BootNotification was accepted")
        if (fault := schemas.fault(self.version, call.action, "request", call.payload)) is not None:
            raise Refusal(fault.code, str(fault))
        answer = handler(call.payload)
        plain = ocpp.charge_point.remove_nones(ocpp.charge_point.serialize_as_dict(answer))
        payload: Payload = ocpp.charge_point.snake_to_camel_case(plain)
        if (fault := schemas.fault(self.version, call.action, "response", payload)) is not None:
            raise RuntimeError(f"our answer to {call.action} does not fit its schema: {fault}")
        return payload

    def _not_ours(self, action: str) -> Refusal:
        if action in schemas.SENDS & schemas.actions(self.version):
            return Refusal("ProtocolError", f"{action} is sent as SEND (message type 6), not as CALL")
        if action in schemas.actions(self.version):
            return Refusal("NotSupported", f"{action} is sent by a CSMS, not by a charge point")
        return Refusal("NotImplemented", f"OCPP {self.version} has no action {action[:80]}")

    def _take_send(self, send: Call) -> None:
        """Take in a SEND (2.1 part 4, 4.2.4), which is never answered, whatever it holds."""
        handler = self.route_map.get(send.action, {}).get("_on_action")
        if handler is None or send.action not in schemas.SENDS or self.boot_status != "Accepted":
            LOG.warning("%s: SEND of %s ignored", self.id, send.action[:40])
        elif (fault := schemas.fault(self.version, send.action, "request", send.payload)) is not None:
            LOG.warning("%s: SEND of %s ignored, %s", self.id, send.action, fault)
        else:
            try:
                with self.store.writing():
                    handler(send.payload)
            except Exception:
                LOG.exception("%s: SEND of %s could not be kept", self.id, send.action)

    async def send_call(self, action: str, payload: Payload) -> Outcome:
        """Send a CALL and wait for its answer; waits its turn, as one CALL at a time may be pending.

        Whether it should be sent is asked of `permission` beforehand; here it goes out as it is.
        """
        async with self._call_lock:
            message_id = str(self._unique_id_generator())
            future: asyncio.Future[CallResult | CallError | None] = asyncio.get_running_loop().create_future()
            self._pending = (message_id, action, future)
            self._note_request(action, payload)
            try:
                await self._send(frames.call(message_id, action, payload))
                answer = await asyncio.wait_for(future, self._response_timeout)
            except TimeoutError:
                return Outcome("timeout")
            except ConnectionClosed:
                answer = None
            finally:
                self._pending = None
        if answer is None:
            return Outcome("closed")
        if isinstance(answer, CallError):
            return Outcome("CALLERROR", None, answer.code, answer.description)
        fault = schemas.fault(self.version, action, "response", answer.payload)
        if fault is not None:
            LOG.warning("%s: the answer to %s does not fit its schema, %s", self.id, action, fault)
            if self.version == "2.1":
                await self._send(frames.call_error("2.1", message_id, fault.code, str(fault), frames.CALLRESULTERROR))
            # What is nested too deep could not be written as JSON again.
            shown = None if too_deep(answer.payload) else answer.payload
            return Outcome("CALLRESULT", shown, fault.code, str(fault))
        self._learn(action, payload, answer.payload)
        return Outcome("CALLRESULT", answer.payload)

    def _learn(self, action: str, request: Payload, response: Payload) -> None:
        """Draw the conclusions from an answer that fits its schema, where what was sent fits one too."""
        unknown = action not in schemas.actions(self.version)
        if unknown or schemas.fault(self.version, action, "request", request) is not None:
            return
        try:
            with self.store.writing():
                learn(self.store, self.id, action, request, response)
        except (OverflowError, sqlite3.Error) as error:
            LOG.warning("%s: what %s has changed is not kept, %s", self.id, action, error)

    def _note_request(self, action: str, payload: Payload) -> None:
        """Remember what the charge point was asked to send, which it may do while its boot is pending."""
        if action in ("TriggerMessage", "ExtendedTriggerMessage"):
            wanted = str(payload.get("requestedMessage"))
            # Triggers name the certificate (SignV2GCertificate); the message is SignCertificate for all of them.
            self.asked_for.add("SignCertificate" if wanted.endswith("Certificate") else wanted)
        elif action in ("GetBaseReport", "GetReport"):
            self.asked_for.add("NotifyReport")

    def _take_answer(self, answer: CallResult | CallError) -> None:
        pending = self._pending
        if isinstance(answer, CallError) and answer.of_result:
            LOG.warning("%s: CALLRESULTERROR %s %s", self.id, answer.code, answer.description)
        elif pending is None or pending[0] != answer.message_id or pending[2].done():
            LOG.warning("%s: an answer to no pending CALL ignored (id %s)", self.id, answer.message_id)
        else:
            pending[2].set_result(answer)

    async def _send(self, message: str) -> None:
        self.seen.add("csms", message)
        try:
            await self.websocket.send(message)
        except ConnectionClosed:
            LOG.info("%s: gone before it could be answered", self.id)
            raise

    async def send_raw(self, text: str) -> None:
        """Send a frame of the operator's own making, well-formed or not."""
        await self._send(text)

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """Run something beside the reading of frames; it ends with the connection."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def afterwards(self, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Run something once the CALL at hand has been answered."""
        self._follow_ups.append(work)

    def boot(self, vendor: str, model: str, firmware: str | None, serial: str | None) -> tuple[str, int]:
        """Decide on a boot; returns the status and the interval in seconds."""
        status = self.csms.boot_policy(self.id)
        self.boot_status = status
        accepted = status == "Accepted"
        if accepted:
            self.asked_for.clear()
        facts = {"vendor": vendor, "model": model, "firmware": firmware, "serial": serial}
        self.store.booted(self.id, status, facts)
        LOG.info("%s: %s %s boots, OCPP %s, %s", self.id, vendor, model, self.version, status)
        return status, self.csms.settings.heartbeat_s if accepted else self.csms.settings.retry_s

    def sign(self, csr: str, kind: Payload) -> str | None:
        """Decide on a certificate signing request; once it is answered, the certificate follows.

        Args:
            csr: in PEM.
            kind: members of the request that CertificateSigned repeats.

        Returns:
            None when it is accepted, else the reason code (2.x appendix 5) for refusing it.
        """
        if self.csms.authority is None:
            return "NotEnabled"
        known = self.store.charge_point(self.id)
        names = {self.id, known["serial"]} - {None} if known else {self.id}
        try:
            chain = self.csms.authority.sign(csr, names)
        except ValueError as error:
            LOG.warning("%s: SignCertificate rejected, %s", self.id, error)
            return "InvalidCSR"
        self.afterwards(lambda: self.send_call("CertificateSigned", {"certificateChain": chain, **kind}))
        return None
