"""Judge how a 2.x station numbers its EVSEs and connectors, and remember their status."""

from __future__ import annotations

from collections.abc import Iterator

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import ABSENT, Fault, Severity, Side
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation

CONNECTORS_LIMIT = 500
AT_ONCE_S = 5.0
"""A second connector that is occupied so soon after the first is not occupied by another car."""
_NEEDS = ("NotifyEVChargingNeeds", "NotifyEVChargingSchedule")  # other actions whose evseId must not be 0

_BOOT = """open {"from_start": true}
> [2,"b","BootNotification",{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}]
< [3,"b",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":86400}]
"""


def _report(evse: int, connector: int = 1, status: str = "Available") -> str:
    number = f"{evse}{connector}{status[0]}"
    return (
        f'> [2,"s{number}","StatusNotification",{{"timestamp":"2026-01-01T12:00:01Z","evseId":{evse},'
        f'"connectorId":{connector},"connectorStatus":"{status}"}}]\n< [3,"s{number}",{{}}]\n'
    )


class Evses2x(Topic):
    """The rules about EVSE and connector numbers.

    Attributes:
        connectors: the last reported status (Available, Occupied, Reserved, Unavailable, Faulted), by EVSE and
            connector, from StatusNotification or from NotifyEvent of AvailabilityState.
    """

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self.connectors: dict[tuple[int, int], str] = {}
        self._plugged: dict[int, tuple[int, int]] = {}  # by EVSE: the connector that was occupied last, and when
        self._evidence = self.station.topic(Observation)

    def status(self, evse: int, connector: int) -> str | None:
        """Return the last reported status of a connector; None if it is not known."""
        return self.connectors.get((evse, connector))

    def status_of_evse(self, evse: int) -> set[str]:
        """Return the last reported statuses of an EVSE's connectors; empty if none is known."""
        return {status for (its_evse, _), status in self.connectors.items() if its_evse == evse}

    @rule(
        "evse.number",
        call("StatusNotification", "TransactionEvent", "MeterValues", *_NEEDS),
        title="An EVSE or connector number below 1",
        severity=Severity.ERROR,
        spec="OCPP 2.x part 1 §7.1 and §7.2",
        remedy="Number EVSEs, and the connectors of each, from 1; only MeterValues of the whole station use EVSE 0.",
        bad=_report(0),
        good=_report(1),
        versions=V2X,
        side=Side.CHARGE_POINT,
        plain=False,
    )
    def number(self, frame: Frame) -> Faults:
        payload, action = frame.payload, frame.action
        if action == "TransactionEvent":
            place = payload.get("evse")
            if type(place) is not dict:
                return None
            evse, connector, at = integer(place, "id"), integer(place, "connectorId"), "/3/evse/id"
        else:
            evse, connector, at = integer(payload, "evseId"), integer(payload, "connectorId"), "/3/evseId"
        least = 0 if action == "MeterValues" else 1
        if evse is not None and evse < least:
            return Fault(f"{action} of EVSE {evse}; the lowest number is {least}", at, key=f"evse {evse}")
        if connector is not None and connector < 1:
            at = "/3/evse/connectorId" if action == "TransactionEvent" else "/3/connectorId"
            return Fault(f"{action} of connector {connector} of EVSE {evse}; 1 is the lowest", at, key=f"{connector}")
        return None

    @rule(
        "evse.gap",
        DEADLINE,
        title="An EVSE or connector number is skipped",
        severity=Severity.WARNING,
        spec="OCPP 2.x part 1 §7.1 and §7.2",
        remedy="Number EVSEs, and the connectors of each, 1, 2, 3 and so on; report the status of each after a boot.",
        bad=_BOOT + _report(1) + _report(3) + "+ 5m",
        good=_BOOT + _report(1) + _report(2) + "+ 5m",
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def gap(self, moment: Moment) -> Faults:
        if self._evidence.seen_since is None or self.session not in self.station.sessions or not self.connectors:
            return None
        by_evse: dict[int, set[int]] = {}
        for evse, connector in self.connectors:
            by_evse.setdefault(evse, set()).add(connector)
        missing = [f"EVSE {number}" for number in _skipped(set(by_evse))]
        for evse, connectors in sorted(by_evse.items()):
            missing += [f"connector {number} of EVSE {evse}" for number in _skipped(connectors)]
        if not missing:
            return None
        named = ", ".join(missing[:20])
        return Fault(f"{named} was not reported, but one with a higher number was", frame=ABSENT, key=named)

    @rule(
        "connector.other-reported",
        call("StatusNotification", "NotifyEvent"),
        title="A cable is plugged in, and the status of another connector of the EVSE is reported too",
        severity=Severity.INFO,
        spec="OCPP 2.x G01.FR.08",
        remedy="Report only the connector that is occupied: the CSMS knows that the others cannot be used with it.",
        bad=_BOOT + _report(1) + _report(1, 2) + _report(1, 1, "Occupied") + _report(1, 2, "Unavailable"),
        good=_BOOT + _report(1) + _report(1, 2) + _report(1, 1, "Occupied") + _report(2, 1, "Unavailable"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def other_reported(self, frame: Frame) -> Faults:
        fault = None
        for evse, connector, status in _told(frame):
            before = self.connectors.get((evse, connector))
            if before == "Occupied" and status != "Occupied":
                self._plugged.pop(evse, None)
            if before == "Available" and status == "Occupied" and len(self._plugged) < CONNECTORS_LIMIT:
                self._plugged.setdefault(evse, (connector, frame.mono_ns))
            other, since_ns = self._plugged.get(evse, (connector, 0))
            # A second car may plug in later.
            most = {"Unavailable": self.settings.effect_timeout_s, "Occupied": AT_ONCE_S}.get(status, 0.0)
            changed = before == "Available" and frame.mono_ns - since_ns < most * 1e9
            if other != connector and changed:
                text = f"connector {connector} of EVSE {evse} is {status} because a cable is in connector {other}"
                fault = fault or Fault(text, "/3", key=f"{evse} {connector}")
                del self._plugged[evse]
        return fault

    @track(call("ChangeAvailability"))
    def changed(self, frame: Frame) -> None:
        self._plugged.clear()  # the CSMS may have changed the other connectors

    @track(call("StatusNotification", "NotifyEvent"))
    def reported(self, frame: Frame) -> None:
        for evse, connector, status in _told(frame):
            if (evse, connector) in self.connectors or len(self.connectors) < CONNECTORS_LIMIT:
                self.connectors[evse, connector] = status

    @track(result("BootNotification"))
    def booted(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted":
            self.station.deadline(frame, self.settings.status_after_boot_s, self.gap, at_close=AtClose.LATE)


def _told(frame: Frame) -> Iterator[tuple[int, int, str]]:
    """Yield the EVSE, the connector and its status for each status that a message reports."""
    payload, found = frame.payload, []
    if frame.action == "StatusNotification":
        found.append((payload, "evseId", string(payload, "connectorStatus")))
    for entry in elements(payload, "eventData") if frame.action == "NotifyEvent" else ():
        if string(member(entry, "variable"), "name") == "AvailabilityState":
            found.append((member(member(entry, "component"), "evse"), "id", string(entry, "actualValue")))
    for place, name, status in found:
        evse, connector = integer(place, name), integer(place, "connectorId")
        if evse is not None and connector is not None and status is not None:
            yield evse, connector, status


def _skipped(numbers: set[int]) -> list[int]:
    return [number for number in range(1, min(max(numbers), CONNECTORS_LIMIT)) if number not in numbers]
