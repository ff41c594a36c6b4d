"""Tariffs of a 2.1 charging station (I07 to I12): default ones, those of drivers, and the costs by them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ocpp.exceptions import NotSupportedError

from simulator.answers import answers
from simulator.charging.bill import Bill
from simulator.charging.connector import Connector, Transaction
from simulator.charging.meter import Reading
from simulator.charging.tokens import when
from simulator.charging.watcher import Watcher
from simulator.settings import RO, RW, Setting
from simulator.station import Station
from simulator.wire.link import Payload, Reply

CONTROLLER = "TariffCostCtrlr"
ELEMENTS = ("energy", "chargingTime", "idleTime", "fixedFee", "reservationTime", "reservationFixed")
FAILED = "Deauthorize|UseDefault|CentralCost"
SETTINGS = (
    ("Available/Tariff", "true", "boolean", RO),
    ("Available/Cost", "true", "boolean", RO),
    ("Enabled/Tariff", "true", "boolean", RW),
    ("Enabled/Cost", "true", "boolean", RW),
    ("Enabled/RunningCost", "false", "boolean", RW),
    ("Currency", "EUR", "string", RO),
    ("Interval/Cost", "60", "integer", RW),
    ("MaxElements/Tariff", "10", "integer", RO),
    ("ConditionsSupported/Tariff", "false", "boolean", RO),
    ("HandleFailedTariff/Tariff", "UseDefault", FAILED, RW),
    ("Problem", "false", "boolean", RO),
)


class Tariffs(Watcher):
    """The tariffs at each EVSE and of each driver."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self.defaults: dict[int, list[Payload]] = {}
        self.drivers: dict[str, Payload] = {}
        """The tariffs of drivers by token; a token without a transaction keeps its tariff until the next Authorize."""
        for variable, value, kind, access in SETTINGS:
            station.settings.add(Setting(None, CONTROLLER, variable, value, kind, access))
        station.watchers.append(self)

    def _setting(self, variable: str) -> Setting:
        return self.station.settings.by_variable[CONTROLLER, variable]

    def _on(self, variable: str) -> bool:
        return self._setting(variable).value.lower() == "true"

    def _supported(self) -> None:
        """Refuse tariffs while they are switched off (I07.FR.01, I11.FR.01)."""
        if not self._on("Enabled/Tariff"):
            raise NotSupportedError(description="local cost calculation is switched off (TariffCostCtrlr.Enabled)")

    # --- answers -------------------------------------------------------------------------------------------------

    @answers("SetDefaultTariff")
    def set_default(self, payload: Payload) -> Reply:
        self._supported()
        place, tariff = payload["evseId"], payload["tariff"]
        if (status := self._unfit(tariff)) is not None:
            return Reply({"status": status})
        present = {held["tariffId"] for tariffs in self.defaults.values() for held in tariffs}
        if tariff["tariffId"] in present | {held["tariffId"] for held in self.drivers.values()}:
            return Reply({"status": "DuplicateTariffId"})  # I07.FR.04
        if place and place not in self.station.connectors:
            return Reply(self.station.dialect.rejected("UnknownEvse"))
        for number in [place] if place else list(self.station.connectors):
            # I07.FR.20 to I07.FR.22: a tariff replaces those that begin earlier, once it is valid itself.
            held = [*self.defaults.get(number, []), tariff]
            self.defaults[number] = _without_replaced(held)
        return Reply({"status": "Accepted"})

    def _unfit(self, tariff: Payload) -> str | None:
        """Return the status for a tariff that the station cannot process."""
        prices = [price for name in ELEMENTS for price in tariff.get(name, {}).get("prices", ())]
        if len(prices) > int(self._setting("MaxElements/Tariff").value):
            return "TooManyElements"
        return "ConditionNotSupported" if any("conditions" in price for price in prices) else None

    @answers("GetTariffs")
    def get(self, payload: Payload) -> Reply:
        place = payload["evseId"]
        if place and place not in self.station.connectors:
            return Reply(self.station.dialect.rejected("UnknownEvse"))
        found: dict[str, Payload] = {}
        for number, tariffs in self.defaults.items():
            for tariff in tariffs if place in (0, number) else []:
                entry = found.setdefault(
                    tariff["tariffId"], {"tariffId": tariff["tariffId"], "tariffKind": "DefaultTariff", "evseIds": []}
                )
                entry["evseIds"].append(number)
                if "validFrom" in tariff:
                    entry["validFrom"] = tariff["validFrom"]
        for token, tariff in self.drivers.items():
            used = [
                number
                for number, connector in self.station.connectors.items()
                if connector.transaction is not None
                and connector.transaction.id_token.casefold() == token
                and connector.transaction.tariff_id == tariff["tariffId"]
            ]
            if place in (0, *used):
                entry = {"tariffId": tariff["tariffId"], "tariffKind": "DriverTariff", "idTokens": [token]}
                found[f"driver {tariff['tariffId']}"] = entry | ({"evseIds": used} if used else {})
        if not found:
            return Reply({"status": "NoTariff"})
        return Reply({"status": "Accepted", "tariffAssignments": list(found.values())})

    @answers("ClearTariffs")
    def clear(self, payload: Payload) -> Reply:
        place = payload.get("evseId", 0)
        held = {
            number: {tariff["tariffId"] for tariff in tariffs}
            for number, tariffs in self.defaults.items()
            if place in (0, number)
        }
        drivers = {tariff["tariffId"] for tariff in self.drivers.values()} if not place else set()
        wanted = payload.get("tariffIds") or sorted(set().union(drivers, *held.values()))
        results = []
        for name in wanted:
            found = name in drivers or any(name in names for names in held.values())
            for number in held:
                self.defaults[number] = [tariff for tariff in self.defaults[number] if tariff["tariffId"] != name]
            if name in drivers:
                self.drivers = {token: each for token, each in self.drivers.items() if each["tariffId"] != name}
            results.append({"tariffId": name, "status": "Accepted" if found else "NoTariff"})
        return Reply({"clearTariffsResult": results or [{"status": "NoTariff"}]})

    @answers("ChangeTransactionTariff")
    def change(self, payload: Payload) -> Reply:
        self._supported()
        tariff, connector = payload["tariff"], self.station.connector_of(payload["transactionId"])
        if (status := self._unfit(tariff)) is not None:
            return Reply({"status": status})
        if connector is None or connector.transaction is None:
            return Reply({"status": "TxNotFound"})
        tx = connector.transaction
        present = tx.bill.tariff["currency"] if tx.bill else self._setting("Currency").value
        if tariff["currency"] != present:
            return Reply({"status": "NoCurrencyChange"})

        async def follow() -> None:
            self.station.measure(connector)
            if tx.bill is None:
                tx.bill = Bill(tariff, connector.meter.register_wh)
            else:
                tx.bill.change(tariff)
            tx.tariff_id = tx.once["tariffId"] = tariff["tariffId"]
            await self.station.update(connector, tx, "TariffChanged")  # I11.FR.07

        return Reply({"status": "Accepted"}, follow)

    # --- transactions --------------------------------------------------------------------------------------------

    def authorized(self, token: str, answer: Payload) -> None:
        """Keep the tariff of a driver from the answer to Authorize (I08)."""
        tariff, status = answer.get("tariff"), answer["idTokenInfo"]["status"]
        self.drivers.pop(token.casefold(), None)
        if tariff is None or status != "Accepted" or not self._on("Enabled/Tariff"):
            return
        if self._unfit(tariff) is None:
            self.drivers[token.casefold()] = tariff
            self._report_problem(False)
        else:
            self._report_problem(True)
            if self._setting("HandleFailedTariff/Tariff").value == "Deauthorize":
                answer["idTokenInfo"]["status"] = "Invalid"  # I08.FR.31: the token is not authorized

    def _report_problem(self, problem: bool) -> None:
        """Set TariffCostCtrlr.Problem, and report it if it changes (I08.FR.30 to I08.FR.36)."""
        text = str(problem).lower()
        if self._setting("Problem").value == text:
            return
        self._setting("Problem").value = text
        more = {"eventNotificationType": "HardWiredNotification", "trigger": "Alerting"}
        event = self.station.dialect.event({"name": CONTROLLER}, {"name": "Problem"}, text, **more)
        self.station.spawn(self.station.send(event))

    def _in_force(self, number: int) -> Payload | None:
        """Return the default tariff that is valid on an EVSE now."""
        now = datetime.now(UTC)
        valid = [each for each in self.defaults.get(number, []) if (when(each.get("validFrom")) or now) <= now]
        return valid[-1] if valid else None

    def starting(self, connector: Connector, tx: Transaction) -> None:
        if not self._on("Enabled/Tariff"):
            return
        tariff = self.drivers.get(tx.id_token.casefold()) or self._in_force(connector.number)
        if tariff is not None:
            tx.bill = Bill(tariff, connector.meter.register_wh)
            tx.tariff_id = tx.once["tariffId"] = tariff["tariffId"]  # I07.FR.32, I08.FR.22

    def measured(self, connector: Connector, tx: Transaction, reading: Reading) -> None:
        if tx.bill is not None:
            tx.bill.note(connector.meter.register_wh, connector.status == "Charging")

    def costs(self, tx: Transaction, kind: str) -> dict[str, Any]:
        """Return costDetails for a TransactionEvent, if it must have them (I12.FR.01, I12.FR.02)."""
        if tx.bill is None or not (self._on("Enabled/Cost") and self._on("Enabled/Tariff")):
            return {}
        if kind != "Ended" and not self._on("Enabled/RunningCost"):
            return {}
        return {"costDetails": tx.bill.details(final=kind == "Ended")}

    def ended(self, connector: Connector, tx: Transaction) -> None:
        # I08.FR.06: the tariff of a driver ends with the transaction, unless another one uses it.
        in_use = {
            other.transaction.id_token.casefold() for other in self.station.connectors.values() if other.transaction
        }
        if tx.id_token.casefold() not in in_use:
            self.drivers.pop(tx.id_token.casefold(), None)


def _without_replaced(tariffs: list[Payload]) -> list[Payload]:
    """Return the tariffs of an EVSE in the order in which they become valid, without those that are over."""
    now = datetime.now(UTC)
    ordered = sorted(tariffs, key=lambda each: when(each.get("validFrom")) or datetime.min.replace(tzinfo=UTC))
    valid = [each for each in ordered if (when(each.get("validFrom")) or now) <= now]
    return [each for each in ordered if each not in valid[:-1]]
