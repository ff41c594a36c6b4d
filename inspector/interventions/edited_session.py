"""Relay one session message by message, with interventions: bytes and times in, bytes out. Opens no socket."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

from inspector.interventions.intervention import Intervention
from inspector.interventions.luck import Turns
from inspector.interventions.matching import SessionRules
from inspector.interventions.outcome import Outcome, Outgoing, outcome_of
from inspector.interventions.plain_frames import PlainFrames
from inspector.interventions.session_parts import BY_HAND, NOT_SENT, SENT, Answered, Held, Recording, Timed, Way
from inspector.interventions.templates import Facts
from inspector.interventions.turn_taking import CallTurns, Waiting
from inspector.protocol.frame import Frame
from inspector.protocol.messages import Call, CallError, CallResult
from inspector.protocol.session import Session
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.websocket.frames import make_frame
from inspector.websocket.messages import BINARY, CLOSE, FAULT, GAP, TEXT, Message, MessageAssembler

_FINAL = 0x80
_SIDES = {True: Direction.FROM_CHARGE_POINT, False: Direction.FROM_CSMS}


class EditedSession:
    """One session whose messages rules may change.

    The order of each direction is kept: a frame that waits makes later frames of its direction wait, unless a rule
    lets them overtake it. Only CALLs may fall behind answers, while a CALL of the proxy has no answer yet. Fragments
    are joined, and frames to the CSMS get a new mask.
    """

    def __init__(
        self,
        charge_point_id: str,
        rules: SessionRules,
        turns: Turns,
        session: Session,
        recording: Recording,
        readers: dict[bool, MessageAssembler],
    ) -> None:
        """Begin. `recording` gets all messages in order; `readers` are at the border of two messages."""
        self._charge_point_id, self.rules, self._turns = charge_point_id, rules, turns
        self._session, self._recording, self._plain = session, recording, PlainFrames(rules)
        self._ways = {
            direction: Way(readers[from_charge_point], CallTurns()) for from_charge_point, direction in _SIDES.items()
        }
        self._both = tuple(self._ways.values())
        self._numbers, self._own, self._later = count(1), count(1), count(1)
        self._recorded = 0
        self.broken: str | None = None
        """Why a stream cannot be read any more: the session has to end then."""
        self.close: tuple[int, str] | None = None
        self.reset = False
        self.stalled_until: dict[bool, float] = {}
        """By side (True: the charge point), until when not to read from it."""
        self.held: dict[int, Held] = {}
        self._asked: dict[str, Answered] = {}
        self._timed: list[Timed] = []

    @property
    def version(self) -> OcppVersion | None:
        """The OCPP version, None while it is not known."""
        return self._session.version

    def settle(self, now_s: float) -> None:
        """Begin in the middle of a session: CALLs of the proxy wait for a moment, as earlier CALLs may be open."""
        for way in self._ways.values():
            way.calls.settle(now_s)

    def waiting_bytes(self, from_charge_point: bool) -> int:
        """Return how many bytes from one side wait to be sent."""
        way = self._ways[_SIDES[from_charge_point]]
        return way.waiting_bytes + way.calls.waiting_bytes

    def feed(self, from_charge_point: bool, data: bytes, now_s: float, ts_ns: int) -> bool:
        """Take bytes from one peer; `due` returns what to write.

        Returns True if the bytes are to be written as they came, which takes less time: they are one frame, no rule
        applies to it, and nothing waits.
        """
        sender = _SIDES[from_charge_point]
        way = self._ways[sender]
        whole, messages = way.between, way.reader.feed(data)
        way.between = not way.reader.unfinished
        whole = whole and way.between and len(messages) == 1 and messages[0][2] is None and self._calm
        for message in messages:
            opcode, payload, notes = message
            if opcode == TEXT:
                if whole and (plain := self._plain.takes(sender, payload)) is not None:
                    message_id, is_call = plain
                    if is_call:
                        way.calls.passed(message_id, now_s)
                    else:
                        self._ways[sender.opposite].calls.closed(message_id)
                    self._note(sender, message)
                    return True
                if self._message(sender, message, now_s, ts_ns, whole):
                    return True
                continue
            self._note(sender, message)
            if opcode == GAP or (opcode == FAULT and "recording" in (notes or {})):
                self.broken = str((notes or {}).get("reason"))
            elif opcode >= 0:
                self._put(sender, Waiting(now_s, [(sender, _framed(sender, opcode, payload))]))
        return False

    @property
    def _calm(self) -> bool:
        """Whether nothing waits, so that a frame can be sent at once."""
        for way in self._both:
            if way.queue or way.overtaken or way.bytes_per_s or way.calls.must_wait(False):
                return False
        return True

    def due(self, now_s: float) -> Iterator[tuple[bool, bytes]]:
        """Return what to write now, as (whether to the charge point, bytes)."""
        for timed in [timed for timed in self._timed if timed.due_s <= now_s]:
            self._timed.remove(timed)
            self._send_made(timed.frame, now_s, timed.ts_ns, self._recorded + 1 - timed.made_from)
        for direction, way in self._ways.items():
            for waiting in way.calls.expired(now_s):
                self._put(direction, waiting)
            while way.queue and way.queue[0].due_s <= now_s:
                waiting = way.queue.popleft()
                way.waiting_bytes -= waiting.size
                for number in [number for number, held in self.held.items() if held.waiting is waiting]:
                    del self.held[number]
                for number, what in waiting.later:
                    self._recording.event(SENT, {"later": number, "what": what})
                for towards, data in waiting.data:
                    yield towards is Direction.FROM_CSMS, data

    def next_due(self) -> float | None:
        """Return when `due` has to be called next, None if nothing waits."""
        times = [way.queue[0].due_s for way in self._ways.values() if way.queue]
        times += [timed.due_s for timed in self._timed]
        times += [at for way in self._ways.values() if (at := way.calls.next_expiry()) is not None]
        return min(times, default=None)

    @property
    def idle(self) -> bool:
        """Whether nothing waits in either direction."""
        return not any(way.queue or way.calls.waiting or way.overtaken for way in self._ways.values())

    def send_call(
        self, to_charge_point: bool, action: str, payload: str, now_s: float, ts_ns: int, answered: Answered
    ) -> str:
        """Send a CALL of the proxy, and return its id; its answer is recorded and goes to `answered`, to nobody else.

        Args:
            to_charge_point: Whether the charge point receives it, as from the CSMS; otherwise the CSMS.
            action: The action; it is written as a JSON string.
            payload: The payload as JSON text.
            now_s, ts_ns: The current time.
            answered: Called once with the answer.
        """
        direction = Direction.FROM_CSMS if to_charge_point else Direction.FROM_CHARGE_POINT
        message_id = self._new_id()
        raw = f'[2,"{message_id}",{json.dumps(action)},{payload}]'.encode("utf-8", "surrogatepass")
        self._asked[message_id] = answered
        self._send_own(Outgoing(direction, raw, BY_HAND, is_call=True), now_s, ts_ns, None)
        return message_id

    def send_text(self, to_charge_point: bool, text: bytes, now_s: float) -> None:
        """Send a text frame of the proxy, exactly as written."""
        direction = Direction.FROM_CSMS if to_charge_point else Direction.FROM_CHARGE_POINT
        waiting, notes = Waiting(now_s, [(direction, _framed(direction, TEXT, text))]), {"made_by": BY_HAND}
        frame = Session(None, self._session.version).frame(0, 0, 0, direction, text)
        later = {"later": self._number(waiting, frame)} if self._must_wait(direction, False) else {}
        self._note(direction, (TEXT, text, notes | later))
        self._put(direction, waiting)

    def release(self, number: int, now_s: float, instead: Sequence[Outgoing] | None = None) -> bool:
        """Send a held frame on, or other frames `instead` of it; return whether there was one with this number."""
        held = self.held.pop(number, None)
        if held is None:
            return False
        held.waiting.due_s = now_s
        if instead is not None:
            self._replace(held, now_s, instead)
        return True

    def _replace(self, held: Held, now_s: float, instead: Sequence[Outgoing]) -> None:
        """Let other frames take the place of a held one in its queue, and record both facts."""
        waiting, sender = held.waiting, held.frame.direction
        for number, what in waiting.later:
            self._recording.event(NOT_SENT, {"later": number, "what": what})
        way, size = self._ways[sender], waiting.size
        in_turn = not any(one is waiting for _, one, _ in way.calls.waiting)
        waiting.later, waiting.data = [], []
        for one in instead:
            notes: dict[str, Any] = {"made_by": one.made_by, "made_from": self._recorded + 1 - held.recorded}
            if not way.queue or way.queue[0] is not waiting:
                notes["later"] = self._number(waiting, held.frame)
            self._note(one.direction, (TEXT, one.raw, notes))
            waiting.data.append((one.direction, _framed(one.direction, TEXT, one.raw)))
        if in_turn:
            way.waiting_bytes += waiting.size - size
        else:
            way.calls.waiting_bytes += waiting.size - size
        if isinstance(held.frame.message, Call) and not any(one.direction is sender for one in instead):
            for turn in self._ways[sender].calls.withdrawn(held.frame.message_id, now_s):
                self._put(sender, turn)

    def expect_no_answer(self, message_id: str) -> None:
        """Note that nobody waits for the answer to a CALL of the proxy any more; it still reaches no peer."""
        self._asked.pop(message_id, None)

    def ended(self) -> None:
        """Record which frames still waited when the session ended, and let nobody wait for answers any more."""
        for way in self._ways.values():
            for waiting in (*way.queue, *way.overtaken, *(one for _, one, _ in way.calls.waiting)):
                later, waiting.later = waiting.later, []
                for number, what in later:
                    self._recording.event(NOT_SENT, {"later": number, "what": what, "why": "the session ended"})
        asked, self._asked = self._asked, {}
        for answered in asked.values():
            answered(None)

    def _new_id(self) -> str:
        return f"chargesentinel-{next(self._own)}"

    def _note(self, sender: Direction, message: Message) -> None:
        self._recorded += message[0] in (TEXT, BINARY)
        self._recording.record(sender is Direction.FROM_CHARGE_POINT, [message])

    def _message(self, sender: Direction, message: Message, now_s: float, ts_ns: int, whole: bool) -> bool:
        """Relay a text message as the rules say; return whether to write it as it came, which needs it `whole`."""
        _, raw, notes = message
        if (call := self._plain.call_of(sender, raw)) is not None:
            self._session.frame(next(self._numbers), ts_ns, ts_ns, sender.opposite, call)  # a rule is new since then
        frame = self._session.frame(next(self._numbers), ts_ns, ts_ns, sender, raw)
        if isinstance(frame.message, CallResult | CallError) and self._answers_own(sender, frame, now_s):
            self._note(sender, (TEXT, raw, {**(notes or {}), "forwarded": False, "to_proxy": True}))
            if (answered := self._asked.pop(frame.message_id, None)) is not None:
                answered(frame)
            return False
        rules = self.rules.of(frame)
        if not rules and whole:
            if isinstance(frame.message, Call):
                self._ways[sender].calls.passed(frame.message_id, now_s)
            self._note(sender, message)
            return True
        if rules:
            facts = Facts(ts_ns, self._charge_point_id, frame.message_id, self._turns.applied().get(rules[0].name, 0))
            outcome = outcome_of(frame, rules, facts, self._between, self._new_id)
        else:
            outcome = Outcome([Outgoing(sender, raw)])
        if outcome.stall_s is not None:
            self.stalled_until[sender is Direction.FROM_CHARGE_POINT] = now_s + outcome.stall_s
        if outcome.bytes_per_s is not None:
            self._ways[sender].bytes_per_s = outcome.bytes_per_s
        self.close, self.reset = outcome.close or self.close, outcome.reset or self.reset
        self._send_on(frame, outcome, notes, now_s, ts_ns)
        return False

    def _answers_own(self, sender: Direction, frame: Frame, now_s: float) -> bool:
        """Note an answer; return whether its CALL was the proxy's."""
        own, turns = self._ways[sender.opposite].calls.answered(frame.message_id, now_s)
        for waiting in turns:
            self._put(sender.opposite, waiting)
        return own

    def _send_on(self, frame: Frame, outcome: Outcome, notes: dict[str, Any] | None, now_s: float, ts_ns: int) -> None:
        """Record a frame and those made from it, and send what the rules have left."""
        sender = frame.direction
        waiting = Waiting(now_s + outcome.delay_s + (outcome.hold_s or 0.0), [], outcome.behind)
        is_call = isinstance(frame.message, Call) and any(one.direction is sender for one in outcome.frames)
        later = bool(waiting.due_s > now_s or outcome.behind) or self._must_wait(sender, is_call)
        told = dict(notes or {})
        if outcome.did:
            told["interventions"] = [list(did) for did in outcome.did]
        if outcome.failed:
            told["not_done"] = [list(failed) for failed in outcome.failed]
        if not any(one.made_by is None for one in outcome.frames):
            told["forwarded"] = False
        elif later:
            told["later"] = self._number(waiting, frame)
        self._note(sender, (TEXT, frame.raw, told or None))
        came = self._recorded
        after: list[Outgoing] = []
        for one in outcome.frames:
            if one.wait_s:
                self._timed.append(Timed(now_s + one.wait_s, ts_ns + int(one.wait_s * 1e9), one, came))
                continue
            if one.is_call:
                if waiting.data:
                    after.append(one)
                else:
                    self._send_own(one, waiting.due_s, ts_ns, self._recorded + 1 - came)
                continue
            if one.made_by is not None:
                made = {"made_by": one.made_by, "made_from": self._recorded + 1 - came}
                made |= {"later": self._number(waiting, frame)} if later else {}
                self._note(one.direction, (TEXT, one.raw, made))
            waiting.data.append((one.direction, _framed(one.direction, TEXT, one.raw)))
        if not waiting.data:
            return
        if outcome.hold_s is not None and (
            left := [one.raw for one in outcome.frames if one.direction is sender and not one.is_call]
        ):
            rule = next(rule for rule, what in outcome.did if what == "hold")
            self.held[frame.frame_id] = Held(frame, waiting, left[-1], rule, ts_ns, self._recorded)
        if not is_call or self._ways[sender].calls.may_send(frame.message_id, waiting, False):
            self._put(sender, waiting)
        for one in after:
            self._send_own(one, waiting.due_s, ts_ns, self._recorded + 1 - came)

    def _send_own(self, one: Outgoing, due_s: float, ts_ns: int, made_from: int | None) -> None:
        """Record a CALL of the proxy, and send it when its turn comes."""
        waiting = Waiting(due_s, [(one.direction, _framed(one.direction, TEXT, one.raw))])
        call = self._session.frame(next(self._numbers), ts_ns, ts_ns, one.direction, one.raw)
        notes: dict[str, Any] = {"made_by": one.made_by, "later": self._number(waiting, call)}
        if made_from is not None:
            notes["made_from"] = made_from
        self._note(one.direction, (TEXT, one.raw, notes))
        if self._ways[one.direction].calls.may_send(call.message_id, waiting, True):
            self._put(one.direction, waiting)

    def _send_made(self, one: Outgoing, now_s: float, ts_ns: int, made_from: int) -> None:
        """Record and send a frame of the proxy whose time has come."""
        if one.is_call:
            self._send_own(one, now_s, ts_ns, made_from)
            return
        waiting = Waiting(now_s, [(one.direction, _framed(one.direction, TEXT, one.raw))])
        self._note(one.direction, (TEXT, one.raw, {"made_by": one.made_by, "made_from": made_from}))
        self._put(one.direction, waiting)

    def _must_wait(self, direction: Direction, is_call: bool) -> bool:
        way = self._ways[direction]
        return bool(way.queue or way.bytes_per_s) or (is_call and way.calls.must_wait(False))

    def _number(self, waiting: Waiting, frame: Frame) -> int:
        number = next(self._later)
        what = {Call: "CALL", CallResult: "CALLRESULT", CallError: "CALLERROR"}.get(type(frame.message), "frame")
        waiting.later.append((number, f"{frame.action or ''} {what}".strip()))
        return number

    def _put(self, sender: Direction, waiting: Waiting) -> None:
        way = self._ways[sender]
        way.waiting_bytes += waiting.size
        if waiting.behind:
            way.overtaken.append(waiting)
            return
        if way.bytes_per_s:
            before = way.queue[-1].due_s if way.queue else 0.0
            waiting.due_s = max(waiting.due_s, way.free_at_s, before)
            way.free_at_s = waiting.due_s + waiting.size / way.bytes_per_s
        way.queue.append(waiting)
        for one in way.overtaken:
            one.behind -= 1
        for one in [one for one in way.overtaken if one.behind <= 0]:
            way.overtaken.remove(one)
            one.due_s = max(one.due_s, waiting.due_s)
            way.queue.append(one)

    def _between(self, rule: Intervention, low: float, high: float) -> float:
        return self._turns.between(rule, self._charge_point_id, low, high)


def _framed(direction: Direction, opcode: int, payload: bytes) -> bytes:
    mask = os.urandom(4) if direction is Direction.FROM_CHARGE_POINT else None
    return make_frame(_FINAL | opcode, payload[:125] if opcode >= CLOSE else payload, mask)
