"""The command `prune`: deletes frames from a recording."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path

import click

from inspector.cli.options.option_types import amount
from inspector.cli.store_errors import FILE, storing
from inspector.errors import UserMistake

_LONGEST_S = 9e9
"""The longest age in seconds: 285 years, as 64 bits of nanoseconds cannot hold more."""


@click.command(
    epilog="""\b
Examples:
  chargesentinel prune traffic.db --older-than 30d --dry-run
  chargesentinel prune traffic.db --older-than 30d --vacuum
  chargesentinel prune traffic.db --charge-point CP001 --charge-point CP002"""
)
@click.argument("path", metavar="FILE", type=FILE)
@click.option("--older-than", metavar="AGE", help="Delete frames older than this: 90m, 24h, 30d, 8w.")
@click.option(
    "--charge-point",
    "charge_points",
    multiple=True,
    metavar="ID",
    help="Delete only frames of this one; repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be deleted; delete nothing.")
@click.option("--vacuum", is_flag=True, help="Return the space to the disk afterwards.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def prune(
    path: Path, older_than: str | None, charge_points: tuple[str, ...], dry_run: bool, vacuum: bool, as_json: bool
) -> None:
    """Delete frames from FILE, by age or by charge point.

    Deletes their findings, samples and transactions too, and overwrites all of it in the file. A session that continues
    after the limit keeps its later frames. Other programs may read FILE meanwhile, but none may record into it.
    """
    from inspector.cli.commands.vacuum import vacuumed
    from inspector.cli.output.progress import counted
    from inspector.store.reading import text_index
    from inspector.store.writing import pruning

    if not older_than and not charge_points:
        raise UserMistake("prune needs --older-than, --charge-point or both; to delete everything, delete the file")
    from inspector.units import duration_s

    now = time.time_ns()
    age = amount("--older-than", older_than, duration_s, "24h or 30d") if older_than else None
    before = None if age is None else now - int(min(age, _LONGEST_S) * 1e9)
    freed = 0
    with storing(path, "chargesentinel prune") as db:
        parts = pruning.plan(db.conn, before, charge_points)
        found = pruning.total(parts)
        if not dry_run:
            with counted(path.name, found.frames) as progress:
                pruning.prune(db.conn, parts, before, charge_points, now, progress)
            text_index.forget(path)  # it still has the deleted texts
            if vacuum:
                with counted(f"{path.name}: returning space", None):
                    freed = vacuumed(db, path)
        (free,) = db.execute(
            "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size"
        ).fetchone()
    if as_json:
        click.echo(json.dumps({**found.as_dict(), "dry_run": dry_run, "free_bytes": free, "freed_bytes": freed}))
        return
    click.echo(f"{path}: {'would delete' if dry_run else 'deleted'} {found}")
    if free > 1_000_000 and not dry_run:
        click.echo(f"`chargesentinel vacuum {shlex.quote(str(path))}` returns {free / 1e6:.1f} MB to the disk")
