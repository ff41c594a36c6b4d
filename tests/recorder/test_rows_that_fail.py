"""Whatever happens to derived rows, files and the recorder: every frame is stored once, or counted with its file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.recorder.life_of_a_recording import Chance, Life

POINTS = st.sampled_from(["CP1", "CP2"])
_STEPS = {
    "say": st.tuples(st.just("say"), POINTS, st.integers(1, 12)),
    "connect": st.tuples(st.just("connect"), POINTS),
    "close": st.tuples(st.just("close"), POINTS),
    **{what: st.tuples(st.just(what)) for what in ("commit", "deliver", "tick", "rotate", "delete", "kill")},
}
PLANS = st.lists(st.one_of(*[_STEPS["say"]] * 3, *_STEPS.values()), max_size=25)
SHARES = st.sampled_from([0.0, 0.02, 0.3, 1.0])
SLOW = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large)


def live(folder: Path, plan: list[tuple[Any, ...]], *, rotate: bool, seed: int, share: float) -> None:
    """Record by plan, and look that nothing is missing and nothing twice."""
    for file in folder.iterdir():
        file.unlink()
    chance = Chance(seed, share)
    with chance.everywhere():
        life = Life(folder, rotate=rotate)
        for what, *given in plan:
            getattr(life, what)(*given)
        life.end()
    stored = Counter(raw for (raw,) in life.rows("SELECT raw FROM frames"))
    missing = Counter(life.sent) - stored
    assert stored - Counter(life.sent) == Counter(), "a frame is stored twice, or not as it came"
    assert missing.total() == life.gone == life.summary.lost
    assert life.summary.frames == stored.total()
    if not any(what == "delete" for what, *_ in plan):
        assert not missing
    assert life.rows("PRAGMA integrity_check") == [("ok",)] * len(life.files)
    if not any(where.startswith("UPDATE") for where in chance.failed):  # what corrects references may fail too
        assert life.rows("PRAGMA foreign_key_check") == []
    counted = "SELECT total(frame_count), total(error_count) FROM sessions"
    errors = "SELECT count(*) FROM findings WHERE severity = 'error'"
    assert life.rows(counted) == [
        (frames, wrong)
        for (frames,), (wrong,) in zip(life.rows("SELECT count(*) FROM frames"), life.rows(errors), strict=True)
    ]


@settings(max_examples=25, suppress_health_check=SLOW)
@given(plan=PLANS, rotate=st.booleans(), seed=st.integers(0, 2**32), share=SHARES)
def test_every_frame_is_stored_once_whatever_happens_to_derived_rows_files_and_recorder(
    tmp_path: Path, plan: list[tuple[Any, ...]], rotate: bool, seed: int, share: float
) -> None:
    live(tmp_path, plan, rotate=rotate, seed=seed, share=share)


@pytest.mark.long
@settings(max_examples=600, suppress_health_check=SLOW)
@given(plan=PLANS, rotate=st.booleans(), seed=st.integers(0, 2**32), share=SHARES)
def test_every_frame_of_hundreds_of_plans_is_stored_once(
    tmp_path: Path, plan: list[tuple[Any, ...]], rotate: bool, seed: int, share: float
) -> None:
    live(tmp_path, plan, rotate=rotate, seed=seed, share=share)
