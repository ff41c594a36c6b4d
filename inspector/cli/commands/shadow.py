"""The commands `shadow …`: compare what shadows answered with what their primaries answered."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import click

from inspector.cli.options.comparison_options import comparison_options
from inspector.cli.options.option_types import Finite
from inspector.errors import UnusableFile, UserMistake


@click.group(
    epilog="""\b
Example:
  chargesentinel shadow report traffic.db"""
)
def shadow() -> None:
    """Compare the answers of a second CSMS with those of the first."""


@shadow.command(
    epilog="""\b
Examples:
  chargesentinel shadow report traffic.db
  chargesentinel shadow report traffic.db --policy allowed.toml --format junit > shadow.xml
"""
)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--shadow", "name", metavar="URL", help="Compare with this shadow. [default: the only one]")
@click.option(
    "--noise",
    metavar="URL",
    help="Leave out what also differs at this shadow, which runs the same software as the primary.",
)
@comparison_options
@click.option(
    "--late",
    "late_s",
    default=1.0,
    show_default=True,
    type=Finite(0),
    help="Seconds that an answer may take longer than the primary's.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json", "junit", "html"]),
    default="text",
    show_default=True,
    help="Output format.",
)
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
def report(
    file: Path,
    name: str | None,
    noise: str | None,
    mode: str,
    policy: Path | None,
    late_s: float,
    style: str,
    as_json: bool,
) -> int:
    """Compare the answers of a shadow with those of the primary.

    FILE is a recording of `chargesentinel proxy --shadow`, also while it grows. Exit code 0: all answers are the same;
    1: some differ, are missing or came late, or the shadow sent CALLs of its own, closed connections or could not be
    reached; 2: there is nothing to compare.
    """
    from inspector.cli.output import shadow_reports
    from inspector.replay.policy import Policy, read_policy
    from inspector.shadow.agreement import compare_with_shadow
    from inspector.store.files.connection import open_recording, readable

    allowed = read_policy(policy, mode) if policy else Policy(mode)
    with closing(open_recording(file)) as db, readable(file):
        db.row_factory = sqlite3.Row
        same_software = _named(db, file, "--noise", noise) if noise else None
        chosen = _chosen(db, file, name, same_software)
        places = compare_with_shadow(db, same_software, allowed, late_s).places() if same_software else frozenset()
        found = compare_with_shadow(db, chosen, allowed, late_s, places)
    shadow_reports.write("json" if as_json else style, found)
    return 0 if found.agrees else 1


def _chosen(db: sqlite3.Connection, file: Path, name: str | None, same_software: str | None) -> str:
    from inspector.shadow.pairing import shadow_names

    names = shadow_names(db)
    if not names:
        raise UnusableFile(file, "no session in it has a shadow", "record with `chargesentinel proxy --shadow`")
    if name is not None:
        return _named(db, file, "--shadow", name)
    candidates = [one for one in names if one != same_software] or names
    if len(candidates) > 1:
        raise UserMistake(f"{file} has several shadows; choose one with --shadow: {', '.join(candidates)}")
    return candidates[0]


def _named(db: sqlite3.Connection, file: Path, option: str, name: str) -> str:
    """Return the name of a shadow as the recording has it."""
    from inspector.shadow.pairing import shadow_names

    names = shadow_names(db)
    if found := next((one for one in names if one in (name, name.rstrip("/"))), None):
        return found
    raise UserMistake(f"{option} {name}: {file} has {', '.join(names) or 'no shadow'}")
