"""The command `otel`: sends a recording as spans to an OpenTelemetry collector."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from urllib.parse import urlsplit

import click

from inspector.cli.following import ending, say
from inspector.cli.options.filters import RECORDING
from inspector.cli.options.option_types import Finite
from inspector.errors import UnusableAddress, UnusableFile, UserMistake
from inspector.units import quantity


@click.command(
    epilog="""\b
Examples:
  chargesentinel otel traffic.db --to http://127.0.0.1:4318
  chargesentinel otel traffic.db --to http://127.0.0.1:4318 --once

\b
Follows the recording until Ctrl-C, and continues after a restart where it
ended. With --once it sends the whole recording. docs/metrics.md describes the
spans."""
)
@RECORDING
@click.option("--to", "endpoint", required=True, metavar="URL", help="Address of the collector (OTLP over HTTP).")
@click.option("--once", is_flag=True, help="Send the whole recording, and end.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File that keeps how far the recording was sent. [default: FILE.otel.json]",
)
@click.option(
    "--interval", type=Finite(0.05), default=1.0, show_default=True, help="Seconds between two looks at the recording."
)
@click.option("--with-parent", is_flag=True, hidden=True, help="End when standard input ends.")
def otel(file: Path, endpoint: str, once: bool, state: Path | None, interval: float, with_parent: bool) -> int:
    """Send a recording as spans to OpenTelemetry.

    Each CALL with its answer is a span, linked to its session and its transaction. The recording may still be growing.
    Needs the extra [otel].
    """
    check(endpoint)
    from inspector.watch.span_run import SpanRun

    state = None if once else state or file.with_name(f"{file.name}.otel.json")
    run = SpanRun(file, endpoint, state, say, from_start=once)
    stopping = ending(with_parent)
    waits = False
    while True:
        last = once or stopping.is_set()
        try:
            while run.step(time.time_ns()):
                pass
            waits = False
        except UnusableFile as error:
            if error.path != file or once:
                raise
            if not waits:
                say(f"{error}; waiting for it")
                waits = True
        if last:
            if once:
                say(f"sent {quantity(run.sent, 'span')}")
            return int(run.failing)
        stopping.wait(interval)


def check(endpoint: str) -> None:
    """Raise UserMistake if spans cannot be sent to this address, or the extra is missing."""
    try:
        parts = urlsplit(endpoint)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        known = False
    if not known:
        raise UnusableAddress(endpoint, "not the address of a collector", "write it as http://127.0.0.1:4318")
    if not _installed():
        missing = "the package opentelemetry-exporter-otlp-proto-http is missing"
        raise UserMistake(f"otel: {missing}; install it with `pip install 'chargesentinel[otel]'`")


def _installed() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False
