"""Read examples and test cases in the notation below, and judge them.

Each line is one step:

    > [2,"1","Heartbeat",{}]      a frame of the charge point
    < [3,"1",{"currentTime":…}]   a frame of the CSMS
    >b 00ff   <b 00ff             the same as a binary message, in hexadecimal
    noted {"cut": true}           the notes of the frame on the next line, as in `inspector.records.FrameRecord`
    + 30s                         time passes (ms, s, m, h)
    event ping {"from": "csms"}   an event of the session; `event gap`: frames were not recorded
    close {"cp_close_code": 1000} the WebSocket is closed; the facts may be left out
    open {"from_start": true}     a WebSocket is opened; the facts may be left out
    refused {"status": 401}       a failed attempt to connect; the detail of its event may be left out
    set answer_timeout_s 5        a threshold of `inspector.rules.settings` for the whole script

A script that does not begin with `open` or `refused` starts in the middle of a session; rules that need the beginning
of a session then find nothing. 10 ms pass between steps; the clock starts at 2026-01-01T12:00:00Z.
Frames are numbered from 1 in the whole script.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

from inspector import records
from inspector.protocol.vocabulary import OcppVersion
from inspector.records import CloseRecord, EventRecord, FrameRecord, OpenRecord, Record, SessionFacts
from inspector.rules.context import Moment
from inspector.rules.feed import Feed
from inspector.rules.finding import Finding
from inspector.rules.settings import DEFAULTS, Settings

START_NS = 1_767_268_800_000_000_000
STEP_NS = 10_000_000
_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


class ExampleMistake(ValueError):
    """A line of an example is not valid in this notation."""


def play(script: str, version: OcppVersion, settings: Settings = DEFAULTS) -> list[Finding]:
    """Judge a script; return its findings, each one once, in the order of their first occurrence."""
    found: dict[int, Finding] = {}
    feed = Feed(thresholds(script, settings))
    frames = 0
    for step in steps(script, version):
        if isinstance(step, Moment):
            fed = list(feed.advance(step))
        else:
            frames += isinstance(step, FrameRecord)
            fed = [feed.take(step, frames)]
        for finding in (finding for one in fed for finding in one.findings):
            found.setdefault(id(finding), finding)
    return list(found.values())


def thresholds(script: str, settings: Settings = DEFAULTS) -> Settings:
    """Return `settings` with the changes from the `set` lines of a script."""
    own = [line.split() for line in script.split("\n") if line.strip().startswith("set ")]
    return replace(settings, **{name: float(value) for _, name, value in own})  # type: ignore[arg-type]


def steps(script: str, version: OcppVersion) -> Iterator[Record | Moment]:
    """Yield the records that a script describes, and a Moment for each line where only time passes.

    Raises:
        ExampleMistake: a line is not valid in this notation.
    """
    now, number = START_NS, 0
    is_open = False
    notes: dict[str, Any] | None = None
    defaults = {
        "charge_point_id": "CP1",
        "subprotocol": version.subprotocol,
        "subprotocols_offered": [version.subprotocol],
    }
    for line in (line.strip() for line in script.strip().splitlines()):
        step, _, rest = line.partition(" ")
        rest = rest.strip()
        if not step or step.startswith("#") or step == "set":
            continue
        now += STEP_NS
        if step == "refused":
            failed = {"charge_point_id": defaults["charge_point_id"], **json.loads(rest or "{}")}
            yield EventRecord(0, now, now, "unreachable" if "reason" in failed else "rejected-upgrade", failed)
            continue
        if step == "open" or not is_open:
            number += 1
            is_open = True
            facts = {**defaults, **(json.loads(rest or "{}") if step == "open" else {"from_start": False})}
            yield OpenRecord(number, now, now, cast(SessionFacts, facts))
        if step in (">", "<", ">b", "<b"):
            raw = bytes.fromhex(rest) if step[1:] else rest.encode()
            opcode = records.BINARY if step[1:] else records.TEXT
            yield FrameRecord(number, now, now, step[0] == ">", opcode, raw, notes)
            notes = None
        elif step == "noted":
            notes = json.loads(rest)
        elif step == "+":
            unit = rest.lstrip("0123456789.")
            if unit not in _UNITS:
                raise ExampleMistake(f"{line!r}: write a time as 5s, 100ms, 2m or 1h")
            now += int(float(rest.removesuffix(unit)) * _UNITS[unit])
            yield Moment(now, now)
        elif step == "event":
            kind, _, detail = rest.partition(" ")
            yield EventRecord(number, now, now, kind, json.loads(detail or "{}"))
        elif step == "close":
            yield CloseRecord(number, now, now, json.loads(rest or "{}"))
        elif step != "open":
            raise ExampleMistake(f"{line!r}: expected one of > < >b <b noted + event close open refused set")
