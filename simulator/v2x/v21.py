"""The additions of 2.1 to a charging station of 2.0.1: tariffs, DER controls, dynamic charging, event streams."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.answers import answers, routes
from simulator.clock import timestamp
from simulator.station import Station
from simulator.v2x.charge_point import Dialect201, Parts, add_answers
from simulator.wire.connection import Identity
from simulator.wire.link import Payload, Reply

CURRENCY = "EUR"
REFUSED = {"AFRRSignal": "it feeds nothing back to the grid", "RequestBatterySwap": "it holds no batteries"}
"""Action that is always answered with Rejected -> the reason."""

REPORT_NAMES = {
    "fixedPFAbsorb": "fixedPF",
    "fixedPFInject": "fixedPF",
    "limitMaxDischarge": "limitMaxDischarge",
    "fixedVar": "fixedVar",
    "freqDroop": "freqDroop",
    "gradient": "gradient",
    "enterService": "enterService",
    "curve": "curve",
}
"""Member of SetDERControl -> member of its entry in ReportDERControl."""

PLAIN_REPORTS = ("gradient", "enterService")
"""Entries of ReportDERControl without isDefault and isSuperseded."""


def charge_point_21(identity: Identity, log: Callable[[str], None]) -> Station:
    """Build a charging station that speaks OCPP 2.1."""
    station = Station(identity, Dialect21, log)
    parts = add_answers(station)
    station.answering.routes |= routes(Answers21(station), Streams(station, parts))
    return station


class Dialect21(Dialect201):
    """The messages of OCPP 2.1."""

    version = "2.1"


class Answers21:
    """Each method answers one action that 2.0.1 does not have."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self.tariffs: dict[int, Payload] = {}
        self.transaction_tariffs: dict[str, Payload] = {}
        self.controls: dict[str, Payload] = {}

    # --- tariffs (I) ---------------------------------------------------------------------------------------------

    @answers("SetDefaultTariff")
    def set_default_tariff(self, payload: Payload) -> Reply:
        place, tariff = payload["evseId"], payload["tariff"]
        if place and place not in self.station.connectors:
            return Reply({"status": "Rejected"})
        elsewhere = [held for held in self.tariffs if held != place and place]
        if any(self.tariffs[held]["tariffId"] == tariff["tariffId"] for held in elsewhere):
            return Reply({"status": "DuplicateTariffId"})
        for number in [place] if place else list(self.station.connectors):
            self.tariffs[number] = tariff
        return Reply({"status": "Accepted"})

    @answers("GetTariffs")
    def get_tariffs(self, payload: Payload) -> Reply:
        place = payload["evseId"]
        if place and place not in self.station.connectors:
            return Reply({"status": "Rejected"})
        assigned: dict[str, list[int]] = {}
        for number, tariff in self.tariffs.items():
            if place in (0, number):
                assigned.setdefault(tariff["tariffId"], []).append(number)
        if not assigned:
            return Reply({"status": "NoTariff"})
        found = [
            {"tariffId": tariff, "tariffKind": "DefaultTariff", "evseIds": numbers}
            for tariff, numbers in assigned.items()
        ]
        return Reply({"status": "Accepted", "tariffAssignments": found})

    @answers("ClearTariffs")
    def clear_tariffs(self, payload: Payload) -> Reply:
        place = payload.get("evseId", 0)
        held = {number: tariff for number, tariff in self.tariffs.items() if place in (0, number)}
        wanted = payload.get("tariffIds") or sorted({tariff["tariffId"] for tariff in held.values()})
        results = []
        for tariff in wanted:
            numbers = [number for number in held if held[number]["tariffId"] == tariff]
            for number in numbers:
                del self.tariffs[number]
            results.append({"tariffId": tariff, "status": "Accepted" if numbers else "NoTariff"})
        return Reply({"clearTariffsResult": results or [{"status": "NoTariff"}]})

    @answers("ChangeTransactionTariff")
    def change_transaction_tariff(self, payload: Payload) -> Reply:
        transaction, tariff = payload["transactionId"], payload["tariff"]
        if self.station.connector_of(transaction) is None:
            return Reply({"status": "TxNotFound"})
        present = self.transaction_tariffs.get(transaction, {"currency": CURRENCY})
        if tariff["currency"] != present["currency"]:
            return Reply({"status": "NoCurrencyChange"})
        self.transaction_tariffs[transaction] = tariff
        return Reply({"status": "Accepted"})

    # --- distributed energy resources (R) ------------------------------------------------------------------------

    @answers("SetDERControl")
    def set_control(self, payload: Payload) -> Reply:
        if not any(name in payload for name in REPORT_NAMES):
            return Reply(self.station.dialect.rejected("MissingParam"))
        key = payload["controlId"]
        replaced = [
            held
            for held, control in self.controls.items()
            if held != key
            and (control["controlType"], control["isDefault"]) == (payload["controlType"], payload["isDefault"])
        ]
        for held in replaced:
            del self.controls[held]
        self.controls[key] = payload
        return Reply({"status": "Accepted"} | ({"supersededIds": replaced} if replaced else {}))

    @answers("ClearDERControl")
    def clear_control(self, payload: Payload) -> Reply:
        chosen = self._controls(payload)
        for key in chosen:
            del self.controls[key]
        return Reply({"status": "Accepted" if chosen else "NotFound"})

    @answers("GetDERControl")
    def get_control(self, payload: Payload) -> Reply:
        chosen = self._controls(payload)
        if not chosen:
            return Reply({"status": "NotFound"})

        async def follow() -> None:
            report: dict[str, Any] = {"requestId": payload["requestId"], "tbc": False}
            for key, control in chosen.items():
                name = next(name for name in REPORT_NAMES if name in control)
                entry = {"id": key, REPORT_NAMES[name]: control[name]}
                if name not in PLAIN_REPORTS:
                    entry |= {"isDefault": control["isDefault"], "isSuperseded": False}
                if name == "curve":
                    entry["curveType"] = control["controlType"]
                report.setdefault(name, []).append(entry)
            await self.station.send(("ReportDERControl", report))

        return Reply({"status": "Accepted"}, follow)

    def _controls(self, payload: Payload) -> dict[str, Payload]:
        return {
            key: control
            for key, control in self.controls.items()
            if payload.get("controlId", key) == key
            and payload.get("controlType", control["controlType"]) == control["controlType"]
            and payload.get("isDefault", control["isDefault"]) == control["isDefault"]
        }

    # --- charging ------------------------------------------------------------------------------------------------

    @answers("UpdateDynamicSchedule")
    def update_schedule(self, payload: Payload) -> Reply:
        for held in self.station.profiles.profiles:
            if held.id == payload["chargingProfileId"] and held.kind == "Dynamic":
                held.schedule["chargingSchedulePeriod"][0].update(payload["scheduleUpdate"])
                return Reply({"status": "Accepted"}, self.station.limits_changed)
        return Reply(self.station.dialect.rejected("InvalidProfile"))

    @answers("UsePriorityCharging")
    def priority(self, payload: Payload) -> Reply:
        connector = self.station.connector_of(payload["transactionId"])
        if connector is None:
            return Reply({"status": "Rejected"})
        held = [found for found in self.station.profiles.profiles if found.purpose == "PriorityCharging"]
        return Reply({"status": "Accepted" if held else "NoProfile"})

    @answers("NotifyAllowedEnergyTransfer")
    def allowed_energy_transfer(self, payload: Payload) -> Reply:
        known = self.station.connector_of(payload["transactionId"]) is not None
        return Reply({"status": "Accepted" if known else "Rejected"})

    @answers("AFRRSignal")
    def afrr(self, payload: Payload) -> Reply:
        return Reply(self.station.dialect.rejected("NoOperationMode"))

    @answers("RequestBatterySwap")
    def battery_swap(self, payload: Payload) -> Reply:
        return Reply(self.station.dialect.rejected("NoBatteries"))

    @answers("NotifyWebPaymentStarted")
    def web_payment(self, payload: Payload) -> Reply:
        self.station.log(f"web payment for EVSE {payload['evseId']} may take {payload['timeout']} s")
        return Reply({})


class Streams:
    """Periodic event streams (N15): send the values of a monitor as SEND, which gets no answer."""

    def __init__(self, station: Station, parts: Parts) -> None:
        self.station, self.monitors, self.device_model = station, parts.monitors, parts.device_model
        self.streams: dict[int, Payload] = {}

    @answers("SetVariableMonitoring")
    def set_monitors(self, payload: Payload) -> Reply:
        reply = self.monitors.set_monitors(payload)
        wanted = [
            (result["id"], entry)
            for entry, result in zip(payload["setMonitoringData"], reply.payload["setMonitoringResult"], strict=True)
            if result["status"] == "Accepted" and "periodicEventStream" in entry
        ]

        async def follow() -> None:
            for monitor, entry in wanted:
                await self.station.attempt(self._open(monitor, entry))

        return Reply(reply.payload, follow if wanted else None)

    async def _open(self, monitor: int, entry: Payload) -> None:
        stream = {"id": monitor, "variableMonitoringId": monitor, "params": entry["periodicEventStream"]}
        answer = await self.station.call("OpenPeriodicEventStream", {"constantStreamData": stream})
        if answer["status"] == "Accepted":
            self.streams[monitor] = stream
            self.station.spawn(self._run(monitor))
        else:
            # N11.FR.07: without a stream the monitor sends NotifyEvent.
            del self.monitors.monitors[monitor]["periodicEventStream"]

    async def _run(self, number: int) -> None:
        while number in self.streams:
            params = self.streams[number]["params"]
            await self.station.clock.sleep(params.get("interval", 60))
            monitor = self.monitors.monitors.get(number)
            if monitor is None:
                del self.streams[number]
                await self.station.send(("ClosePeriodicEventStream", {"id": number}))
                return
            value = self.device_model.value_of(monitor["component"], monitor["variable"])
            link = self.station.link
            if link is not None and self.station.online.is_set():
                message = {"id": number, "pending": 0, "basetime": timestamp(), "data": [{"t": 0, "v": value}]}
                await link.send_only("NotifyPeriodicEventStream", message)

    @answers("AdjustPeriodicEventStream")
    def adjust(self, payload: Payload) -> Reply:
        stream = self.streams.get(payload["id"])
        if stream is None:
            return Reply({"status": "Rejected"})
        stream["params"] = payload["params"]
        return Reply({"status": "Accepted"})

    @answers("GetPeriodicEventStream")
    def listed(self, payload: Payload) -> Reply:
        return Reply({"constantStreamData": list(self.streams.values())} if self.streams else {})
