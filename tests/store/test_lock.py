"""The lock beside a recording names the process to end, and locking changes no other file."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from inspector.errors import UnusableFile
from inspector.recorder.start import start_recorder
from inspector.store.files.lock import WriterLock, holder


def a_link(lock: Path, theirs: Path) -> None:
    lock.symlink_to(theirs)


def a_link_to_nothing(lock: Path, theirs: Path) -> None:
    lock.symlink_to(theirs.with_name("absent"))


def a_second_name(lock: Path, theirs: Path) -> None:
    os.link(theirs, lock)


def a_second_name_of_an_empty_file(lock: Path, theirs: Path) -> None:
    theirs.write_text("")
    os.link(theirs, lock)


def a_note(lock: Path, theirs: Path) -> None:
    lock.write_text("locks to buy\n")


def a_pipe(lock: Path, theirs: Path) -> None:
    os.mkfifo(lock)


def a_folder(lock: Path, theirs: Path) -> None:
    lock.mkdir()


KINDS = (a_link, a_link_to_nothing, a_second_name, a_second_name_of_an_empty_file, a_note, a_pipe, a_folder)


@pytest.mark.parametrize("put", KINDS, ids=lambda kind: kind.__name__)
def test_what_is_no_lock_of_ours_is_refused_in_one_line_and_stays_as_it_is(
    tmp_path: Path, put: Callable[[Path, Path], None]
) -> None:
    recording, lock, theirs = tmp_path / "traffic.db", tmp_path / "traffic.db.lock", tmp_path / "theirs"
    theirs.write_text("important\n")
    put(lock, theirs)
    before, content = lock.lstat(), theirs.read_text()
    with pytest.raises(UnusableFile, match=r"traffic\.db\.lock: not a lock file of ChargeSentinel; move it away"):
        WriterLock(recording, "chargesentinel proxy")
    assert holder(recording) is None
    assert theirs.read_text() == content
    after = lock.lstat()
    assert (after.st_ino, after.st_mode, after.st_size) == (before.st_ino, before.st_mode, before.st_size)
    assert not (tmp_path / "absent").exists()


def test_a_file_that_took_the_place_of_the_lock_is_not_removed_with_it(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path / "traffic.db", "chargesentinel proxy")
    (tmp_path / "traffic.db.lock").unlink()
    (tmp_path / "traffic.db.lock").write_text("a note")
    lock.release()
    assert (tmp_path / "traffic.db.lock").read_text() == "a note"


def test_a_lock_that_was_moved_with_its_folder_is_removed_there(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    lock = WriterLock(tmp_path / "one" / "traffic.db", "chargesentinel proxy")
    (tmp_path / "one").rename(tmp_path / "two")
    lock.release()
    assert not list((tmp_path / "two").iterdir())


def test_what_a_killed_holder_left_behind_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    opens = f"w = W(pathlib.Path({str(path)!r}), 'x')"
    code = f"import os, pathlib; from inspector.store.files.lock import WriterLock as W; {opens}"
    subprocess.run([sys.executable, "-c", f"{code}; os._exit(9)"], check=False)
    assert (tmp_path / "traffic.db.lock").exists() and holder(path) is None
    with WriterLock(path, "chargesentinel prune"):
        assert holder(path) == f"chargesentinel prune (process {os.getpid()})"
    assert not list(tmp_path.iterdir())


def test_the_lock_names_the_process_that_a_user_can_end(tmp_path: Path) -> None:
    """It is the id of the relay, not of its child, the recorder."""
    path = tmp_path / "traffic.db"
    recorder = start_recorder(path, holder="chargesentinel proxy", own_process=True)
    assert holder(path) == f"chargesentinel proxy (process {os.getpid()})"
    recorder.close()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_recording_is_for_its_owner_alone_whatever_the_umask_is(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        recorder = start_recorder(tmp_path / "traffic.db", holder="test", rotate="1h")
        modes = {file.name: stat.S_IMODE(file.lstat().st_mode) for file in tmp_path.iterdir() if not file.is_symlink()}
        recorder.close()
    finally:
        os.umask(before)
    assert len(modes) == 5  # the file, its -wal and -shm, and two locks
    assert set(modes.values()) == {0o600}
