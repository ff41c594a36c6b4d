"""One charge point's WebSocket: answer the charge point's CALLs, and send the CALLs of the CSMS, one at a time.

The answers to the actions of each version are in `v16`, `v201` and `v21`.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import ocpp.charge_point
import ocpp.routing
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from csms import schemas, timestamps
from csms.certificates import lookups
from csms.context import Context
from csms.errors import Refusal
from csms.learning import learn
from csms.misbehaviour import Delivery, spoil
from csms.schemas import Payload, Version
from csms.wire import frames
from csms.wire.frames import Call, CallError, CallResult, Malformed
from csms.wire.nesting import too_deep

LOG = logging.getLogger("csms")
ANSWER_TIMEOUT_S = 30.0


def answers[Handler: Callable[..., Any]](action: str) -> Callable[[Handler], Handler]:
    """Mark the method that answers the CALLs of an action, for the routing of `ocpp`."""
    return cast(Callable[[Handler], Handler], ocpp.routing.on(action))


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a CALL of the CSMS; `kind` is CALLRESULT, CALLERROR, timeout or closed."""

    kind: str
    payload: Payload | None = None
    error_code: str | None = None
    error_description: str | None = None

    @property
    def status(self) -> str | None:
        return self.payload.get("status") if self.payload else None


class Connection(ocpp.charge_point.ChargePoint):  # type: ignore[misc]
    """The connection of one charge point. A subclass for each version adds the answers: methods with `@answers`.

    Routing, answer classes and message ids come from `ocpp`. Parsing and validation do not, because `ocpp` raises on
    hostile frames, lacks SEND and CALLRESULTERROR, and spells error codes the same in all versions. A handler gets the
    payload as it came and returns one of ocpp's `call_result` classes, or raises `Refusal` for a CALLERROR. It returns
    a dict where ocpp would misspell a member: it makes receiptURL of receipt_url, and limitL2 of limit_L2.
    """

    version: ClassVar[Version]

    def __init__(self, charge_point_id: str, websocket: ServerConnection, context: Context) -> None:
        super().__init__(charge_point_id, websocket, response_timeout=ANSWER_TIMEOUT_S, logger=LOG)
        self.websocket, self.context, self.store = websocket, context, context.store
        known = self.store.charge_point(charge_point_id)
        self.boot_status: str | None = known["boot_status"] if known else None
        self.asked_for: set[str] = set()
        self.log = context.log.of(charge_point_id)
        self.last_message: str | None = None
        """When it sent its latest message; kept in the store when the connection ends."""
        self._pending: tuple[str, str, asyncio.Future[CallResult | CallError | None]] | None = None
        self._last_answer: tuple[str, str] | None = None
        self._follow_ups: list[Callable[[], Coroutine[Any, Any, object]]] = []
        self._tasks: set[asyncio.Task[object]] = set()
        self._looking: asyncio.Task[object] | None = None
        self.looked_up: Any = None
        """The facts that were looked up for the CALL that is being answered; see `lookups`."""
        self.certificate_name: str | None = None
        """The common name of its client certificate, which must be its serial number (security profile 3)."""

    async def serve(self) -> None:
        """Handle frames until the connection ends. Mistakes of the charge point do not end it."""
        try:
            async for raw in self.websocket:
                self.last_message = timestamps.now()
                self.log.add("charge_point", raw)
                await self.route_message(raw)
        except ConnectionClosed:
            pass
        finally:
            if self._pending and not self._pending[2].done():
                self._pending[2].set_result(None)
            for task in self._tasks:
                task.cancel()

    async def route_message(self, raw_msg: str | bytes) -> None:
        """Handle one frame of the charge point."""
        message = frames.parse(raw_msg, self.version)
        match message:
            case Call(answered=True):
                await self._answer_in_turn(message, str(raw_msg))
            case Call():
                self._take_send(message)
            case CallResult() | CallError():
                self._take_answer(message)
            case Malformed():
                LOG.warning("%s: %s", self.id, message.reason)
                if message.message_id is not None and message.code is not None:
                    error = frames.call_error(self.version, message.message_id, message.code, message.reason)
                    await self._send(error)

    async def _answer_in_turn(self, call: Call, raw: str) -> None:
        """Answer a CALL at once, or in a task if facts from other machines are needed first, one after the other."""
        if self._looking is not None:
            await asyncio.wait([self._looking])
        look_up = lookups.wanted(call.action, call.payload) if self._is_valid(call) else None
        if look_up is None:
            await self._answer(call, raw)
            return

        async def answer() -> None:
            try:
                facts = await look_up(self.context.contracts, call.payload)
            except Exception:
                LOG.exception("%s: %s could not be answered", self.id, call.action)
                reason = "the CSMS failed; see its log"
                await self._send(frames.call_error(self.version, call.message_id, "InternalError", reason))
            else:
                await self._answer(call, raw, facts)

        self._looking = self.spawn(answer())

    def _is_valid(self, call: Call) -> bool:
        return (
            call.action in lookups.ACTIONS
            and self.boot_status == "Accepted"
            and schemas.fault(self.version, call.action, "request", call.payload) is None
        )

    async def _answer(self, call: Call, raw: str, facts: Any = None) -> None:
        # A charge point may repeat a CALL with the same id if the answer was late (OCPP-J 1.6, errata 3.1).
        if self._last_answer is not None and self._last_answer[0] == raw:
            answer = self._last_answer[1]
        else:
            try:
                self.looked_up = facts
                answer = self._result_or_error(call)
                self._last_answer = (raw, answer)
            except Exception:
                # Do not remember this answer, so that a repeated CALL is handled again.
                LOG.exception("%s: %s could not be answered", self.id, call.action)
                reason = "the CSMS failed; see its log"
                answer = frames.call_error(self.version, call.message_id, "InternalError", reason)
        order = self.context.misbehaviours.pick(self.id, call.action)
        if order is not None:
            LOG.warning("%s: misbehaving as ordered, %s", self.id, order)
        delivery = spoil(order, self.version, answer)
        if delivery.delay_s:
            # Do this in a task: the charge point's other frames, such as its answers, must be read meanwhile.
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
            LOG.warning("%s: %s refused: %s", self.id, call.action[:40], refusal)
            return frames.call_error(self.version, call.message_id, refusal.code, refusal.description)
        except (OverflowError, sqlite3.IntegrityError) as error:
            LOG.warning("%s: %s refused: %s", self.id, call.action, error)
            reason = "a number is too large to be stored"
            return frames.call_error(self.version, call.message_id, "PropertyConstraintViolation", reason)
        return frames.call_result(call.message_id, payload)

    def _handle(self, call: Call) -> Payload:
        """Check one CALL, call its handler, and return the payload of the CALLRESULT."""
        handler = self.route_map.get(call.action, {}).get("_on_action")
        if handler is None or call.action in schemas.SENDS:
            raise self._unknown(call.action)
        welcome = self.boot_status == "Accepted" or call.action in self.asked_for
        if not welcome and call.action != "BootNotification":
            # By 2.0.1 B01.FR.10. OCPP 1.6, 4.2 forbids this CALL too, but names no error code.
            raise Refusal("SecurityError", f"{call.action} before this charge point's BootNotification was accepted")
        if (fault := schemas.fault(self.version, call.action, "request", call.payload)) is not None:
            raise Refusal(fault.code, str(fault))
        answer = handler(call.payload)
        payload: Payload = answer if isinstance(answer, dict) else _camel_case(answer)
        if (fault := schemas.fault(self.version, call.action, "response", payload)) is not None:
            raise RuntimeError(f"the answer to {call.action} does not fit its schema: {fault}")
        return payload

    def _unknown(self, action: str) -> Refusal:
        if action in schemas.SENDS & schemas.actions(self.version):
            return Refusal("ProtocolError", f"{action} is sent as SEND (message type 6), not as CALL")
        if action in schemas.actions(self.version):
            return Refusal("NotSupported", f"{action} is sent by a CSMS, not by a charge point")
        return Refusal("NotImplemented", f"OCPP {self.version} has no action {action[:80]}")

    def _take_send(self, send: Call) -> None:
        """Handle a SEND (2.1 part 4, 4.2.4), which never gets an answer."""
        handler = self.route_map.get(send.action, {}).get("_on_action")
        if handler is None or send.action not in schemas.SENDS or self.boot_status != "Accepted":
            LOG.warning("%s: SEND of %s ignored", self.id, send.action[:40])
        elif (fault := schemas.fault(self.version, send.action, "request", send.payload)) is not None:
            LOG.warning("%s: SEND of %s ignored: %s", self.id, send.action, fault)
        else:
            try:
                with self.store.writing():
                    handler(send.payload)
            except Exception:
                LOG.exception("%s: SEND of %s could not be stored", self.id, send.action)

    async def send_call(self, action: str, payload: Payload) -> Outcome:
        """Send a CALL after the one before it was answered, and wait for its answer.

        The payload is not checked: call `call_order.objection` before.
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
            LOG.warning("%s: the answer to %s does not fit its schema: %s", self.id, action, fault)
            if self.version == "2.1":
                await self._send(frames.call_error("2.1", message_id, fault.code, str(fault), frames.CALLRESULTERROR))
            # Do not show a payload that is nested too deep: orjson could not write it.
            shown = None if too_deep(answer.payload) else answer.payload
            return Outcome("CALLRESULT", shown, fault.code, str(fault))
        self._learn(action, payload, answer.payload)
        return Outcome("CALLRESULT", answer.payload)

    def _learn(self, action: str, request: Payload, response: Payload) -> None:
        """Store the facts about the charge point in an answer, if the CALL was valid."""
        unknown = action not in schemas.actions(self.version)
        if unknown or schemas.fault(self.version, action, "request", request) is not None:
            return
        try:
            with self.store.writing():
                learn(self.store, self.id, action, request, response)
        except (OverflowError, sqlite3.Error) as error:
            LOG.warning("%s: the effect of %s is not stored: %s", self.id, action, error)

    def _note_request(self, action: str, payload: Payload) -> None:
        """Remember the messages that a CALL asks for: the charge point may send them while its boot is Pending."""
        if action in ("TriggerMessage", "ExtendedTriggerMessage"):
            wanted = str(payload.get("requestedMessage"))
            # A trigger has the kind of certificate, such as SignV2GCertificate; the action is always SignCertificate.
            self.asked_for.add("SignCertificate" if wanted.endswith("Certificate") else wanted)
        elif action in ("GetBaseReport", "GetReport"):
            self.asked_for.add("NotifyReport")

    def _take_answer(self, answer: CallResult | CallError) -> None:
        pending = self._pending
        if isinstance(answer, CallError) and answer.of_result:
            LOG.warning("%s: CALLRESULTERROR %s %s", self.id, answer.code, answer.description)
        elif pending is None or pending[0] != answer.message_id or pending[2].done():
            LOG.warning("%s: answer ignored: no CALL with id %s is pending", self.id, answer.message_id)
        else:
            pending[2].set_result(answer)

    async def _send(self, message: str) -> None:
        self.log.add("csms", message)
        try:
            await self.websocket.send(message)
        except ConnectionClosed:
            LOG.info("%s: the connection closed before a message could be sent", self.id)
            raise

    async def send_raw(self, text: str) -> None:
        """Send a text frame exactly as the operator wrote it."""
        await self._send(text)

    def spawn(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
        """Run a coroutine as a task, which is cancelled when the connection ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def afterwards(self, work: Callable[[], Coroutine[Any, Any, object]]) -> None:
        """Run a coroutine after the answer to the current CALL was sent."""
        self._follow_ups.append(work)

    def boot(self, vendor: str, model: str, firmware: str | None, serial: str | None) -> tuple[str, int]:
        """Store a boot, and return the status and the interval (in seconds) of the answer."""
        self._check_serial(serial)
        status = self.context.boot_policy(self.id)
        self.boot_status = status
        accepted = status == "Accepted"
        if accepted:
            self.asked_for.clear()
        facts = {"vendor": vendor, "model": model, "firmware": firmware, "serial": serial}
        self.store.booted(self.id, status, facts)
        LOG.info("%s: boot of a %s %s, OCPP %s: %s", self.id, vendor, model, self.version, status)
        return status, self.context.settings.heartbeat_s if accepted else self.context.settings.retry_s

    def _check_serial(self, serial: str | None) -> None:
        """Close the connection if the client certificate belongs to another serial number (B01.FR.11, B01.FR.12)."""
        owner = self.certificate_name
        # A serial number in BootNotification has at most 25 characters.
        if owner is None or (owner == self.id if serial is None else serial == owner[:25]):
            return
        LOG.warning("%s: closed: the serial number is %s, but the client certificate is for %s", self.id, serial, owner)
        reason = "the serial number is not the common name of the client certificate"
        self.afterwards(lambda: self.websocket.close(1008, reason))
        raise Refusal("SecurityError", reason)

    def sign(self, csr: str, kind: Payload) -> str | None:
        """Sign a certificate request; CertificateSigned follows after the answer.

        Args:
            csr: the request, in PEM.
            kind: the members of the request that CertificateSigned repeats.

        Returns:
            None for Accepted, or the reason code of Rejected (2.x appendix 5).
        """
        if self.context.authority is None:
            return "NotEnabled"
        known = self.store.charge_point(self.id)
        names = {self.id, known["serial"]} - {None} if known else {self.id}
        try:
            chain = self.context.authority.sign(csr, names)
        except ValueError as error:
            LOG.warning("%s: SignCertificate rejected: %s", self.id, error)
            return "InvalidCSR"
        self.afterwards(lambda: self.send_call("CertificateSigned", {"certificateChain": chain, **kind}))
        return None


def _camel_case(answer: object) -> Payload:
    plain = ocpp.charge_point.remove_nones(ocpp.charge_point.serialize_as_dict(answer))
    payload: Payload = ocpp.charge_point.snake_to_camel_case(plain)
    return payload
