"""DER controls of a 2.1 charging station (R04): priorities, start and end, reports.

A control changes nothing about the power: the simulated charge point feeds nothing back to the grid.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from simulator.answers import answers
from simulator.charging.tokens import when
from simulator.clock import timestamp
from simulator.station import Station
from simulator.wire.link import Payload, Reply

FIELDS = {
    "FixedPFAbsorb": "fixedPFAbsorb",
    "FixedPFInject": "fixedPFInject",
    "FixedVar": "fixedVar",
    "LimitMaxDischarge": "limitMaxDischarge",
    "FreqDroop": "freqDroop",
    "EnterService": "enterService",
    "Gradients": "gradient",
}
"""controlType -> the member with its settings; for all other types it is `curve` (R04.FR.16)."""
SETTINGS = frozenset({*FIELDS.values(), "curve"})
DEFAULT_ONLY = ("EnterService", "Gradients")
FOREVER = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class Control:
    """One DER control; `superseded` means that another one of its type has preference."""

    payload: Payload
    superseded: bool = False
    active: bool = False

    @property
    def id(self) -> str:
        return str(self.payload["controlId"])

    @property
    def kind(self) -> str:
        return str(self.payload["controlType"])

    @property
    def is_default(self) -> bool:
        return bool(self.payload["isDefault"])

    @property
    def settings(self) -> Payload:
        found: Payload = self.payload[FIELDS.get(self.kind, "curve")]
        return found

    @property
    def priority(self) -> int:
        return int(self.settings["priority"])

    @property
    def start(self) -> datetime:
        return when(self.settings.get("startTime")) or datetime.now(UTC)


class EnergyResources:
    """The DER controls by id."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self.controls: dict[str, Control] = {}
        self._timers: dict[str, asyncio.Task[Any]] = {}

    @answers("SetDERControl")
    def set(self, payload: Payload) -> Reply:
        kind, given = payload["controlType"], SETTINGS & set(payload)
        if given != {FIELDS.get(kind, "curve")}:
            return Reply(self.station.dialect.rejected("InvalidValue"))  # R04.FR.17
        new = Control(payload)
        if new.is_default and {"startTime", "duration"} & set(new.settings):
            return Reply(self.station.dialect.rejected("InvalidValue"))  # R04.FR.13
        if not new.is_default and kind in DEFAULT_ONLY:
            return Reply(self.station.dialect.rejected("InvalidValue"))  # R04.FR.15
        self._remove(new.id)
        replaced: list[str] = []
        for other in self._rivals(new):
            if other.priority < new.priority:
                # R04.FR.08: a lower value has preference.
                new.superseded, replaced = True, [new.id]
                break
            if not other.active:
                other.superseded = True  # R04.FR.03, R04.FR.06
                replaced.append(other.id)
        self.controls[new.id] = new
        follow = None if new.is_default else (lambda: self._begin(new))
        return Reply({"status": "Accepted"} | ({"supersededIds": replaced} if replaced else {}), follow)

    def _rivals(self, control: Control) -> list[Control]:
        return [
            other
            for other in self.controls.values()
            if other is not control
            and not other.superseded
            and (other.kind, other.is_default) == (control.kind, control.is_default)
        ]

    async def _begin(self, control: Control) -> None:
        self._timers[control.id] = self.station.spawn(self._run(control))

    async def _run(self, control: Control) -> None:
        """Start a scheduled control at its time, end it after its duration, report both (R04.FR.20 to R04.FR.22)."""
        start = control.start
        await asyncio.sleep(max(0.0, (start - datetime.now(UTC)).total_seconds()))
        if not control.superseded:
            rivals = [other for other in self._rivals(control) if other.active]
            for other in rivals:
                other.superseded, other.active = True, False  # R04.FR.07
            control.active = True
            await self._report(control, started=True, superseded=[other.id for other in rivals])
        if (duration := control.settings.get("duration")) is None:
            return
        await asyncio.sleep(max(0.0, start.timestamp() + float(duration) - datetime.now(UTC).timestamp()))
        was_active, control.active = control.active, False
        self.controls.pop(control.id, None)  # R04.FR.10
        if was_active:
            await self._report(control, started=False)

    async def _report(self, control: Control, started: bool, superseded: list[str] | None = None) -> None:
        message: Payload = {"controlId": control.id, "started": started, "timestamp": timestamp()}
        if superseded:
            message["supersededIds"] = superseded
        await self.station.send(("NotifyDERStartStop", message))

    def _remove(self, key: str) -> None:
        self.controls.pop(key, None)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    @answers("ClearDERControl")
    def clear(self, payload: Payload) -> Reply:
        chosen = self._chosen(payload)
        for control in chosen:
            self._remove(control.id)
        # R04.FR.44: without type and id the answer is Accepted even if there was nothing.
        everything = not {"controlType", "controlId"} & set(payload)
        return Reply({"status": "Accepted" if chosen or everything else "NotFound"})

    @answers("GetDERControl")
    def get(self, payload: Payload) -> Reply:
        chosen = self._chosen(payload)
        if not chosen:
            return Reply({"status": "NotFound"})

        async def follow() -> None:
            report: dict[str, Any] = {"requestId": payload["requestId"], "tbc": False}
            for control in chosen:
                field = FIELDS.get(control.kind, "curve")
                name = "fixedPF" if field.startswith("fixedPF") else field
                entry: Payload = {"id": control.id, name: control.settings}
                if control.kind not in DEFAULT_ONLY:
                    entry |= {"isDefault": control.is_default, "isSuperseded": control.superseded}
                if field == "curve":
                    entry["curveType"] = control.kind
                report.setdefault(field, []).append(entry)
            await self.station.send(("ReportDERControl", report))

        return Reply({"status": "Accepted"}, follow)

    def _chosen(self, payload: Payload) -> list[Control]:
        return [
            control
            for control in self.controls.values()
            if payload.get("controlId", control.id) == control.id
            and payload.get("controlType", control.kind) == control.kind
            and payload.get("isDefault", control.is_default) == control.is_default
        ]
