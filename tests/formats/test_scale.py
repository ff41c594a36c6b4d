"""Large files are read and written as streams: memory does not grow with their size."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from bench import importing

ROOT = Path(__file__).parents[2]
FRAMES = int(os.environ.get("IMPORT_FRAMES", "400000"))
PEAK = 260 * 1024
"""KiB of resident memory; the trace has more than that, and the HAR file too."""
OVERHEAD = 220


def chargesentinel(*args: object) -> tuple[str, int]:
    """Run a command; return its output and its peak of resident memory in KiB."""
    script = (
        "import re, sys; from inspector.cli import main\n"
        "try:\n    main()\nfinally:\n"
        # Not ru_maxrss: that starts with the memory of the process that started this one.
        "    print('peak', re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, args)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    peak = re.search(r"peak (\d+)", done.stderr)
    assert peak is not None
    return done.stdout, int(peak[1])


def digest(lines: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for line in lines:
        found.update(line)
    return found.hexdigest()


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_a_trace_larger_than_the_memory_it_may_take_comes_back_whole_through_both_formats(tmp_path: Path) -> None:
    """A trace through a database has the same bytes again; a database through HAR has the same frames again."""
    trace = tmp_path / "big.jsonl"
    importing.write(trace, FRAMES)
    assert trace.stat().st_size > PEAK * 1024
    printed, peak = chargesentinel("import", trace, "--db", tmp_path / "a.db")
    assert f" {FRAMES} frames, 0 findings" in printed
    assert peak < PEAK
    with sqlite3.connect(tmp_path / "a.db") as db:
        assert db.execute("SELECT count(*), sum(valid) FROM frames").fetchone() == (FRAMES, FRAMES)
        (raw,) = db.execute("SELECT sum(size) FROM frames").fetchone()
    assert (tmp_path / "a.db").stat().st_size - raw < OVERHEAD * FRAMES

    _, peak = chargesentinel("export", tmp_path / "a.db", "-o", tmp_path / "back.jsonl")
    assert peak < PEAK
    with trace.open("rb") as before, (tmp_path / "back.jsonl").open("rb") as after:
        assert digest(after) == digest(before)
    (tmp_path / "back.jsonl").unlink()
    trace.unlink()

    _, peak = chargesentinel("export", tmp_path / "a.db", "--format", "har", "-o", tmp_path / "a.har")
    assert peak < PEAK
    printed, peak = chargesentinel("import", tmp_path / "a.har", "--db", tmp_path / "b.db")
    assert f" {FRAMES} frames, 0 findings" in printed and peak < PEAK
    sql = """SELECT charge_point_id, direction, ts_ns, mono_ns, raw
        FROM frames JOIN sessions ON sessions.id = session_id
        ORDER BY session_id, frames.id"""
    with sqlite3.connect(tmp_path / "a.db") as left, sqlite3.connect(tmp_path / "b.db") as right:
        sums = [digest(json.dumps(row).encode() for row in db.execute(sql)) for db in (left, right)]
    assert sums[0] == sums[1]


@pytest.mark.long
@pytest.mark.timeout(600)
def test_judging_and_storing_takes_little_more_than_sqlite_utils_takes_for_storing_alone(tmp_path: Path) -> None:
    """By CPU time, both in one run, so that the machine's speed cancels out.

    sqlite-utils parses the lines and puts them into one table; here each is paired, judged by every rule, redacted,
    derived from and indexed six times. 20,000 frames a second are 2.1 times what sqlite-utils takes.
    A log takes at most twice as long as a trace.
    """
    trace, log = tmp_path / "a.jsonl", tmp_path / "a.log"
    importing.write(trace, 40_000)
    importing.write_log(log, 40_000)
    found = importing.measure(trace, log, 40_000, 3)
    assert found["ours"][1] < found["sqlite_utils"][1] * 2.5, found
    assert found["log"][1] < found["ours"][1] * 2, found
