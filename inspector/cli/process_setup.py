"""Prepare the process of the proxy: its log, and how many files it may open."""

from __future__ import annotations

import logging
import resource
from contextlib import suppress

import click

from inspector import log_format

LOG_FORMAT = click.option(
    "--log-format",
    type=click.Choice(log_format.FORMATS),
    default="text",
    show_default=True,
    help="Format of the lines on standard output and standard error.",
)


def log_with(handler: logging.Handler) -> None:
    """Log all lines of this program, and warnings of mitmproxy."""
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("inspector").setLevel(logging.INFO)


def allow_many_files() -> None:
    """Raise the limit of open files as far as the system allows; a session needs two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS reports "unlimited" but refuses it
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
