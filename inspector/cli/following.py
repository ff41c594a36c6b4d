"""What the commands share that follow a recording until they are stopped."""

from __future__ import annotations

import signal
import sys
import threading
import time

import click

from inspector import log_format
from inspector.escaping import visible


def ending(with_parent: bool) -> threading.Event:
    """Return an event that is set on SIGTERM, and, as part of another command, when standard input ends."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    if with_parent:
        log_format.start()

        def wait() -> None:
            sys.stdin.buffer.read()
            stopping.set()

        threading.Thread(target=wait, daemon=True).start()
    return stopping


def say(line: str) -> None:
    """Print a line with the time."""
    click.echo(f"{time.strftime('%H:%M:%S')} {visible(line)}")
    sys.stdout.flush()
