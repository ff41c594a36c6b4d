"""Judge local authorization lists and vendor-specific data (DataTransfer)."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import OPENED, V16, Faults, Topic, call, event, result, rule, track
from inspector.rules.state.configuration import ConfigurationState

_OK = '> [3,"l",{"status":"Accepted"}]'
_KINDS = {"1.6": "listVersion", "2.0.1": "versionNumber", "2.1": "versionNumber"}
_INFO = {
    "1.6": ',"idTagInfo":{"status":"Accepted"}',
    **dict.fromkeys(("2.0.1", "2.1"), ',"idTokenInfo":{"status":"Accepted"}'),
}
_ENTRY = {
    version: "{" + token + _INFO[version] + "}"
    for version, token in (
        ("1.6", '"idTag":"T%d"'),
        ("2.0.1", '"idToken":{"idToken":"T%d","type":"Central"}'),
        ("2.1", '"idToken":{"idToken":"T%d","type":"Central"}'),
    )
}
_MOST = {
    "1.6": '< [2,"m","GetConfiguration",{"key":["SendLocalListMaxLength"]}]\n'
    '> [3,"m",{"configurationKey":[{"key":"SendLocalListMaxLength","readonly":true,"value":"1"}]}]\n',
    **dict.fromkeys(
        ("2.0.1", "2.1"),
        '< [2,"m","GetVariables",{"getVariableData":[{"component":{"name":"LocalAuthListCtrlr"},'
        '"variable":{"name":"ItemsPerMessage"}}]}]\n> [3,"m",{"getVariableResult":[{"attributeStatus":"Accepted",'
        '"attributeValue":"1","component":{"name":"LocalAuthListCtrlr"},"variable":{"name":"ItemsPerMessage"}}]}]\n',
    ),
}


def _send(
    number: int, kind: str = "Full", entries: int = 0, message_id: str = "l", *, same: bool = False
) -> dict[str, str]:
    """Return a SendLocalList with this version number and its answer, by OCPP version."""
    scripts = {}
    for version, name in _KINDS.items():
        named = ",".join(_ENTRY[version] % (1 if same else number) for number in range(entries))
        listed = f',"localAuthorizationList":[{named}]' if entries else ""
        text = f'< [2,"{message_id}","SendLocalList",{{"{name}":{number},"updateType":"{kind}"{listed}}}]'
        scripts[version] = f"{text}\n{_OK}".replace('"l"', f'"{message_id}"')
    return scripts


def _version(number: int) -> dict[str, str]:
    """Return a GetLocalListVersion and its answer, by OCPP version."""
    return {
        version: f'< [2,"v","GetLocalListVersion",{{}}]\n> [3,"v",{{"{name}":{number}}}]\n'
        for version, name in _KINDS.items()
    }


def _after(first: dict[str, str], second: dict[str, str]) -> dict[str, str]:
    return {version: f"{script}\n{second[version]}" for version, script in first.items()}


class LocalLists(Topic):
    """The local authorization list of one charge point.

    Attributes:
        version_number: the version of the list that was last accepted or reported; None if it is not known.
    """

    scope = "station"

    def setup(self) -> None:
        self.version_number: int | None = None
        self._accepted: int | None = None  # the last accepted version; None after the charge point has restarted
        self._told: int | None = None  # the last reported version, if nothing may have changed it since

    @rule(
        "list.version",
        call("SendLocalList"),
        result("GetLocalListVersion"),
        title="A local list with the version number 0 or below",
        severity=Severity.ERROR,
        spec="OCPP 1.6 errata 3.52; D01.FR.18, D02.FR.02",
        remedy="Number lists from 1; 0 means that there is no list, and -1 that lists are not supported.",
        bad=_send(0),
        good=_send(1),
    )
    def version(self, frame: Frame) -> Faults:
        name = self._member()
        number = integer(frame.payload, name)
        if frame.answer_status is not None:
            if name == "listVersion" or number is None or number >= 0:
                return None
            return Fault(f"the list's version number is {number}; without a list it is 0", f"/2/{name}")
        if number is None or number > 0:
            return None
        return Fault(f"the list's version number is {number}; lists are numbered from 1", f"/3/{name}")

    @rule(
        "list.twice",
        call("SendLocalList"),
        title="A local list names a token twice",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §6.41; D01.FR.06",
        remedy="Name each token once in a list.",
        bad=_send(1, entries=2, same=True),
        good=_send(1, entries=2),
    )
    def twice(self, frame: Frame) -> Faults:
        seen: set[tuple[str, ...]] = set()
        for index, entry in enumerate(elements(frame.payload, "localAuthorizationList")):
            token = member(entry, "idToken")
            texts = string(entry, "idTag"), string(token, "idToken"), string(token, "type")
            name = tuple((text or "").lower() for text in texts)  # because tokens are case-insensitive
            if name in seen and any(name):
                return Fault(f"entry {index + 1} repeats a token of this list", _entry(index))
            seen.add(name)
        return None

    @rule(
        "list.stale",
        result("SendLocalList"),
        title="An update for an older list is not answered with VersionMismatch",
        severity=Severity.ERROR,
        side=Side.CHARGE_POINT,
        spec="OCPP 1.6 §7.46; D01.FR.19",
        remedy="Answer VersionMismatch when a differential update is not newer than the list you have.",
        bad=_after(_send(5), _send(5, "Differential", 1, "m")),
        good=_after(_send(5), _send(6, "Differential", 1, "m")),
    )
    def stale(self, frame: Frame) -> Faults:
        number, known = integer(frame.request, self._member()), self.version_number
        differential = frame.request.get("updateType") == "Differential"
        if not differential or number is None or known is None or number > known:
            return None
        status = frame.payload.get("status")
        if status == "Failed" and self.session.version is not OcppVersion.V16:
            text = f"the status is Failed for version {number}; the list has version {known}; expected VersionMismatch"
            return Fault(text, "/2/status", key="failed")
        if status != "Accepted":
            return None
        return Fault(f"an update to version {number} was accepted; the list has version {known}", "/2/status")

    @rule(
        "list.entry-incomplete",
        call("SendLocalList"),
        title="A full local list has an entry that does not say whether the token is accepted",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §7.1; OCPP 2.x part 2, AuthorizationData",
        remedy="Give idTagInfo (1.6) or idTokenInfo (2.x) with every entry of a Full update.",
        bad={version: script.replace(_INFO[version], "") for version, script in _send(1, entries=1).items()},
        good=_send(1, entries=1),
    )
    def entry_incomplete(self, frame: Frame) -> Faults:
        name = "idTagInfo" if self.session.version is OcppVersion.V16 else "idTokenInfo"
        if frame.payload.get("updateType") != "Full":
            return None
        for index, entry in enumerate(elements(frame.payload, "localAuthorizationList")):
            if name not in entry:
                return Fault(f"entry {index + 1} of a Full update has no {name}", _entry(index))
        return None

    @rule(
        "list.version-differs",
        result("GetLocalListVersion"),
        title="The charge point reports another version of its local list than it has accepted",
        severity=Severity.WARNING,
        side=Side.CHARGE_POINT,
        spec="OCPP 1.6 §5.10 and §5.15; OCPP 2.x D01.FR.01, D01.FR.05, D01.FR.15, D01.FR.16, D01.FR.17, D02.FR.01, "
        "D02.FR.02",
        remedy="Store the version number of each accepted update, and report it until the next.",
        bad=_after(_send(5, entries=1), _version(4)),
        good=_after(_send(5, entries=1), _version(5)),
    )
    def version_differs(self, frame: Frame) -> Faults:
        told = integer(frame.payload, self._member())
        if self._accepted is not None and told is not None and told != self._accepted:
            return Fault(f"the version is {told}; version {self._accepted} was accepted", f"/2/{self._member()}")
        before = self._told
        if told is None or told <= 0 or before is None or before < 0 or told == before:
            return None
        text = f"the version is {told}; it was {before} before, and no update was accepted since"
        return Fault(text, f"/2/{self._member()}", key="changed")

    @rule(
        "list.too-many",
        call("SendLocalList"),
        title="A local list update has more entries than the charge point takes",
        severity=Severity.ERROR,
        side=Side.CSMS,
        spec="OCPP 1.6 §9.3.3; OCPP 2.x D01.FR.11",
        remedy="Send at most SendLocalListMaxLength (1.6) or ItemsPerMessage (2.x) entries, then the rest as "
        "Differential updates.",
        bad={version: _MOST[version] + script for version, script in _send(5, entries=2).items()},
        good={version: _MOST[version] + script for version, script in _send(5, entries=1).items()},
    )
    def too_many(self, frame: Frame) -> Faults:
        known = self.station.topic(ConfigurationState)
        most = known.number("SendLocalListMaxLength")
        if self.session.version is not OcppVersion.V16:
            most = known.variable_number("LocalAuthListCtrlr", "ItemsPerMessage")
        count = len(elements(frame.payload, "localAuthorizationList"))
        if not most or count <= most:
            return None
        return Fault(f"entries: {count}; the charge point accepts {most} at a time", "/3/localAuthorizationList")

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._accepted = self._told = None  # a station should keep its list after a restart, but it need not

    @track(result("SetVariables", "ChangeConfiguration"))
    def configured(self, frame: Frame) -> None:
        self._told = None  # a list that is disabled has the version 0

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        self._told = None

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        self._told = None

    @track(call("SendLocalList"))
    def sending(self, frame: Frame) -> None:
        self._told = None

    @track(result("SendLocalList"))
    def sent(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted":
            self.version_number = self._accepted = integer(frame.request, self._member())

    @track(result("GetLocalListVersion"))
    def told(self, frame: Frame) -> None:
        self.version_number, self._accepted = integer(frame.payload, self._member()), None
        self._told = self.version_number

    def _member(self) -> str:
        return "listVersion" if self.session.version is OcppVersion.V16 else "versionNumber"


class VendorData(Topic):
    """The rules about DataTransfer."""

    versions = V16

    @rule(
        "data.unknown-vendor",
        result("DataTransfer"),
        title="The answer UnknownVendorId has data",
        versions=V16,
        severity=Severity.ERROR,
        spec="OCPP 1.6 §4.3",
        remedy="Leave data out when the status is UnknownVendorId.",
        bad='> [2,"d","DataTransfer",{"vendorId":"V"}]\n< [3,"d",{"status":"UnknownVendorId","data":"x"}]',
        good='> [2,"d","DataTransfer",{"vendorId":"V"}]\n< [3,"d",{"status":"UnknownVendorId"}]',
    )
    def unknown_vendor(self, frame: Frame) -> Faults:
        if frame.payload.get("status") != "UnknownVendorId" or "data" not in frame.payload:
            return None
        return Fault("the status is UnknownVendorId, but data is sent", "/2/data")


def _entry(index: int) -> str:
    return f"/3/localAuthorizationList/{index}"
