"""Play one side of a script over an open WebSocket.

One loop goes through the script, and listens whenever it has to wait. The player sends its CALLs in the recorded order,
each after the peer's frames that were recorded before it. It sends its answers when the CALLs of the peer come.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode
from websockets.protocol import State

from inspector import records
from inspector.protocol.frame import AnswerStatus, Frame
from inspector.protocol.messages import Call, Send
from inspector.protocol.vocabulary import Direction
from inspector.records import Record
from inspector.replay.conversation import Conversation, default_answer
from inspector.replay.id_mapping import IdMapping
from inspector.replay.identity import other_identity
from inspector.replay.matching import Difference
from inspector.replay.outcome import Outcome, Row
from inspector.replay.pace import Pace
from inspector.replay.policy import Policy
from inspector.replay.script import FindingKey, Script, count
from inspector.rules.context import Moment
from inspector.rules.finding import Finding, Side
from inspector.rules.judge import Judge
from inspector.units import quantity

LINGER_S = 0.25
"""How long the player listens after the last frame, for extra frames of the peer."""

HOLD_S = 10.0
"""The longest recorded pause that is kept before a CALL of the CSMS at speed max."""

MARGIN_S = 0.2
"""An extra pause before these CALLs: a charge point may act some time after it has reported its state."""

PATIENCE = 3
"""After how many missing frames of the peer in a row the replay stops waiting."""

ID_LENGTH = 36

type Prompt = Callable[[str, str, Any], Awaitable[None]]
"""Makes the CSMS send a CALL; the arguments are the charge point's id, the action and the payload."""


class Connection(Protocol):
    """The part of a WebSocket that a player uses; connections of `websockets` have it."""

    async def send(self, message: str | bytes) -> None: ...
    async def recv(self) -> str | bytes: ...
    async def close(self, code: int = 1000, reason: str = "") -> None: ...

    @property
    def state(self) -> State: ...

    @property
    def transport(self) -> asyncio.WriteTransport: ...


class Player:
    """Play one script against one peer."""

    def __init__(
        self,
        script: Script,
        ours: Direction,
        connection: Connection,
        *,
        policy: Policy,
        pace: Pace,
        rebinding: IdMapping,
        judge: Judge,
        charge_point_id: str,
        timeout_s: float = 10.0,
        tap: Callable[[Record], None] | None = None,
        link: int = 1,
        prompt: Prompt | None = None,
        said: list[Frame] | None = None,
    ) -> None:
        """Prepare to send the frames of the direction `ours`; `tap` gets a record of every frame in both directions.

        `rebinding`, `judge` and `said` (see `Conversation`) are shared by all sessions of a charge point.
        """
        self._script, self._ours, self._connection = script, ours, connection
        self._pace, self._timeout_s, self._prompt = pace, timeout_s, prompt
        self._rebinding = rebinding
        self._conversation = Conversation(script, ours, policy, rebinding, said)
        self._policy = policy
        self._tap, self._link, self._id = tap or (lambda record: None), link, charge_point_id
        subprotocol = script.version.subprotocol if script.version else None
        facts: records.SessionFacts = {"charge_point_id": charge_point_id, "subprotocol": subprotocol}
        facts["subprotocols_offered"] = [subprotocol] if subprotocol else []
        stamps = time.time_ns(), time.monotonic_ns()
        self._tap(records.OpenRecord(link, *stamps, facts))
        self._judge = judge.open(dict(facts), Moment(stamps[1], stamps[0]))
        self._number = 0
        self._ids: dict[tuple[Direction, str], str] = {}  # (caller, recorded message id) -> message id in this run
        self._answered: set[int] = set()  # recorded CALLs of the peer that are answered, or never will be
        self._out: dict[int, Frame] = {}  # number of a recorded frame of the player -> the frame that was sent for it
        self._closed: str | None = None
        self._broken = False  # closed with an error, or without a close frame
        self._given_up: str | None = None
        self._deaf = False  # the peer does not read from the connection
        self._in_vain = 0
        self._unprompted = 0  # CALLs of the CSMS in a row that did not come
        self._reached = 0  # the number of the last recorded frame that was due
        self._previous_ns: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._findings: Counter[FindingKey] = Counter()
        self._actions: list[str | None] = []  # of the frames of this run, in order
        self.outcome = Outcome(script, "charge-point" if ours is Direction.FROM_CHARGE_POINT else "csms")
        self._note(self._judge.opened())

    async def play(self) -> Outcome:
        """Play the script to its end, or until the connection is lost; return the result."""
        began = time.monotonic()
        try:
            for frame in self._script.frames:
                if self._closed is not None or self._given_up is not None:
                    break
                gap_s = max(0.0, (frame.mono_ns - (self._previous_ns or frame.mono_ns)) / 1e9)
                self._previous_ns = frame.mono_ns
                if frame.direction is self._ours:
                    await self._our_turn(frame, gap_s)
                else:
                    await self._peers_turn(frame, gap_s)
                self._reached = frame.frame_id
            else:
                await self._listen(self._until_the_end_s())
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            if self._deaf:  # the peer would not read a close frame either
                self._connection.transport.abort()
            await self._connection.close()
        stamps = time.time_ns(), time.monotonic_ns()
        self._tap(records.CloseRecord(self._link, *stamps, {"closed_by": "unknown"}))
        self._note(self._judge.closed(Moment(stamps[1], stamps[0])))
        self._conclude(time.monotonic() - began)
        return self.outcome

    def _until_the_end_s(self) -> float:
        # If the charge point disconnected in the recording, wait until it does so again.
        theirs = self._ours is Direction.FROM_CSMS and self._script.closed_by == "charge-point"
        return self._timeout_s if theirs else LINGER_S

    async def _our_turn(self, frame: Frame, gap_s: float) -> None:
        if self._is_our_answer(frame):
            assert frame.call is not None
            # The answer is sent when the peer's CALL comes; only wait for that here.
            call = frame.call.frame_id
            if self._conversation.has_come(call):
                await self._listen(self._timeout_s + gap_s, lambda: call in self._answered)
            return
        wait_s = self._pace.wait_s(frame.mono_ns)
        calls = isinstance(frame.message, Call | Send)
        if calls and self._ours is Direction.FROM_CSMS and self._pace.speed is None:
            # A live charge point needs the recorded time to reach the state in which it gets this CALL.
            wait_s = min(gap_s, HOLD_S) + MARGIN_S
        await self._listen(wait_s)
        if frame.binary:
            await self._send(frame.raw, frame)
            return
        # In 2.x the charge point makes the transaction ids, so make new ones; all other ids stay as recorded.
        fresh = frozenset({"transaction"} if self._ours is Direction.FROM_CHARGE_POINT and calls else ())
        self._rebinding.own(frame.action, frame.payload, fresh)
        recorded_id = frame.message.message_id or ""
        message_id = self._fresh_id(recorded_id) if calls else self._ids.get((self._ours.opposite, recorded_id))
        text = self._rebinding.outgoing(frame.raw, frame.action, recorded_id, message_id or recorded_id)
        if calls:
            self._conversation.sent(self._number + 1, frame)
        await self._send(text, frame)

    def _fresh_id(self, recorded: str) -> str:
        # A recording may test ids that are repeated or too long: the new ids are repeated or too long, too.
        made = str(uuid.uuid4())
        made = made.ljust(len(recorded), "0") if len(recorded) > ID_LENGTH else made
        return self._ids.setdefault((self._ours, recorded), made)

    async def _peers_turn(self, frame: Frame, gap_s: float) -> None:
        here, past = self._conversation.is_here, self._conversation.is_past
        if self._policy.may_stay_away(frame):
            if frame.action != "Heartbeat":
                # Do not wait longer than in the recording: the peer may be waiting for the next frame of the player.
                await self._listen(gap_s + LINGER_S, lambda: here(frame) or past(frame))
            return
        if self._prompt is not None and isinstance(frame.message, Call) and not here(frame):
            payload = self._rebinding.expected(frame.action, frame.payload)
            task = asyncio.ensure_future(self._prompt(self._id, frame.message.action, payload))
            self._keep(task)
        operators = isinstance(frame.message, Call) and frame.direction is Direction.FROM_CSMS
        patience_s = self._timeout_s + gap_s
        if operators and self._unprompted >= PATIENCE:
            patience_s = LINGER_S  # this CSMS has no operator who makes it send CALLs
        if await self._listen(patience_s, lambda: here(frame)) or self._closed is not None:
            self._unprompted = 0 if operators else self._unprompted
            return
        waited = f"within {patience_s:.3g} s"
        if operators:
            # The CALL depends on an operator; compare the rest of the session without it.
            self._unprompted += 1
            self._conversation.lost(frame, f"the CALL {frame.action} never came {waited}")
            return
        name = frame.action or "without an action"
        is_answer = frame.answer_status is not None
        why = f"no answer to {name} came {waited}" if is_answer else f"the CALL {name} never came {waited}"
        self._conversation.lost(frame, why)
        self._in_vain += 1
        if self._in_vain >= PATIENCE:
            self._given_up = f"nothing has come for {PATIENCE} frames; given up"

    async def _listen(self, seconds: float, until: Callable[[], bool] | None = None) -> bool:
        """Handle frames of the peer for some seconds or until a condition is true; return whether it became true."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        while until is None or not until():
            left = deadline - clock()
            if left <= 0 or self._closed is not None:
                return False
            try:
                async with asyncio.timeout(left):
                    message = await self._connection.recv()
            except TimeoutError:
                return until is not None and until()
            except ConnectionClosed as closed:
                self._lost(closed)
                return until is not None and until()
            raw = message.encode() if isinstance(message, str) else message
            await self._heard(self._seen(raw, self._ours.opposite, isinstance(message, bytes)))
        return True

    def _lost(self, closed: ConnectionClosed) -> None:
        frame = closed.rcvd
        self._closed = f"with code {frame.code} {frame.reason}".rstrip() if frame else "without a close frame"
        self._broken = frame is None or frame.code not in (CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY)

    async def _heard(self, live: Frame) -> None:
        self._in_vain = 0
        recorded = self._conversation.heard(live)
        if live.latency_ns is not None:
            self.outcome.latencies_ms.setdefault(live.action or "?", []).append(live.latency_ns / 1e6)
        if recorded is not None and recorded.message.message_id is not None and live.answer_status is None:
            self._ids[self._ours.opposite, recorded.message.message_id] = live.message.message_id or ""
        if isinstance(live.message, Call):
            await self._answer(live.message, recorded)

    async def _answer(self, call: Call, recorded: Frame | None) -> None:
        """Answer a CALL of the peer as recorded, or with a default answer, which the outcome reports."""
        if recorded is None:
            await self._improvise(call)
            return
        answer = self._conversation.recorded_answer(recorded)
        if answer is None:
            self._answered.add(recorded.frame_id)
            return
        self._rebinding.own(answer.action, answer.payload)
        recorded_id = answer.message.message_id or ""
        text = self._rebinding.outgoing(answer.raw, answer.action, recorded_id, call.message_id)
        delay_s = self._pace.scaled_s(answer.latency_ns or 0)
        if delay_s > 0:
            self._keep(asyncio.ensure_future(self._send_later(text, delay_s, answer, recorded)))
            return
        self._answered.add(recorded.frame_id)
        await self._send(text, answer)

    async def _send_later(self, text: str, delay_s: float, answer: Frame, call: Frame) -> None:
        await asyncio.sleep(delay_s)
        await self._send(text, answer)
        self._answered.add(call.frame_id)

    def _keep(self, task: asyncio.Future[None]) -> None:
        assert isinstance(task, asyncio.Task)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _improvise(self, call: Call) -> None:
        like = self._conversation.any_answer(call.action)
        if like is not None:
            sentence = f"{call.action} came unrecorded and was answered as another one was"
            text = self._rebinding.outgoing(like.raw, like.action, like.message.message_id or "", call.message_id)
        else:
            payload: Any = default_answer(call.action, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
            sentence = f"{call.action} was answered by default: nothing was recorded for it"
            refusal = [4, call.message_id, "NotSupported", "nothing was recorded for this action", {}]
            text = json.dumps(refusal if payload is None else [3, call.message_id, payload])
        self.outcome.defaults.append(sentence)
        await self._send(text)

    async def _send(self, message: str | bytes, recorded: Frame | None = None) -> None:
        """Send a frame; `recorded` is the frame it corresponds to. It counts only if the connection accepts it."""
        raw, binary = message.encode() if isinstance(message, str) else message, isinstance(message, bytes)
        if self._connection.state is State.OPEN:
            # Note the frame before sending it: an answer may come while the socket is still busy.
            live = self._seen(raw, self._ours, binary)
            self.outcome.sent += 1
            if recorded is not None:
                self._out[recorded.frame_id] = live
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._connection.send(message)
        except TimeoutError:
            self._given_up = f"the peer has read nothing for {self._timeout_s:g} s"
            self._deaf = True
        except ConnectionClosed as closed:
            self._lost(closed)

    def _seen(self, raw: bytes, direction: Direction, binary: bool) -> Frame:
        self._number += 1
        stamps = time.time_ns(), time.monotonic_ns()
        opcode = records.BINARY if binary else records.TEXT
        self._tap(records.FrameRecord(self._link, *stamps, direction is Direction.FROM_CHARGE_POINT, opcode, raw))
        frame = self._judge.protocol.frame(self._number, *stamps, direction, raw, binary)
        self._actions.append(frame.action)
        self._note(self._judge.frame(frame))
        return frame

    def _note(self, found: list[Finding]) -> None:
        count(found, self._findings, self.outcome.messages, self._action_of)

    def _action_of(self, number: int) -> str | None:
        # A missed deadline may refer to a frame of an earlier session of this charge point.
        return self._actions[number - 1] if number <= len(self._actions) else None

    def _conclude(self, seconds: float) -> None:
        outcome, conversation = self.outcome, self._conversation
        outcome.seconds = seconds
        if self._given_up is None and self._script.frames and self._reached == self._script.frames[-1].frame_id:
            conversation.note_absent()
        for frame in self._script.frames:
            outcome.rows.append(conversation.rows.get(frame.frame_id) or Row(frame, self._out.get(frame.frame_id)))
        outcome.rows.extend(conversation.extra)
        outcome.identity = next(filter(None, map(other_identity, outcome.rows)), "")
        left = [row for row in outcome.rows if self._is_left(row)]
        if left:
            # Report a missing frame of the peer rather than an answer that could not be sent.
            self._stopped(next((row for row in left if not self._is_our_answer(row.recorded)), left[0]), len(left))
        elif self._given_up is not None:
            outcome.failure = self._given_up
        elif self._broken and self._script.closed_by not in self._may_break:
            outcome.failure = f"the peer closed the connection {self._closed} at the end"
        peer = Side.CSMS if outcome.played == "charge-point" else Side.CHARGE_POINT
        for key in self._findings.keys() | self._script.findings.keys():
            change = self._findings[key] - self._script.findings[key]
            if key[1] is peer and change > 0:
                outcome.regressions[key] = change
            elif key[1] is peer and change < 0 and not left:
                outcome.improvements[key] = -change
                outcome.messages[key] = self._script.examples[key]

    def _is_left(self, row: Row) -> bool:
        frame = row.recorded
        if frame is None or row.live is not None or row.differences:
            return False
        if frame.direction is not self._ours:
            return not self._policy.may_stay_away(frame)
        if not self._is_our_answer(frame):
            return True
        assert frame.call is not None
        if self._conversation.has_come(frame.call.frame_id):
            return True
        # The CALL has not come: the report mentions that at the CALL.
        return frame.frame_id > self._reached and not self._policy.may_stay_away(frame.call)

    def _is_our_answer(self, frame: Frame | None) -> bool:
        """Return whether a frame is an answer that the player sends when the peer's CALL comes."""
        if frame is None or frame.direction is not self._ours or frame.answer_status is not AnswerStatus.PAIRED:
            return False
        return frame.call is not None and isinstance(frame.call.message, Call)

    @property
    def _may_break(self) -> tuple[str, ...]:
        """The values of `closed_by` after which the peer may end the connection without a close frame."""
        # Tests often just stop their charge point; a CSMS must close its connections.
        return ("csms",) if self.outcome.played == "charge-point" else ("charge-point", "unknown")

    def _stopped(self, first: Row, left: int) -> None:
        """Note, at the first missing frame, that the script could not be played to its end."""
        assert first.recorded is not None
        why = self._given_up or f"the peer closed the connection {self._closed}"
        why += f"; {quantity(left, 'frame was', 'frames were')} left"
        self.outcome.failure = f"frame {first.recorded.frame_id} {first.recorded.action or ''}: {why}".replace(
            " :", ":"
        )
        at = self.outcome.rows.index(first)
        self.outcome.rows[at] = first._replace(differences=(Difference("goes-on", None, why),))
