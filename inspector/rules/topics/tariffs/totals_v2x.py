"""The costs that a 2.x CSMS calculates: running totals while a transaction runs, and the total at its end."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.durations import duration
from inspector.rules.fields import member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.topics.example_frames import csms, script, started, transaction_event
from inspector.rules.topics.tariffs.known_v21 import enabled

LONG_S = 60
UPDATES = 2
"""A transaction of this length has had a moment to show what it costs."""
_UPDATED = csms("CostUpdated", {"totalCost": 1.5, "transactionId": "t1"}, {})


def ended(total: float | None) -> str:
    """The Ended of transaction "t1", answered with this total."""
    return transaction_event("Ended", "StopAuthorized", 1, answer={} if total is None else {"totalCost": total})


class Totals2x(Topic):
    """Rules about totalCost."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._running: Known[str, None] = Known()  # transactions whose running cost the CSMS has told
        self._begun: Known[str, int] = Known()  # by transaction: when its Started came
        self._updates: Known[str, int] = Known()  # by transaction: how many events came between Started and Ended
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "cost.total-missing",
        result("TransactionEvent"),
        title="The CSMS does not tell the total cost of a transaction",
        severity=Severity.WARNING,
        spec="OCPP 2.x I03.FR.02, I03.FR.04",
        remedy="Give totalCost in the answer to Ended where the running cost was told, 0.00 for a free transaction.",
        bad=script(started(), _UPDATED, ended(None)),
        good=script(started(), _UPDATED, ended(3.0)),
        versions=V2X,
        side=Side.CSMS,
        dormant=lambda topic: not topic._running,
    )
    def total_missing(self, frame: Frame) -> Faults:
        request = frame.request
        if request.get("eventType") != "Ended" or "totalCost" in frame.payload or "costDetails" in request:
            return None
        name = string(member(request, "transactionInfo"), "transactionId") or ""
        if name not in self._running or request.get("offline") is True:
            return None
        text = f"the running cost of transaction {name[:36]!r} was told, but its total is missing"
        return Fault(text, "/2", key=name[:36])

    @rule(
        "cost.not-updated",
        result("TransactionEvent"),
        title="The CSMS does not tell the running cost of a transaction",
        severity=Severity.WARNING,
        spec="OCPP 2.x I02.FR.01",
        remedy="Send CostUpdated, or totalCost in the answer to TransactionEvent, while the transaction runs.",
        bad=script(enabled("Cost"), started(), "+ 1h", ended(3.0)),
        good=script(enabled("Cost"), started(), "+ 1h", _UPDATED, ended(3.0)),
        versions=V2X,
        side=Side.CSMS,
        dormant=lambda topic: not topic._begun,
    )
    def not_updated(self, frame: Frame) -> Faults:
        request = frame.request
        if request.get("eventType") != "Ended" or not frame.payload.get("totalCost") or "costDetails" in request:
            return None
        name = string(member(request, "transactionInfo"), "transactionId") or ""
        begun = self._begun.get(name)
        if begun is None or name in self._running or request.get("offline") is True:
            return None
        if (self._variable("Cost") or "") != "true" or self._variable("Tariff") == "true":
            return None  # the station calculates, or does not show what it costs
        lasted = (frame.mono_ns - begun) / 1e9
        if lasted < LONG_S or (lasted < 15 * LONG_S and self._updates.get(name, 0) < UPDATES):
            return None
        text = f"transaction {name[:36]!r} lasted {duration(lasted)} and has a total, but no running cost was told"
        return Fault(text, "/2/totalCost", key=name[:36])

    def _variable(self, instance: str) -> str | None:
        value = self._configuration.variable("TariffCostCtrlr", "Enabled", instance=instance)
        return value.lower() if value is not None else None

    @track(call("CostUpdated"))
    def updated(self, frame: Frame) -> None:
        self._note(string(frame.payload, "transactionId"))

    @track(result("TransactionEvent"), plain=False)
    def answered(self, frame: Frame) -> None:
        if "totalCost" in frame.payload and frame.request.get("eventType") != "Ended":
            self._note(string(member(frame.request, "transactionInfo"), "transactionId"))

    @track(call("TransactionEvent"), dormant=lambda topic: not topic._begun)
    def updates(self, frame: Frame) -> None:
        name = string(member(frame.payload, "transactionInfo"), "transactionId")
        if frame.payload.get("eventType") == "Updated" and name is not None and name in self._begun:
            self._updates.note(name, self._updates.get(name, 0) + 1)

    @track(call("TransactionEvent"), plain=False)
    def begins(self, frame: Frame) -> None:
        if frame.payload.get("eventType") == "Started" and self._variable("Cost") == "true":
            name = string(member(frame.payload, "transactionInfo"), "transactionId")
            if name is not None:
                if not self._begun:
                    self.station.refresh_listeners()
                self._begun.note(name, frame.mono_ns)

    def _note(self, name: str | None) -> None:
        if name is not None:
            if not self._running:
                self.station.refresh_listeners()
            self._running.note(name, None)
