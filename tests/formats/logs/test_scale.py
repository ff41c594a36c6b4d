"""Logs of any size: memory grows neither with the log nor with its longest line, and reading is fast enough."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PEAK_MIB = 150
FRAMES_PER_SECOND = 10_000
SLOWEST = 7_000
"""Of the costliest forms, which reach 13,000: what a slow minute of the machine leaves of that."""
MIB = 1024 * 1024

_READ = """
import re, sys, time
from inspector import records
from inspector.formats.inputs import open_input
from inspector.formats.reading import Reading
began, frames = time.process_time(), 0
for step, _ in open_input("-", reading=Reading("-", strict=False)):
    frames += isinstance(step, records.FrameRecord)
print(frames, time.process_time() - began, re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


def endless_line(size: int) -> Iterator[bytes]:
    yield b'2026-01-01T12:00:00Z CP1 > [2,"1","Heartbeat",{}]\n'
    for _ in range(size // MIB):
        yield b"x" * MIB


def endless_string(size: int) -> Iterator[bytes]:
    yield b'2026-01-01T12:00:00Z CP1 > [2,"1","Heartbeat",{}]\n2026-01-01T12:00:01Z CP1 > [2,"2","X",{"a":"'
    for _ in range(size // MIB):
        yield b"x" * MIB


def endless_document(size: int) -> Iterator[bytes]:
    yield b'{"events":['
    for number in range(size // 100):
        text = f'[2,\\"{number:08}\\",\\"Heartbeat\\",{{}}]'
        yield f'{{"timestamp":{1_772_702_100_100 + number},"message":"CP1 received {text}"}},'.ljust(100).encode()
    yield b"{}]}"


def lines(size: int) -> Iterator[bytes]:
    for number in range(size // 200):
        up = number % 2 == 0
        raw = (
            f'[2,"{number}","Heartbeat",{{}}]' if up else f'[3,"{number - 1}",{{"currentTime":"2026-01-01T12:00:00Z"}}]'
        )
        at = f"2026-01-01 12:{number // 100 % 60:02}:{number % 60:02},{number % 1000:03}"
        head = f"[INFO ] {at} a.b.Logger (qtp-{number % 9})"
        said = "Received" if up else "Sending"
        yield f"{head} - [chargeBoxId=CP{number // 2 % 20}, sessionId=1] {said}: {raw}".ljust(199).encode() + b"\n"


def journal(size: int) -> Iterator[bytes]:
    """Return lines of a log with its own timestamps inside journald's lines; no two prefixes are equal."""
    for number in range(size // 200):
        up = number % 2 == 0
        raw = (
            f'[2,"{number}","Heartbeat",{{}}]' if up else f'[3,"{number - 1}",{{"currentTime":"2026-01-01T12:00:00Z"}}]'
        )
        clock = f"{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"
        head = f"Jan  1 {clock} pi csms[77]: [ocpp  ] TRACE 2026/01/01 {clock}"
        yield f"{head} {'recv' if up else 'send'} CP{number // 2 % 20}: {raw}".ljust(199).encode() + b"\n"


def pretty(size: int) -> Iterator[bytes]:
    """Return frames that are pretty-printed over 20 lines, with nested objects."""
    for number in range(size // 200):
        up = number % 2 == 0
        payload: dict[str, object] = {
            "connectorId": 1,
            "errorCode": "NoError",
            "status": "Available",
            "info": {"a": [{}, {}]},
        }
        frame = [2, str(number), "StatusNotification", payload] if up else [3, str(number - 1), {}]
        way = "ChargePoint>CentralSystem" if up else "CentralSystem>ChargePoint"
        at = f"2026-01-01T12:{number // 60 % 60:02}:{number % 60:02}.000Z"
        yield f"{at}: {way} StatusNotification \n{json.dumps(frame, indent=2)}\n\n".encode()


def read(pieces: Iterator[bytes]) -> tuple[int, float, int]:
    """Read a log; return the number of frames, the CPU seconds and the peak memory in MiB."""
    reader = subprocess.Popen([sys.executable, "-c", _READ], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert reader.stdin is not None and reader.stdout is not None
    with reader.stdin:
        for piece in pieces:
            reader.stdin.write(piece)
    frames, seconds, peak = reader.stdout.read().split()
    assert reader.wait(60) == 0
    return int(frames), float(seconds), int(peak) // 1024


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("log", "frames"), [(endless_line, 1), (endless_string, 2)])
def test_a_line_without_an_end_takes_no_more_memory_than_a_short_one(log: object, frames: int) -> None:
    """400 MiB of one line are read; the memory stays far below that."""
    found, _, peak = read(log(400 * MIB))  # type: ignore[operator]
    assert found == frames
    assert peak < PEAK_MIB


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_document_in_one_line_is_read_record_by_record() -> None:
    found, _, peak = read(endless_document(4 * MIB))
    assert found == 4 * MIB // 100
    assert peak < PEAK_MIB


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("log", "bar"), [(lines, FRAMES_PER_SECOND), (journal, SLOWEST), (pretty, SLOWEST)])
def test_a_log_is_read_fast_enough(log: Callable[[int], Iterator[bytes]], bar: int) -> None:
    """By CPU time; judging and storing happen at the same time, in another process."""
    found, seconds, peak = read(log(10 * MIB))
    assert found == 10 * MIB // 200
    assert peak < PEAK_MIB
    assert found / seconds > bar
