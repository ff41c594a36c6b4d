"""`chargesentinel check`: judges files without a network; knows options and exit codes, not how findings are shown."""

from __future__ import annotations

from pathlib import Path

import click

from inspector.errors import UnusableFile
from inspector.protocol.vocabulary import OcppVersion

FORMATS = ("text", "json", "junit", "sarif", "github")


@click.command(
    epilog="""\b
Examples:
  chargesentinel check recordings/*.jsonl
  chargesentinel check traffic.db --fail-on warning
  echo '[2,"1","Heartbeat",{"x":1}]' | chargesentinel check - --ocpp 1.6
"""
)
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@click.option(
    "--ocpp", type=click.Choice([v.value for v in OcppVersion]), help="The version where an input tells none."
)
@click.option("--format", "style", type=click.Choice(FORMATS), default="text", show_default=True, help="How to print.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "never"]),
    default="error",
    show_default=True,
    help="Exit with 1 when something at least this bad is found.",
)
@click.option(
    "--rules",
    "rules_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Severities, thresholds and allowances (TOML); else [tool.chargesentinel] of ./pyproject.toml.",
)
def check(
    inputs: tuple[str, ...], ocpp: str | None, style: str, as_json: bool, fail_on: str, rules_file: Path | None
) -> int:
    """Judge recordings, traces (Open OCPP Trace JSONL) or raw frames (one a line; - is standard input).

    Nothing is sent anywhere. Exit code 1 when something at or above --fail-on is found, 2 when an input cannot
    be used.
    """
    from inspector.cli import reports
    from inspector.formats.inputs import open_input
    from inspector.offline.check import check as judge
    from inspector.rules.finding import Severity
    from inspector.rules.settings import DEFAULTS, load, settings_file

    rules_file = settings_file(rules_file)
    settings = load(rules_file) if rules_file else DEFAULTS
    version = OcppVersion(ocpp) if ocpp else None
    checked: list[reports.CheckedInput] = []
    for name in inputs:
        where = reports.Places()
        result = judge(where.follow(open_input(name, version)), settings)
        if not result.frames and not result.sessions:
            raise UnusableFile("standard input" if name == "-" else name, "there is no OCPP frame in it")
        checked.append(reports.CheckedInput(name, result, where))
    reports.write("json" if as_json else style, checked)
    if fail_on == "never":
        return 0
    bar = Severity(fail_on).rank
    return int(any(found.finding.severity.rank >= bar for entry in checked for found in entry.result.findings))
