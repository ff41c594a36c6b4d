"""The CSMS's log: one line per thing worth knowing, with a peer's control characters made harmless."""

from __future__ import annotations

import logging
from types import TracebackType

from csms import passwords

LONGEST_LINE = 500


class OneLine(logging.Formatter):
    """Format a record as one printable line; only the traceback of our own faults may follow it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        safe = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
        return safe if len(safe) <= LONGEST_LINE else f"{safe[:LONGEST_LINE]}…"

    def formatException(
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        return passwords.text(super().formatException(ei))


def start(quiet: bool = False) -> None:
    """Log to stderr: what happens, or only what is wrong."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("csms")
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.propagate = False
