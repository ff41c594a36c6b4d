"""Whatever happens to the file: charging continues, every frame that is not stored is counted, recording resumes."""

from __future__ import annotations

import asyncio
import re
import resource
import signal
import sqlite3
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from bench.processes import free_port
from tests.journeys.fleet import Fleet, csms_argv
from tests.processes import Program

SYS_ADMIN, LINUX_IMMUTABLE = 21, 9
"""Capability numbers from <linux/capability.h>."""


def may(capability: int) -> bool:
    """Return whether this process has a Linux capability."""
    status = Path("/proc/self/status")
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", status.read_text() if status.exists() else "", re.M)
    return found is not None and bool(int(found[1], 16) >> capability & 1)


pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def csms() -> Iterator[str]:
    port = free_port()
    with Program(argv=csms_argv(port)) as program:
        program.wait_for("csms at")
        yield f"ws://127.0.0.1:{port}"


class Proxy(Program):
    """`chargesentinel proxy` with /metrics."""

    def __init__(self, csms: str, path: Path, *more: str) -> None:
        super().__init__(
            *("proxy", "--upstream", csms, "--listen", "127.0.0.1:0", "--db", path, "--metrics", "127.0.0.1:0", *more)
        )

    @property
    def url(self) -> str:
        return self.wait_for(r"listening on (ws://\S+)")[1]

    def metric(self, name: str) -> float:
        address = self.wait_for(r"metrics at (http://\S+?),")[1]
        with urllib.request.urlopen(address, timeout=5) as answer:
            text = answer.read().decode()
        found = re.search(rf"^chargesentinel_{name} (\S+)$", text, re.M)
        assert found, text
        return float(found[1])

    @property
    def recorder(self) -> int:
        """Return the process id of the recorder, the only child of the relay."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        (only,) = children
        return int(only)

    async def until(self, name: str, true: Callable[[float], bool], seconds: float = 20) -> None:
        deadline = asyncio.get_running_loop().time() + seconds
        while not true(await asyncio.to_thread(self.metric, name)):
            assert asyncio.get_running_loop().time() < deadline, self.report()
            await asyncio.sleep(0.1)

    async def ended(self) -> int:
        """Stop the proxy; return how many frames it reports as not stored."""
        code = await asyncio.to_thread(self.stop, signal.SIGINT, 20)
        summary = self.wait_for(r"recorded in .*: .*errors?\)(?:; (\d+) FRAMES? NOT STORED)?")
        lost = int(summary[1] or 0)
        assert code == int(lost > 0), self.report()
        return lost


def stored(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return int(db.execute("SELECT count(*) FROM frames").fetchone()[0])


def gaps(path: Path) -> tuple[int, int]:
    """Return the number of frames in gaps: the sum for the file, and the sum over its sessions."""
    sql = "SELECT coalesce(sum(detail ->> 'frames'), 0) FROM events WHERE kind = 'gap' AND session_id IS {} NULL"
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql.format("")).fetchone()[0], db.execute(sql.format("NOT")).fetchone()[0]


def limit_file_size(pid: int, size: int) -> None:
    """Act like a full disk for one process: its files cannot exceed `size` bytes (RLIM_INFINITY: no limit)."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


@pytest.mark.long
async def test_a_full_disk_costs_exactly_what_is_counted(csms: str, tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    with Proxy(csms, path, "--queue-limit", "400kB") as proxy:
        async with Fleet(proxy.url) as fleet:
            await fleet.goes_on(2)
            limit_file_size(proxy.recorder, 4096)
            await proxy.until("recorder_working", lambda working: working == 0)
            await proxy.until("recorder_lost_frames_total", lambda lost: lost > 50)
            await fleet.goes_on(2)
            limit_file_size(proxy.recorder, resource.RLIM_INFINITY)
            await proxy.until("recorder_working", lambda working: working == 1)
            await fleet.goes_on(2)
            lost_meanwhile = await asyncio.to_thread(proxy.metric, "recorder_lost_frames_total")
            await fleet.stop()
        lost = await proxy.ended()
    assert lost == lost_meanwhile > 50
    assert stored(path) + lost == fleet.frames
    assert gaps(path) == (lost, lost)
    log = "\n".join(proxy.err)
    for said in ("cannot write", "RECORDING STOPPED", "writing works again", "recording resumes after a gap of"):
        assert said in log, log


@pytest.mark.long
@pytest.mark.skipif(
    not may(SYS_ADMIN), reason="needs the right to mount; a file-size limit is a full disk for everybody"
)
async def test_a_full_file_system_costs_exactly_what_is_counted(csms: str, tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", tmp_path], check=True)
    try:
        path = tmp_path / "traffic.db"
        with Proxy(csms, path, "--queue-limit", "400kB") as proxy:
            async with Fleet(proxy.url) as fleet:
                await fleet.goes_on(1)
                ballast = tmp_path / "ballast"
                with suppress(OSError), ballast.open("wb", buffering=0) as file:
                    while file.write(bytes(4096)):
                        pass
                await proxy.until("recorder_lost_frames_total", lambda lost: lost > 50)
                await fleet.goes_on(1)
                ballast.unlink()
                await proxy.until("recorder_working", lambda working: working == 1)
                await fleet.goes_on(1)
                await fleet.stop()
            lost = await proxy.ended()
        assert lost > 50
        assert stored(path) + lost == fleet.frames
        assert gaps(path) == (lost, lost)
        assert "disk is full" in "\n".join(proxy.err)
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


@pytest.mark.long
@pytest.mark.skipif(not may(LINUX_IMMUTABLE), reason="needs the right to make files immutable")
async def test_files_that_become_read_only_cost_nothing_while_memory_lasts(csms: str, tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    files = [path, tmp_path / "traffic.db-wal", tmp_path / "traffic.db-shm", tmp_path]
    with Proxy(csms, path) as proxy:
        async with Fleet(proxy.url) as fleet:
            await fleet.goes_on(1)
            try:
                subprocess.run(["chattr", "+i", *files], check=True)
                await proxy.until("recorder_working", lambda working: working == 0)
                await fleet.goes_on(3)
            finally:
                subprocess.run(["chattr", "-i", *files], check=True)
            await proxy.until("recorder_working", lambda working: working == 1)
            await fleet.goes_on(1)
            await fleet.stop()
        assert await proxy.ended() == 0
    assert stored(path) == fleet.frames
    assert gaps(path) == (0, 0)


@pytest.mark.long
async def test_a_disk_that_stays_full_to_the_end_is_counted_too(csms: str, tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    with Proxy(csms, path) as proxy:
        async with Fleet(proxy.url) as fleet:
            await fleet.goes_on(1)
            limit_file_size(proxy.recorder, 4096)
            await proxy.until("recorder_working", lambda working: working == 0)
            await fleet.goes_on(2)
            await fleet.stop()
        lost = await proxy.ended()
    assert lost > 0
    assert stored(path) + lost == fleet.frames
    assert "cannot write" in "\n".join(proxy.err)


@pytest.mark.long
async def test_a_lock_of_five_seconds_by_another_writer_costs_nothing(csms: str, tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    with Proxy(csms, path) as proxy:
        async with Fleet(proxy.url) as fleet:
            await fleet.goes_on(1)
            with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as other:
                other.execute("BEGIN EXCLUSIVE")
                await proxy.until("recorder_working", lambda working: working == 0)
                await fleet.goes_on(5)
                other.execute("ROLLBACK")
            await proxy.until("recorder_working", lambda working: working == 1)
            await fleet.goes_on(1)
            await fleet.stop()
        assert await proxy.ended() == 0
    assert stored(path) == fleet.frames
    assert gaps(path) == (0, 0)
    assert "database is locked" in "\n".join(proxy.err)


@pytest.mark.long
@pytest.mark.parametrize("what", ["the file", "all of it"])
async def test_a_deleted_database_is_made_anew_and_what_went_with_it_is_counted(
    csms: str, tmp_path: Path, what: str
) -> None:
    path = tmp_path / "traffic.db"
    with Proxy(csms, path) as proxy:
        async with Fleet(proxy.url) as fleet:
            await fleet.goes_on(2)
            for file in [path] if what == "the file" else list(tmp_path.iterdir()):
                file.unlink()
            await proxy.until("recorder_lost_frames_total", lambda lost: lost > 0)
            await fleet.goes_on(2)
            await fleet.stop()
        lost = await proxy.ended()
    assert lost > 0
    assert stored(path) + lost == fleet.frames
    assert gaps(path) == (lost, lost)
    assert "WAS DELETED OR REPLACED" in "\n".join(proxy.err)
    with closing(sqlite3.connect(path)) as db:
        # Everything after the deletion is stored: no session lacks a frame between its first and its last one.
        for name, texts in fleet.texts.items():
            sql = "SELECT raw FROM frames WHERE session_id = (SELECT id FROM sessions WHERE charge_point_id = ?)"
            kept = [raw for (raw,) in db.execute(sql, [name])]
            assert kept == texts[len(texts) - len(kept) :]


@pytest.mark.long
async def test_with_require_recording_sessions_end_with_1011_on_a_dead_disk(csms: str, tmp_path: Path) -> None:
    path = tmp_path / "traffic.db"
    with Proxy(csms, path, "--require-recording") as proxy:
        async with Fleet(proxy.url) as fleet:
            await fleet.goes_on(1)
            limit_file_size(proxy.recorder, 4096)
            deadline = asyncio.get_running_loop().time() + 20
            while len(fleet.closed) < 4:
                assert asyncio.get_running_loop().time() < deadline, proxy.report()
                await asyncio.sleep(0.1)
            limit_file_size(proxy.recorder, resource.RLIM_INFINITY)
            await proxy.until("recorder_working", lambda working: working == 1)
        async with Fleet(proxy.url, first=10) as again:
            await again.goes_on(1)
            await again.stop()
        assert await proxy.ended() == 0
    assert fleet.closed == [1011] * 4
    stored(path)
    with closing(sqlite3.connect(path)) as db:
        for name, texts in {**fleet.texts, **again.texts}.items():
            session = "(SELECT id FROM sessions WHERE charge_point_id = ?)"
            sql = f"SELECT raw FROM frames WHERE forwarded = 1 AND session_id = {session} ORDER BY id"
            kept = [raw for (raw,) in db.execute(sql, [name])]
            # If the last CALL came after the close frame, the proxy did not forward it.
            assert kept in (texts, texts[:-1])


def test_a_folder_that_cannot_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    """A file lies in place of the folder, so that root cannot write there either."""
    (tmp_path / "folder").write_text("")
    with Proxy("ws://127.0.0.1:9", tmp_path / "folder" / "traffic.db") as proxy:
        assert proxy.finish() == 2
    assert len(proxy.err) == 1 and "cannot be written" in proxy.err[0]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
