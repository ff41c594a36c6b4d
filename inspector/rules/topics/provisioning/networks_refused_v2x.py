"""Judge whether network configurations that a 2.x station must or should refuse are refused."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.fields import elements, integer, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.device_model import DeviceModel, name_of
from inspector.rules.topics.example_frames import script, set_2x, variable_2x
from inspector.rules.topics.provisioning.networks_used_v2x import ACTIVE
from inspector.rules.topics.provisioning.networks_v2x import (
    DONE,
    DOWNGRADE,
    PRIORITY,
    PROFILE,
    network_profile,
    set_results,
    slots,
)
from inspector.rules.topics.provisioning.reset_ends_v2x import boot_2x

_REFUSED = network_profile(2, status="Rejected")
_URL = ("NetworkConfiguration", "OcppCsmsUrl", "wss://csms.example")


class NetworksRefused2x(Topic):
    """The rules about refusals. They run before DeviceModel is updated."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._model = self.station.topic(DeviceModel)
        self._refused: Known[str, str] = Known()  # by slot whose profiles were all refused: the last answer
        self._used: Known[str, None] = Known()  # slots that hold or have held a profile

    @rule(
        "network.invalid-slot",
        result("SetVariables"),
        title="A slot is put to use although its network profile was refused",
        severity=Severity.WARNING,
        spec="OCPP 2.x B10.FR.02",
        remedy="Answer Rejected where a slot in NetworkConfigurationPriority does not hold a valid profile.",
        bad=script(_REFUSED, set_2x(*PRIORITY, "2,1")),
        good=script(_REFUSED, network_profile(2), set_2x(*PRIORITY, "2,1")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._refused,
    )
    def invalid_slot(self, frame: Frame) -> Faults:
        for index, (entry, value, status) in enumerate(set_results(frame)):
            name = name_of(entry)
            if name is None or name.variable != PRIORITY[1].lower() or status not in DONE:
                continue
            before = {*slots(self._model.value(*PRIORITY)), self._model.value(*ACTIVE)}
            for slot in slots(value):
                listed = any(one.component_instance == slot for one, _ in self._model.instances("NetworkConfiguration"))
                if slot in self._refused and slot not in before and slot not in self._used and not listed:
                    text = f"slot {slot[:20]} is accepted, but its profile was answered with {self._refused[slot][:9]}"
                    return Fault(text, f"/2/setVariableResult/{index}", key=slot[:20])
        return None

    @track(result("SetNetworkProfile"))
    def profile_set(self, frame: Frame) -> None:
        slot, status = integer(frame.request, "configurationSlot"), string(frame.payload, "status")
        if slot is None or status is None:
            return
        if status == "Accepted":
            self._used.note(str(slot), None)
        else:
            self._refused.note(str(slot), status)
        self.station.refresh_listeners()

    @rule(
        "network.active-accepted",
        result("SetVariables"),
        title="A station changes a network configuration that is in use",
        severity=Severity.INFO,
        spec="OCPP 2.1 B09.FR.22",
        remedy="Answer Rejected to SetVariables for a slot that NetworkConfigurationPriority names.",
        bad=script(variable_2x(*PRIORITY, "1,2"), set_2x(*_URL, instance="2")),
        good=script(variable_2x(*PRIORITY, "1"), set_2x(*_URL, instance="2")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def active_accepted(self, frame: Frame) -> Faults:
        for index, (entry, _, status) in enumerate(set_results(frame)):
            name = name_of(entry)
            if name is None or name.component != "networkconfiguration" or status not in DONE:
                continue
            if name.component_instance in slots(self._model.value(*PRIORITY)):
                text = f"{name} is set, but slot {name.component_instance[:20]} is in NetworkConfigurationPriority"
                return Fault(text, f"/2/setVariableResult/{index}", key=name.component_instance)
        return None

    @rule(
        "security.profile-dropped",
        result("GetVariables"),
        call("NotifyReport"),
        title="The CSMS works with a station whose security profile is lower than before",
        severity=Severity.WARNING,
        spec="OCPP 2.x A05.FR.07",
        remedy="Once a station has used a higher security profile, refuse connections with a lower one.",
        bad=script(variable_2x(*PROFILE, "2"), boot_2x("PowerUp"), variable_2x(*PROFILE, "1")),
        good=script(variable_2x(*PROFILE, "1"), boot_2x("PowerUp"), variable_2x(*PROFILE, "2")),
        versions=V2X,
        side=Side.CSMS,
    )
    def dropped(self, frame: Frame) -> Faults:
        told = told_profile(frame)
        before = self._model.value(*PROFILE) if told is not None else None
        if told not in ("1", "2", "3") or before not in ("1", "2", "3") or told >= before:
            return None
        allowed = (self._model.value(*DOWNGRADE) or "true").lower() == "true"
        if self.session.version is OcppVersion.V21 and allowed and (before, told) == ("3", "2"):
            return None
        text = f"SecurityProfile is {told}, and was {before} before"
        return Fault(text, "/3" if frame.call is None else "/2", key=f"{before} {told}")


def told_profile(frame: Frame) -> str | None:
    """Return the Actual value of SecurityProfile in an answer or a report."""
    read = frame.action == "GetVariables"
    for entry in elements(frame.payload, "getVariableResult" if read else "reportData"):
        name = name_of(entry)
        if name is None or (name.component, name.variable) != ("securityctrlr", "securityprofile"):
            continue
        for one in [entry] if read else elements(entry, "variableAttribute"):
            if one.get("attributeType" if read else "type", "Actual") == "Actual":
                return string(one, "attributeValue" if read else "value")
    return None
