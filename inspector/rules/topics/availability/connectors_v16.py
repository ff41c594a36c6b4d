"""Judge how a 1.6 charge point numbers its connectors."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.finding import ABSENT, Fault, Severity, Side
from inspector.rules.rule import DEADLINE, V16, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v16 import Transactions16

CONNECTORS_LIMIT = 500

_BOOT = """open {"from_start": true}
> [2,"b","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]
< [3,"b",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":86400}]
"""
_START = '> [2,"s","StartTransaction",{"connectorId":%d,"idTag":"T","meterStart":0,"timestamp":"2026-01-01T12:00:01Z"}]'


def _reports(*connectors: int) -> str:
    return "".join(
        f'> [2,"n{one}","StatusNotification",{{"connectorId":{one},"errorCode":"NoError","status":"Available"}}]\n'
        f'< [3,"n{one}",{{}}]\n'
        for one in connectors
    )


class Connectors16(Topic):
    """The rules about connector numbers."""

    scope = "station"
    versions = V16

    def setup(self) -> None:
        self._transactions = self.station.topic(Transactions16)
        self._evidence = self.station.topic(Observation)
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "connector.number",
        call("StartTransaction", "StatusNotification", "MeterValues"),
        title="The charge point does not have a connector with this number",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §3.8 and §6.45",
        remedy="Number the connectors from 1 up to NumberOfConnectors; 0 is the charge point and has no transactions.",
        bad=_START % 0,
        good=_START % 1,
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def number(self, frame: Frame) -> Faults:
        connector = frame.payload.get("connectorId")
        if type(connector) is not int:
            return None
        least = 1 if frame.action == "StartTransaction" else 0
        if connector < least:
            text = f"{frame.action} of connector {connector}; the lowest number is {least}"
            return Fault(text, "/3/connectorId", key=str(connector))
        most = self._configuration.connectors
        if most is None or connector <= most:
            return None
        text = f"{frame.action} of connector {connector}; NumberOfConnectors is {most}"
        return Fault(text, "/3/connectorId", key=str(connector))

    @rule(
        "connector.gap",
        DEADLINE,
        title="A connector number is skipped",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §3.8",
        remedy="Number the connectors 1, 2, 3 and so on, and report the status of each after a boot.",
        bad=_BOOT + _reports(0, 1, 3) + "+ 5m",
        good=_BOOT + _reports(0, 1, 2, 3) + "+ 5m",
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def gap(self, moment: Moment) -> Faults:
        if self._evidence.seen_since is None or self.session not in self.station.sessions:
            return None
        heard_of = self._transactions.heard_of
        highest = max(heard_of, default=0)
        missing = [one for one in range(1, min(highest, CONNECTORS_LIMIT)) if one not in heard_of]
        if not missing:
            return None
        named = ", ".join(str(one) for one in missing[:20])
        text = f"connector {highest} is reported, but not {named}"
        return Fault(text, frame=ABSENT, key=named)

    @track(result("BootNotification"))
    def booted(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted":
            self.station.deadline(frame, self.settings.status_after_boot_s, self.gap, at_close=AtClose.LATE)
