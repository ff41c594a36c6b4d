"""Run commands beside the proxy that follow its recording. They may die at any time, and are started again."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import click

RESTART_AFTER_S = (1.0, 5.0, 30.0)
"""How long to wait before the first, second, … restart; the last value repeats."""
PATIENCE_S = 15.0
"""How long a command may take to handle the last rows of the recording."""


class Companion:
    """One command in a child process, which ends when its standard input ends."""

    def __init__(self, name: str, *arguments: object) -> None:
        """Start `chargesentinel ARGUMENTS --with-parent`; messages call it `name`."""
        self._name = name
        # -P keeps Python from importing, for example, a click.py in the user's folder.
        self._argv = [sys.executable, "-P", "-m", "inspector", *map(str, arguments), "--with-parent"]
        self._closing = threading.Event()
        self._process = self._start()
        self._thread = threading.Thread(target=self._watch, name=name, daemon=True)
        self._thread.start()

    def _start(self) -> subprocess.Popen[bytes]:
        # Ctrl-C in a terminal must not reach it: the last rows come when the proxy ends.
        return subprocess.Popen(self._argv, stdin=subprocess.PIPE, stdout=2, start_new_session=True)

    def _watch(self) -> None:
        ended = 0
        while True:
            code = self._process.wait()
            if self._closing.is_set():
                return
            wait = RESTART_AFTER_S[min(ended, len(RESTART_AFTER_S) - 1)]
            ended += 1
            click.echo(f"{self._name} ended (exit code {code}); starting it again in {wait:g} s", err=True)
            if self._closing.wait(wait):
                return
            try:
                self._process = self._start()
            except OSError as error:
                click.echo(f"{self._name} cannot start ({error.strerror}); recording continues without it", err=True)
                return

    def close(self) -> None:
        """Let the command handle the last rows, and end it."""
        self._closing.set()
        self._thread.join(0.1 if self._process.poll() is None else PATIENCE_S)
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Companions:
    """The commands that the options of the proxy ask for."""

    def __init__(self, recording: Path, options: dict[str, Any]) -> None:
        """Check the options. Raises UserMistake."""
        self._wanted: list[tuple[object, ...]] = []
        self._running: list[Companion] = []
        if options["alerts_file"]:
            from inspector.watch.alerts_file import load

            load(options["alerts_file"])
            self._wanted.append(("alerts", options["alerts_file"], "--db", recording))

        if options["otlp"]:
            from inspector.cli.commands.otel import check

            check(options["otlp"])
            self._wanted.append(("otel", recording, "--to", options["otlp"]))

    def start(self) -> None:
        """Start them."""
        self._running = [Companion(str(arguments[0]), *arguments) for arguments in self._wanted]

    def close(self) -> None:
        """Let them handle the last rows, and end them."""
        for companion in self._running:
            companion.close()
