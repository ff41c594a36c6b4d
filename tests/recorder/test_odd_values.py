"""Real sessions with values of wrong types in any place: every frame is stored unchanged, and no rule raises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspector import records
from inspector.protocol.vocabulary import Direction
from inspector.recorder.pipeline import Pipeline
from inspector.redaction.redactor import LEVELS, Redactor
from inspector.replay.id_mapping import is_time
from inspector.replay.script import Script, read
from inspector.store.writing.writer import Writer
from tests.examples import examples

RECORDINGS = sorted((Path(__file__).parents[2] / "recordings").glob("*.jsonl"))
SECOND = 10**9
DEEP = 200
"""Frames with more brackets than this get no further values."""
NOW = 1_767_268_800 * SECOND

_TIMES = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00+23:59"]
_NUMBERS = [0, -1, 2**31, 2**63, -(2**63) - 1, 10**400, 1e-320, float("inf"), float("-inf"), float("nan"), True]
_TEXTS = ["", "x" * 300, "\ud83d", "a\0b", "1e999", "NaN", "٣", "1" * 5000]
_OTHERS = [None, [], {}, [[]], [None], {"a": {}}, {"\ud83d": 1}]
ODD = st.sampled_from([*_TIMES, *_NUMBERS, *_TEXTS, *_OTHERS])
ODD_TIME = st.sampled_from(_TIMES)
"""Values in place of a time: most of them are recognised before they are parsed."""


@cache
def scripts() -> list[Script]:
    """Return the sessions of the shipped recordings."""
    return [script for path in RECORDINGS for script in read(str(path))]


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Return every position within a message, outer ones first."""
    inner: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in inner:
        yield (*path, name)
        yield from places(member, (*path, name))


def changed(raw: bytes, draw: st.DrawFn) -> bytes:
    """Return a frame with a few values removed or replaced by odd ones."""
    if raw.count(b"[") + raw.count(b"{") > DEEP:
        return raw
    try:
        message = json.loads(raw)
    except ValueError:
        return raw
    every = list(places(message))
    for _ in range(draw(st.integers(1, 3))):
        if not every:
            break
        *way, last = draw(st.sampled_from(every))
        inner = message
        for place in way:
            inner = inner[place]
        if draw(st.integers(0, 5)):
            is_a_time = isinstance(inner[last], str) and is_time(inner[last])
            inner[last] = deepcopy(draw(ODD_TIME if is_a_time else ODD))
        else:
            del inner[last]
        every = list(places(message))
    return json.dumps(message, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


@st.composite
def sessions(draw: st.DrawFn) -> tuple[Script, list[bytes]]:
    """Make a recorded session, and its frames with some of them changed."""
    script = draw(st.sampled_from(scripts()))
    odd = draw(st.sets(st.integers(0, len(script.frames) - 1), max_size=8))
    return script, [changed(frame.raw, draw) if at in odd else frame.raw for at, frame in enumerate(script.frames)]


def stored(folder: Path, script: Script, raws: list[bytes], level: str) -> None:
    """Record a session, and fail unless all of it is stored."""
    path = folder / "traffic.db"
    for file in folder.iterdir():
        file.unlink()
    writer = Writer(path, tool_version="0")
    pipeline = Pipeline(writer, redaction=Redactor(level, b"k" * 32))
    assert script.version is not None
    facts: records.SessionFacts = {"charge_point_id": "CP1", "subprotocol": script.version.subprotocol}
    batch = [records.OpenRecord(1, NOW, 0, facts)]
    for at, (frame, raw) in enumerate(zip(script.frames, raws, strict=True), 1):
        from_charge_point = frame.direction is Direction.FROM_CHARGE_POINT
        batch.append(records.FrameRecord(1, NOW + at * SECOND, at * SECOND, from_charge_point, records.TEXT, raw))
    pipeline.take_all(batch)
    later = 10_000 * SECOND
    pipeline.tick(later, NOW + later)
    pipeline.take_all([records.CloseRecord(1, NOW + later, later, {"closed_by": "unknown"})])
    pipeline.commit()
    found = [one if isinstance(one, bytes) else one.encode() for (one,) in writer.db.execute("SELECT raw FROM frames")]
    assert len(found) == len(raws)
    if level == "none":
        assert found == raws
    elif level == "secrets":
        # There is one asterisk for each character, even if it took several bytes or a six-character escape.
        assert all(len(one) <= len(raw) for one, raw in zip(found, raws, strict=True))
    assert writer.db.execute("SELECT kind, detail FROM events WHERE kind IN ('fault', 'gap')").fetchall() == []
    writer.close(clean=True)


SLOW = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large)


@settings(max_examples=examples(60), suppress_health_check=SLOW)
@given(session=sessions(), level=st.sampled_from(LEVELS))
def test_no_value_at_any_place_keeps_a_frame_from_being_stored(
    tmp_path: Path, session: tuple[Script, list[bytes]], level: str
) -> None:
    stored(tmp_path, *session, level)


@pytest.mark.long
@pytest.mark.timeout(900)
@settings(max_examples=1000, suppress_health_check=SLOW)
@given(session=sessions(), level=st.sampled_from(LEVELS))
def test_no_value_of_a_thousand_sessions_keeps_a_frame_from_being_stored(
    tmp_path: Path, session: tuple[Script, list[bytes]], level: str
) -> None:
    stored(tmp_path, *session, level)
