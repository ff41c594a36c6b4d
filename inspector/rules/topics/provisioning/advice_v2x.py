"""Judge what is recommended around boots, resets and network profiles."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.device_model import NO_SUCH, name_of
from inspector.rules.topics.example_frames import Payload, csms, script, set_2x
from inspector.rules.topics.provisioning.networks_v2x import DONE, PRIORITY, set_results

_SWITCH = set_2x(*PRIORITY, "2,1", "RebootRequired")
_RESET = csms("Reset", {"type": "Immediate"})
_IDLE = csms("ChangeAvailability", {"operationalStatus": "Inoperative"})
_ALLOW: Payload = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "AllowReset"}}
_ONE_EVSE = csms("Reset", {"type": "Immediate", "evseId": 1})


def _allows(value: str) -> str:
    told = {"attributeStatus": "Accepted", "attributeValue": value, **_ALLOW}
    return csms("GetVariables", {"getVariableData": [_ALLOW]}, {"getVariableResult": [told]})


class ProvisioningAdvice(Topic):
    """The rules about recommendations."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._switched = False  # whether the order of network profiles has changed, and no boot has come since
        self._inoperative = False  # whether the whole station was made inoperative
        self._reset_evses: Known[int, None] = Known()  # EVSEs whose reset was accepted

    @rule(
        "reset.still-operative",
        call("Reset"),
        title="A station is reset for another network profile without being made inoperative first",
        severity=Severity.INFO,
        spec="OCPP 2.x B10.FR.05",
        remedy="Send ChangeAvailability(Inoperative) first and wait until the station has delivered its events.",
        bad=script(_SWITCH, _RESET),
        good=script(_SWITCH, _IDLE, _RESET),
        versions=V2X,
        side=Side.CSMS,
    )
    def still_operative(self, frame: Frame) -> Faults:
        if not self._switched or self._inoperative or "evseId" in frame.payload:
            return None
        self._switched = False
        return Fault("NetworkConfigurationPriority was changed, but the station was not made Inoperative", "/3")

    @track(result("SetVariables"))
    def variables_set(self, frame: Frame) -> None:
        for entry, _, status in set_results(frame):
            name = name_of(entry)
            if name is not None and name.variable == PRIORITY[1].lower() and status in DONE:
                self._switched = True

    @track(result("ChangeAvailability"))
    def changed(self, frame: Frame) -> None:
        if "evse" not in frame.request and frame.payload.get("status") in ("Accepted", "Scheduled"):
            self._inoperative = frame.request.get("operationalStatus") == "Inoperative"

    @rule(
        "reset.allow-reset",
        result("GetVariables"),
        call("NotifyReport"),
        title="A station resets single EVSEs, but its AllowReset says that it cannot",
        severity=Severity.INFO,
        spec="OCPP 2.x B11.FR.10",
        remedy="Set AllowReset of an EVSE to true if the EVSE can be reset alone.",
        bad=script(_ONE_EVSE, _allows("false")),
        good=script(_ONE_EVSE, _allows("true")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._reset_evses,
    )
    def allow_reset(self, frame: Frame) -> Faults:
        read = frame.action == "GetVariables"
        name = "getVariableResult" if read else "reportData"
        for index, entry in enumerate(elements(frame.payload, name)):
            its = name_of(entry)
            if its is None or its.variable != "allowreset" or its.evse not in self._reset_evses:
                continue
            told = [entry] if read else elements(entry, "variableAttribute")
            no = any(str(one.get("attributeValue" if read else "value")).lower() == "false" for one in told)
            if no or string(entry, "attributeStatus") in NO_SUCH:
                text = (
                    f"the reset of EVSE {its.evse} was accepted, but its AllowReset is {'false' if no else 'unknown'}"
                )
                return Fault(text, f"/{'2' if read else '3'}/{name}/{index}", key=str(its.evse))
        return None

    @track(result("Reset"))
    def reset(self, frame: Frame) -> None:
        evse = integer(frame.request, "evseId")
        if evse is not None and frame.payload.get("status") == "Accepted":
            self._reset_evses.note(evse, None)
            self.station.refresh_listeners()

    @track(result("BootNotification"))
    def booted(self, frame: Frame) -> None:
        if frame.payload.get("status") != "Accepted":
            return
        self._switched = self._inoperative = False
