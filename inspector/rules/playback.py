"""The notation of examples and test cases, and playing one before the judge; knows no rule.

One step a line:

    > [2,"1","Heartbeat",{}]      a frame of the charge point
    < [3,"1",{"currentTime":…}]   a frame of the CSMS
    >b 00ff   <b 00ff             the same as a binary message, in hexadecimal
    + 30s                         time passes (ms, s, m, h)
    event ping {"from": "csms"}   an event of the link; `event gap`: frames were not recorded
    close {"cp_close_code": 1000} the end of the WebSocket; the facts may be left out
    open {"from_start": true}     a WebSocket opens; the facts may be left out
    refused                       an attempt to connect that came to nothing
    set answer_timeout_s 5        a threshold of `inspector.rules.settings` for the whole script

A script whose first step is no `open` or `refused` starts with one whose capture began in mid-session, so that
rules which need the beginning stay silent. 10 ms pass between steps; the clock starts at 2026-01-01T12:00:00Z.
Frames are numbered from 1 over the whole script.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from inspector.protocol.session import Frame
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.rules.context import Moment
from inspector.rules.finding import Finding
from inspector.rules.judge import Judge, SessionJudge
from inspector.rules.settings import DEFAULTS, Settings

START_NS = 1_767_268_800_000_000_000
STEP_NS = 10_000_000
_UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


class ExampleMistake(ValueError):
    """A line of an example is not in the notation."""


def play(script: str, version: OcppVersion, settings: Settings = DEFAULTS) -> list[Finding]:
    """Judge a script; returns its findings, each once with its count, in the order they were first made."""
    found: dict[int, Finding] = {}
    for finding in _play(script, version, settings):
        found.setdefault(id(finding), finding)
    return list(found.values())


def _play(script: str, version: OcppVersion, settings: Settings) -> Iterator[Finding]:
    lines = [line.strip() for line in script.strip().splitlines()]
    thresholds = {line.split()[1]: float(line.split()[2]) for line in lines if line.startswith("set ")}
    judge, now, number = Judge(replace(settings, **thresholds)), START_NS, 0  # type: ignore[arg-type]
    session: SessionJudge | None = None
    defaults = {
        "charge_point_id": "CP1",
        "subprotocol": version.subprotocol,
        "subprotocols_offered": [version.subprotocol],
    }
    for line in lines:
        step, _, rest = line.partition(" ")
        rest = rest.strip()
        if not step or step.startswith("#") or step == "set":
            continue
        now += STEP_NS
        if step == "refused":
            judge.refused({**defaults, **json.loads(rest or "{}")}, Moment(now, now))
            continue
        if step == "open" or session is None:
            facts = {**defaults, **(json.loads(rest or "{}") if step == "open" else {"from_start": False})}
            session = judge.open(facts, Moment(now, now))
            yield from session.opened()
        if step in (">", "<", ">b", "<b"):
            number += 1
            direction = Direction.FROM_CHARGE_POINT if step[0] == ">" else Direction.FROM_CSMS
            raw = bytes.fromhex(rest) if step[1:] else rest.encode()
            frame: Frame = session.protocol.frame(number, now, now, direction, raw, binary=bool(step[1:]))
            yield from session.frame(frame)
        elif step == "+":
            unit = rest.lstrip("0123456789.")
            if unit not in _UNITS:
                raise ExampleMistake(f"{line!r}: time is written as 5s, 100ms, 2m or 1h")
            now += int(float(rest.removesuffix(unit)) * _UNITS[unit])
            yield from session.advance(Moment(now, now))
        elif step == "event":
            kind, _, detail = rest.partition(" ")
            if kind == "gap":
                session.gap(Moment(now, now))
                continue
            yield from session.event(kind, Moment(now, now), json.loads(detail or "{}"))
        elif step == "close":
            yield from session.closed(Moment(now, now), json.loads(rest or "{}"))
        elif step != "open":
            raise ExampleMistake(f"{line!r}: a step is one of > < >b <b + event close open refused set")
