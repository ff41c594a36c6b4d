"""The tariffs of a 2.1 station, and which transaction uses which; judges nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.kit import Known
from inspector.rules.rule import OPENED, V21, Topic, call, result, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.topics.example_frames import Payload, cp, csms

TOKEN = {"idToken": "T", "type": "ISO14443"}
PARTS = {
    "fixedFee": "fixed",
    "energy": "energy",
    "chargingTime": "chargingTime",
    "idleTime": "idleTime",
    "reservationTime": "reservationTime",
    "reservationFixed": "reservationFixed",
}
"""Each member of a tariff that has prices, and the member of the costs that has what it made."""


def tariff(name: str = "A", **more: Any) -> Payload:
    """A tariff of 0.30 EUR a kWh."""
    return {"tariffId": name, "currency": "EUR", "energy": {"prices": [{"priceKwh": 0.3}]}, **more}


def default(one: Payload | None = None, evse: int = 0, status: str = "Accepted") -> str:
    """SetDefaultTariff and its answer."""
    return csms("SetDefaultTariff", {"evseId": evse, "tariff": one or tariff()}, {"status": status})


def changed(one: Payload, status: str = "Accepted") -> str:
    """ChangeTransactionTariff of transaction "t1", and its answer."""
    return csms("ChangeTransactionTariff", {"transactionId": "t1", "tariff": one}, {"status": status})


def authorized(one: Payload | None = None) -> str:
    """Authorize, accepted with this tariff."""
    given = {} if one is None else {"tariff": one}
    return cp("Authorize", {"idToken": TOKEN}, {"idTokenInfo": {"status": "Accepted"}, **given})


def enabled(*instances: str, value: str = "true", variable: str = "Enabled") -> str:
    """GetVariables of TariffCostCtrlr, and its answer."""
    names = [
        {"component": {"name": "TariffCostCtrlr"}, "variable": {"name": variable, "instance": instance}}
        for instance in instances
    ]
    told = [{**name, "attributeStatus": "Accepted", "attributeValue": value} for name in names]
    return csms("GetVariables", {"getVariableData": names}, {"getVariableResult": told})


def prices(one: Payload) -> Iterator[tuple[str, list[Payload]]]:
    """The members of a tariff that have prices, each with its prices."""
    for name in PARTS:
        if name in one:
            yield name, elements(member(one, name), "prices")


class Default(NamedTuple):
    """An accepted default tariff."""

    evse: int
    tariff: Payload
    frame_id: int
    sure: bool  # no other can have replaced it

    @property
    def valid_from(self) -> float | None:
        return seconds(string(self.tariff, "validFrom"))


class KnownTariffs(Topic):
    """The tariffs of one station.

    Attributes:
        defaults: accepted default tariffs, by id.
        drivers: tariffs of drivers, by token in lower case; those of the latest answers to Authorize.
        contents: every tariff that the CSMS has given, by id.
        cleared: ids of tariffs that were cleared.
        replaced: default tariffs that another has replaced, by id: the frame that did.
        finished: tariffs of drivers whose transaction has ended, by id.
        named: the tariff that a transaction has named last, by transaction id.
        tokens: the token of a transaction, in lower case.
        changed: the tariff that the CSMS has given a transaction, and when.
    """

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self.defaults: Known[str, Default] = Known()
        self.drivers: Known[str, Payload] = Known()
        self.contents: Known[str, Payload] = Known()
        self.cleared: Known[str, None] = Known()
        self.replaced: Known[str, int] = Known()
        self.finished: Known[str, None] = Known()
        self.named: Known[str, str] = Known()
        self.tokens: Known[str, str] = Known()
        self.changed: Known[str, tuple[str, float]] = Known()
        self._configuration = self.station.topic(ConfigurationState)

    def on(self, instance: str, variable: str = "Enabled") -> bool | None:
        """The value of a switch of TariffCostCtrlr; None where it is not known."""
        told = self._configuration.variable("TariffCostCtrlr", variable, instance=instance)
        if told is None and variable == "ConditionsSupported":
            told = self._configuration.variable("TariffCostCtrlr", variable)
        value = (told or "").lower()
        return True if value == "true" else False if value == "false" else None

    @track(result("SetDefaultTariff", "ChangeTransactionTariff", "Authorize"))
    def given(self, frame: Frame) -> None:
        driver = frame.action == "Authorize"
        one = member(frame.payload if driver else frame.request, "tariff")
        name = string(one, "tariffId")
        token = string(member(frame.request, "idToken"), "idToken") if driver else None
        if token is not None:
            self.drivers.pop(token.lower(), None)
        accepted = found_status(frame) == "Accepted"
        if name is None or not accepted:
            return
        if not self.contents:
            self.station.refresh_listeners()
        self.contents.note(name, one)
        self.cleared.pop(name, None)
        self.finished.pop(name, None)
        if token is not None:
            self.drivers.note(token.lower(), one)
        elif frame.action == "ChangeTransactionTariff":
            self.changed.note(string(frame.request, "transactionId") or "", (name, frame.ts_ns / 1e9))
        else:
            evse = integer(frame.request, "evseId") or 0
            for other, there in list(self.defaults.items()):
                if (
                    evse in (0, there.evse)
                    and other != name
                    and "validFrom" not in one
                    and "validFrom" not in there.tariff
                ):
                    del self.defaults[other]
                    self.replaced.note(other, frame.frame_id)
                elif evse in (0, there.evse) or there.evse == 0:
                    self.defaults[other] = there._replace(sure=False)
            self.replaced.pop(name, None)
            self.defaults.note(name, Default(evse, one, frame.frame_id, sure=True))

    @track(result("ClearTariffs"))
    def removed(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "clearTariffsResult"):
            name = string(entry, "tariffId")
            if name is not None and entry.get("status") == "Accepted":
                self.defaults.pop(name, None)
                self.cleared.note(name, None)
        wanted, evse = frame.request.get("tariffIds"), integer(frame.request, "evseId")
        for name, one in list(self.defaults.items()):
            if (type(wanted) is not list or name in wanted) and evse in (None, one.evse):
                del self.defaults[name]

    @track(call("TransactionEvent"))
    def used(self, frame: Frame) -> None:
        info = frame.payload.get("transactionInfo")
        if type(info) is not dict or ("tariffId" not in info and "idToken" not in frame.payload):
            return
        name, told = string(info, "transactionId"), string(info, "tariffId")
        token = string(member(frame.payload, "idToken"), "idToken")
        if name is not None and told is not None:
            self.named.note(name, told)
        if name is not None and token is not None and name not in self.tokens:
            self.tokens.note(name, token.lower())

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            self.defaults.clear()  # others may have been set or cleared
            for known in (self.cleared, self.drivers, self.replaced, self.finished):
                known.clear()


def found_status(frame: Frame) -> str | None:
    """The status of an answer about a tariff."""
    payload = member(frame.payload, "idTokenInfo") if frame.action == "Authorize" else frame.payload
    return string(payload, "status")
