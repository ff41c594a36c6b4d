"""Display messages that a station accepts although it has reported that it cannot show them, or has no room."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.device_model import DeviceModel
from inspector.rules.topics.authorization_v2x import LANGUAGE_TAG
from inspector.rules.topics.display_kept_v2x import KeptMessages, shown
from inspector.rules.topics.example_frames import NOW, cp, entry_2x, inventory_2x, script

_CONTROLLER = "DisplayMessageCtrlr"
_CHANGES = ("SetDisplayMessage", "ClearDisplayMessage")
_COUNTS = ("displaymessages", "numberofdisplaymessages")
_SUPPORTED = {"priority": "SupportedPriorities", "state": "SupportedStates", "format": "SupportedFormats"}
"""The variable that lists the values of each member that a station supports."""
_REFUSALS = {"priority": "NotSupportedPriority", "state": "NotSupportedState", "format": "NotSupportedMessageFormat"}


_GREETING = {"format": "UTF8", "content": "Hello"}


def _reported(name: str, value: str = "", **limits: Any) -> str:
    entry = {
        "component": {"name": _CONTROLLER},
        "variable": {"name": name},
        "variableAttribute": [{"value": value}],
        "variableCharacteristics": {"dataType": "MemberList", "supportsMonitoring": False, **limits},
    }
    return cp("NotifyReport", {"requestId": 1, "generatedAt": NOW, "seqNo": 0, "reportData": [entry]})


_SHOWS = inventory_2x(entry_2x({"name": "Display", "instance": "1"}, "Present", "true"))


class DisplaySupport(Topic):
    """Rules about what a display supports."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._languages: frozenset[str] = frozenset()
        self._counted: int | None = None  # how many messages there are, as the station has told
        self._at_count: set[int] = set()  # the ids of those that were known then
        self._most: float | None = None
        self._kept = self.station.topic(KeptMessages)
        self._model = self.station.topic(DeviceModel)
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "display.not-supported",
        result("SetDisplayMessage"),
        title="The answer to a display message contradicts what the station supports",
        severity=Severity.WARNING,
        spec="OCPP 2.x O01.FR.01 to O01.FR.03, O02.FR.03 to O02.FR.05; OCPP 2.1 O01.FR.18, O01.FR.19",
        remedy="Answer NotSupportedPriority, NotSupportedState, NotSupportedMessageFormat or LanguageNotSupported.",
        bad=script(_reported("SupportedPriorities", "InFront,NormalCycle"), shown(priority="AlwaysFront")),
        good=script(_reported("SupportedPriorities", "InFront,NormalCycle"), shown(priority="InFront")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_supported(self, frame: Frame) -> Faults:
        info, status = member(frame.request, "message"), string(frame.payload, "status")
        texts = [member(info, "message"), *elements(info, "messageExtra")]
        given = [("priority", string(info, "priority")), ("state", string(info, "state"))]
        given += [("format", string(text, "format")) for text in texts]
        for name, value in given:
            told = self._configuration.variable(_CONTROLLER, _SUPPORTED[name]) if value is not None else None
            listed = [one.strip() for one in (told or "").split(",")]
            if (
                told
                and value not in listed
                and (status == "Accepted" or (status == "Rejected" and not self._full(frame)))
            ):
                said = f"{status}, but {name} is {value}; {_SUPPORTED[name]} is {told[:60]}"
                return Fault(said, "/2/status", key=name)
        for name, refusal in _REFUSALS.items():
            supported = self._configuration.variable(_CONTROLLER, _SUPPORTED[name])
            values = {value for own, value in given if own == name and value is not None}
            if not supported or status != refusal or not values:
                continue
            if values <= {one.strip() for one in supported.split(",")}:
                return Fault(f"{status}, but {_SUPPORTED[name]} is {supported[:60]}", "/2/status", key=f"no {name}")
        if status not in ("Accepted", "Rejected") or (status == "Rejected" and self._full(frame)):
            return None
        if "messageExtra" in info and self._model.lacks(_CONTROLLER, "Language"):
            said = "messageExtra is accepted, but the station has no variable Language"
            return Fault(said, "/2/status", key="extra") if status == "Accepted" else None
        for text in texts if self._languages else ():
            language = string(text, "language")
            if language is not None and language.lower() not in self._languages:
                known = ", ".join(sorted(self._languages))
                return Fault(
                    f"{status}, but language is {language[:8]}; supported are {known[:60]}", "/2/status", key="language"
                )
        return None

    def _full(self, frame: Frame) -> bool:
        """Whether the station may have no room for another message."""
        return self._most is not None and len(self._kept.kept) >= self._most

    @rule(
        "display.unknown-display",
        result("SetDisplayMessage"),
        title="A display message is accepted for a display that the station does not have",
        severity=Severity.INFO,
        spec="OCPP 2.1 O01.FR.22",
        remedy="Answer Rejected where the component in display is not one of the station's displays.",
        bad=script(_SHOWS, shown(display={"name": "Display", "instance": "2"})),
        good=script(_SHOWS, shown(display={"name": "Display", "instance": "1"})),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def unknown_display(self, frame: Frame) -> Faults:
        display = member(member(frame.request, "message"), "display")
        name = string(display, "name")
        if name is None or frame.payload.get("status") != "Accepted" or not self._model.whole:
            return None
        instance = (string(display, "instance") or "").lower()
        if any(known.listed and one.component_instance == instance for one, known in self._model.instances(name)):
            return None
        return Fault(f"the inventory has no {name[:50]} {instance[:50]}".rstrip(), "/2/status", key=instance[:50])

    @rule(
        "display.not-reported",
        call("NotifyReport"),
        title="A station that supports display messages reports no Display component",
        severity=Severity.INFO,
        spec="OCPP 2.1 O01.FR.21",
        remedy="Report a component Display for every display in the base report.",
        bad=script(inventory_2x(entry_2x(_CONTROLLER, "Available", "true"))),
        good=script(
            inventory_2x(entry_2x(_CONTROLLER, "Available", "true"), entry_2x({"name": "Display"}, "Present", "true"))
        ),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def display_not_reported(self, frame: Frame) -> Faults:
        if frame.payload.get("tbc") is True or not self._model.whole or "display" in self._model.components:
            return None
        known = self._model.get(_CONTROLLER, "Available")
        if known is None or not known.listed or (known.value or "").lower() != "true":
            return None
        return Fault(f"{_CONTROLLER}.Available is true, but there is no component Display", "/3/reportData")

    @rule(
        "display.language",
        call("SetDisplayMessage"),
        title="The language of a display message is not a language tag",
        severity=Severity.WARNING,
        spec="OCPP 2.x O01.FR.17, O02.FR.12",
        remedy="Give the language as a tag of RFC 5646, such as en or en-US.",
        bad=script(shown("Rejected", message=_GREETING | {"language": "en_US"})),
        good=script(shown(message=_GREETING | {"language": "en-US"})),
        versions=V2X,
        side=Side.CSMS,
    )
    def language(self, frame: Frame) -> Faults:
        info = member(frame.payload, "message")
        for text in (member(info, "message"), *elements(info, "messageExtra")):
            told = string(text, "language")
            if told is not None and not LANGUAGE_TAG.fullmatch(told):
                return Fault(f"language is {told[:20]!r}; expected a tag such as en-US", "/3/message", key=told[:20])
        return None

    @rule(
        "display.too-many",
        result("SetDisplayMessage"),
        title="More display messages are accepted than the station can keep",
        severity=Severity.WARNING,
        spec="OCPP 2.x O01.FR.11, O02.FR.11",
        remedy="Answer Rejected once maxLimit of DisplayMessageCtrlr.DisplayMessages is reached.",
        bad=script(_reported("DisplayMessages", "0", maxLimit=1), shown(), shown(id=2)),
        good=script(_reported("DisplayMessages", "0", maxLimit=1), shown(), shown()),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def too_many(self, frame: Frame) -> Faults:
        number = integer(member(frame.request, "message"), "id")
        if self._most is None or number is None or frame.payload.get("status") != "Accepted":
            return None
        left = [one for one in self._kept.lasting(frame) if one != number]
        if self._counted is not None and self._counted >= self._most and number not in self._at_count:
            text = f"message {number} is accepted, but there were {self._counted} of {self._most:g} messages"
            return Fault(text, "/2/status", key="counted")
        if len(left) < self._most:
            return None
        return Fault(f"message {number} is accepted as number {len(left) + 1}; maxLimit is {self._most:g}", "/2/status")

    def _count(self, kind: object, value: object) -> None:
        """Note the number of messages (attribute Actual), or the highest one (MaxSet)."""
        if type(value) is str and value.isdecimal() and len(value) < 10:
            if kind in (None, "Actual"):
                if self._counted is None:
                    self.station.refresh_listeners()
                self._counted, self._at_count = int(value), set(self._kept.kept)
            elif kind == "MaxSet":
                self._most = int(value)

    @track(result("GetVariables"))
    def read(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "getVariableResult"):
            component, name = string(member(entry, "component"), "name"), string(member(entry, "variable"), "name")
            if (component or "").lower() == _CONTROLLER.lower() and (name or "").lower() in _COUNTS:
                self._count(entry.get("attributeType"), entry.get("attributeValue"))

    @track(
        result(*_CHANGES),
        call("BootNotification", "TransactionEvent"),
        plain=False,
        dormant=lambda topic: topic._counted is None,
    )
    def changed(self, frame: Frame) -> None:
        if frame.action != "TransactionEvent" or frame.payload.get("eventType") == "Ended":
            self._counted = None  # it may be another number now

    @track(call("NotifyReport"))
    def reported(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "reportData"):
            if (string(member(entry, "component"), "name") or "").lower() != _CONTROLLER.lower():
                continue
            name, told = string(member(entry, "variable"), "name") or "", member(entry, "variableCharacteristics")
            if name.lower() == "language" and type(told.get("valuesList")) is str:
                values = (one.strip().lower() for one in told["valuesList"].split(","))
                self._languages = frozenset(one for one in values if one)
            elif name.lower() in _COUNTS:
                if type(told.get("maxLimit")) in (int, float):
                    self._most = told["maxLimit"]
                for attribute in elements(entry, "variableAttribute"):
                    self._count(attribute.get("type"), attribute.get("value"))
