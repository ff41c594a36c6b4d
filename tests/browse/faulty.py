"""Sessions with repeated faults, and sessions with gaps in what is known; for the tests of pages."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from inspector.records import EventRecord, GapRecord
from tests.browse.charging import SECOND, Link, Recording, charge_201, charge_badly, charge_well, sampled


def charge(
    link: Link,
    transaction: int,
    samples: int,
    *,
    every: float = 30,
    power: float = 11_000,
    register: float = 351_000,
    falls: Collection[int] = (),
    unanswered: Collection[int] = (),
    limit_at: int | None = None,
    connector: int = 1,
) -> int:
    """Record one 1.6 transaction whose register falls by 810 Wh at some samples; return the register at its end."""
    link.call("Authorize", {"idTag": "CAFE0001"}, {"idTagInfo": {"status": "Accepted"}})
    start = {"connectorId": connector, "idTag": "CAFE0001", "meterStart": int(register), "timestamp": link.clock}
    link.call("StartTransaction", start, {"transactionId": transaction, "idTagInfo": {"status": "Accepted"}})
    link.status("Charging", connector)
    for place in range(samples):
        link.recording.wait(every)
        now = min(power, power * (place + 1) / 3)
        register += now * every / 3600
        if place == limit_at:
            limit(link, transaction, connector)
        shown = register - (810 if place in falls else 0)
        values = {"timestamp": link.clock, "sampledValue": sampled(now, shown, now / 690, 10 + place)}
        payload = {"connectorId": connector, "transactionId": transaction, "meterValue": [values]}
        link.call("MeterValues", payload, None if place in unanswered else {})
    stop = {"transactionId": transaction, "idTag": "CAFE0001", "meterStop": int(register), "timestamp": link.clock}
    link.call("StopTransaction", {**stop, "reason": "Local"}, {"idTagInfo": {"status": "Accepted"}})
    link.status("Finishing", connector)
    link.recording.wait(20)
    link.status("Available", connector)
    return int(register)


def limit(link: Link, transaction: int, connector: int = 1) -> None:
    """Record how the CSMS limits a transaction to 6 kW."""
    schedule = {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6000.0}]}
    profile = {
        "chargingProfileId": 1,
        "transactionId": transaction,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": schedule,
    }
    payload = {"connectorId": connector, "csChargingProfiles": profile}
    link.call("SetChargingProfile", payload, {"status": "Accepted"}, by_csms=True)


def repeated(recording: Recording, name: str = "VEST-052", samples: int = 22) -> None:
    """Record a session whose register falls four times, and in which two CALLs get no answer."""
    link = recording.connect(name)
    link.boot("Vestel", "EVC04-AC22")
    link.status("Available", 0)
    link.status("Available")
    recording.wait(120)
    fall = [samples // 5, samples // 2, samples * 2 // 3, samples - 3]
    charge(link, 71635, samples, falls=fall, unanswered=(3, 11), limit_at=6)
    link.close()


def gappy(recording: Recording, name: str = "GAPPY-1") -> None:
    """Record a session with idle time between transactions, a single sample, a limit, and missing frames."""
    link = recording.connect(name)
    link.boot()
    link.status("Available", 0)
    link.status("Available")
    register = charge(link, 501, 8, limit_at=2)
    recording.wait(1800)
    register = charge(link, 502, 1, register=register)
    recording.wait(900)
    register = charge(link, 503, 6, register=register, falls=(3,))
    recording.wait(600)
    link.call("StartTransaction", {"connectorId": 1, "idTag": "B", "meterStart": register, "timestamp": link.clock},
              {"transactionId": 504, "idTagInfo": {"status": "Accepted"}})  # fmt: skip
    for place in range(6):
        recording.wait(30)
        if place == 3:
            lost_from = recording.now - 20 * SECOND
            until = recording.now - SECOND
            recording.pipeline.take(GapRecord(link.number, until, until, 3, lost_from, {}))
        values = {"timestamp": link.clock, "sampledValue": sampled(7000, register + 60 * place, 10, 50)}
        link.call("MeterValues", {"connectorId": 1, "transactionId": 504, "meterValue": [values]}, {})
    link.close()


def several(path: Path) -> Path:
    """Write a recording with repeated faults, gaps, a bad, a good and a 2.0.1 session, and failed attempts."""
    recording = Recording(path)
    repeated(recording)
    recording.wait(60)
    gappy(recording)
    recording.wait(60)
    charge_badly(recording)
    charge_well(recording, samples=5)
    charge_201(recording, samples=3)
    headers = [
        *(["Connection", "Upgrade"], ["Upgrade", "websocket"], ["Sec-WebSocket-Version", "13"]),
        *(["Sec-WebSocket-Key", "a"], ["Sec-WebSocket-Protocol", "ocpp1.6"]),
    ]
    for _ in range(4):
        recording.wait(1)
        refused = {
            "charge_point_id": "CP-UNKNOWN",
            "status": 404,
            "path": "/ocpp/CP-UNKNOWN",
            "request_headers": headers,
        }
        recording.pipeline.take(EventRecord(0, recording.now, recording.now, "rejected-upgrade", refused))
    return recording.finish()


def long(path: Path, frames: int = 3000) -> Path:
    """Write a recording of one long session with a fault at its beginning and one near its end."""
    recording = Recording(path)
    link = recording.connect("CP-LONG")
    link.boot()
    wrong = {"connectorId": 1, "errorCode": "Error", "status": "Available"}
    for place in range(frames // 2):
        recording.wait(5)
        if place in (20, frames // 2 - 40):
            link.call("StatusNotification", wrong, {})
        else:
            link.call("Heartbeat", {}, {"currentTime": link.clock})
    link.close()
    return recording.finish()
