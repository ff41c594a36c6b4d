"""Measures what recording with one shadow costs beside recording alone.

python -m bench.shadows             prints the table and writes it to docs/benchmarks.md
python -m bench.shadows --quick     one short round, prints only
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from bench.contenders import argv
from bench.processes import Measured, free_port
from bench.tables import renewed

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
TITLE = "| shadows, 50 connections |"
NAMES = {"proxy": "ChargeSentinel, recording", "proxy-shadow": "the same with one shadow"}
RATE = 500
"""Calls per second of the second measurement: about 15,000 charge points with a message every half minute."""


def table(csms_port: int, rounds: int, seconds: float) -> str:
    """Measure in turn, as fast as possible and at RATE calls a second; return the table."""
    found: dict[tuple[str, str], list[float]] = {}
    for turn in range(rounds):
        for name in NAMES:
            print(f"round {turn + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
            for what, value in _measure(name, csms_port, seconds).items():
                found.setdefault((name, what), []).append(value)
    heads = ("calls/s", "mirrored", f"CPU µs per call at {RATE}/s", f"p50 µs at {RATE}/s", f"p99 µs at {RATE}/s")
    lines = [f"{TITLE} {' | '.join((*heads, f'mirrored at {RATE}/s'))} |", "| --- |" + " ---: |" * (len(heads) + 1)]
    for name, title in NAMES.items():
        values = {what: median(numbers) for (whose, what), numbers in found.items() if whose == name}
        cells = [f"{values['calls/s']:,.0f}", f"{values['share']:.0%}", f"{values['cpu']:.0f}"]
        cells += [f"{values['p50']:,.0f}", f"{values['p99']:,.0f}", f"{values['share at rate']:.0%}"]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _measure(name: str, csms_port: int, seconds: float) -> dict[str, float]:
    flat_out, share, _ = _load(name, csms_port, seconds)
    steady, steady_share, spent = _load(name, csms_port, seconds, "--rate", str(RATE))
    return {
        "calls/s": flat_out["calls"] / flat_out["seconds"],
        "share": share,
        "cpu": spent * 1e6 / steady["calls"],
        "p50": steady["p50_us"],
        "p99": steady["p99_us"],
        "share at rate": steady_share,
    }


def _load(name: str, csms_port: int, seconds: float, *rate: str) -> tuple[dict[str, float], float, float]:
    """Return the result of the load, the share of CALLs that the shadow got, and the CPU seconds spent."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        with Measured(argv(name, port, csms_port, Path(folder)), port) as contender:
            before = contender.cpu_seconds()
            command = [sys.executable, str(Path(__file__).parent / "traffic.py"), "load", f"ws://127.0.0.1:{port}"]
            done = subprocess.run(
                [*command, "--connections", "50", "--seconds", str(seconds), *rate],
                capture_output=True,
                text=True,
                timeout=seconds + 60,
                check=True,
            )
            spent = contender.cpu_seconds() - before
        with sqlite3.connect(f"{folder}/bench.db") as db:
            calls = "SELECT count(*) FROM frames WHERE msg_type = 2 AND NOT from_csms AND session_id {} IN ({})"
            of_shadows = "SELECT session_id FROM shadows"
            (mirrored,) = db.execute(calls.format("", of_shadows)).fetchone()
            (of_primary,) = db.execute(calls.format("NOT", of_shadows)).fetchone()
        return json.loads(done.stdout), mirrored / max(of_primary, 1), spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of 2 s, prints only")
    options = parser.parse_args()
    csms_port = free_port()
    traffic = [sys.executable, str(Path(__file__).parent / "traffic.py"), "csms", str(csms_port)]
    with Measured(traffic, csms_port):
        cost = table(csms_port, *((1, 2.0) if options.quick else (3, 5.0)))
    print(cost)
    if not options.quick:
        PAGE.write_text(renewed(PAGE.read_text(), TITLE, cost))


if __name__ == "__main__":
    main()
