"""What was read from a log, one line a frame; `python -m tests.formats.logs.described FILE` prints it for a new case.

    1 CP1 > 2026-01-01T12:00:00.100 [2,"1","Heartbeat",{}]

The session, the charge point (- for none), the direction, the time in UTC or as written (- for none), the frame. Behind
the arrow ? means that it is a guess, ~ that the log cut the frame, * that something was undone.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from inspector import records
from inspector.formats.inputs import open_input
from inspector.formats.logs import zone
from inspector.formats.reading import Reading
from inspector.offline.check import check
from inspector.protocol.vocabulary import OcppVersion


class Described(NamedTuple):
    frames: list[str]
    facts: dict[str, Any]  # of the first session
    closed: list[Any]  # the close code of each session, as far as the log has one
    gaps: int
    missed: list[int]  # the lines
    findings: list[str]  # above info


def described(path: Path, options: dict[str, str]) -> Described:
    """Read a log as `check` and `import` do."""
    reading = Reading(path.name, strict=False)
    given: dict[str, Any] = dict(options)
    if "timezone" in given:
        given["zone"] = zone(given.pop("timezone"))
    ocpp = OcppVersion(given.pop("ocpp")) if "ocpp" in given else None
    steps = [step for step, _ in open_input(str(path), ocpp, reading=reading, **given)]
    opened = {step.session_number: step.facts for step in steps if isinstance(step, records.OpenRecord)}
    closed = [step.facts for step in steps if isinstance(step, records.CloseRecord)]
    found = [one.finding for one in check(steps).findings]
    return Described(
        [_line(step, opened[step.session_number]) for step in steps if isinstance(step, records.FrameRecord)],
        next(iter(opened.values()), {}),  # type: ignore[arg-type]
        [code for facts in closed for code in [facts.get("cp_close_code") or facts.get("csms_close_code")] if code],
        sum(isinstance(step, records.EventRecord) and step.kind == "gap" for step in steps),
        [one.line or 0 for one in reading.first],
        sorted(f"{one.severity} {one.rule_id} {one.frame_id}" for one in found if one.severity != "info"),
    )


def _line(step: records.FrameRecord, facts: records.SessionFacts) -> str:
    session, ts_ns, _, up, _, raw, notes = step
    notes = notes or {}
    marks = "".join(mark for name, mark in (("direction", "?"), ("cut", "~"), ("mended", "*")) if name in notes)
    at = (
        datetime.fromtimestamp(ts_ns // 1_000_000 / 1000, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    )
    name = facts.get("charge_point_id") or "-"
    shown = raw.decode("utf-8", "replace").replace("\n", "␊")
    return f"{session} {name} {'>' if up else '<'}{marks} {at if facts.get('timed', True) else '-'} {shown}".rstrip()


if __name__ == "__main__":
    found = described(Path(sys.argv[1]), dict(option.split("=", 1) for option in sys.argv[2:]))
    print("frames = '''", *found.frames, "'''", sep="\n")
    print(found._replace(frames=[]))
