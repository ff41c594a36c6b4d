"""Measures the proxy and alternatives to it in turn, and writes the table in docs/benchmarks.md.

python -m bench                     about a quarter of an hour; writes docs/benchmarks.md
python -m bench --quick             one short round, prints only
python -m bench --interventions     only the cost of interventions; renews its table in docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

from bench import interventions, ledger, tables
from bench.contenders import argv
from bench.processes import Measured, free_port, machine

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
NAMES = {
    "mitmdump": "mitmdump, reverse mode, records nothing",
    "websockets": "relay of the websockets library, records nothing",
    "websockets-uvloop": "the same on uvloop, which ChargeSentinel also uses",
    "tcp": "asyncio TCP relay, the limit of one Python process",
    "relay": "ChargeSentinel, relaying only",
    "proxy": "**ChargeSentinel, recording and judging everything**",
}
CONNECTIONS = (1, 50, 1000)
IDLE = 2000
SUSTAINED_S = 30.0
LASTING = ("mitmdump", "websockets", "proxy")
"""Measured for this long too, so that frames waiting in memory cannot improve the numbers."""

type Results = dict[tuple[str, str], list[float]]
"""(contender, what is measured) -> one value per round."""


def traffic(command: str, *arguments: object) -> list[str]:
    return [sys.executable, str(HERE / "traffic.py"), command, *map(str, arguments)]


def load(port: int, *arguments: object, timeout: float) -> dict[str, Any]:
    ended = subprocess.run(
        traffic("load", f"ws://127.0.0.1:{port}", *arguments),
        capture_output=True,
        text=True,
        timeout=timeout + 60,
        check=False,
    )
    if ended.returncode:
        raise SystemExit(f"the load generator failed: {ended.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(ended.stdout)
    return result


def measure(name: str, csms_port: int, seconds: float, results: Results) -> None:
    """Run one round of one contender; return its results."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        for count in CONNECTIONS:
            port = free_port()
            with Measured(argv(name, port, csms_port, folder), port) as contender:
                before = contender.cpu_seconds()
                done = load(port, "--connections", count, "--seconds", seconds, timeout=seconds)
                spent = contender.cpu_seconds() - before
                results[name, f"calls/s {count}"].append(done["calls"] / done["seconds"])
                results[name, f"cpu {count}"].append(spent * 1e6 / (done["frames"] / 2))
                results[name, f"p99 {count}"].append(done["p99_us"])
                if name == "proxy":
                    results[name, f"stored {count}"].append(stored_share(folder / "bench.db", done["frames"]))
                    forget(folder)
        port = free_port()
        with Measured(argv(name, port, csms_port, folder), port) as contender:
            one = load(port, "--connections", 1, "--rate", 100, "--seconds", seconds, timeout=seconds)
            results[name, "p50 at 100/s"].append(one["p50_us"])
            results[name, "p99 at 100/s"].append(one["p99_us"])
            before_kib = contender.rss_kib()
            with subprocess.Popen(
                traffic("idle", f"ws://127.0.0.1:{port}", "--connections", IDLE),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as idle:
                assert idle.stdout and idle.stdin
                idle.stdout.readline()
                time.sleep(1)
                results[name, "idle KiB"].append((contender.rss_kib() - before_kib) / IDLE)
                idle.communicate("\n", timeout=60)
    finally:
        shutil.rmtree(folder)


def sustain(name: str, csms_port: int, results: Results) -> None:
    """Run one contender under full load for half a minute; return its results."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        port = free_port()
        with Measured(argv(name, port, csms_port, folder), port):
            done = load(port, "--connections", 50, "--seconds", SUSTAINED_S, timeout=SUSTAINED_S)
            results[name, "sustained"].append(done["calls"] / done["seconds"])
            if name == "proxy":
                results[name, "stored sustained"].append(stored_share(folder / "bench.db", done["frames"]))
    finally:
        shutil.rmtree(folder)


def stored_share(path: Path, frames: int) -> float:
    """Return the share of frames that the file has one second after the end: 1.0 if the recorder keeps up."""
    time.sleep(1)
    with sqlite3.connect(path) as connection:
        stored: int = connection.execute("SELECT count(*) FROM frames").fetchone()[0]
    return stored / frames


def forget(folder: Path) -> None:
    for file in folder.glob("bench.db*"):
        if not file.name.endswith(".lock"):
            file.unlink()


def table(results: Results, direct: dict[str, float]) -> str:
    def value(name: str, what: str) -> float:
        return median(results[name, what])

    def added(name: str, what: str) -> float:
        return value(name, f"{what} at 100/s") - direct[what]

    stock = value("mitmdump", "calls/s 50")
    library = value("websockets", "calls/s 50")
    lines = [
        "| | calls/s, 1 | calls/s, 50 | calls/s, 1,000 | CPU µs per call, 50 | × mitmdump | × websockets relay "
        "| added p50 µs | added p99 µs | KiB per idle connection |",
        "| --- |" + " ---: |" * 9,
    ]
    for name, title in NAMES.items():
        lines.append(
            f"| {title} | {value(name, 'calls/s 1'):,.0f} | {value(name, 'calls/s 50'):,.0f} "
            f"| {value(name, 'calls/s 1000'):,.0f} | {value(name, 'cpu 50'):.0f} "
            f"| {value(name, 'calls/s 50') / stock:.1f} | {value(name, 'calls/s 50') / library:.1f} "
            f"| {added(name, 'p50'):,.0f} | {added(name, 'p99'):,.0f} | {value(name, 'idle KiB'):.0f} |"
        )
    kept = min(min(results["proxy", f"stored {count}"]) for count in CONNECTIONS)
    lines += ["", f"One second after the end of the load, the file had {kept:.1%} of all frames, in the worst round."]
    if results["proxy", "sustained"]:
        lines += ["", *sustained(results)]
    return "\n".join(lines)


def sustained(results: Results) -> list[str]:
    """Return the table of the longer measurements."""
    rates = {name: median(results[name, "sustained"]) for name in LASTING}
    kept = min(results["proxy", "stored sustained"])
    lines = [
        f"| for {SUSTAINED_S:g} s, 50 connections | calls/s | × mitmdump | × websockets relay |",
        "| --- |" + " ---: |" * 3,
    ]
    for name in LASTING:
        beside = (f"{rates[name] / rates[other]:.2f}" for other in LASTING[:2])
        lines.append(f"| {NAMES[name]} | {rates[name]:,.0f} | {' | '.join(beside)} |")
    return [*lines, "", f"One second after the end, the file had {kept:.1%} of all frames, in the worst round."]


def page(text: str, rounds: int, seconds: float) -> str:
    return f"""# Benchmarks

`make bench` measures all numbers below in one run, with the contenders in turn, and writes this page. A call is an OCPP
CALL with its CALLRESULT: two frames. The numbers are medians of {rounds} rounds of {seconds:g} s. Absolute numbers
depend on the machine; the ratios between contenders are more stable.

{text}

- *calls/s*: the next call is sent when the answer has come, on 1, 50 and 1,000 connections.
- *CPU*: user and system time of all processes of the contender.
- *added*: latency of a call at 100 calls/s on one connection, minus that of a direct connection.
- *idle connection*: growth of resident memory with {IDLE:,} connections that have booted.

Contenders run on asyncio's own event loop unless the table says otherwise.

{machine()}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of 2 s, prints only")
    parser.add_argument("--interventions", action="store_true", help="only the cost of interventions")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    rounds, seconds = (1, 2.0) if options.quick else (options.rounds, options.seconds)
    results: Results = defaultdict(list)
    directs: dict[str, list[float]] = defaultdict(list)
    csms_port = free_port()
    with Measured(traffic("csms", csms_port), csms_port):
        cost = interventions.table(csms_port, rounds, seconds)
        if options.interventions:
            print(cost)
            if not options.quick:
                PAGE.write_text(tables.renewed(PAGE.read_text(), interventions.TITLE, cost))
            return
        for turn in range(rounds):
            one = load(csms_port, "--connections", 1, "--rate", 100, "--seconds", seconds, timeout=seconds)
            directs["p50"].append(one["p50_us"])
            directs["p99"].append(one["p99_us"])
            for name in NAMES:
                print(f"round {turn + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
                measure(name, csms_port, seconds, results)
            for name in LASTING if not options.quick else ():
                print(f"round {turn + 1} of {rounds}: {name} for {SUSTAINED_S:g} s", file=sys.stderr, flush=True)
                sustain(name, csms_port, results)
    text = f"{table(results, {name: median(values) for name, values in directs.items()})}\n\n{cost}"
    print(text)
    if not options.quick:
        PAGE.write_text(page(text, rounds, seconds) + "\n" + ledger.kept(PAGE.read_text()))
        print(f"\nwritten to {PAGE.relative_to(Path.cwd()) if PAGE.is_relative_to(Path.cwd()) else PAGE}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
