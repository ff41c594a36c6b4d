"""Clean sessions stay clean in logs of local times, with reconnects, and with the clock set forward or back."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspector import records
from inspector.formats.inputs import open_input
from inspector.formats.reading import Reading
from inspector.offline.check import check

ZONES = {
    "Europe/Berlin": ("2026-03-29T01:00", "2026-10-25T01:00"),
    "America/New_York": ("2026-03-08T07:00", "2026-11-01T06:00"),
    "Australia/Lord_Howe": ("2026-10-03T15:30", "2026-04-04T15:00"),  # by half an hour only
    "Asia/Kathmandu": ("2026-06-01T12:00",),  # UTC+05:45, never changes
    "UTC": ("2026-01-01T12:00",),
}
"""Zones, with the moments (UTC) when they change."""
VENDOR = {"chargePointVendor": "V", "chargePointModel": "M"}


class Line(NamedTuple):
    """A line of a log: a frame (`up`: from the charge point), or a connection's start (code 0) or end (close code)."""

    at: datetime
    up: bool | None
    text: str
    code: int = 0
    connection: int = 0


class Writer:
    """Writes the exchanges of one charge point as log lines while its clock advances."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.lines: list[Line] = []
        self.connection = 0
        self._ids = 0

    def wait(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)

    def connect(self) -> None:
        self.connection += 1
        self.lines.append(Line(self.at, None, "", 0, self.connection))
        self.wait(1)

    def close(self, code: int) -> None:
        self.lines.append(Line(self.lines[-1].at, None, "", code, self.connection))

    def ask(self, action: str, payload: dict[str, Any], answer: dict[str, Any]) -> None:
        self._ids += 1
        self._frame(True, [2, f"m{self._ids}", action, payload])
        self.wait(0.1)
        self._frame(False, [3, f"m{self._ids}", answer])
        self.wait(0.9)

    def _frame(self, up: bool, message: list[Any]) -> None:
        self.lines.append(Line(self.at, up, json.dumps(message, separators=(",", ":")), 0, self.connection))

    @property
    def now(self) -> str:
        return f"{self.at:%Y-%m-%dT%H:%M:%SZ}"

    def boot(self) -> None:
        self.ask("BootNotification", VENDOR, {"status": "Accepted", "currentTime": self.now, "interval": 300})
        for connector in (0, 1):
            self.status(connector, "Available")

    def status(self, connector: int, status: str) -> None:
        said = {"connectorId": connector, "errorCode": "NoError", "status": status, "timestamp": self.now}
        self.ask("StatusNotification", said, {})

    def beat(self) -> None:
        self.ask("Heartbeat", {}, {"currentTime": self.now})

    def charge(self, number: int, minutes: int) -> None:
        self.status(1, "Preparing")
        self.ask("Authorize", {"idTag": "TAG1"}, {"idTagInfo": {"status": "Accepted"}})
        start = {"connectorId": 1, "idTag": "TAG1", "meterStart": 1000, "timestamp": self.now}
        self.ask("StartTransaction", start, {"idTagInfo": {"status": "Accepted"}, "transactionId": number})
        self.status(1, "Charging")
        for minute in range(minutes):
            self.wait(56 if minute == 0 else 59)  # one minute after the start or after the previous sample
            sample = {"timestamp": self.now, "sampledValue": [{"value": str(1000 + 120 * (minute + 1)), "unit": "Wh"}]}
            self.ask("MeterValues", {"connectorId": 1, "transactionId": number, "meterValue": [sample]}, {})
        stop = {"transactionId": number, "idTag": "TAG1", "meterStop": 1000 + 120 * minutes, "timestamp": self.now}
        self.ask("StopTransaction", {**stop, "reason": "Local"}, {"idTagInfo": {"status": "Accepted"}})
        self.status(1, "Finishing")
        self.status(1, "Available")


@st.composite
def logs(draw: st.DrawFn) -> tuple[str, list[Line]]:
    """Return a time zone, and one to three connections around one of its changes, without a fault."""
    zone = draw(st.sampled_from(sorted(ZONES)))
    change = datetime.fromisoformat(draw(st.sampled_from(ZONES[zone]))).replace(tzinfo=UTC)
    writer = Writer(change - timedelta(seconds=draw(st.integers(60, 3000))))
    for connection in range(draw(st.integers(1, 3))):
        writer.connect()
        if connection == 0:
            writer.boot()
        for _ in range(draw(st.integers(1, 5))):
            writer.wait(draw(st.integers(30, 290)))
            writer.beat()
        if draw(st.booleans()):
            writer.charge(connection + 1, draw(st.integers(1, 6)))
        for _ in range(draw(st.integers(0, 5))):
            writer.wait(draw(st.integers(200, 290)))
            writer.beat()
        writer.wait(draw(st.integers(1, 100)))
        writer.beat()  # its answer shows the offset of the log's times
        writer.close(draw(st.sampled_from([1000, 1001, 1006])))
        writer.wait(draw(st.integers(10, 3000)))
    return zone, writer.lines


def steve(line: Line, local: datetime) -> str:
    head = f"[INFO ] {local:%Y-%m-%d %H:%M:%S},{local.microsecond // 1000:03} a.b.Logger (qtp1-{line.connection}) - "
    head += f"[chargeBoxId=CP1, sessionId=s{line.connection}] "
    if line.up is None:
        ended = f"Connection is closed, status: CloseStatus[code={line.code}, reason=null]"
        return head + (ended if line.code else "Connection is established")
    return f"{head}{'Received' if line.up else 'Sending'}: {line.text}"


def mobilityhouse(line: Line, local: datetime) -> str:
    head = f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03} INFO (MainThread) "
    if line.up is None:
        if line.code:
            return f"{head}[ocpp.server] Connection closed to 'CP1': received {line.code} (bye)"
        return f"{head}[ocpp.server] Charger CP1 connected"
    return f"{head}[ocpp] CP1: {'receive message' if line.up else 'send'} {line.text}"


def station(line: Line, local: datetime) -> str:
    head = f"{local:%d.%m.%Y %H:%M:%S}.{local.microsecond // 1000:03} "
    if line.up is None:
        return head + (f"websocket closed, code={line.code}" if line.code else "websocket connected to the CSMS")
    return f"{head}CP1 {'->' if line.up else '<-'} {line.text}"


def syslog(line: Line, local: datetime) -> str:
    head = f"{local:%b %d %H:%M:%S}.{local.microsecond:06} pi csms[7]: "
    if line.up is None:
        return head + (
            f"charge point CP1 disconnected, code {line.code}" if line.code else "charge point CP1 connected"
        )
    return f"{head}{'recv' if line.up else 'send'} CP1: {line.text}"


FORMS: dict[str, Callable[[Line, datetime], str]] = {
    form.__name__: form for form in (steve, mobilityhouse, station, syslog)
}


def read(path: Path, zone: ZoneInfo | None = None) -> tuple[list[Any], list[str]]:
    reading = Reading(path.name, strict=False)
    steps = [step for step, _ in open_input(str(path), reading=reading, zone=zone)]
    found = [one.finding for one in check(steps).findings]
    assert reading.missed == 0
    return steps, [f"{one.severity} {one.rule_id}: {one.message}" for one in found if one.severity != "info"]


@pytest.mark.parametrize("form", sorted(FORMS))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(log=logs(), newest_first=st.booleans(), told=st.booleans())
def test_a_clean_log_in_local_time_has_no_finding_above_info(
    tmp_path: Path, form: str, log: tuple[str, list[Line]], newest_first: bool, told: bool
) -> None:
    """`told`: the user names the time zone; then all times are converted to UTC."""
    zone, lines = ZoneInfo(log[0]), log[1]
    # Even with the zone, a pause longer than the clock change hides the change.
    told = told and log[0] != "Australia/Lord_Howe"
    written = [FORMS[form](line, line.at.astimezone(zone)) for line in lines]
    path = tmp_path / "a.log"
    path.write_text("\n".join(reversed(written) if newest_first and not told else written))
    steps, findings = read(path, zone if told else None)
    frames = [step for step in steps if isinstance(step, records.FrameRecord)]
    sent = [line for line in lines if line.up is not None]
    assert [(frame.from_charge_point, frame.payload.decode()) for frame in frames] == [
        (line.up, line.text) for line in sent
    ]
    assert findings == []
    assert [frame.session_number for frame in frames] == [line.connection for line in sent]
    since = [frame.ts_ns - frames[0].ts_ns for frame in frames]
    assert since == [round((line.at - sent[0].at) / timedelta(milliseconds=1)) * 1_000_000 for line in sent]
    if told:
        assert frames[0].ts_ns == round(sent[0].at.timestamp() * 1000) * 1_000_000
