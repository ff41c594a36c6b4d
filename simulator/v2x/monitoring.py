"""The monitors of a 2.x charging station (N): the answers about them, and the events that they send."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from simulator.answers import answers
from simulator.clock import timestamp
from simulator.station import Station
from simulator.v2x.device_model import DeviceModel, same_name
from simulator.wire.link import Payload, Reply

WATCH_S = 10.0
"""Simulated seconds between two checks of the monitored variables; periodic monitors cannot send more often."""


@dataclass(slots=True)
class Seen:
    """The last report of a monitor: the value, the simulated second, and whether a threshold was exceeded."""

    value: str
    at: float
    crossed: bool = False


class Monitors:
    """The monitors by id; each is checked every `WATCH_S` and sends NotifyEvent."""

    def __init__(self, station: Station, device_model: DeviceModel) -> None:
        self.station, self.device_model = station, device_model
        self.monitors: dict[int, Payload] = {}
        self._seen: dict[int, Seen] = {}
        self._level = 9
        self._watching: asyncio.Task[None] | None = None

    @answers("SetVariableMonitoring")
    def set_monitors(self, payload: Payload) -> Reply:
        return Reply({"setMonitoringResult": [self._set_monitor(entry) for entry in payload["setMonitoringData"]]})

    def _set_monitor(self, entry: Payload) -> Payload:
        status, found = self.device_model.find(entry)
        number = entry.get("id")
        if found is not None:
            status = "Accepted"
            text = found.setting.kind not in ("integer", "decimal")
            unfit = text and entry["type"] in ("UpperThreshold", "LowerThreshold")
            unknown = number is not None and number not in self.monitors
            if unfit or unknown or entry["value"] < 0:
                status = "Rejected"
            elif any(
                same_name(held["component"], entry["component"])
                and same_name(held["variable"], entry["variable"])
                and (held["type"], held["severity"]) == (entry["type"], entry["severity"])
                and held_number != number
                for held_number, held in self.monitors.items()
            ):
                status = "Duplicate"
        result = {key: entry[key] for key in ("type", "severity", "component", "variable")} | {"status": status}
        if status == "Accepted":
            number = number or max(self.monitors, default=0) + 1
            self.monitors[number] = entry
            self._seen[number] = Seen(self._value(entry), self.station.clock.simulated())
            if self._watching is None or self._watching.done():
                self._watching = self.station.spawn(self._watch())
            result["id"] = number
        return result

    @answers("ClearVariableMonitoring")
    def clear_monitors(self, payload: Payload) -> Reply:
        return Reply(
            {
                "clearMonitoringResult": [
                    {"id": number, "status": "NotFound" if self.monitors.pop(number, None) is None else "Accepted"}
                    for number in payload["id"]
                ]
            }
        )

    @answers("GetMonitoringReport")
    def monitoring_report(self, payload: Payload) -> Reply:
        wanted = payload.get("componentVariable")
        kinds = {
            "ThresholdMonitoring": ("UpperThreshold", "LowerThreshold"),
            "DeltaMonitoring": ("Delta", "TargetDelta", "TargetDeltaRelative"),
            "PeriodicMonitoring": ("Periodic", "PeriodicClockAligned"),
        }
        types = {kind for criterion in payload.get("monitoringCriteria", kinds) for kind in kinds[criterion]}
        chosen = {
            number: held
            for number, held in self.monitors.items()
            if held["type"] in types
            and (
                not wanted
                or any(
                    same_name(entry["component"], held["component"])
                    and same_name(entry.get("variable", held["variable"]), held["variable"])
                    for entry in wanted
                )
            )
        }
        if not chosen:
            return Reply({"status": "EmptyResultSet"})

        async def follow() -> None:
            monitors = [
                {
                    "component": held["component"],
                    "variable": held["variable"],
                    "variableMonitoring": [self._monitoring(number, held)],
                }
                for number, held in chosen.items()
            ]
            message = {"requestId": payload["requestId"], "generatedAt": timestamp(), "seqNo": 0, "monitor": monitors}
            await self.station.send(("NotifyMonitoringReport", message | {"tbc": False}))

        return Reply({"status": "Accepted"}, follow)

    def _monitoring(self, number: int, held: Payload) -> Payload:
        found: Payload = {key: held[key] for key in ("value", "type", "severity")}
        found |= {"id": number, "transaction": held.get("transaction", False)}
        if self.station.version != "2.0.1":
            found["eventNotificationType"] = "CustomMonitor"
        return found

    @answers("SetMonitoringBase")
    def monitoring_base(self, payload: Payload) -> Reply:
        if payload["monitoringBase"] != "All":
            self.monitors.clear()
        return Reply({"status": "Accepted"})

    @answers("SetMonitoringLevel")
    def monitoring_level(self, payload: Payload) -> Reply:
        if not 0 <= payload["severity"] <= 9:
            return Reply({"status": "Rejected"})
        self._level = payload["severity"]
        return Reply({"status": "Accepted"})

    # --- events --------------------------------------------------------------------------------------------

    def _value(self, monitor: Payload) -> str:
        return self.device_model.value_of(monitor["component"], monitor["variable"])

    async def _watch(self) -> None:
        while self.monitors:
            await self.station.clock.sleep(WATCH_S)
            for number, monitor in list(self.monitors.items()):
                trigger = self._trigger(number, monitor)
                silent = monitor["severity"] > self._level or "periodicEventStream" in monitor
                if trigger is None or silent or (monitor.get("transaction") and not self.station.charging()):
                    continue
                seen = self._seen[number]
                event = self.station.dialect.event(
                    monitor["component"],
                    monitor["variable"],
                    seen.value,
                    trigger=trigger,
                    cleared=trigger == "Alerting" and not seen.crossed,
                    variableMonitoringId=number,
                    eventNotificationType="CustomMonitor",
                )
                await self.station.send(event)

    def _trigger(self, number: int, monitor: Payload) -> str | None:
        """Check a variable; return the EventTriggerEnumType if its monitor must send an event, else None."""
        seen, value, now = self._seen[number], self._value(monitor), self.station.clock.simulated()
        limit, kind = float(monitor["value"]), monitor["type"]
        if kind in ("Periodic", "PeriodicClockAligned"):
            if now - seen.at < limit:
                return None
            seen.value, seen.at = value, now
            return "Periodic"
        try:
            reached, before = float(value), float(seen.value)
        except ValueError:
            if kind != "Delta" or value == seen.value:
                return None
            seen.value = value
            return "Delta"
        if kind == "Delta":
            if abs(reached - before) < limit:
                return None
            seen.value = value
            return "Delta"
        crossed = reached > limit if kind == "UpperThreshold" else reached < limit
        if kind not in ("UpperThreshold", "LowerThreshold") or crossed == seen.crossed:
            return None
        seen.value, seen.crossed = value, crossed
        return "Alerting"
