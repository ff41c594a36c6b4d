"""Prepare the process of the proxy: its log, and how many files it may open."""

from __future__ import annotations

import logging
import resource
import sys
from contextlib import suppress

from inspector.escaping import visible


class _Visible(logging.Formatter):
    """A log formatter that escapes control characters, as a line may quote a peer."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return visible(super().formatMessage(record))


def log_to_stderr() -> None:
    """Log to stderr: all lines of this program, and warnings of mitmproxy."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Visible("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("inspector").setLevel(logging.INFO)


def allow_many_files() -> None:
    """Raise the limit of open files as far as the system allows; a session needs two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS reports "unlimited" but refuses it
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
