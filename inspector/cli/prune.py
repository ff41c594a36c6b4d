"""`chargesentinel prune`: has a recording forget; knows what was asked for, not how it is done."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from inspector.cli.option_types import amount
from inspector.cli.store_errors import FILE, storing
from inspector.errors import UserMistake

_LONGEST_S = 9e9
"""285 years: times are 64 bits of nanoseconds, and nothing was recorded longer ago."""


@click.command(
    epilog="""\b
Examples:
  chargesentinel prune traffic.db --older-than 30d --dry-run
  chargesentinel prune traffic.db --older-than 30d --vacuum
  chargesentinel prune traffic.db --charge-point CP001 --charge-point CP002"""
)
@click.argument("path", metavar="FILE", type=FILE)
@click.option("--older-than", metavar="AGE", help="Forget what crossed longer ago: 90m, 24h, 30d, 8w.")
@click.option("--charge-point", "charge_points", multiple=True, metavar="ID", help="Only of this one; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Say what would be deleted, and delete nothing.")
@click.option("--vacuum", is_flag=True, help="Give the room back to the disk afterwards.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def prune(
    path: Path, older_than: str | None, charge_points: tuple[str, ...], dry_run: bool, vacuum: bool, as_json: bool
) -> None:
    """Delete frames and all that hangs on them from FILE, by age, by charge point, or by both.

    What is deleted is overwritten in the file. A session that goes on after the limit keeps its later frames. Others
    may read FILE meanwhile; nobody may be recording into it.
    """
    from inspector.cli.progress import counted
    from inspector.cli.vacuum import vacuumed
    from inspector.store import pruning, text_index

    if not older_than and not charge_points:
        raise UserMistake("prune needs --older-than, --charge-point or both; to forget all, delete the file")
    from inspector.units import duration_s

    now = time.time_ns()
    age = amount("--older-than", older_than, duration_s, "24h or 30d") if older_than else None
    before = None if age is None else now - int(min(age, _LONGEST_S) * 1e9)
    freed = 0
    with storing(path, "chargesentinel prune") as db:
        parts = pruning.plan(db.conn, before, charge_points)
        found = pruning.total(parts)
        if not dry_run:
            with counted(path.name, found.frames) as tell:
                pruning.prune(db.conn, parts, before, charge_points, now, tell)
            text_index.forget(path)  # what is deleted must not be found in it
            if vacuum:
                with counted(f"{path.name}: giving room back", None):
                    freed = vacuumed(db, path)
        (free,) = db.execute(
            "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size"
        ).fetchone()
    if as_json:
        click.echo(json.dumps({**found.as_dict(), "dry_run": dry_run, "free_bytes": free, "freed_bytes": freed}))
        return
    click.echo(f"{path}: {'would delete' if dry_run else 'deleted'} {found}")
    if free > 1_000_000 and not dry_run:
        click.echo(f"`chargesentinel vacuum {path}` gives {free / 1e6:.1f} MB back to the disk")
