"""Measures what interventions cost sessions that no rule matches, and sessions with a rule that never fires."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from bench.contenders import argv
from bench.processes import Measured, free_port

NAMES = {
    "relay": "ChargeSentinel, relaying only",
    "relay-elsewhere": "the same, with an intervention for another charge point",
    "relay-rule": "the same, with an intervention that compares a value in each CALL and never fires",
}
TITLE = "| interventions, 50 connections |"


def table(csms_port: int, rounds: int, seconds: float) -> str:
    """Measure the CPU time of a call in turn; return the table."""
    spent: dict[str, list[float]] = {name: [] for name in NAMES}
    for turn in range(rounds):
        for name in NAMES:
            print(f"round {turn + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
            spent[name].append(_cpu_us(name, csms_port, seconds))
    base = median(spent["relay"])
    lines = [f"{TITLE} CPU µs per call | × relaying only |", "| --- | ---: | ---: |"]
    for name, title in NAMES.items():
        lines.append(f"| {title} | {median(spent[name]):.0f} | {median(spent[name]) / base:.2f} |")
    return "\n".join(lines)


def _cpu_us(name: str, csms_port: int, seconds: float) -> float:
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Measured(argv(name, port, csms_port, Path(folder)), port) as contender,
    ):
        before = contender.cpu_seconds()
        command = [sys.executable, str(Path(__file__).parent / "traffic.py"), "load", f"ws://127.0.0.1:{port}"]
        done = subprocess.run(
            [*command, "--connections", "50", "--seconds", str(seconds)],
            capture_output=True,
            text=True,
            timeout=seconds + 60,
            check=True,
        )
        return (contender.cpu_seconds() - before) * 1e6 / (json.loads(done.stdout)["frames"] / 2)
