"""`chargesentinel rebuild`: the derived tables of a recording made again from its frames; knows no table."""

from __future__ import annotations

import json
from pathlib import Path

import click

from inspector.cli.store_errors import FILE, storing


@click.command(
    epilog="""\b
Examples:
  chargesentinel rebuild traffic.db
  chargesentinel rebuild traffic.db --json"""
)
@click.argument("path", metavar="FILE", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def rebuild(path: Path, as_json: bool) -> None:
    """Derive charge points, transactions and meter samples again from the frames of FILE.

    The same frames give the same rows as when they were recorded; so this helps where somebody has changed the rows, or
    where a newer ChargeSentinel derives more. Frames and findings stay as they are: to judge anew, import the
    recording into another file. Others may read FILE meanwhile; nobody may be recording into it.
    """
    from inspector.cli.progress import counted
    from inspector.offline import rebuild

    with storing(path, "chargesentinel rebuild") as db:
        (frames,) = db.execute("SELECT count(*) FROM frames").fetchone()
        with counted(path.name, frames) as tell:
            rows = rebuild.rebuild(db, path, tell)
    if as_json:
        click.echo(json.dumps({"frames": frames, **rows}))
    else:
        derived = ", ".join(f"{count} {table.replace('_', ' ')}" for table, count in rows.items())
        click.echo(f"{path}: {derived} from {frames} frames")
