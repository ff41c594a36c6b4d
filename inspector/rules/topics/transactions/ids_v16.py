"""Judge the transaction ids in 1.6 messages: ids that are reused, unknown, stopped, or on two connectors."""

from __future__ import annotations

from inspector.protocol import schemas
from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.fields import earlier, integer
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import V16, Faults, Topic, call, refusal, result, rule
from inspector.rules.state.transactions_v16 import LARGEST_IDS, NO_ID, Transactions16, last_sampled

OLDER_STOPS = frozenset({"PowerLoss", "Reboot", "HardReset", "SoftReset"})
"""Values of `reason` with which a transaction from before the last boot may be stopped."""

_BOOT = """open {"from_start": true}
> [2,"b","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]
< [3,"b",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":86400}]
"""
_START = """> [2,"s","StartTransaction",{"connectorId":1,"idTag":"T","meterStart":0,"timestamp":"2026-01-01T12:00:01Z"}]
< [3,"s",{"transactionId":7,"idTagInfo":{"status":"Accepted"}}]
"""
_STOP = (
    '> [2,"e","StopTransaction",{"transactionId":7,"meterStop":9,"timestamp":"2026-01-01T12:00:05Z"}]\n< [3,"e",{}]\n'
)
_METER = (
    '> [2,"m","MeterValues",{"connectorId":1,"transactionId":7,"meterValue":'
    '[{"timestamp":"2026-01-01T12:00:03Z","sampledValue":[{"value":"5"}]}]}]\n< [3,"m",{}]\n'
)


class TransactionIds16(Topic):
    """The rules about the transaction id."""

    scope = "station"
    versions = V16

    def setup(self) -> None:
        self._known = self.station.topic(Transactions16)

    @rule(
        "transaction.id-reissued",
        result("StartTransaction"),
        title="The CSMS issues a transaction id twice",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §6.46, errata 3.54",
        remedy="Give every transaction of a charge point a new id.",
        bad=_START + _START.replace('"s"', '"s2"').replace('"connectorId":1', '"connectorId":2'),
        good=_START
        + _START.replace('"s"', '"s2"').replace('"connectorId":1', '"connectorId":2').replace('Id":7', 'Id":8'),
        versions=V16,
        side=Side.CSMS,
        heuristic=True,
    )
    def reissued(self, frame: Frame) -> Faults:
        answering = self._known.answering
        if answering is None or answering.holder is None:
            return None
        holder, transaction = answering.holder, answering.transaction
        number = transaction.transaction_id
        if holder.stop is None and transaction.status == "Accepted":
            text = (
                f"transaction id {number} is issued again while the transaction on connector {holder.connector} has it"
            )
            return Fault(text, "/2/transactionId", key="open")
        was = "one that is over" if holder.stop is not None else "another, and this one is refused"
        text = f"transaction id {number} is issued again; it was that of {was}"
        return Fault(text, "/2/transactionId", severity=Severity.WARNING, key=was)

    @rule(
        "transaction.meter-values-id",
        call("MeterValues"),
        title="MeterValues name a transaction that is unknown, has ended or is on another connector",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §4.7, errata 3.16 and 3.18",
        remedy="Send the id of the connector's open transaction, or no transactionId when there is none.",
        bad=_BOOT + _METER,
        good=_BOOT + _START + _METER,
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def meter_values_id(self, frame: Frame) -> Faults:
        number = integer(frame.payload, "transactionId")
        if number is None or number in LARGEST_IDS:
            return None
        connector, transaction = integer(frame.payload, "connectorId"), self._known.metered
        place = "/3/transactionId"
        if transaction is not None:
            if connector and transaction.connector not in (connector, None):
                text = f"MeterValues of connector {connector} name {transaction}"
                return Fault(text, place, key=f"connector {number}")
            stop = transaction.stop
            if stop is not None and not _before(last_sampled(frame.payload), stop.timestamp):
                return Fault(f"MeterValues name {transaction}, which has ended", place, key=f"over {number}")
            return None
        if number == NO_ID and self._known.may_lack_id():
            return None
        if not self._known.would_have_been_seen(last_sampled(frame.payload), connector or None):
            return None
        if number == NO_ID:
            return Fault(
                "MeterValues name transaction -1, although every StartTransaction was answered", place, key="-1"
            )
        return Fault(f"MeterValues name transaction {number}, which was never started", place, key=str(number))

    @rule(
        "transaction.stop-unknown",
        call("StopTransaction"),
        title="StopTransaction names a transaction that was never started",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §6.49",
        remedy="Use the id from the answer to StartTransaction, or -1 when no answer came.",
        bad=_BOOT + _STOP,
        good=_BOOT + _START + _STOP,
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def stop_unknown(self, frame: Frame) -> Faults:
        stopping = self._known.stopping
        if stopping is None or stopping.transaction_id is None or stopping.transaction is not None:
            return None
        number = stopping.transaction_id
        if number in LARGEST_IDS or (number == NO_ID and self._known.may_lack_id()):
            return None
        if stopping.stop.reason in OLDER_STOPS or not self._known.would_have_been_seen(stopping.stop.timestamp):
            return None
        return Fault(f"transaction {number} is stopped but was never started", "/3/transactionId", key=str(number))

    @rule(
        "transaction.stop-refused",
        refusal("StopTransaction"),
        title="The CSMS answers a StopTransaction with an error",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §4.10",
        remedy="Answer every StopTransaction with a result, even for an unknown transaction; otherwise the charge "
        "point repeats it.",
        bad=_START + _STOP.replace('[3,"e",{}]', '[4,"e","InternalError","unknown transaction",{}]'),
        good=_START + _STOP,
        versions=V16,
        side=Side.CSMS,
    )
    def stop_refused(self, frame: Frame) -> Faults:
        compiled = schemas.validator(OcppVersion.V16, "StopTransaction", "request")
        if compiled is not None and not compiled.is_valid(frame.request):
            return None  # a CALLERROR is the right answer to an invalid payload
        number = integer(frame.request, "transactionId")
        return Fault(f"the stop of transaction {number} is answered with an error; the charge point will repeat it")

    @rule(
        "transaction.second-stop",
        call("StopTransaction"),
        title="A transaction is stopped a second time, with other values",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §4.10",
        remedy="Stop a transaction once; repeat the message unchanged only if it was not answered.",
        bad=_START + _STOP + _STOP.replace('"e"', '"e2"').replace('Stop":9', 'Stop":12'),
        good=_START + _STOP + _STOP.replace('"e"', '"e2"'),
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def second_stop(self, frame: Frame) -> Faults:
        stopping = self._known.stopping
        if stopping is None or stopping.earlier is None or stopping.earlier == stopping.stop:
            return None
        if stopping.transaction_id == NO_ID:
            return None  # each stop with this id may be for another transaction
        if stopping.transaction_id in self._known.refused_stops:
            return None  # the charge point may correct a message that was refused
        changed = [
            f"{name} {before} then {now}"
            for name, before, now in zip(
                ("meterStop", "timestamp", "reason", "idTag"), stopping.earlier, stopping.stop, strict=True
            )
            if before != now
        ]
        text = f"transaction {stopping.transaction_id} is stopped again with other values: {', '.join(changed)[:300]}"
        return Fault(text, "/3/transactionId", key=str(stopping.transaction_id))

    @rule(
        "transaction.overlap",
        call("StartTransaction"),
        title="A transaction starts on a connector that already has an open one",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §4.8 and §4.10",
        remedy="Send the StopTransaction of the earlier transaction first; a connector has one transaction at a time.",
        bad=_START + _START.replace('"s"', '"s2"').replace(":01Z", ":09Z").replace('Id":7', 'Id":8'),
        good=_START + _STOP + _START.replace('"s"', '"s2"').replace(":01Z", ":09Z").replace('Id":7', 'Id":8'),
        versions=V16,
        side=Side.CHARGE_POINT,
        heuristic=True,
    )
    def overlap(self, frame: Frame) -> Faults:
        starting = self._known.starting
        if starting is None or starting.again:
            return None
        # The rule transaction.not-deauthorized reports transactions that the CSMS has refused.
        others = [one for one in starting.others if one.status in (None, "Accepted")]
        if not others:
            return None
        other = others[-1]
        text = f"a transaction starts on connector {other.connector} while {other} is open"
        return Fault(text, "/3/connectorId", key=f"connector {other.connector}")


def _before(sampled: str | None, stopped: str | None) -> bool:
    """Return whether meter values were taken before the stop of their transaction, but delivered after it."""
    return sampled is not None and stopped is not None and not earlier(stopped, sampled)
