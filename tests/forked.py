"""Runs commands in processes forked from one that has already imported them.

Such a process is as separate as any other, but starts in a tenth of the time.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from multiprocessing.connection import Connection, wait
from pathlib import Path

from inspector.cli import COMMANDS, main

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        *sorted({f"inspector.cli.commands.{place.partition(':')[0]}" for place, _ in COMMANDS.values()}),
        *("inspector.browse.server", "inspector.browse.formatting", "inspector.formats.inputs"),
        *("inspector.formats.logs", "inspector.formats.har.reader", "inspector.store.reading.stored_records"),
        *("inspector.offline.check", "inspector.offline.store_records", "inspector.proxy.engine"),
        *("inspector.recorder.start", "inspector.recorder.worker.thread"),
        *("inspector.replay.runs", "inspector.store.reading.reader"),
        *("csms.central_system", "csms.operator_api.web", "simulator.charge_point", "rich.console", "uvicorn"),
    ]
)


def _run(argv: list[str], cwd: str, environment: dict[str, str]) -> None:
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - multiprocessing has closed the other
    sys.argv = argv
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    main()


def _run_with_pipes(argv: list[str], out: Connection, err: Connection, cwd: str, environment: dict[str, str]) -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, given in enumerate((nothing, out.fileno(), err.fileno())):
        os.dup2(given, descriptor)
    os.close(nothing)
    out.close()
    err.close()
    # New unbuffered streams: the forked process inherited the server's, which belong to other files.
    sys.stdout = io.TextIOWrapper(open(1, "wb", buffering=0, closefd=False), "utf-8", write_through=True)  # noqa: SIM115
    raw_err = open(2, "wb", buffering=0, closefd=False)  # noqa: SIM115
    sys.stderr = io.TextIOWrapper(raw_err, "utf-8", "backslashreplace", write_through=True)
    _run(argv, cwd, environment)


def _run_with_files(argv: list[str], folder: str, cwd: str, environment: dict[str, str], memory: int | None) -> None:
    for descriptor, name in enumerate(("in", "out", "err")):
        opened = os.open(os.path.join(folder, name), os.O_RDWR)  # noqa: PTH118 - the child has but these strings
        os.dup2(opened, descriptor)
        os.close(opened)
    if memory is not None:
        has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (has + memory, has + memory))
    _run(argv, cwd, environment)


class ForkedCommand:
    """A command in a forked process, with the part of `subprocess.Popen`'s interface that tests use."""

    def __init__(self, arguments: list[str], cwd: str, environment: dict[str, str]) -> None:
        self.args = ["chargesentinel", *arguments]
        (out, child_out), (err, child_err) = (_CONTEXT.Pipe(duplex=False) for _ in range(2))
        self._process = _CONTEXT.Process(
            target=_run_with_pipes, args=(self.args, child_out, child_err, cwd, environment), daemon=False
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid
        self.stdout, self.stderr = (os.fdopen(os.dup(end.fileno()), encoding="utf-8") for end in (out, err))
        for end in (out, child_out, err, child_err):
            end.close()
        self._asking = threading.Lock()

    def poll(self) -> int | None:
        with self._asking:  # multiprocessing reads the exit code from a pipe, once
            return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        wait([self._process.sentinel], timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return code

    def send_signal(self, which: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, which)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def chargesentinel(
    *arguments: object,
    stdin: str | bytes = b"",
    cwd: Path | None = None,
    memory: int | None = None,
    timeout: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; `memory` limits the bytes it may allocate beyond what it has imported.

    Raises:
        TimeoutError: it still runs after `timeout` seconds.
    """
    argv = ["chargesentinel", *map(str, arguments)]
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("in", stdin), ("out", b""), ("err", b"")):
            (Path(folder) / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        process = _CONTEXT.Process(
            target=_run_with_files, args=(argv, folder, str(cwd or Path.cwd()), dict(os.environ), memory)
        )
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            raise TimeoutError(f"{argv} was still running after {timeout:g} s")
        out, err = ((Path(folder) / name).read_text("utf-8", "surrogateescape") for name in ("out", "err"))
    assert process.exitcode is not None
    return subprocess.CompletedProcess(argv, process.exitcode, out, err)
