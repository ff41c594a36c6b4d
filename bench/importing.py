"""Measures the cost of importing a trace and a log, and of storing the same lines without judging them.

python -m bench.importing                  200,000 frames
python -m bench.importing --frames 1000000
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from itertools import count, zip_longest
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from sqlite_utils import Database

from bench.judging import SESSIONS
from inspector.formats.inputs import open_input
from inspector.formats.read_ahead import read_ahead
from inspector.formats.reading import Reading
from inspector.offline.store_records import store, writer_arguments
from inspector.store.writing.writer import Writer

BAR_FRAMES_S = 20_000
BAR_LOG_FRAMES_S = 10_000
BAR_BYTES = 220
ROUNDS = 3
SIDE_BY_SIDE = 20
"""Charge points that are connected at the same time."""


def lines() -> Iterator[bytes]:
    """Yield the lines of an endless trace: twenty concurrent charging sessions of OCPP 1.6 and 2.0.1."""
    texts = {
        version: [(at, up, text, json.loads(text)) for at, up, text in frames] for version, frames in SESSIONS.items()
    }
    for group in count():
        sessions = []
        for place in range(SIDE_BY_SIDE):
            number = group * SIDE_BY_SIDE + place
            version = list(SESSIONS)[number % 2]
            sessions.append(_records(number, version, texts[version]))
        for step in zip_longest(*sessions):
            yield from (record for record in step if record is not None)


def _records(number: int, version: str, frames: list[tuple[int, bool, str, Any]]) -> Iterator[bytes]:
    own = f"{number:08x}"
    for at, up, text, frame in frames:
        record: dict[str, Any] = {
            "schemaVersion": "1.1",
            "timestamp": f"{datetime.fromtimestamp(at // 10**9, UTC):%Y-%m-%dT%H:%M:%S}.{at // 10**6 % 1000:03d}Z",
            "ocppVersion": version,
            "transport": "json",
            "chargePointId": f"CP{number:05d}",
            "direction": "cp-to-csms" if up else "csms-to-cp",
        }
        if version == "1.6" and frame[0] == 2 and "connectorId" in frame[3]:
            record["connectorId"] = frame[3]["connectorId"]
        record["messageType"] = "CALL" if frame[0] == 2 else "CALLRESULT"
        record["messageId"] = own + frame[1][8:]
        if frame[0] == 2:
            record["action"] = frame[2]
        record["payload"] = frame[-1]
        record["raw"] = text.replace(frame[1][:8], own, 1)
        yield orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def write(path: Path, frames: int) -> None:
    """Write a trace of this many frames."""
    with path.open("wb") as file:
        for _, line in zip(range(frames), lines(), strict=False):
            file.write(line)


def write_log(path: Path, frames: int) -> None:
    """Write the same frames as a CSMS's log in local time."""
    with path.open("w", encoding="utf-8") as file:
        for _, line in zip(range(frames), lines(), strict=False):
            record = orjson.loads(line)
            day, clock, name = record["timestamp"][:10], record["timestamp"][11:23], record["chargePointId"]
            said = "Received" if record["direction"] == "cp-to-csms" else "Sending"
            head = f"[INFO ] {day} {clock.replace('.', ',')} org.example.WebSocketLogger (qtp1384-33)"
            file.write(f"{head} - [chargeBoxId={name}, sessionId={name}-1] {said}: {record['raw']}\n")


def ours(source: Path, db: Path) -> int:
    """Import: read, judge and store with all indexes; return the number of frames."""
    writer = Writer(**writer_arguments(db, "bench", [str(source)]))
    reading = Reading(str(source))
    return store(read_ahead(partial(open_input, str(source), reading=reading), reading), writer).frames


def sqlite_utils(trace: Path, db: Path) -> int:
    """Store the same lines in a table with one index by sqlite-utils, without judging them."""
    table = Database(db)["frames"]
    with trace.open("rb") as file:
        table.insert_all((json.loads(line) for line in file), batch_size=1000, alter=False)
    table.create_index(["chargePointId"])
    return int(table.count)


def bare(trace: Path, db: Path) -> int:
    """Parse the same lines and store four columns by executemany: the lower bound for any import."""
    connection = sqlite3.connect(db)
    connection.execute("CREATE TABLE frames (charge_point, at, action, raw)")
    with trace.open("rb") as file:
        rows = ((r["chargePointId"], r["timestamp"], r.get("action"), r["raw"]) for r in map(orjson.loads, file))
        connection.executemany("INSERT INTO frames VALUES (?, ?, ?, ?)", rows)
    connection.commit()
    stored: int = connection.execute("SELECT count(*) FROM frames").fetchone()[0]
    connection.close()
    return stored


def measure(trace: Path, log: Path, frames: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Return, by contender, the median frames per second of elapsed time and CPU µs per frame; contenders alternate."""
    taken: dict[str, list[tuple[float, float]]] = {}
    contenders = [(each.__name__, each, trace) for each in (ours, sqlite_utils, bare)]
    for _ in range(rounds):
        for name, contender, source in [*contenders, ("log", ours, log)]:
            folder = Path(tempfile.mkdtemp(prefix="bench-"))
            began, cpu = time.perf_counter(), _cpu()
            stored = contender(source, folder / "a.db")
            spent = time.perf_counter() - began, _cpu() - cpu
            shutil.rmtree(folder)
            assert stored == frames, f"{name} stored {stored} of {frames}"
            taken.setdefault(name, []).append(spent)
    return {
        name: (frames / median(wall for wall, _ in each), median(cpu for _, cpu in each) / frames * 1e6)
        for name, each in taken.items()
    }


def _cpu() -> float:
    """Return the CPU seconds of this process and its finished children."""
    return sum(os.times()[:4])


def overhead(trace: Path) -> float:
    """Return the bytes of the file beyond the raw frames, per frame."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        db = Path(folder) / "a.db"
        frames = ours(trace, db)
        with sqlite3.connect(db) as connection:
            (raw,) = connection.execute("SELECT sum(size) FROM frames").fetchone()
        connection.close()
        return float(db.stat().st_size - raw) / frames


def main() -> None:
    """Print the speed of importing and the size of the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        trace = Path(folder) / "a.jsonl"
        log = Path(folder) / "a.log"
        write(trace, options.frames)
        write_log(log, options.frames)
        found = measure(trace, log, options.frames, options.rounds)
        rate, cost = found["ours"]
        quicker, dearer = found["sqlite_utils"][1] / cost, cost / found["bare"][1]
        print(
            f"import of {options.frames:,} frames, judged: {rate:,.0f} frames/s (bar {BAR_FRAMES_S:,}), {cost:.0f} µs "
            f"of CPU a frame; {quicker:.1f} times the speed of sqlite-utils insert_all, which looks at nothing; "
            f"{dearer:.1f} times the cost of orjson and executemany alone; "
            f"{overhead(trace):.0f} B a frame beyond the raw bytes (bar {BAR_BYTES})"
        )
        rate, cost = found["log"]
        print(
            f"the same frames from a log: {rate:,.0f} frames/s (bar {BAR_LOG_FRAMES_S:,}), {cost:.0f} µs of CPU a frame"
        )


if __name__ == "__main__":
    main()
