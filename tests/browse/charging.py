"""Writes recordings of good and bad charging sessions for the tests, through the real pipeline and store."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from inspector.recorder.pipeline import Pipeline
from inspector.records import BINARY, TEXT, CloseRecord, EventRecord, FrameRecord, OpenRecord
from inspector.store.writing.writer import Writer

START_NS = 1_782_986_400_000_000_000  # 2026-07-02T10:00:00Z
SECOND = 1_000_000_000
HOSTILE = "<script>alert(1)</script>"


class Recording:
    """A recording that is being written, with a clock that only the test moves."""

    def __init__(self, path: Path, start_ns: int = START_NS, **options: Any) -> None:
        self.path = path
        self.now = start_ns
        upstream = "ws://127.0.0.1:9000/ocpp"
        self.writer = Writer(path, tool_version="0.1.0", listen="127.0.0.1:9100", upstream=upstream, **options)
        self.pipeline = Pipeline(self.writer)
        self.links = 0

    def connect(self, charge_point_id: str, subprotocol: str = "ocpp1.6", **facts: Any) -> Link:
        """Open the session of a charge point."""
        self.links += 1
        return Link(self, self.links, charge_point_id, subprotocol, facts)

    def wait(self, seconds: float) -> None:
        """Move the clock forward."""
        self.now += int(seconds * SECOND)

    def commit(self) -> None:
        """Commit everything written so far."""
        self.pipeline.commit()

    def finish(self) -> Path:
        """End the recording cleanly."""
        self.pipeline.commit()
        self.writer.close(clean=True, stopped_ns=self.now)
        return self.path


class Link:
    """One WebSocket of a charge point, with its message ids."""

    def __init__(self, recording: Recording, number: int, name: str, subprotocol: str, facts: dict[str, Any]) -> None:
        self.recording, self.number, self.calls = recording, number, 0
        offer: dict[str, Any] = {
            "charge_point_id": name,
            "request_path": f"/ocpp/{name}",
            "upstream_url": f"ws://127.0.0.1:9000/ocpp/{name}",
            "subprotocol": subprotocol,
            "subprotocols_offered": [subprotocol],
            "remote_addr": "192.168.1.23:51334",
            "from_start": True,
        }
        recording.pipeline.take(OpenRecord(number, recording.now, recording.now, offer | facts))  # type: ignore[arg-type]

    def say(self, from_charge_point: bool, raw: str | bytes, after: float = 0.02) -> None:
        """Record a frame, `after` seconds from now."""
        self.recording.wait(after)
        now = self.recording.now
        payload = raw.encode() if isinstance(raw, str) else raw
        opcode = TEXT if isinstance(raw, str) else BINARY
        self.recording.pipeline.take(FrameRecord(self.number, now, now, from_charge_point, opcode, payload))

    def call(
        self,
        action: str,
        payload: dict[str, Any],
        answer: dict[str, Any] | None = None,
        *,
        by_csms: bool = False,
        took: float = 0.034,
        error: str | None = None,
    ) -> None:
        """Record a CALL and its answer, if one is given."""
        self.calls += 1
        message_id = f"{'csms' if by_csms else 'cp'}-{self.number}-{self.calls}"
        self.say(not by_csms, json.dumps([2, message_id, action, payload], separators=(",", ":")))
        if error is not None:
            self.say(by_csms, json.dumps([4, message_id, error, "no reason given", {}], separators=(",", ":")), took)
        elif answer is not None:
            self.say(by_csms, json.dumps([3, message_id, answer], separators=(",", ":")), took)

    def event(self, kind: str, detail: dict[str, Any]) -> None:
        """Record an event of the session that is not a frame."""
        now = self.recording.now
        self.recording.pipeline.take(EventRecord(self.number, now, now, kind, detail))

    def close(self, **facts: Any) -> None:
        """Close the session on both sides."""
        now = self.recording.now
        ending: dict[str, Any] = {
            "cp_close_code": 1000,
            "cp_close_reason": "",
            "csms_close_code": 1000,
            "csms_close_reason": "",
            "closed_by": "charge-point",
        }
        self.recording.pipeline.take(CloseRecord(self.number, now, now, ending | facts))  # type: ignore[arg-type]

    @property
    def clock(self) -> str:
        """Return the time of the clock in the format of OCPP."""
        return f"{datetime.fromtimestamp(self.recording.now // SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"

    def status(self, status: str, connector: int = 1, error: str = "NoError") -> None:
        """Record a StatusNotification of 1.6 and its answer."""
        payload = {"connectorId": connector, "errorCode": error, "status": status, "timestamp": self.clock}
        self.call("StatusNotification", payload, {}, took=0.011)

    def boot(self, vendor: str = "Volta Works", model: str = "VW-22 Duo", serial: str = "VW22-004711") -> None:
        """Record a BootNotification of 1.6 and its acceptance."""
        boot = {
            "chargePointVendor": vendor,
            "chargePointModel": model,
            "chargePointSerialNumber": serial,
            "firmwareVersion": "2.4.1",
        }
        answer = {"status": "Accepted", "currentTime": self.clock, "interval": 300}
        self.call("BootNotification", boot, answer, took=0.142)


def sampled(power_w: float, energy_wh: float, current_a: float, soc: float) -> list[dict[str, str]]:
    """Return the sampled values of one MeterValues; 1.6 writes numbers as strings."""
    return [
        {"value": f"{power_w:.1f}", "measurand": "Power.Active.Import", "unit": "W", "context": "Sample.Periodic"},
        {"value": f"{energy_wh:.0f}", "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
        {"value": f"{current_a:.1f}", "measurand": "Current.Import", "unit": "A", "phase": "L1"},
        {"value": f"{soc:.0f}", "measurand": "SoC", "unit": "Percent", "location": "EV"},
    ]


def charge_well(
    recording: Recording,
    name: str = "CP-GARAGE-01",
    transaction: int = 1017,
    samples: int = 90,
    falls_at: int | None = None,
) -> None:
    """Record a whole 1.6 session: boot, status, authorize, start, a limit, meter values, stop.

    At sample `falls_at` the energy register falls: the only fault of the session.
    """
    link = recording.connect(name)
    link.boot()
    link.status("Available", 0)
    link.status("Available")
    recording.wait(41)
    link.status("Preparing")
    link.call("Authorize", {"idTag": "04E91C5A2B"}, {"idTagInfo": {"status": "Accepted"}}, took=0.087)
    energy = 184_250.0
    start = {"connectorId": 1, "idTag": "04E91C5A2B", "meterStart": int(energy), "timestamp": link.clock}
    link.call("StartTransaction", start, {"transactionId": transaction, "idTagInfo": {"status": "Accepted"}})
    link.status("Charging")
    for place in range(samples):
        recording.wait(60)
        if place == samples // 2:
            limit = {
                "connectorId": 1,
                "csChargingProfiles": {
                    "chargingProfileId": 7,
                    "transactionId": transaction,
                    "stackLevel": 1,
                    "chargingProfilePurpose": "TxProfile",
                    "chargingProfileKind": "Absolute",
                    "chargingSchedule": {
                        "chargingRateUnit": "W",
                        "startSchedule": link.clock,
                        "chargingSchedulePeriod": [
                            {"startPeriod": 0, "limit": 6000.0},
                            {"startPeriod": 900, "limit": 8000.0},
                        ],
                    },
                },
            }
            link.call("SetChargingProfile", limit, {"status": "Accepted"}, by_csms=True, took=0.21)
        ramp = min(1.0, (place + 1) / 3)
        taper = 1.0 if place < samples * 0.8 else max(0.12, 1 - (place - samples * 0.8) / (samples * 0.2))
        power = 11_000 * ramp * taper + 90 * math.sin(place / 2)
        if place >= samples // 2:
            power = min(power, 5_950 if place < samples // 2 + 15 else 7_900)
        energy += power / 60 - (2_300 if place == falls_at else 0)
        soc = 23 + 60 * (place + 1) / samples
        values = {"timestamp": link.clock, "sampledValue": sampled(power, energy, power / 690, soc)}
        link.call(
            "MeterValues",
            {"connectorId": 1, "transactionId": transaction, "meterValue": [values]},
            {},
            took=0.012 + 0.004 * math.sin(place),
        )
        if place % 20 == 10:
            link.event("ping", {"from": "csms", "size": 0})
            link.event("pong", {"from": "charge-point", "size": 0})
    link.status("SuspendedEV")
    recording.wait(12)
    stop = {
        "transactionId": transaction,
        "idTag": "04E91C5A2B",
        "meterStop": int(energy),
        "timestamp": link.clock,
        "reason": "Local",
    }
    link.call("StopTransaction", stop, {"idTagInfo": {"status": "Accepted"}}, took=0.051)
    link.status("Finishing")
    recording.wait(20)
    link.status("Available")
    link.close()


def charge_badly(recording: Recording, name: str = "CP-DEPOT-07") -> None:
    """Record a session full of faults: schema, envelope, answer without CALL, CALL without answer, lost connection."""
    link = recording.connect(name)
    link.boot(vendor=HOSTILE, model="Mk <b>II</b>", serial="A" * 30)
    link.status("Available", 0)
    link.status("Available")
    recording.wait(20)
    link.status("Preparing")
    link.call("StatusNotification", {"connectorId": 1, "errorCode": "Error", "status": "Charging"}, {})
    start = {"connectorId": "1", "idTag": "04A7", "meterStart": 12.5, "timestamp": "yesterday"}
    link.call("StartTransaction", start, error="FormationViolation", took=0.4)
    link.say(False, '[3,"nobody-asked",{"status":"Accepted"}]')
    link.say(True, '[2,"cp-broken","MeterValues",{"connectorId":1,')
    link.say(True, b"\x00\xff\xfe\x01binary")
    link.call("Heartbeat", {})
    recording.wait(44)
    link.call("TriggerMessage", {"requestedMessage": "Heartbeat"}, {"status": "Rejected"}, by_csms=True)
    link.event("ping", {"from": "csms", "size": 0})
    recording.wait(30)
    link.event("fault", {"what": "no pong within 30 s"})
    link.close(cp_close_code=None, cp_close_reason=None, csms_close_code=1011, closed_by="csms")


def charge_201(recording: Recording, name: str = "CS-PLAZA-2", samples: int = 20) -> None:
    """Record a whole 2.0.1 session without faults."""
    link = recording.connect(name, "ocpp2.0.1", tls_version="TLSv1.3", auth_scheme="basic")
    station = {"vendorName": "Kerbside", "model": "K2", "serialNumber": "K2-77", "firmwareVersion": "1.0.9"}
    accepted = {"currentTime": link.clock, "interval": 300, "status": "Accepted"}
    link.call("BootNotification", {"reason": "PowerUp", "chargingStation": station}, accepted, took=0.09)

    def status(state: str) -> None:
        payload = {"timestamp": link.clock, "connectorStatus": state, "evseId": 1, "connectorId": 1}
        link.call("StatusNotification", payload, {})

    sequence = 0

    def happened(kind: str, trigger: str, state: str, energy: float | None = None, power: float = 0.0) -> None:
        nonlocal sequence
        payload: dict[str, Any] = {
            "eventType": kind,
            "timestamp": link.clock,
            "triggerReason": trigger,
            "seqNo": sequence,
            "transactionInfo": {"transactionId": f"tx-{name}-1", "chargingState": state},
        }
        if kind == "Started":
            payload["evse"] = {"id": 1, "connectorId": 1}
            payload["idToken"] = {"idToken": "AABBCCDD", "type": "ISO14443"}
        if kind == "Ended":
            payload["transactionInfo"]["stoppedReason"] = "EVDisconnected"
        if energy is not None:
            payload["meterValue"] = [
                {
                    "timestamp": link.clock,
                    "sampledValue": [
                        {"value": round(energy, 1), "measurand": "Energy.Active.Import.Register"},
                        {
                            "value": round(power / 1000, 3),
                            "measurand": "Power.Active.Import",
                            "unitOfMeasure": {"unit": "kW"},
                        },
                    ],
                }
            ]
        sequence += 1
        link.call("TransactionEvent", payload, {"idTokenInfo": {"status": "Accepted"}} if kind == "Started" else {})

    status("Available")
    recording.wait(5)
    status("Occupied")
    happened("Started", "CablePluggedIn", "Charging", 0.0)
    energy = 0.0
    for place in range(samples):
        recording.wait(30)
        power = 22_000 * min(1, (place + 1) / 2)
        energy += power / 120
        happened("Updated", "MeterValuePeriodic", "Charging", energy, power)
    happened("Ended", "EVCommunicationLost", "Idle", energy)
    status("Available")
    link.close(closed_by="csms")


def example(path: Path) -> Path:
    """Write a recording of a good and a bad 1.6 session, a 2.0.1 session, a refused handshake and an open session."""
    recording = Recording(path)
    charge_well(recording)
    recording.wait(30)
    charge_badly(recording)
    recording.wait(30)
    charge_201(recording)
    refused = {"charge_point_id": "CP-UNKNOWN", "status": 404, "path": "/ocpp/CP-UNKNOWN"}
    recording.pipeline.take(EventRecord(0, recording.now, recording.now, "rejected-upgrade", refused))
    recording.wait(300)
    link = recording.connect("CP-GARAGE-01")
    link.boot()
    link.status("Available", 0)
    link.status("Available")
    recording.commit()
    return recording.finish()
