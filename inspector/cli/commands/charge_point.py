"""The command `charge-point`: reads the options and runs charge points of the package `simulator`."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import sys
from contextlib import suppress
from datetime import datetime
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Console

from inspector.cli.options.option_types import ID_IN_ADDRESS, Finite, without_id
from inspector.errors import UnusableAddress, UserMistake
from inspector.escaping import visible, visible_lines
from inspector.replay.operator_api import Operator
from simulator import charge_point as simulated
from simulator.fleet import Fleet, Plan, Report, percentile, room
from simulator.fleet_table import latency_table, watch

HINT = "is the CSMS running? `chargesentinel csms` starts one"


def show_scenarios(context: click.Context, _: click.Parameter, value: str) -> str:
    """Print the included scenarios for `--scenario list` and exit."""
    if value == "list":
        for name, title in simulated.shipped().items():
            click.echo(f"{name:20} {title}")
        context.exit(0)
    return value


@click.command(
    "charge-point",
    epilog="""\b
Examples:
  chargesentinel charge-point --url ws://127.0.0.1:9000 --id CP-1 --ocpp 2.0.1
  chargesentinel charge-point --url ws://127.0.0.1:9000 --scenario offline-queue
  chargesentinel charge-point --url ws://127.0.0.1:9000 --count 50 --rate 10 --duration 60 --ocpp mixed""",
)
@click.option(
    "--url",
    required=True,
    metavar="WS-URL",
    help="Address of the CSMS or the proxy; the id is appended unless it is the last part.",
)
@click.option(
    "--id",
    "charge_point_id",
    default="CP-1",
    show_default=True,
    help="Identity of the charge point; with --count, its prefix.",
)
@click.option(
    "--ocpp",
    type=click.Choice([*simulated.VERSIONS, "mixed"]),
    default="1.6",
    show_default=True,
    help="OCPP version; mixed needs --count.",
)
@click.option(
    "--scenario",
    default="charging",
    show_default=True,
    metavar="NAME|FILE|-",
    is_eager=True,
    callback=show_scenarios,
    help="Scenario to run; `list` prints the shipped ones, - reads steps as JSON lines from standard input.",
)
@click.option("--token", metavar="ID", help="Id token to charge with, instead of the scenario's.")
@click.option("--minutes", type=Finite(0.1), help="Simulated charging time of each session.")
@click.option("--operator", metavar="HTTP-URL", help="Operator API of `chargesentinel csms`, for steps of the CSMS.")
@click.option("--stay", is_flag=True, help="Stay connected after the scenario, until Ctrl-C.")
@click.option("--speed", type=Finite(0.1, 3600), default=60.0, show_default=True, help="Simulated seconds per second.")
@click.option("--timeout", type=Finite(0.1), default=30.0, show_default=True, help="Seconds to wait for an answer.")
@click.option("--connectors", type=click.IntRange(1, 64), default=1, show_default=True, help="Number of connectors.")
@click.option("--dc", is_flag=True, help="Charge with up to 50 kW DC instead of 7.4 kW AC.")
@click.option("--signed", is_flag=True, help="Add signed meter values.")
@click.option("--password", envvar="CHARGESENTINEL_PASSWORD", help="Password for HTTP Basic authentication.")
@click.option("--ca", type=click.Path(exists=True, dir_okay=False), help="CA of a wss:// CSMS, in PEM.")
@click.option("--cert", type=click.Path(exists=True, dir_okay=False), help="Client certificate, in PEM.")
@click.option("--key", type=click.Path(exists=True, dir_okay=False), help="Its key, unless --cert contains it.")
@click.option("--seed", type=int, help="Make random choices repeatable.")
@click.option("--count", type=click.IntRange(1, 10_000), help="Run a fleet of this many charge points.")
@click.option(
    "--rate", type=Finite(0.1), default=10.0, show_default=True, help="Fleet: charge points that power on per second."
)
@click.option("--duration", type=Finite(1), help="Fleet: seconds to run; default until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def charge_point(
    url: str,
    charge_point_id: str,
    ocpp: str,
    scenario: str,
    token: str | None,
    minutes: float | None,
    operator: str | None,
    stay: bool,
    speed: float,
    timeout: float,
    connectors: int,
    dc: bool,
    signed: bool,
    password: str | None,
    ca: str | None,
    cert: str | None,
    key: str | None,
    seed: int | None,
    count: int | None,
    rate: float,
    duration: float | None,
    as_json: bool,
) -> int:
    """Run one simulated charge point, or a fleet of them.

    Without --scenario it runs one charging session: boot, plug in, authorize, charge, stop, unplug. A simulated minute
    of charging takes a second. Exit code: 0 for success, 1 when a CALL was refused or unanswered or an expectation
    failed, 2 when the charge point could not start.
    """
    try:
        simulated.checked_url(url)
    except ValueError as error:
        raise UnusableAddress(url, str(error)) from None
    found: simulated.Scenario | simulated.LiveSteps
    try:
        found = simulated.LiveSteps(_print) if scenario == "-" else simulated.load(scenario)
    except (ValueError, simulated.BadScenario) as error:
        raise UserMistake(str(error)) from None
    _fitting(ocpp, count)
    if operator is not None:
        place = operator.partition("?")[0]
        if "@" in place:
            raise UnusableAddress(
                place, "the operator API takes a token, not a password", "write http://HOST:PORT/?token=…"
            )
        Operator(place)
    if key is not None and cert is None:
        raise UserMistake("--key needs a certificate; add --cert FILE")
    if (ca or cert) and not url.startswith("wss:"):
        raise UnusableAddress(url, "--ca and --cert need TLS", "write wss://HOST:PORT[/PATH]")
    if not charge_point_id.strip():
        raise UserMistake("--id must not be empty")
    if not count:
        base = without_id(url, charge_point_id)
        if base != url.rstrip("/"):
            click.echo(ID_IN_ADDRESS.format(visible(charge_point_id)), err=True)
        url = base
    identity = simulated.Identity(
        url=url,
        id=charge_point_id,
        connectors=connectors,
        speed=speed,
        timeout=timeout,
        password=password,
        tls=_tls(ca, cert, key),
        seed=seed,
        direct_current=dc,
        signed=signed,
        client_certificate=cert is not None,
    )
    if count is not None:
        versions = list(simulated.VERSIONS) if ocpp == "mixed" else [ocpp]
        return _fleet(Plan(identity, versions, count, rate, duration, token or "CAFE0001", minutes), as_json)
    values = {name: value for name, value in (("token", token), ("minutes", minutes)) if value is not None}
    return _one(identity, ocpp, found, values, operator, stay, as_json)


def _print(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()


FOR_ONE = ("scenario", "operator", "stay")
FOR_FLEETS = ("rate", "duration")


def _fitting(ocpp: str, count: int | None) -> None:
    """Raise an error for options that would have no effect."""
    if ocpp == "mixed" and count is None:
        raise UserMistake("--ocpp mixed needs a fleet; add --count N")
    context = click.get_current_context()
    for name in FOR_FLEETS if count is None else FOR_ONE:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            remedy = "needs a fleet; add --count N" if count is None else "is for one charge point; leave out --count"
            raise UserMistake(f"--{name} {remedy}")


def _tls(ca: str | None, cert: str | None, key: str | None) -> ssl.SSLContext | None:
    if ca is None and cert is None:
        return None
    try:
        context = ssl.create_default_context(cafile=ca)
    except ssl.SSLError as error:
        raise UserMistake(f"{ca}: expected a certificate in PEM ({error.reason})") from None
    if cert is not None:
        try:
            context.load_cert_chain(cert, key)
        except ssl.SSLError as error:
            raise UserMistake(f"{cert}: expected a certificate with its key in PEM ({error.reason})") from None
    return context


def _one(
    identity: simulated.Identity,
    version: str,
    scenario: simulated.Scenario | simulated.LiveSteps,
    values: dict[str, Any],
    operator: str | None,
    stay: bool,
    as_json: bool,
) -> int:
    unsaid: list[OSError] = []
    apart = as_json or isinstance(scenario, simulated.LiveSteps)  # standard output is for a program

    async def run() -> simulated.Outcome | None:
        playing = asyncio.current_task()
        asked = asyncio.Event()

        def say(line: str) -> None:
            """Print a line; if that fails, end the run, because the task that logs it cannot report the failure."""
            try:
                click.echo(f"{datetime.now():%H:%M:%S.%f}"[:-3] + f"  {identity.id}  {visible(line)}", err=apart)
                sys.stdout.flush()
            except OSError as error:
                unsaid.append(error)
                end()

        station = simulated.make(version, identity, say, scenario)

        def end() -> None:
            asked.set()
            if playing is not None and not staying.is_set():
                playing.cancel()

        staying = asyncio.Event()

        async def after() -> None:
            staying.set()
            station.driver = True
            say("connected until Ctrl-C")
            await asked.wait()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end)
        try:
            return await simulated.play(station, scenario, values, operator, after if stay else None)
        except asyncio.CancelledError:
            return None

    try:
        outcome = asyncio.run(run())
    except simulated.Unreachable as error:
        remedy = HINT if error.why.startswith("cannot connect") else None
        raise UnusableAddress(error.url, error.why, remedy) from None
    if unsaid:
        raise unsaid[0]
    if outcome is None:
        return 130
    if as_json:
        facts = {
            "charge_point": outcome.charge_point_id,
            "ocpp_version": outcome.version,
            "sent": outcome.sent,
            "answered": outcome.answered,
            "served": outcome.served,
            "energy_wh": outcome.energy_wh,
            "failures": list(outcome.failures),
        }
        click.echo(json.dumps(facts))
    else:
        click.echo(visible_lines(str(outcome)), err=apart)
    return 0 if outcome.good else 1


def _fleet(plan: Plan, as_json: bool) -> int:
    if plan.count > (most := room()):
        raise UserMistake(
            f"{plan.count} charge points need more open files than the system allows (enough for {most});"
            " raise the limit with `ulimit -n`, or use a smaller --count"
        )
    console = Console(stderr=as_json)

    async def run() -> Report:
        fleet = Fleet(plan, lambda line: console.print(visible(line), highlight=False, markup=False))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, fleet.stop)
        showing = asyncio.create_task(watch(fleet, console))
        try:
            return await fleet.run()
        finally:
            showing.cancel()
            with suppress(asyncio.CancelledError):
                await showing

    report = asyncio.run(run())
    if as_json:
        click.echo(json.dumps(_facts(report)))
    else:
        if report.latencies:
            console.print(latency_table(report))
        for why, times in report.unreachable.most_common(5):
            console.print(f"{times} not connected at the end: {why}", highlight=False, markup=False)
        for failure, times in report.failures.most_common(5):
            console.print(visible(f"{times} times: {failure}"), highlight=False, markup=False)
        click.echo(str(report))
    return 0 if report.good else 1


def _facts(report: Report) -> dict[str, Any]:
    """Return a fleet's report as JSON values; latencies are in milliseconds."""
    names = (
        "count",
        "most",
        "transactions",
        "energy_wh",
        "sent",
        "answered",
        "refused",
        "unanswered",
        "served",
        "reconnects",
    )
    facts: dict[str, Any] = {name: getattr(report, name) for name in names}
    facts["lost"] = list(report.lost)
    facts["failures"] = dict(report.failures)
    facts["unreachable"] = dict(report.unreachable)
    facts["latency_ms"] = {}
    for action, values in report.latencies.items():
        ordered = sorted(values)
        facts["latency_ms"][action] = {
            "calls": len(ordered),
            "p50": round(percentile(ordered, 0.5), 2),
            "p95": round(percentile(ordered, 0.95), 2),
            "p99": round(percentile(ordered, 0.99), 2),
            "max": round(ordered[-1], 2),
        }
    return facts
