"""Judge whether a 2.x station reports about its local list what the CSMS has sent."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule
from inspector.rules.state.device_model import NO_SUCH, DeviceModel, name_of
from inspector.rules.state.tokens_v2x import KnownTokens2x
from inspector.rules.topics.authorization.tokens_v2x import local_list
from inspector.rules.topics.example_frames import csms, script, variable_2x

_OFF = variable_2x("LocalAuthListCtrlr", "Enabled", "false")
_CARD = {"idToken": "T", "type": "ISO14443"}
_SENT = local_list(_CARD, "Accepted")

_ENTRIES = {"component": {"name": "LocalAuthListCtrlr"}, "variable": {"name": "Entries"}}
_NONE = csms(
    "GetVariables",
    {"getVariableData": [_ENTRIES]},
    {"getVariableResult": [{"attributeStatus": "UnknownVariable", **_ENTRIES}]},
)


def _version(number: int) -> str:
    return csms("GetLocalListVersion", {}, {"versionNumber": number})


class LocalListContent2x(Topic):
    """The rules about the version and the size of a list."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._tokens = self.station.topic(KnownTokens2x)

    @rule(
        "list.version-disabled",
        result("GetLocalListVersion"),
        title="A station whose local list is switched off reports a version of it",
        severity=Severity.WARNING,
        spec="OCPP 2.x D02.FR.03",
        remedy="Answer GetLocalListVersion with 0 while LocalAuthListCtrlr.Enabled is not true.",
        bad=script(_OFF, _version(3)),
        good=script(_OFF, _version(0)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def version_disabled(self, frame: Frame) -> Faults:
        number = integer(frame.payload, "versionNumber")
        if not number or self._tokens.flag("LocalAuthListCtrlr", "Enabled") is not False:
            return None
        return Fault(f"versionNumber is {number}, but LocalAuthListCtrlr.Enabled is false", "/2/versionNumber")

    @rule(
        "list.entries-missing",
        result("GetVariables"),
        call("NotifyReport"),
        title="A station that takes a local list does not know how many entries it has",
        severity=Severity.WARNING,
        spec="OCPP 2.x D01.FR.12",
        remedy="Have the variable LocalAuthListCtrlr.Entries where the local list is supported.",
        bad=script(_SENT, _NONE),
        good=script(_NONE),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def entries_missing(self, frame: Frame) -> Faults:
        if not self._tokens.listed:
            return None
        if frame.action == "NotifyReport":
            return self._inventory(frame)
        for index, entry in enumerate(elements(frame.payload, "getVariableResult")):
            name = name_of(entry)
            known = name is not None and (name.component, name.variable) == ("localauthlistctrlr", "entries")
            status = string(entry, "attributeStatus")
            if known and status in NO_SUCH:
                text = f"LocalAuthListCtrlr.Entries is answered with {status}, but SendLocalList was accepted"
                return Fault(text, f"/2/getVariableResult/{index}")
        return None

    def _inventory(self, frame: Frame) -> Faults:
        """Judge the last part of a full inventory; DeviceModel knows it already."""
        model = self.station.topic(DeviceModel)
        if frame.payload.get("tbc") is True or not model.whole or "localauthlistctrlr" not in model.components:
            return None
        if any(known.listed and name.variable == "entries" for name, known in model.instances("LocalAuthListCtrlr")):
            return None
        return Fault("the full inventory has no LocalAuthListCtrlr.Entries, but SendLocalList was accepted", "/3")

    @rule(
        "list.entries",
        result("GetVariables"),
        call("NotifyReport"),
        title="A station reports another number of entries in its local list than were sent",
        severity=Severity.WARNING,
        spec="OCPP 2.x D01.FR.04, D01.FR.05, D01.FR.09, D01.FR.15, D01.FR.16, D01.FR.17",
        remedy="Replace, update or empty the list as SendLocalList says, and in no other way; report its size in "
        "LocalAuthListCtrlr.Entries.",
        bad=script(_SENT, variable_2x("LocalAuthListCtrlr", "Entries", "3")),
        good=script(_SENT, variable_2x("LocalAuthListCtrlr", "Entries", "1")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def entries(self, frame: Frame) -> Faults:
        if not self._tokens.listed_whole:
            return None
        read = frame.action == "GetVariables"
        for entry in elements(frame.payload, "getVariableResult" if read else "reportData"):
            name = name_of(entry)
            if name is None or (name.component, name.variable) != ("localauthlistctrlr", "entries"):
                continue
            attribute = entry if read else next(iter(elements(entry, "variableAttribute")), {})
            told = string(attribute, "attributeValue" if read else "value")
            kind = string(attribute, "attributeType" if read else "type") or "Actual"
            count = sum(one is not None for one in self._tokens.listed.values())
            if told is not None and kind == "Actual" and told.isdecimal() and int(told[:9]) != count:
                text = f"LocalAuthListCtrlr.Entries is {told[:9]}; the list that was sent has {count}"
                return Fault(text, "/2" if read else "/3")
        return None
