"""Judge the payload of a message by the JSON schema of its action."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from inspector.protocol import schemas
from inspector.protocol.frame import Frame
from inspector.protocol.messages import Call
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.rules.finding import Fault, Severity
from inspector.rules.rule import ANY_CALL, ANY_RESULT, ANY_SEND, ASIDE, V2X, Faults, Topic, aside, rule


class Payload(Topic):
    """The rules about schemas.

    Attributes:
        spoken: by sender, the versions of its messages, if they are not of the connection's version.
    """

    def setup(self) -> None:
        self._sound = False  # whether the payload being judged satisfies its schema
        self._requests: dict[str, Any] = {}  # compiled schemas by action; this look-up is faster than `validator`
        self._responses: dict[str, Any] = {}
        self._empty_ones: set[str] = set()  # actions that may be answered with {}; nearly every second frame is {}
        self._version: OcppVersion | None = None  # the version of these schemas and actions
        self.spoken: dict[Direction, list[OcppVersion]] = {}

    @rule(
        "payload.schema",
        ANY_CALL,
        ANY_RESULT,
        ANY_SEND,
        title="A payload does not satisfy the JSON schema of its action",
        severity=Severity.ERROR,
        spec="the JSON schemas of OCPP 1.6, 2.0.1 and 2.1",
        remedy="Send what the schema requires. The finding names the member, its value and what is expected.",
        bad={
            "1.6": '> [2,"1","Authorize",{}]',
            "2.0.1": '> [2,"1","BootNotification",{"reason":"PowerUp"}]',
            "2.1": '> [2,"1","BootNotification",{"reason":"PowerUp"}]',
        },
        good='> [2,"1","Heartbeat",{}]\n< [3,"1",{"currentTime":"2026-01-01T12:00:00Z"}]',
    )
    def schema(self, frame: Frame) -> Faults:
        version, action = self.session.version, frame.action
        self._sound = False
        if version is None or action is None:
            return None
        message = frame.message
        payload = message.payload  # type: ignore[union-attr]
        if type(payload) is not dict:
            return None  # rpc.shape or rpc.payload-null reports this
        answer = frame.answer_status is not None
        if answer and not payload and action in self._empty_ones and version is self._version:
            self._sound = True
            return None
        kind: schemas.Kind = "response" if answer else "request"
        compiled = (self._responses if answer else self._requests).get(action)
        if compiled is None or version is not self._version:
            compiled = self._compiled(version, action, kind)
        if compiled is None or compiled.is_valid(payload):
            self._sound = compiled is not None
            return None
        if told := self._other_version(version, action, kind, payload):
            return aside(self.other_version, frame, *told)
        place = "/2" if answer else "/3"
        return [
            Fault(
                fault.text
                + self._elsewhere(version, action, kind, fault, payload)
                + _refusal(frame, version, fault.keyword),
                place + fault.pointer,
                key=f"{fault.keyword} {fault.member or fault.found}",
            )
            for fault in schemas.faults(version, action, kind, payload)
            if not self._allowed(action, fault, payload)
        ]

    @rule(
        "payload.other-version",
        ASIDE,
        title="A payload of another OCPP version than the connection's",
        severity=Severity.ERROR,
        spec="OCPP-J 1.6 §3.1.2 and §3.3; OCPP 2.x part 4 §3.1.2 and §3.3",
        remedy="Use the version that the handshake agreed on, or agree on the version that you use. Where --ocpp "
        "forced the version, force the other one.",
        bad={
            "1.6": '> [2,"1","BootNotification",{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}]',
            "2x": '> [2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]',
        },
        good={
            "1.6": '> [2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]',
            "2x": '> [2,"1","BootNotification",{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}]',
        },
    )
    def other_version(self, frame: Frame, versions: list[OcppVersion], members: Iterable[str] = ()) -> Fault:
        """Return the fault that a sender's messages are of other versions; it becomes one finding for the session.

        `members` are the members of the payload that show this; empty if the action shows it.
        """
        self.spoken[frame.direction] = versions
        only = " and ".join(versions)
        what = f"the {'answer to ' if frame.answer_status is not None else ''}{(frame.action or '')[:60]}"
        told = f"{what} with {', '.join(sorted(members)[:5])}" if members else what
        text = f"{told} is of OCPP {only}, but the connection is of OCPP {self.session.version}"
        place = "/2" if frame.answer_status is not None or not members else "/3"
        return Fault(text, place, key=only, everywhere=True)

    def _other_version(
        self, version: OcppVersion, action: str, kind: schemas.Kind, payload: dict[str, Any]
    ) -> tuple[list[OcppVersion], frozenset[str]] | None:
        """Return the other versions that a faulty payload seems to be of, and the members that show this.

        Only the schemas of these versions have these members. Return None if there are none.
        """
        own_only, others = _telling(version, action, kind)
        if not own_only.isdisjoint(payload):
            return None  # it also has members that only its own version has
        found = {other: members.intersection(payload) for other, members in others.items()}
        most = max(found.values(), key=len)
        return ([other for other, members in found.items() if members == most], most) if most else None

    def _elsewhere(
        self, version: OcppVersion, action: str, kind: schemas.Kind, fault: schemas.SchemaFault, payload: dict[str, Any]
    ) -> str:
        """Return the end of a sentence that names the other versions with this enumeration value; "" if none has it."""
        if fault.keyword != "enum":
            return ""
        value, place = _at(payload, fault.pointer), _INDEX.sub("", fault.pointer).lstrip("/")
        if type(value) is not str:
            return ""
        knowing = [o for o in OcppVersion if o is not version and value in schemas.listed(o, action, kind, place)]
        return f"; OCPP {' and '.join(knowing)} has it" if knowing else ""

    def _compiled(self, version: OcppVersion, action: str, kind: schemas.Kind) -> Any:
        if version is not self._version:
            self._version = version
            self._requests.clear()
            self._responses.clear()
            self._empty_ones.clear()
        compiled = schemas.validator(version, action, kind)
        if compiled is not None:
            (self._responses if kind == "response" else self._requests)[action] = compiled
            if kind == "response" and compiled.is_valid({}):
                self._empty_ones.add(action)
        return compiled

    @rule(
        "payload.empty-member",
        ANY_CALL,
        ANY_RESULT,
        ANY_SEND,
        title="An optional member is null, {} or []",
        versions=V2X,
        severity=Severity.WARNING,
        spec="OCPP 2.x part 4 §4.1.5",
        remedy="Leave out an optional member that has no value.",
        bad='> [2,"1","StatusNotification",{"timestamp":"2026-01-01T12:00:00Z","connectorStatus":"Available",'
        '"evseId":1,"connectorId":1,"customData":null}]',
        good='> [2,"1","StatusNotification",{"timestamp":"2026-01-01T12:00:00Z","connectorStatus":"Available",'
        '"evseId":1,"connectorId":1}]',
    )
    def empty_member(self, frame: Frame) -> Faults:
        version, action = self.session.version, frame.action
        if version is None or action is None or not frame.payload:
            return None
        # This is fast: a valid payload cannot have null or [] (except for DataTransfer), and few may have {}.
        if self._sound and b"{}" not in frame.raw and action != "DataTransfer":
            return None
        answer = frame.answer_status is not None
        kind: schemas.Kind = "response" if answer else "request"
        if self._sound and not schemas.may_hold_empty_object(version, action, kind):
            return None
        payload = frame.payload
        place = "/2" if answer else "/3"
        return [
            Fault(f"the optional member {pointer.rpartition('/')[2]} is {text}; leave it out", place + pointer)
            for pointer, text in schemas.empty_members(version, action, kind, payload)
        ]

    def _allowed(self, action: str, fault: schemas.SchemaFault, payload: Any) -> bool:
        """Return whether the user's settings allow a value that the schema does not allow."""
        place = f"{action}/{_INDEX.sub('', fault.pointer).lstrip('/')}"
        if fault.keyword == "enum":
            return _at(payload, fault.pointer) in self.settings.extra_enum_values.get(place, ())
        if fault.keyword == "maxLength":
            value = _at(payload, fault.pointer)
            return isinstance(value, str) and len(value) <= self.settings.longer_strings.get(place, 0)
        return False


def _refusal(frame: Frame, version: OcppVersion, keyword: str) -> str:
    """Return the end of a sentence that names the right answer to a faulty payload.

    It is "" for a SEND, and for an answer before 2.1, because these must not be answered.
    """
    if type(frame.message) is Call:
        return f" (answer: {schemas.error_code(version, keyword)})"
    if frame.answer_status is not None and version is OcppVersion.V21:
        return f" (answer: CALLRESULTERROR {schemas.error_code(version, keyword)})"
    return ""


_IN_BOTH = frozenset({"customData"})
"""Members that vendors also add to messages of versions that do not define them."""


@lru_cache(1024)
def _telling(
    version: OcppVersion, action: str, kind: schemas.Kind
) -> tuple[frozenset[str], dict[OcppVersion, frozenset[str]]]:
    """Return the members of an action's payload that only this version has.

    Return with it, for each other version, the members that it has and this version does not.
    """
    own = schemas.own_members(version, action, kind)
    others = {other: schemas.own_members(other, action, kind) for other in OcppVersion if other is not version}
    return (own - _IN_BOTH).difference(*others.values()), {
        other: known - own - _IN_BOTH for other, known in others.items()
    }


_INDEX = re.compile(r"/\d+(?=/|$)")


def _at(payload: Any, pointer: str) -> Any:
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        payload = payload[int(key)] if isinstance(payload, list) else payload[key]
    return payload
