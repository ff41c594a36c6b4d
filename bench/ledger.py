"""Says where the proxy's CPU time goes: µs of each step for a frame of mixed 1.6, 2.0.1 and 2.1 traffic.

    python -m bench.ledger                  samples 20 s, prints the ledger
    python -m bench.ledger --write          the same, and renews its table in docs/benchmarks.md

py-spy reads the stacks of the relay and of the recorder from outside, some hundred times a second. The share of the
samples in which a step was running, times the CPU time of the process, is the cost of the step.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from bench.contenders import argv
from bench.processes import Measured, free_port, machine

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- ledger -->\n", "<!-- end of ledger -->\n"
RATE = 200
INTRODUCTION = """`make profile` measures this table. 51 charge points play charging sessions of OCPP 1.6, 2.0.1 and
2.1, as fast as answers come, and py-spy samples the stacks of both processes. A step's cost is its share of the
samples, times the CPU time of its process, divided by the number of frames; so the steps of a process add up to
its CPU time. Python's collector and system calls count for the step in which they happen."""
WARM_S = 2.0

RELAY: list[tuple[str, str]] = [
    ("wire.py", "records to bytes for the recorder"),
    ("/websocket/", "splitting into frames"),
    ("/inspector/recorder/", "queue of records for the recorder"),
    ("session_tap.py", "making records"),
    ("cli/commands/proxy.py", "event loop"),
    ("/inspector/", "relaying: receive and send"),
    ("", "event loop"),
]
RECORDER: list[tuple[str, str]] = [
    ("wire.py", "bytes to records"),
    ("protocol/messages.py", "parsing"),
    ("/inspector/protocol/schemas", "schema"),
    ("/inspector/protocol/", "pairing and protocol state"),
    ("topics/rpc/schema.py", "schema"),
    ("/inspector/rules/topics/", "rules: {topic}"),
    ("/inspector/rules/state/", "rules: shared state"),
    ("/inspector/rules/", "calling rules"),
    ("/inspector/redaction/", "redaction"),
    ("derived_tables.py", "derived tables"),
    ("waiting_rows.py:insert", "INSERT"),
    ("pending_rows.py:_transaction", "commit"),
    ("/inspector/store/writing/", "making rows"),
    ("frame_row.py", "making rows"),
    ("recorder/pipeline.py", "making rows"),
    ("worker/process.py:_read", "bytes to records"),
    ("worker/process.py:_send", "acknowledging"),
    ("worker/process.py", "batches and acknowledging"),
    ("/inspector/", "everything else"),
    ("", "everything else"),
]
"""For each process: the first line that fits the innermost function of the project names its step."""

_FUNCTION = re.compile(r"(\S+) \((.+):\d+\)$")
_IDLE = {"NameWatch._run", "Condition.wait", "HangWatch._run"}


def step(stack: list[str], table: Iterable[tuple[str, str]]) -> str | None:
    """Return the step that a stack belongs to; None for a thread that waits."""
    leaf = _FUNCTION.match(stack[-1])
    if leaf and leaf[1] in _IDLE:
        return None
    for entry in reversed(stack):
        if (found := _FUNCTION.match(entry)) is None or "/inspector/" not in found[2]:
            continue
        where = f"{found[2]}:{found[1].rpartition('.')[2]}"
        name = next(name for part, name in table if part in where)
        topic = re.search(r"/rules/topics/([a-z]+)", where)
        return name.format(topic=topic[1] if topic else "")
    return next(name for part, name in table if not part)


def shares(samples: str, table: Iterable[tuple[str, str]]) -> dict[str, float]:
    """Return the share of each step in the samples of a process, in py-spy's raw format."""
    counts: Counter[str] = Counter()
    for line in samples.splitlines():
        stack, _, times = line.rpartition(" ")
        if name := step(stack.split(";"), table):
            counts[name] += int(times)
    return {name: times / counts.total() for name, times in counts.most_common()}


def sampled(seconds: float) -> tuple[dict[str, dict[str, float]], float]:
    """Run the load; return µs a frame by process and step, and the frames per second."""
    mixed = [sys.executable, "-m", "bench.mixed_traffic"]
    csms_port, port = free_port(), free_port()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        proxy = argv("proxy", port, csms_port, Path(folder))
        with Measured([*mixed, "csms", str(csms_port)], csms_port), Measured(proxy, port) as measured:
            relay, recorder = measured.tree()
            before = measured.cpu_by_process()
            command = [*mixed, "load", f"ws://127.0.0.1:{port}", "--seconds", str(seconds + 2 * WARM_S)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
                time.sleep(WARM_S)
                files = [Path(folder) / f"{pid}.txt" for pid in (relay, recorder)]
                samplers = [
                    subprocess.Popen(_spy(pid, seconds, file), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                    for pid, file in zip((relay, recorder), files, strict=True)
                ]
                if any(sampler.wait() for sampler in samplers):
                    raise SystemExit("py-spy cannot read these processes; it needs to be root, or ptrace_scope 0")
                done = json.loads(load.communicate()[0])
            time.sleep(1)
            after = measured.cpu_by_process()
        found = [shares(file.read_text(), table) for file, table in zip(files, (RELAY, RECORDER), strict=True)]
    ledger = {}
    for name, pid, parts in zip(("relay", "recorder"), (relay, recorder), found, strict=True):
        spent_us = (after[pid] - before[pid]) * 1e6 / done["frames"]
        ledger[name] = {part: share * spent_us for part, share in parts.items()}
    return ledger, done["frames"] / done["seconds"]


def _spy(pid: int, seconds: float, file: Path) -> list[str]:
    program = str(Path(sys.executable).parent / "py-spy")
    options = ["--rate", str(RATE), "--duration", str(round(seconds)), "--format", "raw", "--full-filenames"]
    return [program, "record", "--pid", str(pid), *options, "--output", str(file)]


def table(ledger: dict[str, dict[str, float]], rate: float) -> str:
    """Return the ledger as Markdown."""
    lines = [f"At {rate:,.0f} frames/s, while being sampled:", ""]
    lines += ["| process | step | µs per frame |", "| --- | --- | ---: |"]
    for process, steps in ledger.items():
        lines += [f"| {process} | {name} | {spent:.2f} |" for name, spent in steps.items() if spent >= 0.005]
        lines.append(f"| {process} | **all** | **{sum(steps.values()):.1f}** |")
    return "\n".join(lines)


def kept(page: str) -> str:
    """Return the part of the page of benchmarks that the ledger is, with its marks."""
    _, begin, rest = page.partition(BEGIN)
    inside, end, _ = rest.partition(END)
    return begin + inside + end


def renewed(page: str, ledger: str) -> str:
    """Return the page of benchmarks with this ledger in place of the one before."""
    head, _, rest = page.partition(BEGIN)
    section = f"{BEGIN}\n## Where the time goes\n\n{INTRODUCTION}\n\n{ledger}\n\n{machine()}.\n\n{END}"
    return head.rstrip() + "\n\n" + section + rest.partition(END)[2]


def main() -> None:
    """Print the ledger."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--write", action="store_true", help="renew the table in docs/benchmarks.md")
    options = parser.parse_args()
    ledger = table(*sampled(options.seconds))
    print(ledger)
    if options.write:
        PAGE.write_text(renewed(PAGE.read_text(), ledger))


if __name__ == "__main__":
    main()
