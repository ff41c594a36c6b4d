"""Judge the messages that only OCPP 2.1 has: SEND and CALLRESULTERROR."""

from __future__ import annotations

from inspector.protocol.correlation import ANSWERED_LIMIT
from inspector.protocol.frame import AnswerStatus, Frame
from inspector.protocol.vocabulary import SEND_ACTIONS, SIDE_NAMES, Direction
from inspector.rules.finding import Fault, Severity
from inspector.rules.rule import (
    ANY_ERROR,
    ANY_SEND,
    RESULT_ERROR,
    UNPAIRED,
    V21,
    Faults,
    Topic,
    call,
    rule,
    track,
)
from inspector.rules.topics.rpc.exchange import Exchange, SeenIds

_HEARTBEAT = '> [2,"1","Heartbeat",{}]'
_TIME = '< [3,"1",{"currentTime":"2026-01-01T12:00:00Z"}]'
_STREAM = (
    '[%d,"9","NotifyPeriodicEventStream",'
    '{"id":1,"pending":0,"basetime":"2026-01-01T12:00:00Z","data":[{"t":0,"v":"1"}]}]'
)


class Exchange21(Topic):
    """The rules about SEND and CALLRESULTERROR."""

    versions = V21

    def setup(self) -> None:
        self._refused: dict[tuple[Direction, str], None] = {}  # the latest CALLs that were answered with a CALLERROR

    @rule(
        "rpc.stream-as-call",
        call(*SEND_ACTIONS),
        title="NotifyPeriodicEventStream is not sent as SEND",
        versions=V21,
        severity=Severity.ERROR,
        spec="OCPP 2.1 part 4 §4.2.4; N15.FR.01",
        remedy="Send it with message type 6; it gets no answer.",
        bad="> " + _STREAM % 2,
        good="> " + _STREAM % 6,
    )
    def stream_as_call(self, frame: Frame) -> Faults:
        return Fault(f"{frame.action} is sent as a CALL; expected SEND (message type 6)", "/0")

    @rule(
        "rpc.call-as-send",
        ANY_SEND,
        title="An action that needs an answer is sent as SEND",
        versions=V21,
        severity=Severity.WARNING,
        spec="OCPP 2.1 part 4 §4.2.4",
        remedy="Send it as a CALL (message type 2).",
        bad='> [6,"9","Heartbeat",{}]',
        good="> " + _STREAM % 6,
    )
    def call_as_send(self, frame: Frame) -> Faults:
        if frame.action in SEND_ACTIONS:
            return None
        return Fault(f"{(frame.action or '')[:60]} is sent as a SEND; expected CALL (message type 2)", "/0")

    @rule(
        "rpc.answered-send",
        UNPAIRED,
        title="A SEND is answered",
        versions=V21,
        severity=Severity.ERROR,
        spec="OCPP 2.1 part 4 §4.2.4, N15.FR.02",
        remedy="Do not answer messages of type 6.",
        bad="> " + _STREAM % 6 + '\n< [3,"9",{}]',
        good="> " + _STREAM % 6,
    )
    def answered_send(self, frame: Frame) -> Faults:
        if frame.answer_status is not AnswerStatus.ORPHAN or not self.session.topic(SeenIds).answers_send(frame):
            return None
        return Fault(f"the SEND {frame.message_id!r} is answered", "/1")

    @track(ANY_ERROR, versions=V21)
    def refused(self, frame: Frame) -> None:
        if frame.answer_status is AnswerStatus.PAIRED:
            self._refused[frame.direction.opposite, frame.message_id] = None
            if len(self._refused) > ANSWERED_LIMIT:
                del self._refused[next(iter(self._refused))]

    @rule(
        "rpc.stray-result-error",
        RESULT_ERROR,
        title="A CALLRESULTERROR does not match a CALLRESULT of the other side",
        versions=V21,
        severity=Severity.ERROR,
        spec="OCPP 2.1 part 4 §4.1.4 and §4.2.3",
        remedy="Send CALLRESULTERROR only as the caller, with the id of the CALLRESULT that could not be used.",
        bad=f'{_HEARTBEAT}\n{_TIME}\n< [5,"1","FormatViolation","",{{}}]',
        good=f'{_HEARTBEAT}\n{_TIME}\n> [5,"1","FormatViolation","",{{}}]',
    )
    def stray_result_error(self, frame: Frame) -> Faults:
        message_id = frame.message_id
        correlation = self.session.protocol.correlation
        if frame.call is not None:
            if (frame.direction, message_id) not in self._refused:
                return None
            return Fault(f"{message_id!r} was answered with a CALLERROR, not with a CALLRESULT", "/1")
        own = SIDE_NAMES[frame.direction]
        if correlation.answered_call(frame.direction.opposite, message_id) is not None:
            return Fault(f"{message_id!r} is an answer of the {own} itself; only the caller may refuse it", "/1")
        if message_id in correlation.open_calls(frame.direction):
            return Fault(f"{message_id!r} has not been answered yet", "/1")
        if self.session.topic(Exchange).may_be_unseen(frame):
            return None
        return Fault(f"no CALLRESULT with the id {message_id!r} came for the {own} lately", "/1")
