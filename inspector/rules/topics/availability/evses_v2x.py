"""Judge how a 2.x station numbers its EVSEs and connectors, and remember their status."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import ABSENT, Fault, Severity, Side
from inspector.rules.rule import DEADLINE, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation

CONNECTORS_LIMIT = 500
_NEEDS = ("NotifyEVChargingNeeds", "NotifyEVChargingSchedule")  # other actions whose evseId must not be 0

_BOOT = """open {"from_start": true}
> [2,"b","BootNotification",{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}]
< [3,"b",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":86400}]
"""


def _report(evse: int, connector: int = 1) -> str:
    return (
        f'> [2,"s{evse}{connector}","StatusNotification",{{"timestamp":"2026-01-01T12:00:01Z","evseId":{evse},'
        f'"connectorId":{connector},"connectorStatus":"Available"}}]\n< [3,"s{evse}{connector}",{{}}]\n'
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

    @track(call("StatusNotification"))
    def reported(self, frame: Frame) -> None:
        payload = frame.payload
        evse, connector = integer(payload, "evseId"), integer(payload, "connectorId")
        self._learn(evse, connector, string(payload, "connectorStatus"))

    @track(call("NotifyEvent"))
    def notified(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "eventData"):
            if string(member(entry, "variable"), "name") == "AvailabilityState":
                place = member(member(entry, "component"), "evse")
                self._learn(integer(place, "id"), integer(place, "connectorId"), string(entry, "actualValue"))

    @track(result("BootNotification"))
    def booted(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted":
            self.station.deadline(frame, self.settings.status_after_boot_s, self.gap)

    def _learn(self, evse: int | None, connector: int | None, status: str | None) -> None:
        if evse is None or connector is None or status is None:
            return
        if (evse, connector) in self.connectors or len(self.connectors) < CONNECTORS_LIMIT:
            self.connectors[evse, connector] = status


def _skipped(numbers: set[int]) -> list[int]:
    return [number for number in range(1, min(max(numbers), CONNECTORS_LIMIT)) if number not in numbers]
