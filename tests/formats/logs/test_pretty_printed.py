"""Joining the lines of pretty-printed frames saves time and does not change the result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.formats.logs import pretty_printed
from inspector.formats.logs.pretty_printed import joined
from tests.formats.logs.described import described
from tests.formats.logs.test_cases import CASES

FRAME = b'[\n  2,\n  "1",\n  "Heartbeat",\n  {}\n]\n'


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if "[\n" in case["log"]])
def test_every_log_is_read_the_same_with_and_without(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    path = tmp_path / case.get("name", "a.log")
    path.write_bytes(case["log"].encode(case.get("encoding", "utf-8")))
    found = described(path, case.get("options", {}))
    monkeypatch.setattr(pretty_printed, "joined", lambda lines: lines)
    assert described(path, case.get("options", {})) == found


def test_a_pretty_printed_frame_is_one_line_with_the_number_of_its_first() -> None:
    lines = [*b"first\n".splitlines(True), *(b"at 12:00 sent " + FRAME).splitlines(True), b"last\n"]
    assert list(joined(enumerate(lines, 1))) == [(1, b"first\n"), (2, b"at 12:00 sent " + FRAME), (8, b"last\n")]


LINES = st.sampled_from(
    [
        b"[\n",
        b"x [\r\n",
        b"  2,\n",
        b"  3,\r\n",
        b'  "1",\n',
        b"  {}\n",
        b"  [\n",
        b"  ]\n",
        b"]\n",
        b"]",
        b"text\n",
        b"\n",
    ]
)


@given(st.lists(LINES, max_size=60))
def test_no_line_is_lost_and_the_order_stays(lines: list[bytes]) -> None:
    found = list(joined(enumerate(lines, 1)))
    assert b"".join(line for _, line in found).replace(b"\r", b"") == b"".join(lines).replace(b"\r", b"")
    assert [number for number, _ in found] == sorted({number for number, _ in found})
    for number, line in found:
        assert line.startswith(lines[number - 1].replace(b"\r\n", b"\n")) or line == lines[number - 1]


def test_lines_examined_in_vain_are_bounded_in_a_log_of_frames_that_never_end(monkeypatch: pytest.MonkeyPatch) -> None:
    examined = 0

    def counted(*given: Any) -> Any:
        nonlocal examined
        taken = take_frame(*given)
        examined += len(taken)
        return taken

    take_frame = pretty_printed._frame
    monkeypatch.setattr(pretty_printed, "_frame", counted)
    lines = [(number, b" x [\n" if number % 2 else b"  2,\n") for number in range(1, 50_001)]
    assert list(joined(lines)) == lines
    assert 50_000 < examined < 3 * 50_000
