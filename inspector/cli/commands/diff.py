"""The command `diff`: compares two recordings by meaning."""

from __future__ import annotations

from pathlib import Path

import click

from inspector.cli.options.comparison_options import comparison_options
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
@click.option("--session", type=int, help="Only this session of A; the first is 1.")
@click.option("--other-session", type=int, help="Only this session of B; the first is 1.")
@comparison_options
@click.option(
    "--ocpp",
    type=click.Choice([v.value for v in OcppVersion]),
    help="OCPP version of inputs that do not show it.",
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
def diff(
    a: str,
    b: str,
    session: int | None,
    other_session: int | None,
    mode: str,
    policy: Path | None,
    ocpp: str | None,
    style: str,
    as_json: bool,
) -> int:
    """Compare two recordings; ids and times may differ.

    Compares each session of A with its counterpart in B. With --session or --other-session it compares one session of
    each recording, the first where the other option is missing. Sessions without frames are left out.

    Exit code 0: equal; 1: different; 2: an input cannot be used.
    """
    from inspector.cli.output import replay_reports
    from inspector.replay.compare import compare_recordings
    from inspector.replay.policy import Policy, read_policy
    from inspector.replay.script import Script, choose, read

    version = OcppVersion(ocpp) if ocpp else None
    if session is not None or other_session is not None:
        session, other_session = session or 1, other_session or 1

    def chosen(name: str, number: int | None) -> list[Script]:
        return choose(read(name, version), number)

    chosen_policy = read_policy(policy, mode) if policy else Policy(mode)
    outcomes = compare_recordings(chosen(a, session), chosen(b, other_session), chosen_policy)
    replay_reports.write("json" if as_json else style, outcomes)
    return int(not all(outcome.equal for outcome in outcomes))
