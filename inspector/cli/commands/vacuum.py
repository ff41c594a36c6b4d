"""The command `vacuum`: returns the space of deleted rows to the disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inspector.cli.store_errors import FILE, storing

if TYPE_CHECKING:
    from sqlite_utils import Database


@click.command(
    epilog="""\b
Examples:
  chargesentinel vacuum traffic.db
  chargesentinel vacuum traffic.db --json"""
)
@click.argument("path", metavar="FILE", type=FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def vacuum(path: Path, as_json: bool) -> None:
    """Shrink FILE by the space of deleted rows.

    While it runs, it needs as much free disk space as FILE takes. Other programs may read FILE meanwhile, but none may
    record into it.
    """
    from inspector.cli.output.progress import counted

    with storing(path, "chargesentinel vacuum") as db:
        before = path.stat().st_size
        with counted(path.name, None):
            freed = vacuumed(db, path)
    if as_json:
        click.echo(json.dumps({"before_bytes": before, "after_bytes": before - freed, "freed_bytes": freed}))
    else:
        click.echo(f"{path}: from {before / 1e6:.1f} MB to {(before - freed) / 1e6:.1f} MB")


def vacuumed(db: Database, path: Path) -> int:
    """Vacuum an open recording, and return the number of freed bytes."""
    before = path.stat().st_size
    # This handler does nothing, but while it runs Python can react to Ctrl-C.
    db.conn.set_progress_handler(lambda: 0, 100_000)
    db.execute("VACUUM")
    db.conn.set_progress_handler(None, 0)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return before - path.stat().st_size
