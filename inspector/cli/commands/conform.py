"""The command `conform`: drive a real charge point through cases of the specification."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from inspector.cli.commands.csms import Address
from inspector.cli.conformance.case import PROFILES
from inspector.cli.options.option_types import Finite
from inspector.errors import UnusableFile, UserMistake
from inspector.escaping import visible_lines

FILE = click.Path(dir_okay=False, path_type=Path)
EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
OF_PROGRAM = "CAFE0001"
"""The card of a program that plays the person, unless --token names another."""


@click.group(epilog="See `chargesentinel conform charge-point --help`.")
def conform() -> None:
    """Test a charge point against the specification, case by case.

    \b
    Example:
      chargesentinel conform charge-point --listen 0.0.0.0:9000
    """


@conform.command(
    "charge-point",
    epilog="""\b
Examples:
  chargesentinel conform charge-point --listen 0.0.0.0:9000
  chargesentinel conform charge-point --listen 9000 --profile core --profile offline --html report.html
  chargesentinel conform charge-point --listen 9000 --cases remote-stop --cases hard-reset --token 04A1B2C3
  chargesentinel conform charge-point --list

\b
Let our own charge point play, to see a whole run:
  chargesentinel conform charge-point --listen 9000 --operator \\
    "chargesentinel charge-point --url {url} --ocpp 1.6 --scenario -"
""",
)
@click.option("--listen", type=Address(), help="Address for the charge point.  [required]")
@click.option("--id", "charge_point_id", help="Id of the charge point to test. [default: the first that connects]")
@click.option("--profile", "profiles", multiple=True, type=click.Choice(PROFILES), help="Only these cases; repeatable.")
@click.option("--cases", "names", multiple=True, metavar="NAME", help="Only this case; repeatable.")
@click.option("--list", "listed", is_flag=True, help="List the cases and exit.")
@click.option(
    "--token", metavar="ID", help="Id of the card that the person presents. [default: learned from the first]"
)
@click.option(
    "--operator",
    metavar="COMMAND",
    help="Program that does what a person would: gets steps as JSON lines, answers each. {url} becomes the address.",
)
@click.option(
    "--db", "path", type=FILE, default=Path("conformance.db"), show_default=True, help="Recording of all cases."
)
@click.option(
    "--expected", type=EXISTING, help="File with names of cases that may fail, one per line; # starts a comment."
)
@click.option("--json", "json_file", type=FILE, help="Write the results here as JSON.")
@click.option("--junit", "junit_file", type=FILE, help="Write the results here as JUnit XML.")
@click.option("--html", "html_file", type=FILE, help="Write the results here as a page.")
@click.option(
    "--patience", type=Finite(1), default=90.0, show_default=True, help="Seconds that the person has for a step."
)
@click.option("--answer-within", type=Finite(1), default=30.0, show_default=True, help="Seconds to wait for a message.")
@click.option(
    "--restart-within", type=Finite(1), default=180.0, show_default=True, help="Seconds that a restart may take."
)
def charge_point(listen: tuple[str, int] | None, listed: bool, path: Path, **options: Any) -> int:
    """Drive a charge point through cases, and say for each whether it did what the specification asks for.

    Set the CSMS address of the charge point to this machine and port. The terminal says what to do at the charge point,
    such as plugging in a car. Each case ends with PASS, FAIL, PARTIAL or NOT APPLICABLE, and is stored with all its
    frames. This is not a certification: the cases are not those of the OCA. Exit code 1: a case failed unexpectedly, or
    passed although --expected names it.
    """
    if listed:
        list_cases(options["profiles"])
        return 0
    if listen is None:
        raise UserMistake("name the address for the charge point, such as --listen 0.0.0.0:9000")
    return _run(listen, path, options)


def list_cases(profiles: tuple[str, ...]) -> None:
    """Print the names and titles of the cases."""
    from inspector.cli.conformance.case import CASES
    from inspector.cli.conformance.running import Run  # noqa: F401 - imports the cases

    for one in CASES:
        if not profiles or one.profile in profiles:
            click.echo(f"{'/'.join(one.versions):10} {one.profile:15} {one.name:42} {one.title}")


def expected_failures(path: Path | None) -> frozenset[str]:
    """Return the names in a file of expected failures.

    Raises:
        UserMistake: a name belongs to no case.
        UnusableFile: the file cannot be read.
    """
    if path is None:
        return frozenset()
    from inspector.cli.conformance.case import CASES
    from inspector.cli.conformance.running import Run  # noqa: F401 - imports the cases

    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableFile(path, str(getattr(error, "strerror", None) or error).lower()) from error
    names = {name for line in lines if (name := line.partition("#")[0].strip())}
    if unknown := sorted(names - {one.name for one in CASES}):
        raise UserMistake(f"{path}: unknown case {unknown[0]!r}; --list shows all cases")
    return frozenset(names)


def _run(listen: tuple[str, int], path: Path, options: dict[str, Any]) -> int:
    from csms import log
    from inspector.cli.conformance import reports
    from inspector.cli.conformance.person import Program, Told
    from inspector.cli.conformance.running import Plan, Run
    from inspector.cli.conformance.stage import Limits
    from inspector.offline.store_records import writer_arguments
    from inspector.recorder.pipeline import Pipeline
    from inspector.records import Record
    from inspector.store.writing.writer import Writer

    def say(line: str) -> None:
        click.echo(visible_lines(line))
        sys.stdout.flush()

    log.start(quiet=True)
    operator = options["operator"]
    plan = Plan(
        *listen,
        charge_point_id=options["charge_point_id"],
        profiles=options["profiles"],
        names=options["names"],
        token=options["token"] or (OF_PROGRAM if operator else None),
        limits=Limits(options["answer_within"], options["patience"], options["restart_within"]),
        expected=expected_failures(options["expected"]),
    )
    writer = Writer(**writer_arguments(path, "chargesentinel conform", ["conform charge-point"]))
    pipeline = Pipeline(writer)

    def store(records: Iterable[Record]) -> None:
        pipeline.take_all(records)
        pipeline.commit()

    run = Run(plan, Program(operator) if operator else Told(say), store, say)
    ended = clean = False
    try:
        asyncio.run(run.run())
        ended = True
    except KeyboardInterrupt:
        say("stopped; these are the verdicts so far")
    finally:
        clean = True
        writer.close(clean=clean)
    for option, form in (
        ("json_file", reports.as_json),
        ("junit_file", reports.as_junit),
        ("html_file", reports.as_html),
    ):
        if options[option] is not None:
            reports.write(options[option], form(run))
    say(f"{reports.tally(run.results)}; recorded in {path}")
    if surprising := reports.surprises(run.results):
        say(f"these cases pass now; remove them from {options['expected']}: {', '.join(surprising)}")
    if not ended:
        return 130
    return 0 if reports.good(run.results) else 1
