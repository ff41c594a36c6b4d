"""The same frames get the same findings by every way in: live, check of the database, export, import, replay."""

from __future__ import annotations

import os
import sqlite3
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from inspector.formats.exports import lines
from inspector.formats.inputs import open_input
from inspector.offline.check import check
from inspector.offline.store_records import store
from inspector.protocol.vocabulary import OcppVersion
from inspector.recorder.pipeline import Pipeline
from inspector.records import CloseRecord, OpenRecord, Record
from inspector.replay.script import FindingKey, scripts
from inspector.rules.catalogue import rules
from inspector.rules.context import Moment
from inspector.rules.playback import steps, thresholds
from inspector.rules.settings import DEFAULTS, Settings
from inspector.store.files.connection import open_recording
from inspector.store.reading.stored_records import read
from inspector.store.writing.writer import Writer

CASES = Path(__file__).parents[1] / "rules" / "cases"
PARTS = 6
RULES = {rule.slug: rule for rule in rules()}

type Judged = list[tuple[Any, ...]]
"""(rule, severity, side, frame or None, last frame or None, count, pointer, message), sorted."""


def cases(*topics: str) -> Iterator[list[Any]]:
    """Yield every case of the rules of some topics, once for each version."""
    for path in sorted(path for topic in topics for path in CASES.glob(f"{topic}.*.toml")):
        for case in tomllib.loads(path.read_text())["case"]:
            named = case.get("versions") or ([case["version"]] if "version" in case else RULES[path.stem].versions)
            yield [
                pytest.param(version, case, id=f"{path.stem}-{version}-{case['name']}")
                for version in sorted(OcppVersion(name) for name in named)
            ]


def by_turns(cases: Iterable[list[Any]]) -> list[Any]:
    """Return each case in one of its versions: the versions take turns."""
    return [versions[number % len(versions)] for number, versions in enumerate(cases)]


def ended(script: str, version: OcppVersion) -> list[Record | Moment]:
    """Return the script with the end of every session, as in a recording whose proxy has ended."""
    played = list(steps(script, version))
    still_open = {step.session_number for step in played if isinstance(step, OpenRecord)}
    still_open -= {step.session_number for step in played if isinstance(step, CloseRecord)}
    last = played[-1]
    ts_ns, mono_ns = last.ts_ns, last.mono_ns
    return played + [CloseRecord(link, ts_ns + 1, mono_ns + 1, {"closed_by": "proxy"}) for link in sorted(still_open)]


def recorded(played: Iterable[Record | Moment], path: Path, settings: Settings) -> None:
    """Record as the recorder process does: record by record, with a tick whenever time passes."""
    writer = Writer(path, tool_version="test")
    pipeline = Pipeline(writer, settings)
    for step in played:
        if isinstance(step, Moment):
            pipeline.tick(step.mono_ns, step.ts_ns)
        else:
            pipeline.take(step)
    pipeline.commit()
    writer.close(clean=True)


def stored_findings(path: Path) -> Judged:
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(
            "SELECT rule_id, severity, side, frame_id, last_frame_id, count, pointer, message FROM findings"
        )
        return sorted(rows.fetchall(), key=repr)


def checked_findings(records: Iterable[Record], settings: Settings) -> Judged:
    found = [one.finding for one in check(records, settings).findings]
    return sorted(
        (
            (f.rule_id, str(f.severity), str(f.side), f.frame_id, f.last_frame_id, f.count, f.pointer, f.message)
            for f in found
        ),
        key=repr,
    )


def compare_all_ways(version: OcppVersion, case: dict[str, Any], folder: Path) -> None:
    settings = thresholds(case["script"], replace(DEFAULTS, **case.get("settings", {})))
    database, trace, again = folder / "live.db", folder / "export.jsonl", folder / "imported.db"
    recorded(ended(case["script"], version), database, settings)
    live = stored_findings(database)

    assert checked_findings((record for record, _ in read(database)), settings) == live, "check of the database"

    if settings == DEFAULTS:
        baseline: Counter[FindingKey] = Counter()
        for script in scripts("live.db", (record for record, _ in read(database))):
            baseline += script.findings
        # A replay plays sessions, so it reports nothing about failed attempts to connect.
        with closing(sqlite3.connect(database)) as db:
            sql = "SELECT rule_id, side FROM findings WHERE session_id IS NOT NULL AND severity <> 'info'"
            compared = [row for row in db.execute(sql) if not row[0].startswith("clock.")]
        assert baseline == Counter(compared), "the baseline of a replay"

    with closing(open_recording(database)) as connection:
        trace.write_bytes(b"".join(lines(connection, None, "trace")))
    assert checked_findings((record for record, _ in open_input(str(trace))), settings) == live, "check of the export"

    store((record for record, _ in open_input(str(trace))), Writer(again, tool_version="test"), settings)
    assert stored_findings(again) == live, "import of the export"


@pytest.mark.parametrize(("version", "case"), by_turns(cases("link", "boot", "rpc"))[::4])  # the proof plays all
def test_a_case_is_judged_alike_by_every_way_in(version: OcppVersion, case: dict[str, Any], tmp_path: Path) -> None:
    """Live recording, `check` of its database, replay, and `check` and `import` of its export find the same."""
    compare_all_ways(version, case, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("part", range(PARTS))
def test_the_cases_of_all_rules_are_judged_alike_by_every_way_in(part: int) -> None:
    """This is the same comparison for every case, in one of its versions."""
    for parameters in by_turns(cases("*"))[part::PARTS]:
        # Thousands of databases are made here: on a disk, that is nothing but waiting for it.
        with TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
            compare_all_ways(*parameters.values, Path(folder))
