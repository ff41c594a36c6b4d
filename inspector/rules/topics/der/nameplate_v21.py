"""Judge which variables of DCDERCtrlr a 2.1 station reports for the inverters of its EVSEs."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import OPENED, V21, Faults, Topic, call, rule, track
from inspector.rules.topics.example_frames import NOW, Payload, cp, csms, script

NAME = "DCDERCtrlr"
MANDATORY = (
    "MaxW OverExcitedW OverExcitedPF UnderExcitedW UnderExcitedPF MaxVA MaxVar MaxVarNeg MaxChargeRateW "
    "MaxChargeRateVA ModesSupported InverterManufacturer InverterModel InverterSwVersion InverterHwVersion "
    "ReactiveSusceptance"
).split()
_ASKED = csms("GetReport", {"requestId": 1, "componentVariable": [{"component": {"name": NAME}}]})


def inverter(*names: str, evse: int = 1, more: bool = False, sequence: int = 0) -> str:
    """Return a NotifyReport with these variables of an EVSE's inverter."""
    told = [
        {
            "component": {"name": NAME, "evse": {"id": evse}},
            "variable": {"name": name},
            "variableAttribute": [{"value": "1"}],
            "variableCharacteristics": {"dataType": "string", "supportsMonitoring": False},
        }
        for name in names
    ]
    return cp("NotifyReport", {"requestId": 1, "generatedAt": NOW, "seqNo": sequence, "tbc": more, "reportData": told})


class _Report:
    """The variables of inverters in a report, in lower case, by EVSE."""

    def __init__(self) -> None:
        self.found: dict[int, set[str]] = {}


class Nameplates21(Topic):
    """The rule about the variables of inverters."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._reports: Known[int, _Report] = Known()

    @track(call("GetReport", "GetBaseReport"))
    def requested(self, frame: Frame) -> None:
        number, wanted = integer(frame.payload, "requestId"), elements(frame.payload, "componentVariable")
        whole = any(member(one, "component").get("name") == NAME and "variable" not in one for one in wanted)
        whole = whole and "componentCriteria" not in frame.payload
        if number is None or not (whole or frame.payload.get("reportBase") == "FullInventory"):
            return
        self._reports.note(number, _Report())
        self.station.refresh_listeners()

    @rule(
        "der.nameplate",
        call("NotifyReport"),
        title="The report of an inverter lacks mandatory variables",
        severity=Severity.WARNING,
        spec="OCPP 2.1 R01.FR.01, R01.FR.02",
        remedy="Report all mandatory variables of DCDERCtrlr for each EVSE that has it.",
        bad=script(_ASKED, inverter("MaxW", "MaxVA")),
        good=script(_ASKED, inverter(*MANDATORY)),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._reports,
    )
    def nameplate(self, frame: Frame) -> Faults:
        number = integer(frame.payload, "requestId")
        report = self._reports.get(number) if number is not None else None
        if number is None or report is None:
            return None
        for entry in elements(frame.payload, "reportData"):
            self._note(report, entry)
        if frame.payload.get("tbc") is True:
            return None
        del self._reports[number]
        if not self._reports:
            self.station.refresh_listeners()
        for evse, names in report.found.items():
            missing = [name for name in MANDATORY if name.lower() not in names]
            if missing:
                text = f"{NAME} of EVSE {evse} lacks {', '.join(missing[:4])}{' and others' * (len(missing) > 4)}"
                return Fault(text, "/3/reportData", key=str(evse))
        return None

    def _note(self, report: _Report, entry: Payload) -> None:
        component = member(entry, "component")
        if component.get("name") != NAME:
            return
        evse = integer(member(component, "evse"), "id") or 0
        name = string(member(entry, "variable"), "name")
        if name is not None and len(report.found) < 500:
            report.found.setdefault(evse, set()).add(name.lower())

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            self._reports.clear()  # the capture may lack some of their parts
