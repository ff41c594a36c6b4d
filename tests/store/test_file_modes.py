"""Only their owner can read recordings and files written from them, unless --file-mode allows more."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from csms.store import Store
from tests.cli.conftest import in_this_process

TRACE = Path(__file__).parents[2] / "recordings"


@pytest.fixture(autouse=True, params=[0o000, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def run(*arguments: object, code: int = 0) -> str:
    ended = in_this_process(*arguments)
    assert ended.returncode == code, ended.stderr
    return ended.stderr


def test_everything_made_from_a_recording_is_for_its_owner_alone(tmp_path: Path) -> None:
    source, db = next(TRACE.glob("*.jsonl")), tmp_path / "traffic.db"
    run("import", source, "--db", db)
    for style in ("trace", "har", "csv", "raw"):
        run("export", db, "--format", style, "-o", tmp_path / f"out.{style}")
    run("anonymize", db, tmp_path / "anonymous.db")
    run("anonymize", source, tmp_path / "anonymous.jsonl")
    run("search", db, "Boot", "--index")
    made = {path.name: mode(path) for path in tmp_path.iterdir()}
    assert len(made) == 8 and set(made.values()) == {0o600}, made


def test_a_file_that_is_there_keeps_its_permissions(tmp_path: Path) -> None:
    source, db = next(TRACE.glob("*.jsonl")), tmp_path / "traffic.db"
    run("import", source, "--db", db, "--file-mode", "0644")
    assert mode(db) == 0o644
    run("import", source, "--db", db)
    assert mode(db) == 0o644
    for name in ("out.csv", "anonymous.db"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o640)
    run("export", db, "--format", "csv", "-o", tmp_path / "out.csv")
    run("anonymize", db, tmp_path / "anonymous.db", "--force")
    assert mode(tmp_path / "out.csv") == mode(tmp_path / "anonymous.db") == 0o640


def test_an_index_replaces_no_file_of_somebody_else(tmp_path: Path) -> None:
    db = tmp_path / "traffic.db"
    run("import", next(TRACE.glob("*.jsonl")), "--db", db)
    (tmp_path / "traffic.db.search").write_text("a note")
    assert "not an index of ChargeSentinel; move it away" in run("search", db, "Boot", "--index", code=2)
    assert (tmp_path / "traffic.db.search").read_text() == "a note"


@pytest.mark.parametrize("wide", [0o600, 0o640, 0o666])
def test_the_state_of_a_csms_has_the_mode_it_is_given_with_the_files_beside_it(tmp_path: Path, wide: int) -> None:
    store = Store(tmp_path / "csms.db", wide)
    made = {path.name: mode(path) for path in tmp_path.iterdir()}
    store.close()
    assert made == dict.fromkeys(("csms.db", "csms.db-wal", "csms.db-shm"), wide)


@pytest.mark.parametrize("umask", [0o022], indirect=True)
@pytest.mark.parametrize("text", ["", "x", "644x", "-0644", "0777", "0400", "0o1644", "06400", "0699", "rw-r--r--"])
def test_a_file_mode_that_is_none_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    said = run("import", "a.jsonl", "--db", tmp_path / "a.db", f"--file-mode={text}", code=2)
    assert "is not an octal file mode from 0600 to 0666, such as 0640" in said


@pytest.mark.system
def test_the_proxy_gives_all_its_files_the_mode_it_is_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "inspector", "proxy", "--upstream", "ws://127.0.0.1:9", "--listen", "127.0.0.1:0"]
    command += ["--db", str(tmp_path / "traffic.db"), "--rotate", "1h", "--file-mode", "640"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"}) as proxy:
        assert proxy.stdout and b"listening" in proxy.stdout.readline()
        made = {path.name: mode(path) for path in tmp_path.iterdir() if not path.is_symlink()}
        lock = (tmp_path / "traffic.db.lock").read_text()
        proxy.terminate()
        proxy.communicate()
    assert len(made) == 5 and set(made.values()) == {0o640}, made
    assert lock == f"chargesentinel proxy (process {proxy.pid})\n"
