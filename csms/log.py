"""The log of the CSMS: one line per event, with control characters escaped. `passwords` hides the secrets in it."""

from __future__ import annotations

import logging

LONGEST_LINE = 500


class OneLine(logging.Formatter):
    """Format a record as one printable line; for an internal error, a traceback follows."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        line = super().formatMessage(record)
        safe = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)
        return safe if len(safe) <= LONGEST_LINE else f"{safe[:LONGEST_LINE]}…"


def start(quiet: bool = False) -> None:
    """Log to stderr; with `quiet` only warnings and errors."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("csms")
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.propagate = False
