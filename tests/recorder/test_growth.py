"""No work on a frame takes more than linear time in its size: recording, exporting, showing."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from inspector import records
from inspector.cli.commands.show import show
from inspector.formats.exports import STYLES, lines
from inspector.protocol.session import Session
from inspector.protocol.vocabulary import Direction
from inspector.recorder.pipeline import Pipeline
from inspector.redaction.redactor import Redactor
from inspector.redaction.secrets import Secrets
from inspector.rules.judge import Judge, Moment
from inspector.store.files.connection import open_recording
from inspector.store.writing.writer import Writer
from tests.browse.conftest import client
from tests.growth import HOPELESS_S, measured
from tests.hostile_frames import LISTS, NESTS, Shape, shape

NOW = 1_767_268_800 * 10**9
SECONDS = float(os.environ.get("GROWTH_SECONDS", "30"))
"""How long shapes are tried; with more, more of them are."""
SMALL, LARGE = 3_000, 24_000
"""Bytes of the smaller of two frames: for work on one frame, and for work on its recording, most of which is the same
for frames of any size."""
PAGES = ("/ocpp/frames/2", "/ocpp/frames/2.json", "/ocpp/sessions/1", "/ocpp/sessions/1/frames.json")

type Work = Callable[[bytes], object]


def parsed(raw: bytes) -> None:
    Session("ocpp1.6").frame(1, 1, 1, Direction.FROM_CHARGE_POINT, raw)


def redacted(raw: bytes) -> None:
    secrets = Secrets()
    secrets.add(["S3cret-0011", "aaaaaaaaaaaa"])
    frame = Session("ocpp1.6").frame(1, 1, 1, Direction.FROM_CHARGE_POINT, raw)
    Redactor("personal", b"k" * 32).frame(secrets, frame)


def judged(raw: bytes) -> None:
    for version in ("ocpp1.6", "ocpp2.0.1"):
        judging = Judge().open({"charge_point_id": "CP1", "subprotocol": version}, Moment(NOW, NOW))
        judging.opened()
        for direction in Direction:
            judging.frame(judging.protocol.frame(1, NOW, NOW, direction, raw))


def recorded(raw: bytes, path: Path) -> Path:
    """Return a recording of a CALL that the frame may answer, the frame itself, and an answer."""
    for old in path.parent.glob(f"{path.name}*"):
        old.unlink()
    writer = Writer(path, tool_version="0")
    pipeline = Pipeline(writer)
    pipeline.take(records.OpenRecord(1, NOW, NOW, {"charge_point_id": "CP1", "subprotocol": "ocpp1.6"}))
    for number, (up, text) in enumerate(
        ((False, b'[2,"1","GetConfiguration",{}]'), (True, raw), (False, b'[3,"1",{}]'))
    ):
        pipeline.take(records.FrameRecord(1, NOW + number, NOW + number, up, records.TEXT, text))
    pipeline.take(records.CloseRecord(1, NOW + 9, NOW + 9, {"closed_by": "unknown"}))
    pipeline.commit()
    writer.close(clean=True)
    return path


def exported(path: Path) -> None:
    for style in STYLES:
        with closing(open_recording(path)) as db:
            for _ in lines(db, None, style):
                pass


def shown(path: Path) -> None:
    for options in (["--full"], ["--json"]):
        done = CliRunner().invoke(show, [str(path), "1", "--no-pager", *options])
        assert done.exit_code == 0, done.output[-300:]


def browsed(path: Path) -> None:
    async def ask() -> None:
        get = client(path)
        for page in PAGES:
            assert (await get(page)).status_code == 200, page

    with asyncio.Runner() as runner:  # `asyncio.run` refuses where a browser of this worker is open
        runner.run(ask())


def grows(one: Shape, folder: Path | None = None, size: int = LARGE) -> list[str]:
    """Return the work that takes more than linear time in frames of a shape; with a folder, work on recordings too."""
    found = [grown(one.of, work, SMALL) for work in (parsed, redacted, judged)]
    if folder is not None:
        found.append(grown(one.of, lambda raw: recorded(raw, folder / "growth.db"), size, "recorded"))
        for use in (exported, shown, browsed):
            found.append(grown(lambda many: recorded(one.of(many), folder / f"{many}.db"), use, size))
    return [told for told in found if told]


def grown[T](make: Callable[[int], T], work: Callable[[T], object], size: int, name: str = "") -> str:
    """Return a report on work that takes more than linear time, or an empty one; a suspicion is measured again first.

    Caches that fill up to a bound, such as known secrets, slow down the first measurement only.
    """
    growth = measured(make, work, size)
    if growth.too_fast and growth.large < HOPELESS_S:
        growth = measured(make, work, 4 * size)
    return f"{name or work.__name__}: {growth}" if growth.too_fast else ""


def tried(seed: int, folder: Path) -> int:
    """Try shapes for some time, every fourth in a recording; return how many."""
    dice, until, count = random.Random(seed), time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        one = shape(dice)
        if found := grows(one, None if count % 4 else folder):
            pytest.fail(f"shape {count} of seed {seed}, {one}:\n" + "\n".join(found))
        count += 1
    return count


@pytest.mark.long
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", [16, None], ids=["the seed of always", "another seed each time"])
def test_no_frame_of_any_shape_takes_more_than_linear_time(tmp_path: Path, seed: int | None) -> None:
    chosen = random.SystemRandom().randrange(2**32) if seed is None else seed
    print(f"seed {chosen}")
    print(f"{tried(chosen, tmp_path)} shapes")


def test_the_measure_finds_quadratic_work_and_no_other() -> None:
    assert measured(bytes, lambda raw: [None for _ in raw for _ in raw if None], 600).too_fast
    assert not measured(bytes, lambda raw: [None for _ in raw if None], 400_000).too_fast


FOUND: dict[str, Shape] = {
    "new passwords in addresses": Shape(*LISTS["anything"][:1], '"https://u:p%d@h/"', "", "]}]", numbered=True),
    "members whose names differ": Shape(*LISTS["members"][:1], '"m%d":1', "", LISTS["members"][1], numbered=True),
    "nested passwords": Shape('[2,"1","DataTransfer",{"vendorId":"v","data":', *NESTS[0], "1}]"),
}


@pytest.mark.parametrize("one", FOUND.values(), ids=FOUND)
def test_a_shape_that_took_too_long_once_takes_linear_time(tmp_path: Path, one: Shape) -> None:
    assert not grows(one, tmp_path, SMALL)
