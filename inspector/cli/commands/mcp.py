"""The command `mcp`: lets an agent read a recording over the Model Context Protocol."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import click

from inspector.errors import UserMistake


@click.command(
    epilog="""\b
Examples, for the settings of an agent that starts the command itself:
  chargesentinel mcp traffic.db
  chargesentinel mcp /var/lib/chargesentinel

\b
The tools are sessions, show, search, findings, explain_rule, diff and sql. They
only read. Secrets are hidden even if they were recorded. docs/agents.md has the
settings of some agents."""
)
@click.argument("source", metavar="FILE|FOLDER", type=click.Path(path_type=Path))
def mcp(source: Path) -> None:
    """Let an agent read a recording (Model Context Protocol).

    The recording may still be growing. Needs the extra [mcp].
    """
    if importlib.util.find_spec("mcp") is None:
        raise UserMistake("mcp: the package mcp is missing; install it with `pip install 'chargesentinel[mcp]'`")
    from inspector.cli.agents.server import serve

    serve(source)
