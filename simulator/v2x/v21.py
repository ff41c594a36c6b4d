"""The additions of 2.1 to a charging station of 2.0.1: tariffs, DER controls, dynamic charging, event streams."""

from __future__ import annotations

from collections.abc import Callable

from simulator.answers import answers, routes
from simulator.charging.connector import Transaction
from simulator.clock import timestamp
from simulator.settings import RO, Setting
from simulator.station import Station
from simulator.v2x.battery_swap import BatterySwaps
from simulator.v2x.charge_point import Dialect201, Parts, add_answers
from simulator.v2x.dynamic_profiles import DynamicProfiles
from simulator.v2x.energy_resources import EnergyResources
from simulator.v2x.tariffs import Tariffs
from simulator.v2x.transaction_limits import TransactionLimits
from simulator.wire.connection import Identity
from simulator.wire.link import Payload, Reply

MODES = "ChargingOnly,CentralSetpoint,CentralFrequency,LocalFrequency,Idle"
SETTINGS = (
    ("SmartChargingCtrlr", "SupportsDynamicProfiles", "true", "boolean"),
    ("SmartChargingCtrlr", "SupportedAdditionalPurposes", "PriorityCharging", "PriorityCharging|LocalGeneration"),
    ("V2XChargingCtrlr", "Enabled", "true", "boolean"),
    ("V2XChargingCtrlr", "SupportedOperationModes", MODES, MODES.replace(",", "|")),
    ("V2XChargingCtrlr", "SupportedEnergyTransferModes", "AC_single_phase,DC", "AC_single_phase|DC"),
)
"""Variables that only 2.1 has: component, variable, value, kind."""

REFUSED = {"AFRRSignal": "it feeds nothing back to the grid"}
"""Action that is always answered with Rejected -> the reason."""


def charge_point_21(identity: Identity, log: Callable[[str], None]) -> Station:
    """Build a charging station that speaks OCPP 2.1."""
    station = Station(identity, Dialect21, log)
    parts, tariffs = add_answers(station), Tariffs(station)
    TransactionLimits(station)
    assert isinstance(station.dialect, Dialect21)
    station.dialect.tariffs = tariffs
    for component, variable, value, kind in SETTINGS:
        station.settings.add(Setting(None, component, variable, value, kind, RO))
    station.answering.routes |= routes(
        Answers21(station),
        tariffs,
        EnergyResources(station),
        DynamicProfiles(station, parts.profiles),
        BatterySwaps(station, identity.batteries),
        Streams(station, parts),
    )
    return station


class Dialect21(Dialect201):
    """The messages of OCPP 2.1."""

    version = "2.1"
    tariffs: Tariffs | None = None

    def costs(self, tx: Transaction, kind: str) -> Payload:
        return {} if self.tariffs is None else self.tariffs.costs(tx, kind)


class Answers21:
    """Each method answers one action that 2.0.1 does not have."""

    def __init__(self, station: Station) -> None:
        self.station = station

    @answers("NotifyAllowedEnergyTransfer")
    def allowed_energy_transfer(self, payload: Payload) -> Reply:
        known = self.station.connector_of(payload["transactionId"]) is not None
        return Reply({"status": "Accepted" if known else "Rejected"})

    @answers("AFRRSignal")
    def afrr(self, payload: Payload) -> Reply:
        return Reply(self.station.dialect.rejected("NoSignalWattCurve"))

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
