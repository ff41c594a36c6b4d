"""The command `check`: judges files without a network."""

from __future__ import annotations

from pathlib import Path

import click

from inspector.cli.options.input_options import KINDS, METER_KEYS, input_options, opened, report
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
    "--ocpp", type=click.Choice([v.value for v in OcppVersion]), help="OCPP version of inputs that do not show it."
)
@click.option(
    "--input-format", "kind", type=click.Choice(KINDS), help="Format of the inputs. [default: recognized by content]"
)
@input_options
@click.option("--format", "style", type=click.Choice(FORMATS), default="text", show_default=True, help="Output format.")
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "never"]),
    default="error",
    show_default=True,
    help="Exit with 1 for findings of this severity or worse.",
)
@click.option(
    "--rules",
    "rules_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file with severities, thresholds and allowances. [default: [tool.chargesentinel] in ./pyproject.toml]",
)
@METER_KEYS
@click.option(
    "--with-interventions",
    is_flag=True,
    help="Count findings that interventions of the proxy caused against the peers. [default: as hints]",
)
def check(
    inputs: tuple[str, ...],
    ocpp: str | None,
    kind: str | None,
    charge_point: str | None,
    perspective: str | None,
    timezone: str | None,
    style: str,
    as_json: bool,
    fail_on: str,
    rules_file: Path | None,
    keys_file: Path | None,
    with_interventions: bool,
) -> int:
    """Judge recordings, traces, logs or bare frames.

    Reads what `import` reads, in the same way; - is standard input. It needs no network. Exit code 1: a finding is at
    least as severe as --fail-on, or a line with a frame could not be understood; 2: an input cannot be used.
    """
    from inspector.cli.output import reports
    from inspector.cli.output.reading_progress import followed
    from inspector.formats.reading import Reading
    from inspector.offline.parallel_check import LONG, check_in_parallel
    from inspector.rules.finding import Severity
    from inspector.rules.settings_file import judging, settings_file

    settings = judging(settings_file(rules_file), keys_file)
    version = OcppVersion(ocpp) if ocpp else None
    checked: list[reports.CheckedInput] = []
    readings = [Reading("standard input" if name == "-" else name, strict=False) for name in inputs]
    for name, reading in zip(inputs, readings, strict=True):
        where = reports.Places()
        steps = opened(name, reading, version, kind, charge_point, perspective, timezone)
        result = check_in_parallel(followed(where.follow(steps()), reading, LONG), settings)
        if with_interventions:
            result.count_against_peers()
        if not result.frames and not result.sessions and not result.failed_attempts:
            report([reading])
            raise UnusableFile(reading.source, "no OCPP frame found")
        checked.append(reports.CheckedInput(name, result, where))
    missed = report(readings)
    reports.write("json" if as_json else style, checked)
    if fail_on == "never" or missed:
        return int(missed)
    bar = Severity(fail_on).rank
    return int(any(found.finding.severity.rank >= bar for entry in checked for found in entry.result.findings))
