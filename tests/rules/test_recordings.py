"""Correct recordings have no finding above info, even if a part of them is missing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from inspector.formats.inputs import open_input
from inspector.offline.check import check
from inspector.records import CloseRecord, EventRecord, FrameRecord, OpenRecord, Record
from inspector.rules.finding import Severity

RECORDINGS = Path(__file__).parent.parent.parent / "recordings"
SOUND = sorted(path.stem for path in RECORDINGS.glob("*.jsonl") if "misbehaving" not in path.stem)
CUTS = 60


def _records(name: str) -> list[Record]:
    return [record for record, _ in open_input(str(RECORDINGS / f"{name}.jsonl"))]


def _above_info(records: list[Record]) -> list[str]:
    found = check(records).findings
    return [str(entry.finding) for entry in found if entry.finding.severity is not Severity.INFO]


def _cut(records: list[Record], first: int, last: int) -> list[Record]:
    """Leave out the frames from `first` to before `last`, and mark the gap as a recorder does."""
    kept, open_links = [r for n, r in enumerate(records[:last]) if n < first or not isinstance(r, FrameRecord)], set()
    for record in kept:
        if isinstance(record, OpenRecord):
            open_links.add(record.session_number)
        elif isinstance(record, CloseRecord):
            open_links.discard(record.session_number)
    at = (records[last - 1].ts_ns, records[last - 1].mono_ns)
    gaps = [EventRecord(link, *at, "gap", {"frames": 1}) for link in (0, *sorted(open_links))]
    return kept + gaps + records[last:]


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_recording_has_no_finding_above_info(name: str) -> None:
    assert _above_info(_records(name)) == []


@pytest.mark.parametrize("name", SOUND)
def test_a_capture_that_begins_in_mid_session_makes_no_finding_of_what_it_has_not_seen(name: str) -> None:
    """This holds for any first frame."""
    records = _records(name)
    frames = [number for number, record in enumerate(records) if isinstance(record, FrameRecord)]
    for first in frames:
        link = records[first].session_number
        opened = next(record for record in records if isinstance(record, OpenRecord) and record.session_number == link)
        facts = {**opened.facts, "from_start": False}
        begun = OpenRecord(link, records[first].ts_ns, records[first].mono_ns, facts)  # type: ignore[arg-type]
        assert _above_info([begun, *(r for r in records[first:] if r.session_number >= link)]) == [], records[first]


@pytest.mark.parametrize("name", SOUND)
def test_frames_that_were_not_recorded_are_not_held_against_anyone(name: str) -> None:
    """This holds for a marked gap in any place."""
    records, dice = _records(name), random.Random(name)
    for _ in range(CUTS):
        first = dice.randrange(len(records))
        last = min(first + dice.randint(1, 12), len(records))
        assert _above_info(_cut(records, first, last)) == [], (first, last)
