"""Judge whether a 2.x station checks network profiles, and what it reports after it has switched to one of them."""

from __future__ import annotations

from urllib.parse import urlsplit

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.device_model import DeviceModel, Name, name_of
from inspector.rules.topics.example_frames import csms, script, set_2x, variable_2x
from inspector.rules.topics.provisioning.networks_v2x import (
    DONE,
    PRIORITY,
    PROFILE,
    network_profile,
    set_results,
    slots,
)
from inspector.rules.topics.provisioning.reset_ends_v2x import boot_2x

ACTIVE = ("OCPPCommCtrlr", "ActiveNetworkProfile")
ROOT = "CSMSRootCertificate"
_COMPONENT = "NetworkConfiguration"
_SECURITY = frozenset({"0", "1", "2", "3"})
_NO_ROOT = csms("GetInstalledCertificateIds", {"certificateType": [ROOT]}, {"status": "NotFound"})
_INSTALL = csms("InstallCertificate", {"certificateType": ROOT, "certificate": "-----BEGIN CERTIFICATE-----"})
_SWITCH = (network_profile(2, 2), set_2x(*PRIORITY, "2,1"), boot_2x("RemoteReset"))
_NOW_2 = variable_2x(*ACTIVE, "2")
_ONE = variable_2x(*ACTIVE, "1")


def _wrong(variable: str, value: str) -> str | None:
    """Return why a variable of a network configuration cannot have this value; None if it may."""
    if variable == "securityprofile":
        return None if value in _SECURITY else f"there is no security profile {value[:20]!r}"
    if variable == "messagetimeout":
        number = value.lstrip("-")
        wrong = not number.isdecimal() or value.startswith("-") or not int(number[:9])
        return f"messageTimeout is {value[:20]!r}" if wrong else None
    if variable == "ocppcsmsurl":
        try:
            url = urlsplit(value.strip())
            whole = url.scheme in ("ws", "wss") and bool(url.hostname) and " " not in value.strip()
        except ValueError:
            whole = False
        return None if whole else f"{value[:40]!r} is not a WebSocket URL"
    return None


class NetworksUsed2x(Topic):
    """The rules about checks of profiles and about the active one. They run before DeviceModel is updated."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._model = self.station.topic(DeviceModel)
        self._profiles: Known[str, int] = Known()  # the security profile that was set for a slot, by slot
        self._restarted = False  # whether the station has booted since the order of slots was set
        self._no_root = False  # whether the station has said that it has no root certificate of the CSMS
        self._order: str | None = None  # the value of NetworkConfigurationPriority that was set last
        self._before: str | None = None  # the last known security profile before the latest boot

    @rule(
        "network.invalid-accepted",
        result("SetNetworkProfile", "SetVariables"),
        title="A network configuration with an invalid value is accepted",
        severity=Severity.WARNING,
        spec="OCPP 2.x B09.FR.01, B09.FR.02; OCPP 2.1 B09.FR.23, B09.FR.24, B09.FR.25",
        remedy="Answer Rejected where the URL is not ws:// or wss://, the security profile does not exist, the message "
        "timeout is not above 0, or a profile with TLS has a URL without it.",
        bad=script(network_profile(2, 2, ocppCsmsUrl="ws://csms.example")),
        good=script(network_profile(2, 2, ocppCsmsUrl="wss://csms.example")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def invalid_accepted(self, frame: Frame) -> Faults:
        if frame.action == "SetVariables":
            for index, (entry, value, status) in enumerate(set_results(frame)):
                name = name_of(entry)
                if name is None or name.component != _COMPONENT.lower() or status not in DONE or value is None:
                    continue
                why = _wrong(name.variable, value)
                if why is not None:
                    return Fault(f"{name} is accepted, but {why}", f"/2/setVariableResult/{index}", key=str(name))
            return None
        data = member(frame.request, "connectionData")
        if frame.payload.get("status") != "Accepted":
            return None
        security, url = integer(data, "securityProfile"), string(data, "ocppCsmsUrl")
        given = (
            ("securityprofile", security),
            ("messagetimeout", integer(data, "messageTimeout")),
            ("ocppcsmsurl", url),
        )
        faults = [_wrong(name, str(value)) for name, value in given if value is not None]
        if url is not None and url.lower().startswith("ws://") and security in (2, 3):
            faults.append(f"security profile {security} needs TLS, and the URL is {url[:40]!r}")
        why = next((fault for fault in faults if fault is not None), None)
        return Fault(f"the profile is accepted, but {why}", "/2/status", key=why) if why is not None else None

    @rule(
        "network.no-root",
        result("SetVariables"),
        title="A higher security profile is put to use without a root certificate of the CSMS",
        severity=Severity.ERROR,
        spec="OCPP 2.x A05.FR.02",
        remedy="Answer Rejected where a slot in NetworkConfigurationPriority needs TLS and no CSMSRootCertificate is "
        "installed.",
        bad=script(variable_2x(*PROFILE, "1"), _NO_ROOT, network_profile(2, 2), set_2x(*PRIORITY, "2,1")),
        good=script(variable_2x(*PROFILE, "1"), _NO_ROOT, _INSTALL, network_profile(2, 2), set_2x(*PRIORITY, "2,1")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._no_root,
    )
    def no_root(self, frame: Frame) -> Faults:
        if not self._no_root:
            return None
        now = self._model.value(*PROFILE)
        for index, (entry, value, status) in enumerate(set_results(frame)):
            name = name_of(entry)
            if name is None or name.variable != PRIORITY[1].lower() or status not in DONE or now not in _SECURITY:
                continue
            for slot in slots(value):
                security = self._profiles.get(slot, 0)
                if security >= 2 and security > int(now):
                    text = f"slot {slot[:20]} needs TLS (security profile {security}), but the station has no {ROOT}"
                    return Fault(text, f"/2/setVariableResult/{index}", key=slot[:20])
        return None

    @rule(
        "network.profile-not-raised",
        result("GetVariables"),
        call("NotifyReport"),
        title="The variables of a station do not follow the higher security profile that it uses now",
        severity=Severity.WARNING,
        spec="OCPP 2.x A05.FR.06",
        remedy="After connecting with a higher security profile, set SecurityProfile to it, and remove the slots with "
        "a lower one from NetworkConfigurationPriority.",
        bad=script(variable_2x(*PROFILE, "1"), *_SWITCH, _NOW_2, variable_2x(*PROFILE, "1")),
        good=script(variable_2x(*PROFILE, "1"), *_SWITCH, _NOW_2, variable_2x(*PROFILE, "2")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._restarted,
    )
    def not_raised(self, frame: Frame) -> Faults:
        told = dict(_told(frame))
        active = self._value(told, *ACTIVE)
        security = self._profiles.get(active or "")
        if active is None or security is None or self._before not in _SECURITY or security <= int(self._before):
            return None
        now = told.get(_name(*PROFILE))
        if now is not None and now in _SECURITY and int(now) < security:
            text = f"SecurityProfile is {now}, but slot {active[:20]} with security profile {security} is in use"
            return Fault(text, "/2" if frame.call is not None else "/3", key="profile")
        known = self._value(told, *PROFILE)
        for slot in slots(told.get(_name(*PRIORITY))):
            lower = self._profiles.get(slot)
            if lower is not None and lower < security and known == str(security):
                text = f"slot {slot[:20]} with security profile {lower} is still listed, though {security} is in use"
                return Fault(text, "/2" if frame.call is not None else "/3", key="slot")
        return None

    def _value(self, told: dict[Name, str], component: str, variable: str) -> str | None:
        return told.get(_name(component, variable), self._model.value(component, variable))

    @rule(
        "network.not-first",
        result("GetVariables"),
        title="After a restart the station does not use the first slot of NetworkConfigurationPriority",
        severity=Severity.INFO,
        spec="OCPP 2.x A05.FR.05, A05.FR.06, B10.FR.04",
        remedy="Begin with the first slot after a restart; take the next one only where it cannot connect.",
        bad=script(*_SWITCH, _ONE),
        good=script(*_SWITCH, _NOW_2),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._restarted,
    )
    def not_first(self, frame: Frame) -> Faults:
        told = dict(_told(frame))
        active, order = told.get(_name(*ACTIVE)), slots(told.get(_name(*PRIORITY), self._order))
        now, first = told.get(_name(*PROFILE)), self._profiles.get(order[0]) if order else None
        if active is None and now in _SECURITY and first is not None and self._value(told, *ACTIVE) != order[0]:
            if now != self._before or int(now or 0) >= first:
                return None
            text = f"SecurityProfile is still {now}, but slot {order[0][:20]} with security profile {first} is first"
            return Fault(text, "/2", key="profile")
        if active is None or not order or active.strip() == order[0]:
            return None
        text = f"ActiveNetworkProfile is {active[:20]}, but {order[0][:20]} is first in NetworkConfigurationPriority"
        return Fault(text, "/2", key=active[:20])

    @track(result("SetNetworkProfile"))
    def profile_set(self, frame: Frame) -> None:
        slot = integer(frame.request, "configurationSlot")
        security = integer(member(frame.request, "connectionData"), "securityProfile")
        if slot is not None and security is not None and frame.payload.get("status") == "Accepted":
            self._profiles.note(str(slot), security)

    @track(result("SetVariables"))
    def variables_set(self, frame: Frame) -> None:
        for entry, value, status in set_results(frame):
            name = name_of(entry)
            if name is None or status not in DONE:
                continue
            if name.component == _COMPONENT.lower():
                self._profiles.pop(name.component_instance, None)  # the profile may have changed
            elif name.variable == PRIORITY[1].lower():
                self._restarted, self._order = False, value
                self.station.refresh_listeners()

    @track(result("GetInstalledCertificateIds"))
    def installed(self, frame: Frame) -> None:
        asked, status = frame.request.get("certificateType"), frame.payload.get("status")
        if type(asked) is list and ROOT not in asked:
            return
        listed = elements(frame.payload, "certificateHashDataChain")
        self._no_root = status == "NotFound" or (
            status == "Accepted" and not any(one.get("certificateType") == ROOT for one in listed)
        )
        self.station.refresh_listeners()

    @track(result("InstallCertificate"))
    def added(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted" and frame.request.get("certificateType") == ROOT:
            self._no_root = False
            self.station.refresh_listeners()

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        if self._order is not None and string(frame.payload, "reason") != "Triggered":
            self._restarted = True
            self._before = self._model.value(*PROFILE)
            self._note_used()
            self.station.refresh_listeners()

    def _note_used(self) -> None:
        """Remember the security profile of the slot in use, because nothing else may have named it."""
        active = self._model.value(*ACTIVE)
        if active is not None and self._before in _SECURITY and active not in self._profiles:
            self._profiles.note(active, int(self._before))


def _name(component: str, variable: str) -> Name:
    return Name(component.lower(), "", None, None, variable.lower(), "")


def _told(frame: Frame) -> list[tuple[Name, str]]:
    """Return the variables with their Actual values that an answer or a report tells."""
    if frame.action == "GetVariables":
        told = [
            (name_of(entry), string(entry, "attributeValue"))
            for entry in elements(frame.payload, "getVariableResult")
            if entry.get("attributeType", "Actual") == "Actual"
        ]
    else:
        told = [
            (name_of(entry), string(one, "value"))
            for entry in elements(frame.payload, "reportData")
            for one in elements(entry, "variableAttribute")
            if one.get("type", "Actual") == "Actual"
        ]
    return [(name, value) for name, value in told if name is not None and value is not None]
