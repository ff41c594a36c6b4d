"""The commands that read a recording answer quickly even with a million frames."""

from __future__ import annotations

import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from inspector.store.reading.text_index import place
from tests.browse.large import large

PROMISED_MS = 300
YARDSTICK = "import json\nfor n in range(20_000): json.loads(json.dumps({'id': n, 'text': [str(n), None, 1.5]}))"
YARDSTICK_MS = 145
"""Milliseconds of CPU time that the yardstick took where the promise was first kept; a slower machine takes more."""

QUESTIONS = (
    "sessions",
    "sessions --severity error --charge-point CP-DEPOT*",
    "show 1997",
    "show 1997 --action StopTransaction",
    "show 1997 --around 1009500",
    "show 1998",
    "search --charge-point CP-GARAGE-02-7",
    "search --action Authorize",
    "search --action MeterValues --charge-point CP-GARAGE-01-7 --from csms",
    "search --since 2026-08-01 --until 2026-08-02",
    "search --severity error",
    "search --rule payload.*",
    "search --type CALLERROR",
    "search --transaction 1017",
    "search --transaction tx-CS-PLAZA-2-1 --charge-point CS-PLAZA-2-7",
    "search --id-token AABBCCDD --charge-point CS-PLAZA-2-7",
)
TEXTS = ("search GroundFault", "search --id-token AABBCCDD", "search --message-id nothing-like-it", "search volta")
"""Questions about texts, which an index is there for."""


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_million_frames_are_listed_shown_and_searched_within_300_ms(tmp_path: Path) -> None:
    """Each is the median of five runs of the command, including the start of Python; see YARDSTICK_MS."""
    path = large(tmp_path / "large.db")
    subprocess.run([sys.executable, "-m", "inspector", "search", path, "--index", "volta"], check=True, stdout=-3)
    assert place(path).stat().st_size < path.stat().st_size / 10
    slow = []
    for question in (*QUESTIONS, *TEXTS):
        median, yardstick = _medians_ms(path, question)
        print(f"{median:5.0f} ms  {yardstick:5.0f} ms  {question}")
        if median > PROMISED_MS * max(1.0, yardstick / YARDSTICK_MS):
            slow.append(question)
    assert not slow


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_session_of_any_length_is_shown_in_little_memory(tmp_path: Path) -> None:
    """The session has a hundred thousand frames; one reader stops after the first line, another reads everything."""
    path = large(tmp_path / "large.db", copies=50)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE frames SET session_id = 1")
    line = f"'{sys.executable}' -m inspector show '{path}' 1"
    began = time.monotonic()
    head = subprocess.run(["bash", "-c", f"{line} | head -1"], capture_output=True, text=True, timeout=60, check=True)
    assert head.stdout.startswith("session 1") and time.monotonic() - began < 5
    # Not `ru_maxrss`: that includes the parent's memory from before the child started its program.
    script = (
        "import re, sys\nfrom inspector.cli import main\ntry: main()\n"
        "finally: print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1], file=sys.stderr)"
    )
    whole = subprocess.run(
        [sys.executable, "-c", script, "show", str(path), "1"], capture_output=True, text=True, timeout=300, check=True
    )
    assert whole.stdout.count("\n") > 100_000
    assert int(whole.stderr.split()[-1]) < 150_000, "kilobytes"


def _medians_ms(path: Path, question: str) -> tuple[float, float]:
    """Return the median times of a command and of the yardstick, run alternately."""
    name, *options = question.split()
    session = [options.pop(0)] if name == "show" else []
    command = ["-m", "inspector", name, str(path), *session, *options]
    took = [(_processor_ms(*command), _processor_ms("-c", YARDSTICK)) for _ in range(5)]
    ours, yardstick = zip(*took, strict=True)
    return statistics.median(ours), statistics.median(yardstick)


def _processor_ms(*arguments: str) -> float:
    """Return the CPU time, which equals the elapsed time on an idle machine."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    done = subprocess.run([sys.executable, *arguments], capture_output=True, env=environment, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode in (0, 1), done.stderr
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000
