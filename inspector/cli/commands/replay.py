"""The command `replay`: plays one side of recorded sessions; `inspector.replay` plays and compares."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import click

from inspector.cli.options.comparison_options import comparison_options
from inspector.cli.options.option_types import ID_IN_ADDRESS, Finite, Origin, file_mode, without_id
from inspector.cli.options.redaction_options import redaction_arguments, redaction_options
from inspector.errors import UserMistake, without_userinfo
from inspector.escaping import visible
from inspector.protocol.vocabulary import OcppVersion


@click.command(
    epilog="""\b
Examples:
  chargesentinel replay recordings/charging-1.6.jsonl --as charge-point --to ws://localhost:9000
  chargesentinel replay recordings/charging-1.6.jsonl --as csms --listen 9000
  chargesentinel replay traffic.db --session 3 --as charge-point --to ws://localhost:9000 --speed 10
  chargesentinel replay recordings/charging-1.6.jsonl --as charge-point --to ws://localhost:9000 --count 100
"""
)
@click.argument("recordings", nargs=-1, required=True, metavar="RECORDING...")
@click.option("--as", "side", type=click.Choice(["charge-point", "csms"]), required=True, help="Side to play.")
@click.option("--to", "url", help="Address of the CSMS, ws:// or wss://, with or without the charge point's id.")
@click.option("--listen", help="[HOST:]PORT on which to wait for charge points; 0 is any free port.")
@click.option("--session", type=int, help="Only this session; 1 is the first one that has frames.")
@click.option(
    "--from-frame", default=1, type=click.IntRange(1), help="Begin with this frame of the session; the first is 1."
)
@comparison_options
@click.option(
    "--speed",
    default="max",
    show_default=True,
    help="1 is as recorded, 10 is ten times as fast; max does not wait.",
)
@click.option(
    "--timeout",
    "timeout_s",
    default=10.0,
    show_default=True,
    type=Finite(0.05),
    help="Seconds to wait for each frame of the peer.",
)
@click.option(
    "--wait",
    "wait_s",
    default=120.0,
    show_default=True,
    type=Finite(0),
    help="Seconds to wait for a charge point to connect; 0 is forever.",
)
@click.option("--id", "identity", help="Charge point id to use instead of the recorded one.")
@click.option(
    "--password",
    envvar="CHARGESENTINEL_PASSWORD",
    help="Password for HTTP Basic authentication. Safer in the environment: CHARGESENTINEL_PASSWORD.",
)
@click.option(
    "--allow-origin",
    "allow_origins",
    multiple=True,
    type=Origin(),
    help="Let web pages of this origin connect too; * is every origin. [default: pages of this machine]",
)
@click.option(
    "--token",
    "tokens",
    multiple=True,
    metavar="RECORDED=NEW",
    help="Send another id token instead of a recorded one; repeatable.",
)
@click.option(
    "--count",
    "many",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Play as this many charge points at once, with numbered ids.",
)
@click.option(
    "--operator",
    metavar="URL",
    help="Operator API of `chargesentinel csms`, to make it send the CALLs that it sent in the recording.",
)
@click.option("--db", "path", type=click.Path(path_type=Path, dir_okay=False), help="Record the run in this file.")
@file_mode()
@redaction_options()
@click.option(
    "--rules", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with more values to hide, for --db."
)
@click.option(
    "--ca", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="Trust this CA (PEM) for wss://."
)
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
def replay(recordings: tuple[str, ...], side: str, url: str | None, listen: str | None, **options: Any) -> int:
    """Play one side of recorded sessions against a live peer.

    Compares the frames of the peer with the recorded ones. Exit code 0: the peer behaved as recorded; 1: something
    differs, or --db could not store all frames; 2: the sessions could not be played.
    """
    from inspector.replay.script import choose, read

    if side == "charge-point" and url is None:
        raise click.UsageError("--as charge-point needs --to URL")
    if side == "csms" and listen is None:
        raise click.UsageError("--as csms needs --listen [HOST:]PORT")
    version = OcppVersion(options["ocpp"]) if options["ocpp"] else None
    every = [script for name in recordings for script in read(name, version)]
    scripts = choose(every, options["session"], options["from_frame"])
    run = Run(scripts, options)
    style = "json" if options["as_json"] else options["style"]
    try:
        asyncio.run(run.as_charge_point(url or "") if side == "charge-point" else run.as_csms(listen or ""))
    except KeyboardInterrupt:
        run.report(style, "not played: interrupted")
        raise
    finally:
        run.close()
    run.report(style)
    return int(run.lost > 0 or not all(outcome.equal for outcome in run.outcomes))


class Run:
    """One call of the command: its options, its recorder and its progress on stderr."""

    def __init__(self, scripts: list[Any], options: dict[str, Any]) -> None:
        from inspector.replay.operator_api import Operator
        from inspector.replay.pace import Pace
        from inspector.replay.policy import Policy, read_policy
        from inspector.replay.runs import Choices

        Pace.parse(options["speed"])  # report a mistake before anything starts
        self.scripts, self.options = scripts, options
        self.outcomes: list[Any] = []  # of the sessions played so far
        mode = options["mode"]
        self.choices = Choices(
            policy=read_policy(options["policy"], mode) if options["policy"] else Policy(mode),
            speed=options["speed"],
            timeout_s=options["timeout_s"],
            tokens=dict(_pair(text) for text in options["tokens"]),
            identity=options["identity"],
            password=options["password"],
            tls=_tls(options["ca"]),
            prompt=Operator(options["operator"]) if options["operator"] else None,
        )
        self.lost = 0  # frames that could not be recorded
        self._recorder: Any = None
        if options["path"]:
            from inspector.recorder.start import start_recorder

            redaction = redaction_arguments(options["redact"], options["redact_key"], options["rules"])
            self._recorder = start_recorder(
                options["path"],
                holder="chargesentinel replay",
                redaction=redaction,
                file_mode=options["file_mode"],
            )
            self.choices.tap = self._recorder.put

    def close(self) -> None:
        """Close the recording of the run."""
        if self._recorder is not None:
            summary = self._recorder.close()
            self.lost = summary.lost
            click.echo(f"recorded in {self.options['path']}: {summary}", err=True)

    def report(self, style: str, otherwise: str = "") -> None:
        """Print the outcomes; a script without an outcome counts as failed with the reason `otherwise`."""
        from inspector.cli.output import replay_reports
        from inspector.replay.outcome import Outcome

        if not self.outcomes:
            return
        played = {id(outcome.script) for outcome in self.outcomes}
        left = [script for script in self.scripts if id(script) not in played]
        self.outcomes += [Outcome(script, self.outcomes[0].played, failure=otherwise) for script in left]
        replay_reports.write(style, self.outcomes)

    async def as_charge_point(self, url: str) -> None:
        """Play every script against the CSMS."""
        from inspector.replay.runs import as_many_charge_points, go_on_as_charge_point

        for script, address in zip(self.scripts, self._addresses(url), strict=True):
            if self.options["many"] == 1:
                self._say(f"playing {script} to {without_userinfo(url)}")
                await go_on_as_charge_point(script, address, self.choices, self.outcomes)
                continue
            with _progress() as progress:
                task = progress.add_task(str(script), total=self.options["many"])
                ended = lambda outcome, task=task, progress=progress: progress.advance(task)  # noqa: E731
                self.outcomes += await as_many_charge_points(script, address, self.choices, self.options["many"], ended)

    def _addresses(self, url: str) -> list[str]:
        """Return the address for each script without the charge point's id, which is appended when dialling."""
        ids = [self.options["identity"] or script.charge_point_id for script in self.scripts]
        for identity in dict.fromkeys(ids):
            if identity and without_id(url, identity) != url.rstrip("/"):
                click.echo(ID_IN_ADDRESS.format(visible(identity)), err=True)
        return [without_id(url, identity) if identity else url for identity in ids]

    async def as_csms(self, listen: str) -> None:
        """Play the CSMS for every script, each with the next charge point that connects."""
        from inspector.proxy.addresses import parse_listen
        from inspector.replay.connect import lobby
        from inspector.replay.outcome import Outcome
        from inspector.replay.runs import as_csms

        host, port = parse_listen(listen)
        first = self.scripts[0]
        if any(script.version is not first.version for script in self.scripts):
            raise UserMistake("the recordings have several OCPP versions; as a CSMS, play one version at a time")

        def ready(address: str) -> None:
            for_people = self.options["style"] == "text" and not self.options["as_json"]
            click.echo(f"waiting for charge points at {address}", err=not for_people)
            sys.stdout.flush()

        allowed = self.options["allow_origins"]
        async with lobby(host, port, first.version, self.choices.password, ready, allowed) as waiting:
            for script in self.scripts:
                self._say(f"playing {script}; connect the charge point now")
                try:
                    self.outcomes.append(await as_csms(script, waiting, self.choices, self.options["wait_s"] or None))
                except TimeoutError:
                    why = f"no charge point connected within {self.options['wait_s']:g} s; "
                    why += waiting.refusals() or "wait longer with --wait"
                    if not self.outcomes:
                        raise UserMistake(why) from None
                    self.outcomes += [Outcome(left, "csms", failure=why) for left in self.scripts[len(self.outcomes) :]]
                    return

    def _say(self, text: str) -> None:
        if sys.stderr.isatty():
            click.echo(text, err=True)


def _progress() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _pair(text: str) -> tuple[str, str]:
    recorded, equals, new = text.partition("=")
    if not equals:
        raise UserMistake(f"--token {text}: write RECORDED=NEW")
    return recorded, new


def _tls(ca: Path | None) -> Any:
    import ssl

    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
