"""The device model of a 2.x charging station, and its answers about variables, reports, reset and network profiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import batched

from ocpp.exceptions import OccurrenceConstraintViolationError

from simulator.answers import answers
from simulator.clock import timestamp
from simulator.csms_requests import Requests
from simulator.settings import RO, WO, Setting
from simulator.station import Station
from simulator.wire.link import Payload, Reply

REPORT_ITEMS = 50
FIRST_SLOT, LAST_SLOT = 1, 3


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of one component."""

    component: Payload
    variable: Payload
    setting: Setting

    def matches(self, component: Payload, variable: Payload | None) -> bool:
        """Return whether a request means this variable; with `variable` None it means all of the component."""
        return same_name(component, self.component) and (variable is None or same_name(variable, self.variable))

    def report(self) -> Payload:
        """Return the variable as ReportDataType."""
        attribute: Payload = {"type": "Actual", "mutability": self.setting.access}
        if self.setting.access != WO and self.setting.value:
            attribute["value"] = self.setting.value
        kind = self.setting.kind
        characteristics: Payload = {"supportsMonitoring": self.setting.access != WO}
        if "|" in kind:
            characteristics |= {"dataType": "MemberList", "valuesList": kind.replace("|", ",")}
        else:
            characteristics["dataType"] = "string" if kind == "password" else kind
        return {
            "component": self.component,
            "variable": self.variable,
            "variableAttribute": [attribute],
            "variableCharacteristics": characteristics,
        }


def same_name(one: Payload, other: Payload) -> bool:
    """Return whether two components or variables have the same name, without regard to case (2.x part 1, 4.2)."""
    names = [(each["name"].casefold(), each.get("instance", "").casefold(), each.get("evse")) for each in (one, other)]
    return bool(names[0] == names[1])


class DeviceModel:
    """The variables of a charging station, and its answers about provisioning (B)."""

    def __init__(self, station: Station, requests: Requests) -> None:
        self.station, self.requests = station, requests

    def variables(self) -> Iterator[Variable]:
        """Yield all variables with their current values."""
        rows = self.station.settings.by_variable
        rows["SecurityCtrlr", "Identity"].value = self.station.identity.id
        rows["ClockCtrlr", "DateTime"].value = timestamp()
        for (component, name), setting in rows.items():
            variable, _, instance = str(name).partition("/")
            yield Variable(
                {"name": component}, {"name": variable} | ({"instance": instance} if instance else {}), setting
            )
        for connector in self.station.connectors.values():
            status = self.station.dialect.shown_status(connector.status)
            for component, evse in (
                ("EVSE", {"id": connector.number}),
                ("Connector", {"id": connector.number, "connectorId": 1}),
            ):
                values = {
                    "Available": ("true", "boolean"),
                    "AvailabilityState": (status, "string"),
                    "Problem": (str(connector.status == "Faulted").lower(), "boolean"),
                    "SupplyPhases": ("1", "integer"),
                }
                if component == "EVSE":
                    values["Power"] = (str(round(connector.meter.power_w)), "decimal")
                else:
                    values["ConnectorType"] = (self.station.identity.connector_type, "string")
                for name, (value, kind) in values.items():
                    setting = Setting(None, component, name, value, kind, RO)
                    yield Variable({"name": component, "evse": evse}, {"name": name}, setting)

    def find(self, entry: Payload) -> tuple[str, Variable | None]:
        """Return the status of a look-up, and the variable if it was found."""
        found_in = [found for found in self.variables() if found.matches(entry["component"], None)]
        if not found_in:
            return "UnknownComponent", None
        named = [found for found in found_in if found.matches(entry["component"], entry["variable"])]
        return ("Accepted", named[0]) if named else ("UnknownVariable", None)

    def value_of(self, component: Payload, variable: Payload) -> str:
        """Return the current value of a variable; "" if it does not exist."""
        _, found = self.find({"component": component, "variable": variable})
        return "" if found is None else found.setting.value

    @answers("GetVariables")
    def get_variables(self, payload: Payload) -> Reply:
        return Reply({"getVariableResult": [self._get(entry) for entry in _limited(payload["getVariableData"])]})

    def _get(self, entry: Payload) -> Payload:
        status, found = self.find(entry)
        attribute = entry.get("attributeType", "Actual")
        if found is not None and attribute != "Actual":
            status = "NotSupportedAttributeType"
        elif found is not None and found.setting.access == WO:
            status = "Rejected"
        result = {
            "attributeStatus": status,
            "attributeType": attribute,
            "component": entry["component"],
            "variable": entry["variable"],
        }
        if status == "Accepted" and found is not None:
            result["attributeValue"] = found.setting.value
        return result

    @answers("SetVariables")
    def set_variables(self, payload: Payload) -> Reply:
        return Reply({"setVariableResult": [self._set(entry) for entry in _limited(payload["setVariableData"])]})

    def _set(self, entry: Payload) -> Payload:
        status, found = self.find(entry)
        attribute = entry.get("attributeType", "Actual")
        if found is not None and attribute != "Actual":
            status = "NotSupportedAttributeType"
        elif found is not None:
            if found.setting.access == RO or not found.setting.takes(entry["attributeValue"]):
                status = "Rejected"
            else:
                found.setting.value = entry["attributeValue"]
                self.station.setting_changed()
        return {
            "attributeStatus": status,
            "attributeType": attribute,
            "component": entry["component"],
            "variable": entry["variable"],
        }

    # --- reports -------------------------------------------------------------------------------------------------

    @answers("GetBaseReport")
    def base_report(self, payload: Payload) -> Reply:
        everything = list(self.variables())
        chosen = {
            "FullInventory": everything,
            "ConfigurationInventory": [found for found in everything if found.setting.access != RO],
            "SummaryInventory": [
                found for found in everything if found.variable["name"] in ("AvailabilityState", "Problem")
            ],
        }[payload["reportBase"]]
        return Reply({"status": "Accepted"}, lambda: self._report(payload["requestId"], chosen))

    @answers("GetReport")
    def report(self, payload: Payload) -> Reply:
        chosen = list(self.variables())
        if wanted := payload.get("componentVariable"):
            chosen = [
                found
                for found in chosen
                if any(found.matches(entry["component"], entry.get("variable")) for entry in wanted)
            ]
        if criteria := payload.get("componentCriteria"):
            chosen = [
                found
                for found in chosen
                if found.variable["name"] in criteria and found.setting.value.lower() == "true"
            ]
        if not chosen:
            return Reply({"status": "EmptyResultSet"})
        return Reply({"status": "Accepted"}, lambda: self._report(payload["requestId"], chosen))

    async def _report(self, request_id: int, chosen: list[Variable]) -> None:
        parts = list(batched(chosen, REPORT_ITEMS))
        for number, part in enumerate(parts):
            message = {
                "requestId": request_id,
                "generatedAt": timestamp(),
                "seqNo": number,
                "tbc": number < len(parts) - 1,
                "reportData": [found.report() for found in part],
            }
            await self.station.send(("NotifyReport", message))

    # --- reset and network profiles -----------------------------------------------------------------------------

    @answers("Reset")
    def reset(self, payload: Payload) -> Reply:
        station = self.station
        if "evseId" in payload:
            return Reply({"status": "Rejected", "statusInfo": {"reasonCode": "NotSupported"}})
        if payload["type"] == "ImmediateAndResume":
            # B13.FR.01: TxCtrlr has no ResumptionTimeout, so no transaction can be resumed.
            return Reply(station.dialect.rejected("NotSupported"))
        if payload["type"] == "OnIdle" and station.charging():
            station.reset_when_idle = "ScheduledReset"
            return Reply({"status": "Scheduled"})
        return Reply({"status": "Accepted"}, lambda: self.requests.reset("ImmediateReset", "RemoteReset"))

    @answers("SetNetworkProfile")
    def network_profile(self, payload: Payload) -> Reply:
        slot, profile = payload["configurationSlot"], payload["connectionData"]
        current = int(self.station.settings.text("SecurityProfile"))
        soap = profile["ocppTransport"] == "SOAP"  # OCPP 2.x has only JSON
        if soap or not FIRST_SLOT <= slot <= LAST_SLOT or profile["securityProfile"] < current:
            return Reply({"status": "Rejected"})
        if not str(profile["ocppCsmsUrl"]).startswith(("ws://", "wss://")):
            return Reply({"status": "Failed"})
        return Reply({"status": "Accepted"})


def _limited(entries: list[Payload]) -> list[Payload]:
    """Return the entries; raise an error if there are more than ItemsPerMessage allows (B05.FR.11, B06.FR.05)."""
    if len(entries) > REPORT_ITEMS:
        raise OccurrenceConstraintViolationError(description=f"at most {REPORT_ITEMS} variables in one message")
    return entries
