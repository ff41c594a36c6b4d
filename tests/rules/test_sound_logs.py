"""Correct sessions read from logs have no finding above info, in any format of lines and times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from inspector.formats.inputs import open_input
from inspector.offline.check import check
from inspector.protocol.vocabulary import OcppVersion
from inspector.records import FrameRecord, OpenRecord, Record
from inspector.rules.finding import Severity

RECORDINGS = Path(__file__).parent.parent.parent / "recordings"
SOUND = (
    "charging-1.6",
    "charging-2.0.1",
    "charging-2.1",
    "offline-queue-1.6",
    "offline-queue-2.0.1",
    "reservation-2.0.1",
)

type Times = Callable[[datetime], str]
TIMES: dict[str, Times] = {
    "utc": lambda at: f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z",
    "local": lambda at: f"{at + timedelta(hours=2):%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03}",
    "far west": lambda at: f"{at - timedelta(hours=8):%Y-%m-%d %H:%M:%S}",
    "american": lambda at: f"{at + timedelta(hours=2):%m/%d/%Y, %I:%M:%S %p}",
    "day's": lambda at: f"{at + timedelta(hours=2):%H:%M:%S}.{at.microsecond // 1000:03}",
    "none": lambda at: "",
}
"""Clocks of logs: with an offset, without one, of a day only, none."""

type Line = Callable[[str, str, bool, str], str]
FORMS: dict[str, Line] = {
    "csms": lambda at, name, up, raw: f"{at} INFO {name}: {'receive message' if up else 'send'} {raw}",
    "steve": lambda at, name, up, raw: (
        f"[INFO ] {at} WebSocketLogger (qtp-1) - [chargeBoxId={name}, sessionId=5f34ee1f] "
        f"{'Received' if up else 'Sending'}: {raw}"
    ),
    "arrows": lambda at, name, up, raw: f"{at} {name} {'>' if up else '<'} {raw}",
    "charger": lambda at, name, up, raw: f"{at} [ocpp] {'TX' if up else 'RX'} : {raw}",
    "words": lambda at, name, up, raw: f"{at} {'received from' if up else 'sent to'} {name}: {raw}",
}


def log_of(records: list[Record], times: Times, line: Line) -> str:
    lines, names = [], {}
    for record in records:
        if isinstance(record, OpenRecord):
            names[record.session_number] = record.facts.get("charge_point_id") or "CP1"
        elif isinstance(record, FrameRecord):
            at = datetime.fromtimestamp(record.ts_ns / 1e9, UTC)
            lines.append(
                line(times(at), names[record.session_number], record.from_charge_point, record.payload.decode()).strip()
            )
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("clock", TIMES)
@pytest.mark.parametrize("form", FORMS)
def test_a_sound_session_in_a_log_has_no_finding_above_info(form: str, clock: str, tmp_path: Path) -> None:
    wrong: dict[str, list[str]] = {}
    for name in SOUND:
        records = [record for record, _ in open_input(str(RECORDINGS / f"{name}.jsonl"))]
        path = tmp_path / f"{name}.log"
        path.write_text(log_of(records, TIMES[clock], FORMS[form]))
        version = next(one for one in OcppVersion if name.endswith(one.value))
        checked = check(record for record, _ in open_input(str(path), version))
        assert checked.frames == sum(isinstance(record, FrameRecord) for record in records), (
            name,
            path.read_text()[:500],
        )
        found = [str(one.finding) for one in checked.findings if one.finding.severity is not Severity.INFO]
        if found:
            wrong[name] = found
    assert not wrong
