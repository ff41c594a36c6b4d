"""`chargesentinel import`: files of other tools, and our own, into a recording; knows no format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from inspector.protocol.vocabulary import OcppVersion


@click.command(
    "import",
    epilog="""\b
Examples:
  chargesentinel import recordings/*.jsonl --db traffic.db
  chargesentinel import frames.txt --db traffic.db --ocpp 1.6
""",
)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option("--db", "path", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The recording.")
@click.option("--ocpp", type=click.Choice([v.value for v in OcppVersion]), help="The version of inputs that tell none.")
@click.option(
    "--rules",
    "rules_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Severities, thresholds and allowances (TOML).",
)
@click.option(
    "--redact",
    type=click.Choice(["secrets", "none"]),
    default="secrets",
    show_default=True,
    help="What is starred out before a frame is stored: credentials, or nothing.",
)
def import_recordings(
    inputs: tuple[str, ...], path: Path, ocpp: str | None, rules_file: Path | None, redact: str
) -> None:
    """Judge and store Open OCPP Traces (JSONL), raw frames (one a line) and other recordings.

    They go through the same judge and the same writer as live traffic. `-` is standard input.
    """
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from inspector.formats.inputs import open_input
    from inspector.recorder.importing import store, writer_arguments
    from inspector.recorder.redaction import Redaction
    from inspector.rules.settings import DEFAULTS, load
    from inspector.store.writer import Writer

    settings = load(rules_file) if rules_file else DEFAULTS
    version = OcppVersion(ocpp) if ocpp else None
    sources = [open_input(name, version) for name in inputs]
    writer = Writer(**writer_arguments(path, "chargesentinel import", list(inputs)))
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:

        def every() -> Iterator[Any]:
            for source, (name, steps) in enumerate(zip(inputs, sources, strict=True)):
                task = progress.add_task(name, total=None)
                yield from _counted(steps, source, lambda n, task=task: progress.update(task, completed=n))

        summary = store(every(), writer, settings, Redaction(enabled=redact != "none"))
    click.echo(f"imported into {path}: {summary}")


def _counted(steps: Iterable[tuple[Any, Any]], source: int, tell: Any) -> Iterator[Any]:
    """The records of one of several sources, whose links must not meet those of another."""
    for number, (record, _) in enumerate(steps, 1):
        if number % 1000 == 0:
            tell(number)
        yield (record[0], record[1] and (source << 40) + record[1], *record[2:])
