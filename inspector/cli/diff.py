"""`chargesentinel diff`: compares two recorded sessions by meaning; knows options and exit codes."""

from __future__ import annotations

from pathlib import Path

import click

from inspector.protocol.vocabulary import OcppVersion


@click.command(
    epilog="""\b
Examples:
  chargesentinel diff before.jsonl after.jsonl
  chargesentinel diff traffic.db traffic.db --session 1 --other-session 2
"""
)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--session", default=1, show_default=True, help="Which session of A, from 1.")
@click.option("--other-session", default=1, show_default=True, help="Which session of B, from 1.")
@click.option(
    "--match",
    "mode",
    type=click.Choice(["strict", "semantic", "shape"]),
    default="semantic",
    show_default=True,
    help="What counts as a difference.",
)
@click.option("--policy", type=click.Path(path_type=Path, dir_okay=False), help="What may differ (TOML).")
@click.option("--ocpp", type=click.Choice([v.value for v in OcppVersion]), help="The version of inputs that tell none.")
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json", "junit", "html"]),
    default="text",
    show_default=True,
    help="How to print.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def diff(
    a: str,
    b: str,
    session: int,
    other_session: int,
    mode: str,
    policy: Path | None,
    ocpp: str | None,
    style: str,
    as_json: bool,
) -> int:
    """Compare two recorded sessions by meaning: ids and times may differ, what was said may not.

    Exit code 0: equal; 1: they differ; 2: one of them cannot be used.
    """
    from inspector.cli import replay_reports
    from inspector.replay.comparing import compare_scripts
    from inspector.replay.matching import Policy, read_policy
    from inspector.replay.script import Script, choose, read

    version = OcppVersion(ocpp) if ocpp else None

    def chosen(name: str, number: int) -> Script:
        return choose(read(name, version), number)[0]

    chosen_policy = read_policy(policy, mode) if policy else Policy(mode)
    outcome = compare_scripts(chosen(a, session), chosen(b, other_session), chosen_policy)
    replay_reports.write("json" if as_json else style, [outcome])
    return int(not outcome.equal)
