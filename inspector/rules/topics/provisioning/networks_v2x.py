"""Judge how a 2.x station accepts network profiles and the order in which it must use them."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.device_model import DeviceModel, name_of
from inspector.rules.topics.example_frames import csms, entry_2x, inventory_2x, script, set_2x, variable_2x

PRIORITY = ("OCPPCommCtrlr", "NetworkConfigurationPriority")
PROFILE = ("SecurityCtrlr", "SecurityProfile")
DOWNGRADE = ("SecurityCtrlr", "AllowSecurityProfileDowngrade")
DONE = ("Accepted", "RebootRequired")
_SLOTS = {"dataType": "SequenceList", "mutability": "ReadWrite"}


def network_profile(slot: int, security: int = 1, status: str = "Accepted", **more: Any) -> str:
    """Return a SetNetworkProfile and its answer; `script` sets the message id."""
    data = {
        "ocppVersion": "OCPP20",
        "ocppInterface": "Wired0",
        "ocppTransport": "JSON",
        "messageTimeout": 30,
        "ocppCsmsUrl": "wss://csms.example",
        "securityProfile": security,
        **more,
    }
    return csms("SetNetworkProfile", {"configurationSlot": slot, "connectionData": data}, {"status": status})


_THREE = variable_2x(*PROFILE, "3")


def slots(value: str | None) -> list[str]:
    """Return the slots in a value of NetworkConfigurationPriority."""
    return [slot.strip() for slot in (value or "").split(",") if slot.strip()]


def _inventory(values: str) -> str:
    return inventory_2x(entry_2x(*PRIORITY, "1", valuesList=values, **_SLOTS))


class Networks2x(Topic):
    """The rules about the slots. They run before DeviceModel is updated."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._model = self.station.topic(DeviceModel)
        self._profiles: Known[str, int] = Known()  # the security profile that was set for a slot, by slot
        self._rooted = False  # whether a root certificate of the CSMS is installed
        self._certified = False  # whether the station has accepted a certificate of its own

    def _security(self, slot: str) -> int | None:
        """Return the security profile of a slot; None if it is not known."""
        known = self._profiles.get(slot)
        return (
            known if known is not None else _number(self._model.value("NetworkConfiguration", "SecurityProfile", slot))
        )

    @rule(
        "network.unknown-slot",
        result("SetNetworkProfile"),
        title="A network profile is accepted for a slot that the station does not have",
        severity=Severity.WARNING,
        spec="OCPP 2.x B09.FR.05",
        remedy="Answer Rejected where the valuesList of NetworkConfigurationPriority does not have configurationSlot.",
        bad=script(_inventory("1,2"), network_profile(3)),
        good=script(_inventory("1,2"), network_profile(2)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unknown_slot(self, frame: Frame) -> Faults:
        slot, known = integer(frame.request, "configurationSlot"), self._model.get(*PRIORITY)
        listed = slots(string(known.characteristics, "valuesList")) if known and known.characteristics else []
        if frame.payload.get("status") != "Accepted" or not listed or slot is None or str(slot) in listed:
            return None
        return Fault(f"slot {slot} is accepted; the station has the slots {', '.join(listed)[:60]}", "/2/status")

    @rule(
        "network.slots",
        call("NotifyReport"),
        title="A station has fewer than two slots for network profiles",
        severity=Severity.WARNING,
        spec="OCPP 2.x B09.FR.06",
        remedy="Support at least two configuration slots, and name them in the valuesList of "
        "NetworkConfigurationPriority.",
        bad=script(_inventory("1")),
        good=script(_inventory("1,2")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def too_few_slots(self, frame: Frame) -> Faults:
        for index, entry in enumerate(elements(frame.payload, "reportData")):
            if string(member(entry, "variable"), "name") != PRIORITY[1]:
                continue
            listed = string(member(entry, "variableCharacteristics"), "valuesList")
            if listed is not None and len(slots(listed)) == 1:
                pointer = f"/3/reportData/{index}/variableCharacteristics/valuesList"
                return Fault(f"the only slot is {listed[:20]}; at least two are required", pointer)
        return None

    @rule(
        "network.profile-lowered",
        result("SetVariables"),
        title="A network configuration with a lower security profile is accepted",
        severity=Severity.ERROR,
        spec="OCPP 2.x A00.FR.005; OCPP 2.1 A05.FR.09, A05.FR.10, B09.FR.32",
        remedy="Answer Rejected where a slot has a lower security profile than the present one. Only from 3 to 2, and "
        "only if AllowSecurityProfileDowngrade is true, may it be lowered.",
        bad=script(network_profile(2, 1), variable_2x(*PROFILE, "2"), set_2x(*PRIORITY, "2,1")),
        good=script(network_profile(2, 2), variable_2x(*PROFILE, "2"), set_2x(*PRIORITY, "2,1")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def profile_lowered(self, frame: Frame) -> Faults:
        now = _number(self._model.value(*PROFILE))
        if now is None or now < 2:
            return None
        for index, (entry, value, status) in enumerate(set_results(frame)):
            name = name_of(entry)
            if name is None or status not in DONE:
                continue
            if name.variable == "networkconfigurationpriority":
                known = [(slot, self._security(slot)) for slot in slots(value)]
                new = [(slot, profile) for slot, profile in known if profile is not None]
            elif name.component == "networkconfiguration" and name.variable == "securityprofile":
                profile = _number(value)
                new = [(name.component_instance, profile)] if profile is not None else []
            elif name.component == "securityctrlr" and name.variable == "securityprofile":
                profile = _number(value)
                new = [("of SecurityCtrlr", profile)] if profile is not None else []
            else:
                continue
            for slot, profile in new:
                if profile < now and not (self._may_lower() and (now, profile) == (3, 2)):
                    text = f"slot {slot[:20]} with security profile {profile} is accepted in place of {now}"
                    return Fault(text, f"/2/setVariableResult/{index}", key=f"{now} {profile}")
        return None

    @rule(
        "network.downgrade-refused",
        result("SetNetworkProfile"),
        title="A network profile with security profile 2 is refused, though the station allows to fall back to it",
        severity=Severity.WARNING,
        spec="OCPP 2.1 B09.FR.31",
        remedy="Accept security profile 2 in place of 3 if AllowSecurityProfileDowngrade is true.",
        bad=script(_THREE, variable_2x(*DOWNGRADE, "true"), network_profile(2, 2, "Rejected")),
        good=script(_THREE, variable_2x(*DOWNGRADE, "false"), network_profile(2, 2, "Rejected")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def downgrade_refused(self, frame: Frame) -> Faults:
        security = integer(member(frame.request, "connectionData"), "securityProfile")
        allowed = (self._model.value(*DOWNGRADE) or "").lower() == "true"
        if frame.payload.get("status") != "Rejected" or security != 2 or not allowed:
            return None
        if self._model.value(*PROFILE) != "3" or "statusInfo" in frame.payload:
            return None
        return Fault("security profile 2 is Rejected, but AllowSecurityProfileDowngrade is true", "/2/status")

    def _may_lower(self) -> bool:
        allowed = self._model.value(*DOWNGRADE)
        return (allowed or "true").lower() == "true"  # True if it is not known, because it may be allowed

    @rule(
        "network.priority-refused",
        result("SetVariables"),
        title="An order of network profiles is refused although each of them was accepted",
        severity=Severity.WARNING,
        spec="OCPP 2.x A05.FR.04, B10.FR.01; OCPP 2.1 A05.FR.08, B09.FR.20",
        remedy="Answer Accepted or RebootRequired where every slot in NetworkConfigurationPriority holds a valid "
        "profile, and where the new value only leaves slots out.",
        bad=script(variable_2x(*PROFILE, "1"), network_profile(2), set_2x(*PRIORITY, "2", "Rejected")),
        good=script(variable_2x(*PROFILE, "1"), network_profile(2), set_2x(*PRIORITY, "2,1", "Rejected")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def priority_refused(self, frame: Frame) -> Faults:
        now = _number(self._model.value(*PROFILE))
        for index, (entry, value, status) in enumerate(set_results(frame)):
            name = name_of(entry)
            if name is None or name.variable != "networkconfigurationpriority" or status != "Rejected":
                continue
            wanted, before = slots(value), slots(self._model.value(*PRIORITY))
            if wanted and len(wanted) < len(before) and [slot for slot in before if slot in wanted] == wanted:
                if any(True for _ in self._model.instances("NetworkConfiguration")):
                    text = f"{value!r} is refused, though it only leaves out slots of {','.join(before)[:40]!r}"
                    return Fault(text, f"/2/setVariableResult/{index}", key="removed")
                continue
            lower = 2 if (self._model.value(*DOWNGRADE) or "").lower() == "true" and now == 3 else now
            used = {*before, self._model.value("OCPPCommCtrlr", "ActiveNetworkProfile")}  # those are valid already
            new = any(slot in self._profiles for slot in wanted)
            if new and all(self._usable(slot, slot in used, now, lower) for slot in wanted):
                text = f"{(value or '')[:40]!r} is refused, though the profile of each slot was accepted"
                return Fault(text, f"/2/setVariableResult/{index}")
        return None

    def _usable(self, slot: str, used: bool, now: int | None, lower: int | None) -> bool:
        """Return whether a station certainly has what it needs to use a slot."""
        profile = self._profiles.get(slot, now if used else None)
        if profile is None:
            return used
        if profile in (now, lower):
            return True
        if now is not None and profile < now:
            return False
        # A station may refuse a higher profile if it lacks the certificates for it.
        return profile < 2 or (self._rooted and (profile == 2 or self._certified))

    @track(result("InstallCertificate", "CertificateSigned"))
    def certificate_added(self, frame: Frame) -> None:
        if frame.payload.get("status") != "Accepted":
            return
        kind = string(frame.request, "certificateType")
        if frame.action == "InstallCertificate":
            self._rooted = self._rooted or kind == "CSMSRootCertificate"
        else:
            self._certified = self._certified or kind in (None, "ChargingStationCertificate")

    @track(result("GetInstalledCertificateIds", "DeleteCertificate"))
    def certificates_told(self, frame: Frame) -> None:
        if frame.action == "DeleteCertificate":
            self._rooted = False
        elif frame.payload.get("status") == "Accepted":
            listed = elements(frame.payload, "certificateHashDataChain")
            self._rooted = self._rooted or any(one.get("certificateType") == "CSMSRootCertificate" for one in listed)

    @track(result("SetNetworkProfile"))
    def profile_set(self, frame: Frame) -> None:
        slot = integer(frame.request, "configurationSlot")
        security = integer(member(frame.request, "connectionData"), "securityProfile")
        if slot is not None and frame.payload.get("status") == "Accepted" and security is not None:
            self._profiles.note(str(slot), security)

    @track(result("SetVariables"))
    def variables_set(self, frame: Frame) -> None:
        for entry, _, status in set_results(frame):
            name = name_of(entry)
            if name is not None and name.component == "networkconfiguration" and status in DONE:
                self._profiles.pop(name.component_instance, None)  # the profile may have changed


def set_results(frame: Frame) -> list[tuple[dict[str, Any], str | None, str | None]]:
    """Return the results of a SetVariables, each as (result, requested value, status)."""
    asked = {name_of(entry): string(entry, "attributeValue") for entry in elements(frame.request, "setVariableData")}
    told = elements(frame.payload, "setVariableResult")
    return [(entry, asked.get(name_of(entry)), string(entry, "attributeStatus")) for entry in told]


def _number(value: str | None) -> int | None:
    return int(value) if value is not None and value.isdecimal() and len(value) < 9 else None
