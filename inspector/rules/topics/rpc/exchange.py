"""Judge how messages belong together: ids, answers, missing answers and order.

For each charge point, the ids of the last SEEN_IDS CALLs and SENDs of each side are remembered across connections. The
rules do not notice if an older id is used again.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import Any

from inspector.protocol.correlation import OPEN_LIMIT, forget_oldest
from inspector.protocol.frame import AnswerStatus, Frame
from inspector.protocol.messages import CallError, Send
from inspector.protocol.vocabulary import SIDE_NAMES, Direction, OcppVersion
from inspector.rules.context import AtClose, Moment, SessionContext
from inspector.rules.durations import duration
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import (
    ANY_CALL,
    ANY_ERROR,
    ANY_RESULT,
    ANY_SEND,
    CLOSED,
    CUT,
    DEADLINE,
    UNPAIRED,
    V2X,
    Faults,
    Topic,
    event,
    rule,
    track,
)

SEEN_IDS = 512
GIVEN_UP_S = 10.0
"""After so many seconds without an answer, a sender may have given its CALL up. Senders choose this time-out themselves
(OCPP-J 4.1.1).
"""
CROSSING_S = 5.0
"""For so many seconds after a slow answer, the CALL may be sent again, because its sender may have given it up."""
CLOSING_S = 2.0
"""How long a closing handshake takes in seconds; the side that began it ignores further messages (RFC 6455 §1.4)."""
CLOSERS = {Direction.FROM_CHARGE_POINT: "charge-point", Direction.FROM_CSMS: "csms"}
"""For each direction, the value of `closed_by` for its sender."""
LOOK_BACK = 16
"""At a new CALL, so many open CALLs before it are checked."""

_CROSSING_NS, _GIVEN_UP_NS, _CLOSING_NS = int(CROSSING_S * 1e9), int(GIVEN_UP_S * 1e9), int(CLOSING_S * 1e9)
_HEARTBEAT = '> [2,"1","Heartbeat",{}]'
_TIME = '< [3,"1",{"currentTime":"2026-01-01T12:00:00Z"}]'


type Sent = tuple[int, int, bool, int]
"""A CALL or SEND that was seen: a hash of its content, the number of its connection, whether it was a SEND, and the
monotonic time until which it may be sent again (0 while it has no answer). It is a plain tuple for speed: each CALL
makes one.
"""


class SeenIds(Topic):
    """Tracks the ids that a charge point and its CSMS have used recently, across reconnects. It has no rules.

    Attributes:
        sent: the CALLs and SENDs by direction and id, oldest first.
        connections: how many connections there were.
        ended_ns: the monotonic time when the last connection ended; None before that.
        unread_ns: by caller, for how long before `ended_ns` answers may have come too late to be read.
    """

    scope = "station"

    def setup(self) -> None:
        self.sent: dict[Direction, dict[str, Sent]] = {direction: {} for direction in Direction}
        self.connections = 0
        self.ended_ns: int | None = None
        self.unread_ns: dict[Direction, int] = {}

    @track(CLOSED)
    def closed(self, session: SessionContext, moment: Moment) -> None:
        facts = session.facts
        self.ended_ns = moment.mono_ns
        if facts.get("cp_close_code") is None or facts.get("csms_close_code") is None:
            self.unread_ns = dict.fromkeys(Direction, _GIVEN_UP_NS)
        else:
            self.unread_ns = {side: _CLOSING_NS for side in Direction if CLOSERS[side] == facts.get("closed_by")}

    def answers_send(self, answer: Frame) -> bool:
        """Return whether a frame answers a SEND of the other side."""
        sent = self.sent[answer.direction.opposite].get(answer.message_id)
        return sent is not None and sent[2]


class Exchange(Topic):
    """The rules about the order and the pairing of messages on one WebSocket.

    Attributes:
        troubled_ns: by caller, the monotonic time when its last CALL was refused, answered late or given up.
    """

    def setup(self) -> None:
        self._waiting: deque[Frame] = deque(maxlen=OPEN_LIMIT)  # CALLs, oldest first; some may be answered by now
        self._watching = False  # whether a deadline for the oldest of these CALLs is set
        self._given_up_s = min(GIVEN_UP_S, self.settings.answer_timeout_s)
        self._slow_ns = int(self._given_up_s * 1e9)
        self._last_answered: dict[Direction, int] = {}  # by caller: frame id of the latest answered CALL
        self._seen = self.session.topic(SeenIds)
        self._seen.connections += 1
        self._connection = self._seen.connections
        self._gap_ns: int | None = None
        self.troubled_ns: dict[Direction, int] = {}

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        """Note a gap, because the next answers may belong to CALLs that were not recorded."""
        self._gap_ns = moment.mono_ns

    @track(CUT)
    def cut(self, frame: Frame) -> None:
        """Note a gap if a log has only the beginning of a frame, without its id: an answer may belong to it."""
        if not frame.message_id:
            self._gap_ns = frame.mono_ns

    @rule(
        "rpc.reused-id",
        ANY_CALL,
        ANY_SEND,
        title="A message id that the same side has used before",
        severity=Severity.ERROR,
        spec="OCPP-J 1.6 §4.1.4 and errata 3.1; OCPP 2.x part 4 §4.1.4",
        remedy="Give each CALL an id of its own, such as a UUID, over all connections; a counter must not start "
        "again after a reboot.",
        bad=f'{_HEARTBEAT}\n{_TIME}\n> [2,"1","Heartbeat",{{}}]',
        good=f'{_HEARTBEAT}\n{_TIME}\n> [2,"2","Heartbeat",{{}}]',
    )
    def reused_id(self, frame: Frame) -> Faults:
        message = frame.message
        message_id = message.message_id or ""
        sent = self._seen.sent[frame.direction]
        earlier = sent.pop(message_id, None)
        digest = hash(frame.raw)
        sent[message_id] = (digest, self._connection, type(message) is Send, 0)
        if earlier is None:
            if len(sent) > SEEN_IDS:
                forget_oldest(sent, SEEN_IDS // 8)
            return None
        shown = repr(message_id[:60])
        if earlier[0] == digest and self._may_be_retry(earlier, frame):
            text = f"the id {shown} again, on the same message: a retry, which may keep its id"
            return Fault(text, "/1", severity=Severity.INFO, key="retry")
        if earlier[1] != self._connection:
            text = f"the id {shown} was used on an earlier connection"
            return Fault(text, "/1", severity=Severity.WARNING, key="reconnect")
        return Fault(f"the id {shown} was used before on this connection", "/1")

    @rule(
        "rpc.in-flight",
        ANY_CALL,
        title="A CALL is sent while an earlier CALL of the same side waits for its answer",
        severity={
            OcppVersion.V16: Severity.WARNING,
            OcppVersion.V201: Severity.ERROR,
            OcppVersion.V21: Severity.ERROR,
        },
        spec="OCPP-J 1.6 §4.1.1; OCPP 2.x part 4 §4.1.1",
        remedy="Send one CALL at a time in each direction: wait for the answer or the time-out. CALLs of the two "
        "sides may cross.",
        bad='> [2,"1","Heartbeat",{}]\n> [2,"2","Heartbeat",{}]',
        good='> [2,"1","Heartbeat",{}]\n< [2,"2","ClearCache",{}]',
    )
    def in_flight(self, frame: Frame) -> Faults:
        self._waiting.append(frame)
        if not self._watching:
            self._watching = True
            self.station.deadline(frame, self.settings.answer_timeout_s, self.unanswered, at_close=AtClose.DROPPED)
        waiting = self.session.protocol.correlation.open_calls(frame.direction)
        if len(waiting) < 2 or self.session.unseen(frame.direction.opposite, "answers"):
            return None
        for pending in islice(reversed(waiting.values()), LOOK_BACK):
            age_s = (frame.mono_ns - pending.mono_ns) / 1e9
            if pending is frame or age_s >= self._given_up_s or self._retried(pending):
                continue
            # The rule boot.too-early reports CALLs before the answer to a boot.
            if pending.action != "BootNotification":
                asked = f"{pending.action} {pending.message_id!r}"
                return Fault(f"sent while {asked} has waited {duration(age_s)} for its answer")
        return None

    @rule(
        "rpc.error-to-result",
        UNPAIRED,
        title="A CALLERROR in answer to a CALLRESULT",
        severity=Severity.ERROR,
        spec="OCPP-J 1.6 §4.2.3; OCPP 2.x part 4 §4.2.3",
        remedy="Answer CALLs only; in OCPP 2.1 report an answer that you cannot use with CALLRESULTERROR (message "
        "type 5).",
        bad=f'{_HEARTBEAT}\n{_TIME}\n> [4,"1","FormatViolation","",{{}}]',
        good=f'{_HEARTBEAT}\n< [4,"1","InternalError","",{{}}]',
    )
    def error_to_result(self, frame: Frame) -> Faults:
        if frame.answer_status is not AnswerStatus.ORPHAN or not self._answers_result(frame):
            return None
        return Fault(f"a CALLERROR for {frame.message_id!r}, which is an answer, not a CALL", "/0")

    @rule(
        "rpc.orphan-answer",
        UNPAIRED,
        title="An answer does not match any CALL of the other side",
        severity=Severity.ERROR,
        spec="OCPP-J 1.6 §4.1.4; OCPP 2.x part 4 §4.1.4",
        remedy="Answer each CALL once, with its message id, on the connection that it came on.",
        bad='open {"from_start": true}\n< [3,"nobody-asked",{}]',
        good=f"{_HEARTBEAT}\n{_TIME}",
    )
    def orphan_answer(self, frame: Frame) -> Faults:
        """Judge an answer without a CALL.

        If the capture began in mid-session or has a gap, the CALL may not have been seen. Then report only an answer
        that comes later than an answer may take, as a warning, because it may be a late answer.
        """
        if frame.answer_status is not AnswerStatus.ORPHAN or self.session.protocol.correlation.overrun:
            return None
        if self.session.unseen(frame.direction.opposite, "calls"):
            return None
        message_id = frame.message_id
        if self._seen.answers_send(frame) or self._answers_result(frame):
            return None
        if message_id == "-1" and type(frame.message) is CallError and self.session.version in V2X:
            return None  # with this id, 2.x answers a CALL whose id could not be read (part 4 section 4.2.3)
        other = SIDE_NAMES[frame.direction.opposite]
        blind_since = self._blind_since()
        if blind_since is None:
            return Fault(f"an answer to {message_id!r}, but the {other} has sent no such CALL", "/1")
        if self.may_be_unseen(frame):
            return None
        blind_s = (frame.mono_ns - blind_since) / 1e9
        text = f"an answer to {message_id!r}, but the {other} has sent no such CALL in the last {duration(blind_s)}"
        return Fault(text, "/1", severity=Severity.WARNING)

    @rule(
        "rpc.second-answer",
        UNPAIRED,
        title="A second answer to one CALL",
        severity=Severity.ERROR,
        spec="OCPP-J 1.6 §4.1.4; OCPP 2.x part 4 §4.1.4",
        remedy="Answer each CALL once.",
        bad=f"{_HEARTBEAT}\n{_TIME}\n{_TIME}",
        good=f"{_HEARTBEAT}\n{_TIME}",
    )
    def second_answer(self, frame: Frame) -> Faults:
        if frame.answer_status is not AnswerStatus.DUPLICATE:
            return None
        action = frame.call.action if frame.call else "a CALL"
        return Fault(f"{action} {frame.message_id!r} has been answered before", "/1")

    @rule(
        "rpc.late-answer",
        ANY_RESULT,
        ANY_ERROR,
        title="An answer that came after the time-out",
        severity=Severity.INFO,
        spec="OCPP-J 1.6 §4.1.1; OCPP 2.x part 4 §4.1.1",
        remedy="Answer at once, or raise `answer_timeout_s` where the network is slow.",
        bad=f"{_HEARTBEAT}\n+ 31s\n{_TIME}",
        good=f"{_HEARTBEAT}\n+ 29s\n{_TIME}",
    )
    def late_answer(self, frame: Frame) -> Faults:
        pending = frame.call
        if pending is None or frame.answer_status is not AnswerStatus.PAIRED:
            return None
        caller, message_id = pending.direction, pending.message.message_id or ""
        self._last_answered[caller] = pending.frame_id
        waited_ns = frame.mono_ns - pending.mono_ns
        sent = self._seen.sent[caller]
        if (known := sent.get(message_id)) is not None:
            crossing_ns = waited_ns // 2 if waited_ns < _CROSSING_NS else _CROSSING_NS
            sent[message_id] = (known[0], self._connection, False, frame.mono_ns + crossing_ns)
        if self._waiting and self._waiting[0] is pending:
            self._waiting.popleft()
        if waited_ns > self._slow_ns or type(frame.message) is CallError:
            self.troubled_ns[caller] = frame.mono_ns
        else:
            return None
        late_s, allowed_s = waited_ns / 1e9, self.settings.answer_timeout_s
        if late_s <= allowed_s:
            return None
        return Fault(f"the answer to {pending.action} came after {duration(late_s)}; {duration(allowed_s)} are allowed")

    @rule(
        "rpc.no-answer",
        DEADLINE,
        title="A CALL that nobody answered in time",
        severity=Severity.WARNING,
        spec="OCPP-J 1.6 §4.1.1; OCPP 2.x part 4 §4.1.1",
        remedy="Answer every CALL, with a CALLERROR where it cannot be carried out.",
        bad=f"{_HEARTBEAT}\n+ 31s\n",
        good=f"{_HEARTBEAT}\n{_TIME}\n+ 31s",
    )
    def unanswered(self, moment: Moment) -> Faults:
        self._watching = False
        waiting, allowed_s = self._waiting, self.settings.answer_timeout_s
        if self.session not in self.station.sessions:
            return None
        found: list[Fault] = []
        while waiting:
            pending = waiting[0]
            if self._open(pending):
                left_s = allowed_s - (moment.mono_ns - pending.mono_ns) / 1e9
                if left_s > 0:
                    self._watching = True
                    self.station.deadline(pending, allowed_s, self.unanswered, at_close=AtClose.DROPPED)
                    break
                found.append(_unanswered(pending, f"in {duration(allowed_s)}"))
                self.troubled_ns[pending.direction] = moment.mono_ns
            waiting.popleft()
        return found

    @rule(
        "rpc.never-answered",
        CLOSED,
        title="A CALL was never answered, although a later one of the same side was",
        severity=Severity.WARNING,
        spec="OCPP-J 1.6 §4.1.1; OCPP 2.x part 4 §4.1.1",
        remedy="Answer every CALL, with a CALLERROR where it cannot be carried out.",
        bad='> [2,"0","Authorize",{"idTag":"A"}]\n' + f"{_HEARTBEAT}\n{_TIME}\nclose",
        good=f'{_HEARTBEAT}\n{_TIME}\n> [2,"2","Heartbeat",{{}}]\nclose',
    )
    def never_answered(self, session: SessionContext, moment: Moment) -> Faults:
        allowed_ns = self.settings.answer_timeout_s * 1e9
        return [
            _unanswered(pending, "before the connection ended, though a later CALL was answered")
            for pending in self._waiting
            if pending.frame_id < self._last_answered.get(pending.direction, 0)
            and moment.mono_ns - pending.mono_ns < allowed_ns  # rpc.no-answer has reported older CALLs
            and self._open(pending)
            and not self.session.unseen(pending.direction.opposite, "answers")
        ]

    def _may_be_retry(self, earlier: Sent, frame: Frame) -> bool:
        """Return whether a message may be an earlier one sent again, because its sender may not have got the answer."""
        until_ns = earlier[3]
        if not until_ns or frame.mono_ns < until_ns:
            return True
        ended_ns, unread_ns = self._seen.ended_ns, self._seen.unread_ns.get(frame.direction)
        if earlier[1] == self._connection or ended_ns is None or unread_ns is None:
            return False
        return ended_ns - until_ns <= unread_ns

    def may_be_unseen(self, answer: Frame) -> bool:
        """Return whether the CALL of this answer may have been sent before the capture began, or in a gap."""
        since = self._blind_since()
        return since is not None and answer.mono_ns - since <= self.settings.answer_timeout_s * 1e9

    def _blind_since(self) -> int | None:
        """Return the monotonic time until which frames may be missing; None if none is missing."""
        return self._gap_ns if self.session.from_start else max(self._gap_ns or 0, self.session.opened_at.mono_ns)

    def _open(self, pending: Frame) -> bool:
        """Return whether a CALL still waits for its answer."""
        waiting = self.session.protocol.correlation.open_calls(pending.direction)
        return waiting.get(pending.message_id) is pending and not self._retried(pending)

    def _retried(self, pending: Frame) -> bool:
        """Return whether a later CALL with the same id was answered; that answer counts for this CALL, too."""
        correlation = self.session.protocol.correlation
        later = correlation.answered_call(pending.direction, pending.message_id)
        return later is not None and later.frame_id > pending.frame_id

    def _answers_result(self, frame: Frame) -> bool:
        correlation = self.session.protocol.correlation
        return type(frame.message) is CallError and (
            correlation.answered_call(frame.direction, frame.message_id) is not None
        )


def _unanswered(pending: Frame, when: str) -> Fault:
    side = Side.sender(pending.direction.opposite)
    text = f"no answer to {pending.action} {pending.message_id!r} {when}"
    return Fault(text, side=side, frame=pending)
