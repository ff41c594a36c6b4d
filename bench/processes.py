"""Starts the measured programs and reads their CPU time and memory from /proc."""

from __future__ import annotations

import os
import platform
import signal
import socket
import subprocess
import sysconfig
import time
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Measured:
    """A process with its children, which is stopped when the block ends. In the block it listens on `port`."""

    def __init__(self, argv: list[str], port: int) -> None:
        self.argv, self.port = argv, port

    def __enter__(self) -> Self:
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        self.process = subprocess.Popen(self.argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    break
            if self.process.poll() is not None:
                raise SystemExit(f"{self.argv} ended: {self.process.stderr and self.process.stderr.read().decode()}")
            time.sleep(0.05)
        time.sleep(0.2)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stderr:
            self.process.stderr.close()

    def cpu_seconds(self) -> float:
        """Return the user and system time of the process and its children so far."""
        return sum(self.cpu_by_process().values())

    def cpu_by_process(self) -> dict[int, float]:
        """Return the same by process id."""
        return {pid: sum(int(field) for field in _stat(pid)[11:13]) / TICKS for pid in self.tree()}

    def rss_kib(self) -> int:
        """Return the resident memory of the process and its children."""
        return sum(int(_stat(pid)[21]) * PAGE_KIB for pid in self.tree())

    def tree(self) -> list[int]:
        """Return the process ids: its own first, then its children."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (stat := _stat(int(entry.name))):
                parents[int(entry.name)] = int(stat[1])
        tree = [self.process.pid]
        for pid in tree:
            tree += [child for child, parent in parents.items() if parent == pid]
        return tree


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/PID/stat from the third on: state, ppid, …"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def machine() -> str:
    """Describe the machine and the versions behind the numbers."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    packages = ", ".join(f"{name} {version(name)}" for name in ("mitmproxy", "websockets"))
    optimized = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    python = f"Python {platform.python_version()} built {'with' if optimized else 'without'} its own optimizations"
    system = f"{platform.system()} {platform.release().split('-')[0]}"
    return (
        f"{os.cpu_count()} × {model}, {memory:.0f} GiB, {system}, {python}, {packages}; "
        "load, contender and CSMS share the processors"
    )
