"""Which tariff is in force at a 2.1 station, and whether a valid tariff is refused."""

from __future__ import annotations

import re

from inspector.protocol.frame import Frame
from inspector.rules.fields import integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, ongoing
from inspector.rules.rule import V21, Faults, Topic, call, result, rule
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.example_frames import Payload, script, transaction_event
from inspector.rules.topics.tariffs.events_v21 import begun
from inspector.rules.topics.tariffs.known_v21 import Default, KnownTariffs, changed, default, prices, tariff
from inspector.rules.topics.tariffs.structure_v21 import mistakes

_ROUNDING_S = 5  # both times are of the clock of the station
_CURRENCY = re.compile(r"[A-Z]{3}")
_LATER = tariff("A", validFrom="2026-02-01T00:00:00Z")


def _named(name: str) -> str:
    return transaction_event("Updated", "ChargingStateChanged", 1, {"tariffId": name, "chargingState": "Charging"})


class TariffsInForce21(Topic):
    """Rules about tariffs that are in force."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._began: Known[str, int] = Known()  # by transaction: the frame with its Started
        self._named: Known[str, str] = Known()  # the tariff that a transaction has named last
        self._known = self.station.topic(KnownTariffs)
        self._transactions = self.station.topic(Transactions2x)
        self._evses = self.station.topic(Evses2x)
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "tariff.not-in-force",
        call("TransactionEvent"),
        title="A transaction uses a default tariff that is not in force",
        severity=Severity.ERROR,
        spec="OCPP 2.1 I07.FR.19, I07.FR.20, I07.FR.21, I07.FR.22",
        remedy="Use a default tariff from its validFrom on, until another replaces it.",
        bad=script(default(_LATER), begun({"tariffId": "A"})),
        good=script(default(), begun({"tariffId": "A"})),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._known.contents,
    )
    def not_in_force(self, frame: Frame) -> Faults:
        known = self._known
        if not known.defaults and not known.replaced:
            return None
        info = member(frame.payload, "transactionInfo")
        name, told = string(info, "transactionId") or "", string(info, "tariffId")
        if frame.payload.get("eventType") == "Started" and name not in self._began:
            self._began.note(name, frame.frame_id)
        if told is None or name in known.changed or any(one.get("tariffId") == told for one in known.drivers.values()):
            return None
        one, now = known.defaults.get(told), seconds(string(frame.payload, "timestamp"))
        begins = one.valid_from if one is not None else None
        if begins is not None and now is not None and now < begins:
            text = f"tariff {told[:60]!r} is used, but its validFrom is later"
            return Fault(text, "/3/transactionInfo/tariffId", key=told[:60])
        if one is not None and (newer := self._newer(one, frame)) is not None:
            text = f"tariff {told[:60]!r} is used, although {newer[:60]!r} has replaced it at its validFrom"
            return Fault(text, "/3/transactionInfo/tariffId", key=told[:60])
        gone = known.replaced.get(told)
        if gone is not None and self._began.get(name, 0) > gone and told not in known.defaults:
            text = f"tariff {told[:60]!r} is used, although another default tariff has replaced it"
            return Fault(text, "/3/transactionInfo/tariffId", key=told[:60])
        return None

    def _newer(self, one: Default, frame: Frame) -> str | None:
        """Return the default tariff that came into force before this transaction began, in place of `one`."""
        event = self._transactions.event
        if event is None or event.transaction.started is None or event.transaction.evse is None:
            return None
        now = seconds(event.transaction.started[1])
        for name, other in self._known.defaults.items():
            begins = other.valid_from
            if other is one or begins is None or now is None or other.evse not in (0, event.transaction.evse):
                continue
            due = (one.valid_from or 0.0) <= begins and begins + _ROUNDING_S < now
            if due and (other.frame_id > one.frame_id or one.valid_from is not None):
                return name
        return None

    @rule(
        "tariff.changed-unasked",
        call("TransactionEvent"),
        title="A transaction changes to a default tariff that was set while it ran",
        severity=Severity.ERROR,
        spec="OCPP 2.1 I07.FR.24, I10.FR.07",
        remedy="Use the same tariff until the transaction ends; only ChangeTransactionTariff changes it.",
        bad=script(default(), begun({"tariffId": "A"}), default(tariff("B")), _named("B")),
        good=script(default(), begun({"tariffId": "A"}), default(tariff("B")), _named("A")),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._known.contents,
    )
    def changed_unasked(self, frame: Frame) -> Faults:
        info = member(frame.payload, "transactionInfo")
        name, told = string(info, "transactionId"), string(info, "tariffId")
        if name is None or told is None:
            return None
        before = self._named.get(name)
        self._named.note(name, told)
        asked = self._known.changed.get(name)
        if before in (None, told) or (asked is not None and asked[0] == told) or told not in self._known.defaults:
            return None
        if any(one.get("tariffId") == told for one in self._known.drivers.values()):
            return None
        text = f"the tariff changes from {(before or '')[:60]!r} to {told[:60]!r}, which was not requested"
        return Fault(text, "/3/transactionInfo/tariffId", key=name[:36])

    @rule(
        "tariff.change-unnamed",
        call("TransactionEvent"),
        title="A transaction does not name the tariff to which it was changed",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I11.FR.07",
        remedy="Send a TransactionEvent with triggerReason TariffChanged and the id of the new tariff before it ends.",
        bad=script(begun(), changed(tariff("B")), transaction_event("Updated", "TariffChanged", 1)),
        good=script(begun(), changed(tariff("B")), transaction_event("Updated", "TariffChanged", 1, {"tariffId": "B"})),
        versions=V21,
        side=Side.CHARGE_POINT,
        plain=False,
        dormant=lambda topic: not topic._known.changed,
    )
    def change_unnamed(self, frame: Frame) -> Faults:
        info, kind = member(frame.payload, "transactionInfo"), frame.payload.get("eventType")
        name = string(info, "transactionId") or ""
        new = self._known.changed.get(name)
        if new is None:
            return None
        if frame.payload.get("triggerReason") == "TariffChanged" and "tariffId" not in info:
            return Fault(
                "triggerReason is TariffChanged, but tariffId is missing", "/3/transactionInfo", key="TariffChanged"
            )
        after = (frame.ts_ns / 1e9) - new[1]
        if kind != "Ended" or info.get("tariffId") == new[0] or self._known.named.get(name) == new[0] or after < 5:
            return None
        text = f"the transaction ends, but has never named tariff {new[0][:60]!r}, to which it was changed"
        return Fault(text, "/3/transactionInfo", key=name[:36])

    @rule(
        "tariff.refused",
        result("SetDefaultTariff", "ChangeTransactionTariff"),
        title="A tariff is refused for a reason that does not apply to it",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I07.FR.10, I11.FR.06",
        remedy="Answer ConditionNotSupported, TooManyElements, TxNotFound and NoCurrencyChange only where this is so. "
        "Otherwise accept the tariff; if you must reject it, say why in statusInfo.",
        bad=script(default(status="ConditionNotSupported")),
        good=script(default(status="Accepted")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def refused(self, frame: Frame) -> Faults:
        status, one = frame.payload.get("status"), member(frame.request, "tariff")
        given = [price for _, those in prices(one) for price in those]
        why = ""
        if status == "ConditionNotSupported" and not any("conditions" in price for price in given):
            why = "the tariff has no conditions"
        elif status == "TooManyElements":
            most = self._configuration.variable_number("TariffCostCtrlr", "MaxElements", "Tariff")
            if most is not None and len(given) <= most:
                why = f"the tariff has {len(given)} elements; MaxElements is {most}"
        elif status == "TxNotFound" and ongoing(self, string(frame.request, "transactionId")):
            why = "the transaction is active"
        elif status == "NoCurrencyChange":
            name = self._known.named.get(string(frame.request, "transactionId") or "")
            before = string(self._known.contents.get(name or "", {}), "currency")
            if before is not None and before == one.get("currency"):
                why = "the currency is that of the present tariff"
        elif status == "Rejected" and "statusInfo" not in frame.payload and self._valid(frame):
            why = "the tariff is valid"
        return Fault(f"the status is {status}, but {why}", "/2/status", key=str(status)[:30]) if why else None

    def _valid(self, frame: Frame) -> bool:
        """Whether nothing is known that makes the station refuse this tariff."""
        one, evse, known = member(frame.request, "tariff"), integer(frame.request, "evseId") or 0, self._known
        if evse and evse not in {number for number, _ in self._evses.connectors}:
            return False
        if frame.action == "ChangeTransactionTariff":
            name = string(frame.request, "transactionId") or ""
            present = string(known.contents.get(known.named.get(name, ""), {}), "currency")
            if not ongoing(self, name) or present not in (None, one.get("currency")):
                return False
        given = [each for _, those in prices(one) for each in those]
        most = self._configuration.variable_number("TariffCostCtrlr", "MaxElements", "Tariff")
        if string(one, "tariffId") in known.contents or (most is not None and len(given) > most):
            return False
        if next(mistakes(one), None) is not None or not _CURRENCY.fullmatch(string(one, "currency") or ""):
            return False
        if any("conditions" in each or min(_numbers(each), default=0) < 0 for each in given):
            return False
        return known.on("Tariff") is not False and known.on("Tariff", "Available") is not False


def _numbers(price: Payload) -> list[float]:
    return [value for value in price.values() if isinstance(value, int | float)]
