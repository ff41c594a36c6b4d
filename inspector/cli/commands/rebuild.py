"""The command `rebuild`: derives tables of a recording anew from its frames."""

from __future__ import annotations

import json
from pathlib import Path

import click

from inspector.cli.store_errors import FILE, storing
from inspector.units import quantity


@click.command(
    epilog="""\b
Examples:
  chargesentinel rebuild traffic.db
  chargesentinel rebuild traffic.db --json"""
)
@click.argument("path", metavar="FILE", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def rebuild(path: Path, as_json: bool) -> None:
    """Derive transactions, samples and charge points again.

    Use it if somebody has changed these rows, or if a newer ChargeSentinel derives more from the same frames. Frames
    and findings stay as they are: to judge frames again, import the recording into another file. Other programs may
    read FILE meanwhile, but none may record into it.
    """
    from inspector.cli.output.progress import counted
    from inspector.offline import rebuild

    with storing(path, "chargesentinel rebuild") as db:
        (frames,) = db.execute("SELECT count(*) FROM frames").fetchone()
        with counted(path.name, frames) as progress:
            rows = rebuild.rebuild(db, path, progress)
    if as_json:
        click.echo(json.dumps({"frames": frames, **rows}))
    else:
        derived = ", ".join(quantity(count, table.removesuffix("s").replace("_", " ")) for table, count in rows.items())
        click.echo(f"{path}: {derived} from {quantity(frames, 'frame')}")
