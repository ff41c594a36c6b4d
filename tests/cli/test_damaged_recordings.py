"""Every command that reads a recording reports one that was cut off or damaged in one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import in_this_process

PAGE = 8192
READERS = {
    "sessions": ("sessions", "{}"),
    "show": ("show", "{}", "2"),
    "search": ("search", "{}", "a"),
    "check": ("check", "{}"),
    "diff": ("diff", "{}", "{}"),
    "export": ("export", "{}"),
    "tail": ("tail", "{}", "--lines", "1000"),
    "browse": ("browse", "{}", "--listen", "127.0.0.1:0"),
    "import": ("import", "{}", "--db", "{}.new"),
    "anonymize": ("anonymize", "{}", "{}.new", "--redact", "secrets"),
    "replay": ("replay", "{}", "--as", "charge-point", "--to", "ws://127.0.0.1:1"),
    "rebuild": ("rebuild", "{}"),
    "vacuum": ("vacuum", "{}"),
    "prune": ("prune", "{}", "--older-than", "1d"),
}


def told(path: Path, reader: str) -> str:
    """Return the one line with which a command reports its failure."""
    ended = in_this_process(*(part.format(path) for part in READERS[reader]))
    assert ended.returncode == 2, ended
    lines = ended.stderr.splitlines()
    assert len(lines) == 1, ended.stderr
    assert lines[0].startswith("chargesentinel: ") and str(path) in lines[0]
    return lines[0]


def cut_off(recording: Path, folder: Path, kept: float) -> tuple[Path, int, int]:
    """Return a truncated copy, its length and the original length. `part`: a fraction, or bytes (below 0: cut off)."""
    path = shutil.copy(recording, folder / "cut.db")
    size = path.stat().st_size
    length = int(size * kept) if isinstance(kept, float) else kept % size
    with path.open("r+b") as file:
        file.truncate(length)
    return path, length, size


@pytest.mark.parametrize("reader", READERS)
def test_a_recording_that_is_cut_off_is_told_by_its_length(recording: Path, tmp_path: Path, reader: str) -> None:
    path, length, size = cut_off(recording, tmp_path, 0.5)
    assert f"is cut off after {length:,} of {size:,} bytes; copy it again" in told(path, reader)


@pytest.mark.parametrize("kept", [100, PAGE, -PAGE, -1])
def test_a_recording_is_cut_off_wherever_that_is(recording: Path, tmp_path: Path, kept: int) -> None:
    path, length, size = cut_off(recording, tmp_path, kept)
    assert f"is cut off after {length:,} of {size:,} bytes" in told(path, "sessions")


@pytest.mark.parametrize(("kept", "said"), [(1, "1 byte;"), (99, "99 bytes;")])
def test_less_than_a_header_is_told_too(recording: Path, tmp_path: Path, kept: int, said: str) -> None:
    assert f"is cut off after {said}" in told(cut_off(recording, tmp_path, kept)[0], "sessions")


@pytest.mark.parametrize("reader", sorted(READERS.keys() - {"browse"}))  # browse shows what can still be read
def test_a_recording_with_damaged_pages_is_told(recording: Path, tmp_path: Path, reader: str) -> None:
    path = shutil.copy(recording, tmp_path / "damaged.db")
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(3 * PAGE)
        file.write(b"\xaa" * (size - 3 * PAGE))
    line = told(path, reader)
    assert "malformed" in line or "damaged" in line
    assert ".recover" in line


@pytest.mark.parametrize("reader", READERS)
def test_an_empty_file_is_told(tmp_path: Path, reader: str) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    told(path, reader)
