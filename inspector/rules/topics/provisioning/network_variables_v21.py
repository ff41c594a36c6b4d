"""Judge how the component NetworkConfiguration of a 2.1 station is set, and whether it reports the set values."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.device_model import DeviceModel, name_of
from inspector.rules.topics.example_frames import entry_2x, inventory_2x, script, set_2x, variable_2x
from inspector.rules.topics.provisioning.networks_v2x import DONE, PRIORITY, network_profile, set_results, slots

COMPONENT = "NetworkConfiguration"
_APN = frozenset(
    "apn apnusername apnpassword simpin preferrednetwork useonlypreferrednetwork apnauthentication".split()
)
_VPN = frozenset("vpntype vpnserver vpnuser vpngroup vpnpassword vpnkey".split())
_OPTIONAL = {"apnenabled": _APN, "vpnenabled": _VPN}
"""For each variable that switches a kind of connection on, the variables that describe the connection."""
_FROM_PROFILE = {
    "ocppcsmsurl": "ocppCsmsUrl",
    "securityprofile": "securityProfile",
    "messagetimeout": "messageTimeout",
    "ocppinterface": "ocppInterface",
    "ocpptransport": "ocppTransport",
    "identity": "identity",
}
"""Variables that repeat a member of the network profile."""
_SHOWN = {"apnenabled": "ApnEnabled", "vpnenabled": "VpnEnabled"}
_READ_ONLY_TOO = _APN | _VPN | {"apnenabled", "vpnenabled", "ocpptransport", "ocppversion"}
"""Variables that may be ReadOnly although other variables of the component can be set."""
_URL = ("OcppCsmsUrl", "wss://csms.example")


def _reported(*variables: tuple[str, str, str]) -> str:
    component = {"name": COMPONENT, "instance": "2"}
    return inventory_2x(*(entry_2x(component, name, value, mutability=how) for name, value, how in variables))


def _write(name: str, value: str) -> str:
    return set_2x(COMPONENT, name, value, instance="2")


class NetworkVariables21(Topic):
    """The rules about NetworkConfiguration. They run before DeviceModel is updated."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._model = self.station.topic(DeviceModel)
        self._flags: Known[tuple[str, str], bool] = Known()  # by (slot, variable): whether the variable is true
        self._values: Known[tuple[str, str], str] = Known()  # other variables as SetNetworkProfile gave them
        self._written: Known[str, set[str]] = Known()  # the variables that the CSMS has set, by slot
        self._booted_ns = -1
        self._identity: str | None = None  # the identity that SetVariables has set for all slots

    @rule(
        "network.active-changed",
        call("SetVariables"),
        title="The CSMS changes a network configuration that is in use",
        severity=Severity.WARNING,
        spec="OCPP 2.1 B09.FR.21",
        remedy="Set the variables of a slot that NetworkConfigurationPriority does not name, then name it there.",
        bad=script(variable_2x(*PRIORITY, "1,2"), set_2x(COMPONENT, *_URL, "Rejected", "2")),
        good=script(variable_2x(*PRIORITY, "1"), set_2x(COMPONENT, *_URL, "Rejected", "2")),
        versions=V21,
        side=Side.CSMS,
    )
    def active_changed(self, frame: Frame) -> Faults:
        used: list[str] | None = None
        for index, entry in enumerate(elements(frame.payload, "setVariableData")):
            name = name_of(entry)
            if name is None or name.component != COMPONENT.lower():
                continue
            used = slots(self._model.value(*PRIORITY)) if used is None else used
            if name.component_instance in used:
                text = f"{name} is set, but slot {name.component_instance} is in NetworkConfigurationPriority"
                return Fault(text, f"/3/setVariableData/{index}", key=name.component_instance)
        return None

    @rule(
        "network.not-writable",
        call("NotifyReport"),
        title="Only some variables of a network configuration can be set",
        severity=Severity.WARNING,
        spec="OCPP 2.1 B09.FR.10, B09.FR.13",
        remedy="Make all variables of NetworkConfiguration ReadWrite or WriteOnly, or all ReadOnly. A ReadOnly "
        "ApnEnabled or VpnEnabled is false.",
        bad=script(_reported((*_URL, "ReadWrite"), ("SecurityProfile", "1", "ReadOnly"))),
        good=script(_reported((*_URL, "ReadWrite"), ("ApnEnabled", "false", "ReadOnly"))),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def not_writable(self, frame: Frame) -> Faults:
        fixed: tuple[int, str] | None = None
        writable = False
        for index, entry in enumerate(elements(frame.payload, "reportData")):
            name = name_of(entry)
            if name is None or name.component != COMPONENT.lower():
                continue
            attribute = next(iter(elements(entry, "variableAttribute")), {})
            if attribute.get("mutability") in ("ReadWrite", "WriteOnly"):
                writable = True
            elif attribute.get("mutability") == "ReadOnly":
                on = name.variable in _OPTIONAL and str(attribute.get("value")).lower() == "true"
                if on or name.variable not in _READ_ONLY_TOO:
                    fixed = fixed or (index, f"{name} is ReadOnly{' and true' if on else ''}")
        if fixed is None or not writable:
            return None
        return Fault(f"{fixed[1]}, but others of {COMPONENT} can be set", f"/3/reportData/{fixed[0]}")

    @rule(
        "network.switch",
        result("GetVariables"),
        call("NotifyReport"),
        title="ApnEnabled or VpnEnabled contradicts the network profile that was accepted",
        severity=Severity.WARNING,
        spec="OCPP 2.1 B09.FR.11, B09.FR.12",
        remedy="Set ApnEnabled (VpnEnabled) of the slot to true where SetNetworkProfile has apn (vpn), else to false.",
        bad=script(network_profile(2), variable_2x(COMPONENT, "ApnEnabled", "true", "2")),
        good=script(network_profile(2), variable_2x(COMPONENT, "ApnEnabled", "false", "2")),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._flags,
    )
    def switch(self, frame: Frame) -> Faults:
        read = frame.action == "GetVariables"
        for entry in elements(frame.payload, "getVariableResult" if read else "reportData"):
            name = name_of(entry)
            if name is None or name.component != COMPONENT.lower():
                continue
            expected = self._flags.get((name.component_instance, name.variable))
            told = (
                [string(entry, "attributeValue")]
                if read
                else [string(one, "value") for one in elements(entry, "variableAttribute")]
            )
            if expected is None or (str(not expected).lower() not in [(one or "").lower() for one in told]):
                continue
            text = f"{name} is {str(not expected).lower()}; the accepted profile makes it {str(expected).lower()}"
            return Fault(text, "/2" if read else "/3", key=str(name))
        return None

    @rule(
        "network.not-updated",
        result("GetVariables"),
        title="NetworkConfiguration does not have what an accepted network profile says",
        severity=Severity.WARNING,
        spec="OCPP 2.1 B09.FR.09",
        remedy="Set the variables of NetworkConfiguration for the slot when you accept SetNetworkProfile.",
        bad=script(network_profile(2), variable_2x(COMPONENT, "OcppCsmsUrl", "wss://other.example", "2")),
        good=script(network_profile(2), variable_2x(COMPONENT, *_URL, "2")),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._values,
    )
    def not_updated(self, frame: Frame) -> Faults:
        for index, entry in enumerate(elements(frame.payload, "getVariableResult")):
            name, told = name_of(entry), string(entry, "attributeValue")
            if name is None or name.component != COMPONENT.lower() or told is None:
                continue
            expected = self._values.get((name.component_instance, name.variable))
            if expected is None or told.rstrip("/").lower() == expected.rstrip("/").lower():
                continue
            text = f"{name} is {told[:60]!r}; the accepted profile has {expected[:60]!r}"
            return Fault(text, f"/2/getVariableResult/{index}", key=str(name))
        return None

    @track(result("SetNetworkProfile"))
    def profile_set(self, frame: Frame) -> None:
        slot, data = integer(frame.request, "configurationSlot"), member(frame.request, "connectionData")
        if slot is None or frame.payload.get("status") != "Accepted":
            return
        for name, kind in (("apnenabled", "apn"), ("vpnenabled", "vpn")):
            self._flags.note((str(slot), name), kind in data)
        for name, kind in _FROM_PROFILE.items():
            if type(data.get(kind)) in (str, int):
                self._values.note((str(slot), name), str(data[kind]))
        self._written.pop(str(slot), None)
        self.station.refresh_listeners()

    @rule(
        "network.switch-not-set",
        result("SetVariables"),
        title="A network configuration is put to use without its ApnEnabled or VpnEnabled",
        severity=Severity.WARNING,
        spec="OCPP 2.1 B09.FR.29, B09.FR.30",
        remedy="Set ApnEnabled (VpnEnabled) to true when you set variables of an APN (VPN), and to false when you set "
        "none.",
        bad=script(_write(*_URL), _write("Apn", "internet"), set_2x(*PRIORITY, "2,1")),
        good=script(
            _write(*_URL),
            _write("Apn", "internet"),
            _write("ApnEnabled", "true"),
            _write("VpnEnabled", "false"),
            set_2x(*PRIORITY, "2,1"),
        ),
        versions=V21,
        side=Side.CSMS,
    )
    def switch_not_set(self, frame: Frame) -> Faults:
        chosen: list[str] = []
        for entry, value, status in set_results(frame):
            name = name_of(entry)
            if name is None or status not in DONE:
                continue
            if name.component == COMPONENT.lower():
                self._note(name.component_instance, name.variable, value)
            elif name.variable == PRIORITY[1].lower():
                chosen = slots(value)
            elif (name.component, name.variable) == ("securityctrlr", "identity"):
                self._identity = value
        for slot in chosen:
            written = self._written.get(slot)
            for flag, variables in _OPTIONAL.items() if written else ():
                on = self._flags.get((slot, flag))
                told = (self._model.value(COMPONENT, flag, slot) or "").lower()
                state = on if on is not None else {"true": True, "false": False}.get(told)
                described = bool((written or set()) & variables)
                if described and state is not True:
                    text = f"slot {slot[:20]} has variables of this connection, but {_SHOWN[flag]} is not set to true"
                    return Fault(text, "/2", frame=frame.call, key=f"{slot} {flag}")
                if not described and state is not False:
                    said = "true" if state else "not set to false"
                    text = f"slot {slot[:20]} has no variables of this connection, but {_SHOWN[flag]} is {said}"
                    return Fault(text, "/2", frame=frame.call, key=f"{slot} {flag}")
        return None

    def _since_boot(self, component: str, instance: str) -> str | None:
        """Return the Identity that the station has reported since its latest boot, or that its profile was given."""
        known = self._model.get(component, "Identity", instance)
        if known is not None and known.value is not None and known.seen_ns > self._booted_ns:
            return known.value
        return self._values.get((instance, "identity")) if instance else None

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._booted_ns = frame.mono_ns

    def _note(self, slot: str, variable: str, value: str | None) -> None:
        if variable in _OPTIONAL:
            self._flags.note((slot, variable), (value or "").lower() == "true")
            self.station.refresh_listeners()
        self._values.pop((slot, variable), None)
        written = self._written.get(slot, set())
        written.add(variable)
        self._written.note(slot, written)

    @rule(
        "network.identity",
        result("GetVariables"),
        title="A network configuration has another identity than was set for the station",
        severity=Severity.WARNING,
        spec="OCPP 2.1 B09.FR.26, B09.FR.28",
        remedy="When SecurityCtrlr.Identity is set, set Identity of each NetworkConfiguration to the same value; keep "
        "both the same for the active slot.",
        bad=script(
            set_2x("SecurityCtrlr", "Identity", "CP2"),
            variable_2x(COMPONENT, "Identity", "CP1", "2"),
        ),
        good=script(
            set_2x("SecurityCtrlr", "Identity", "CP2"),
            variable_2x(COMPONENT, "Identity", "CP2", "2"),
        ),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def identity(self, frame: Frame) -> Faults:
        told: dict[str, str | None] = {}
        for entry in elements(frame.payload, "getVariableResult"):
            name = name_of(entry)
            if name is not None and name.variable == "identity" and entry.get("attributeStatus") == "Accepted":
                told[f"{name.component} {name.component_instance}".strip()] = string(entry, "attributeValue")
        if not told:
            return None
        active = self._model.value("OCPPCommCtrlr", "ActiveNetworkProfile")
        if self._identity is not None:
            for place, value in told.items():
                slot = place.partition(" ")[2]
                changed = slot and ("identity" in self._written.get(slot, ()))
                if value != self._identity and not changed:
                    text = f"Identity of {place[:40]} is {(value or '')[:48]!r}; {self._identity[:48]!r} was set"
                    return Fault(text, "/2", key=place[:40])
        own, used = told.get("securityctrlr"), told.get(f"{COMPONENT.lower()} {active}")
        if active is not None and (own is None) != (used is None):
            own = own if own is not None else self._since_boot("SecurityCtrlr", "")
            used = used if used is not None else self._since_boot(COMPONENT, active)
        if own is not None and used is not None and own != used:
            text = f"SecurityCtrlr.Identity is {own[:48]!r}, but the active slot {active} has {used[:48]!r}"
            return Fault(text, "/2", key="active")
        return None
