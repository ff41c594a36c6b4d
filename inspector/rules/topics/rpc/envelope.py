"""Judge the envelope of a frame, without its payload."""

from __future__ import annotations

import re

from inspector.protocol.frame import Frame
from inspector.protocol.messages import Call, CallError, CallResultError, Problem
from inspector.protocol.vocabulary import ACTIONS, ACTIONS_FROM, ERROR_CODES, OcppVersion
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import (
    ANY_CALL,
    ANY_ERROR,
    ANY_SEND,
    PROBLEM,
    RESULT_ERROR,
    V2X,
    Faults,
    Topic,
    aside,
    rule,
)
from inspector.rules.topics.rpc.schema import Payload

_NUMBER = re.compile(r"\d+")
_BY_LOWER = {version: {action.lower(): action for action in ACTIONS[version]} for version in OcppVersion}
_ALL_CODES = frozenset().union(*ERROR_CODES.values())
_HEARTBEAT = '[2,"1","Heartbeat",{}]'
_TIME = '{"currentTime":"2026-01-01T12:00:00Z"}'


def _problems(frame: Frame, *kinds: str) -> list[Problem]:
    return [problem for problem in frame.message.problems if problem.kind in kinds]


class Rpc(Topic):
    """The rules about the envelope."""

    @rule(
        "rpc.not-json",
        PROBLEM,
        title="A frame is binary, not UTF-8 or not JSON",
        severity=Severity.ERROR,
        spec="OCPP-J 1.6 §4.1.2; OCPP 2.x part 4 §4.1.2",
        remedy="Send each message as one WebSocket text message that holds JSON in UTF-8.",
        bad='> [2,"1","Heartbeat",{}',
        good=f'> {_HEARTBEAT}\n< [3,"1",{_TIME}]',
    )
    def not_json(self, frame: Frame) -> Faults:
        return [Fault(p.text, p.pointer, key=_kind(p)) for p in _problems(frame, "binary", "encoding", "json")]

    @rule(
        "rpc.duplicate-key",
        PROBLEM,
        title="An object holds the same member twice",
        severity=Severity.WARNING,
        spec="RFC 8259 §4",
        remedy="Write each member once; receivers disagree on which one counts.",
        bad='> [2,"1","DataTransfer",{"vendorId":"a","vendorId":"b"}]',
        good='> [2,"1","DataTransfer",{"vendorId":"a"}]\n< [3,"1",{"status":"Accepted"}]',
        heuristic=True,
    )
    def duplicate_key(self, frame: Frame) -> Faults:
        return [Fault(p.text, p.pointer, key=_kind(p)) for p in _problems(frame, "duplicate-key")]

    @rule(
        "rpc.mended",
        PROBLEM,
        title="What a log, a mail or a chat did to a frame was undone",
        severity=Severity.INFO,
        side=Side.LINK,
        spec="RFC 8259 §2",
        remedy="Take the log as a file from the program that wrote it; what was undone may not be what was sent.",
        bad='noted {"mended":"typographic quotation marks"}\n' + f"> {_HEARTBEAT}",
        good=f'> {_HEARTBEAT}\n< [3,"1",{_TIME}]',
    )
    def mended(self, frame: Frame) -> Faults:
        return [
            Fault(f"the frame was read after {p.text} had been undone", key=p.text) for p in _problems(frame, "mended")
        ]

    @rule(
        "rpc.shape",
        PROBLEM,
        title="The message array has the wrong length or element types",
        severity=Severity.ERROR,
        spec="OCPP-J 1.6 §4.2; OCPP 2.x part 4 §4.2",
        remedy="CALL and SEND have 4 elements, CALLRESULT 3, CALLERROR and CALLRESULTERROR 5.",
        bad='> [2,"1","Heartbeat"]',
        good=f'> {_HEARTBEAT}\n< [3,"1",{_TIME}]',
    )
    def shape(self, frame: Frame) -> Faults:
        return [Fault(p.text, p.pointer, key=_kind(p)) for p in _problems(frame, "shape")]

    @rule(
        "rpc.payload-null",
        PROBLEM,
        title="The payload is null",
        severity=Severity.WARNING,
        spec="OCPP-J 1.6 §4.2.1; OCPP 2.x part 4 §4.2.1",
        remedy="Send an empty object {} when there is no content.",
        bad='> [2,"1","Heartbeat",null]',
        good=f'> {_HEARTBEAT}\n< [3,"1",{_TIME}]',
    )
    def payload_null(self, frame: Frame) -> Faults:
        return [Fault(p.text, p.pointer) for p in _problems(frame, "payload-null")]

    @rule(
        "rpc.message-type",
        PROBLEM,
        title="This version has no such message type",
        severity=Severity.ERROR,
        spec="OCPP-J 1.6 §4.1.3; OCPP 2.x part 4 §4.1.3",
        remedy="Use 2, 3 and 4; 5 and 6 only in OCPP 2.1. The receiver ignores such a message; in 2.0.1 it answers "
        "MessageTypeNotSupported.",
        bad='> [7,"1","Heartbeat",{}]',
        good=f'> {_HEARTBEAT}\n< [3,"1",{_TIME}]',
    )
    def message_type(self, frame: Frame) -> Faults:
        hint = " (answer: MessageTypeNotSupported)" if self.session.version is OcppVersion.V201 else ""
        return [Fault(p.text + hint, p.pointer, key=p.text) for p in _problems(frame, "message-type")]

    @rule(
        "rpc.message-id",
        PROBLEM,
        title="The message id is not a string, is empty or is longer than 36 characters",
        severity=Severity.ERROR,
        spec="OCPP-J 1.6 §4.1.4; OCPP 2.x part 4 §4.1.4",
        remedy="Use a string of at most 36 characters, such as a UUID.",
        bad='> [2,1,"Heartbeat",{}]',
        good=f'> {_HEARTBEAT}\n< [3,"1",{_TIME}]',
    )
    def message_id(self, frame: Frame) -> Faults:
        if frame.call is not None and frame.call.message.message_id == frame.message.message_id:
            return None  # an answer has to repeat the id of its CALL, even a wrong one
        return [Fault(p.text, p.pointer, key=_kind(p)) for p in _problems(frame, "message-id")]

    @rule(
        "rpc.error-form",
        ANY_ERROR,
        RESULT_ERROR,
        title="The details of a CALLERROR are not an object, or its description is too long",
        severity=Severity.ERROR,
        spec="OCPP-J 1.6 §4.2.3; OCPP 2.x part 4 §4.2.3",
        remedy="Send the error details as an object, {} where there are none, and in 2.x at most 255 characters "
        "of description.",
        bad='> [2,"1","Heartbeat",{}]\n< [4,"1","GenericError","",null]',
        good='> [2,"1","Heartbeat",{}]\n< [4,"1","GenericError","",{}]',
    )
    def error_form(self, frame: Frame) -> Faults:
        message = frame.message
        assert isinstance(message, CallError | CallResultError)
        found = [Fault(p.text, p.pointer, key=_kind(p)) for p in _problems(frame, "error-form")]
        length = len(message.error_description)
        if length > 255 and self.session.version in V2X:
            text = f"the error description has {length} characters; at most 255 are allowed"
            found.append(Fault(text, "/3", key="length"))
        return found

    @rule(
        "rpc.error-code",
        ANY_ERROR,
        RESULT_ERROR,
        title="An error code that this version does not list",
        severity=Severity.WARNING,
        spec="OCPP-J 1.6 §4.2.3 table 7; OCPP 2.x part 4 §4.3",
        remedy="Use a code of the agreed version's list, spelled as it is there; use GenericError for anything else.",
        bad='> [2,"1","Heartbeat",{}]\n< [4,"1","ServerBusy","",{}]',
        good='> [2,"1","Heartbeat",{}]\n< [4,"1","GenericError","",{}]',
    )
    def error_code(self, frame: Frame) -> Faults:
        message, version = frame.message, self.session.version
        assert isinstance(message, CallError | CallResultError)
        code = message.error_code
        if version is None or code in ERROR_CODES[version]:
            return None
        if code in _ALL_CODES:
            text = f"{code} is an error code of another version of OCPP, not of {version}"
            return Fault(text, "/2", severity=Severity.INFO, key=code)
        return Fault(f"OCPP {version} has no error code {code[:60]!r}", "/2", key=code[:60])

    @rule(
        "rpc.unknown-action",
        ANY_CALL,
        ANY_SEND,
        title="An action that this version does not have",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §4 and §5; OCPP 2.x part 2",
        remedy="Use the action's exact name, without a Request suffix, and only those of the agreed version.",
        bad='> [2,"1","HeartbeatRequest",{}]',
        good=f'> {_HEARTBEAT}\n< [3,"1",{_TIME}]',
        moot=lambda version, sender, kind, action: action in ACTIONS[version],
    )
    def unknown_action(self, frame: Frame) -> Faults:
        version = self.session.version
        action = frame.action or ""
        if version is None or action in ACTIONS[version]:
            return None
        payloads = self.session.topic(Payload)
        spoken = payloads.spoken.get(frame.direction, [])
        if any(action in ACTIONS[other] for other in spoken):
            return aside(payloads.other_version, frame, spoken)
        hint = " (answer: NotImplemented)" if type(frame.message) is Call else ""
        text = f"OCPP {version} has no action {action[:60]!r}{_meant(action, version)}{hint}"
        return Fault(text, "/2", key=action[:60])

    @rule(
        "rpc.wrong-sender",
        ANY_CALL,
        ANY_SEND,
        title="An action sent by the side that may not send it",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §4 and §5; OCPP 2.x part 2",
        remedy="Send only the actions that your role has.",
        bad='< [2,"1","Heartbeat",{}]',
        good=f'> {_HEARTBEAT}\n< [3,"1",{_TIME}]',
        moot=lambda version, sender, kind, action: action in ACTIONS_FROM[version][sender],
    )
    def wrong_sender(self, frame: Frame) -> Faults:
        version = self.session.version
        if version is None or frame.action in ACTIONS_FROM[version][frame.direction] or frame.guessed:
            return None
        if frame.action not in ACTIONS[version]:
            return None
        role = "the CSMS" if Side.sender(frame.direction) is Side.CHARGE_POINT else "a charge point"
        return Fault(f"{frame.action} is for {role} to send", "/2")


def _kind(problem: Problem) -> str:
    """Return a key that is equal for equal faults of the envelope: the sentence without its numbers."""
    return _NUMBER.sub("", problem.text)


def _meant(action: str, version: OcppVersion) -> str:
    """Return the end of a sentence about a wrong action: its right name, or the versions that have it; else ""."""
    plain = action.removesuffix("Request").removesuffix("Response").removesuffix(".req").lower()
    if known := _BY_LOWER[version].get(plain):
        return f"; it is called {known}"
    versions = [str(other) for other in OcppVersion if action in ACTIONS[other]]
    return f"; it is one of OCPP {' and '.join(versions)}" if versions else ""
