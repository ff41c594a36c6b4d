"""Runs our commands to their end in processes forked from one that has imported them; knows nothing of what they do.

Each is as separate as one that is started, but costs a tenth: hundreds of tests ask for one line of a command.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from inspector.cli import COMMANDS, main

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        *sorted({place.partition(":")[0] for place in COMMANDS.values()}),
        *("inspector.browse.telling", "inspector.formats.inputs", "inspector.offline.store_records"),
        *(
            "inspector.proxy.engine",
            "inspector.recorder.start",
            "inspector.offline.check",
            "inspector.store.reader",
            "rich.console",
        ),
    ]
)


def _run(argv: list[str], folder: str, cwd: str, environment: dict[str, str], memory: int | None) -> None:
    for descriptor, name in enumerate(("in", "out", "err")):
        opened = os.open(os.path.join(folder, name), os.O_RDWR)  # noqa: PTH118 - the child has but these strings
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - multiprocessing has closed the other
    if memory is not None:
        has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (has + memory, has + memory))
    sys.argv = argv
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    main()


def chargesentinel(
    *arguments: object,
    stdin: str | bytes = b"",
    cwd: Path | None = None,
    memory: int | None = None,
    timeout: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, with its output in files, and in so many bytes of memory besides what is imported.

    Raises:
        TimeoutError: it does not come to its end.
    """
    argv = ["chargesentinel", *map(str, arguments)]
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("in", stdin), ("out", b""), ("err", b"")):
            (Path(folder) / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        process = _CONTEXT.Process(target=_run, args=(argv, folder, str(cwd or Path.cwd()), dict(os.environ), memory))
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            raise TimeoutError(f"{argv} was still running after {timeout:g} s")
        out, err = ((Path(folder) / name).read_text("utf-8", "surrogateescape") for name in ("out", "err"))
    assert process.exitcode is not None
    return subprocess.CompletedProcess(argv, process.exitcode, out, err)
