"""The command `demo`: plays a day at a test bench with our other commands; knows what they print, not how they work."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from inspector.cli.child_processes import Part, PartFailed, Parts
from inspector.cli.option_types import Finite
from inspector.errors import UnusableAddress
from inspector.proxy.addresses import bracketed, listening_socket, parse_listen
from inspector.store.connection import open_recording
from inspector.store.run_summary import Contents, contents, latest_recording

CHARGE_POINTS = {"1.6": "DEMO-16", "2.0.1": "DEMO-201", "2.1": "DEMO-21"}
"""OCPP version -> the charge point that plays it."""

VISITOR = "CHARGER-001"
"""The charge point that the simulator page is offered as."""


@click.command(
    epilog="""Example:

    chargesentinel demo

Then look at the sessions in the browser, and point a charge point of your own at the proxy."""
)
@click.option(
    "--db",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("demo.db"),
    show_default=True,
    help="The SQLite file to record in; an earlier demo's is added to.",
)
@click.option("--csms", metavar="[HOST:]PORT", default="9000", show_default=True, help="Where the CSMS listens.")
@click.option(
    "--operator", metavar="[HOST:]PORT", default="9001", show_default=True, help="Where the CSMS's operator's page is."
)
@click.option("--proxy", metavar="[HOST:]PORT", default="9100", show_default=True, help="Where the proxy listens.")
@click.option(
    "--simulator", metavar="[HOST:]PORT", default="8080", show_default=True, help="Where the simulator page is."
)
@click.option("--browse", metavar="[HOST:]PORT", default="8001", show_default=True, help="Where Datasette is.")
@click.option("--minutes", type=Finite(0.1, 60), default=3.0, show_default=True, help="Simulated charging.")
@click.option("--exit", "leave", is_flag=True, help="End after the sessions instead of staying until Ctrl-C.")
def demo(**options: Any) -> int:
    """Record three charging sessions, one per OCPP version, and show them.

    Starts the CSMS, the proxy in front of it, the simulator page and Datasette on this machine, each on its port
    or, where that is taken, on a free one; then stays until Ctrl-C. Exit code 1 when a session failed.
    """
    return asyncio.run(Bench(**options).run())


@dataclass
class Bench:
    """One run of the demo; the addresses are `[HOST:]PORT`."""

    path: Path
    csms: str
    operator: str
    proxy: str
    simulator: str
    browse: str
    minutes: float
    leave: bool
    console: Console = field(default_factory=Console)
    staying: bool = False

    async def run(self) -> int:
        """Play until the end or until a signal asks for it; no child is left when this returns.

        Returns:
            0 fine, 1 a session failed, 130 a signal came before everything was up.
        """
        playing = asyncio.ensure_future(self._play())
        asked = False

        def ask() -> None:
            nonlocal asked
            # Only once: a second Ctrl-C would interrupt the ending of the parts.
            if not asked:
                asked = playing.cancel()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, ask)
        try:
            return await playing
        except asyncio.CancelledError:
            return 0 if self.staying else 130

    async def _play(self) -> int:
        async with Parts(self._heard) as parts:
            listen, page = self._free("csms", self.csms), self._free("operator's page", self.operator)
            csms = await parts.start("csms", "csms", "--listen", listen, "--page", page)
            listen = self._free("simulator", self.simulator)
            simulator = await parts.start("simulator", "simulator", "--listen", listen)
            csms_url = reachable(await csms.ready(r"csms at (ws://\S+)"))
            operator_url = await csms.ready(r"operator page at (http://\S+)")
            listen = self._free("proxy", self.proxy)
            proxy = await parts.start("proxy", "proxy", "--upstream", csms_url, "--listen", listen, "--db", self.path)
            proxy_url = reachable(await proxy.ready(r"listening on (ws://\S+)"))
            browse = await parts.start("browse", "browse", self.path, "--listen", self._free("browse", self.browse))
            simulator_url = reachable(await simulator.ready(r"simulator at (http://\S+)"))
            browse_url = await browse.ready(r"browse at (http://\S+)")

            good = await self._sessions(parts, proxy_url)
            self._show(await self._recorded(proxy))
            if self.leave:
                return 0 if good else 1

            for what, where in (
                ("The recording", browse_url),
                ("A charge point page", f"{simulator_url}/?url={proxy_url}/{VISITOR}&id={VISITOR}"),
                ("For a charger of yours", f"{proxy_url}/<its id>"),
                ("The CSMS's side of it", operator_url),
            ):
                # Never wrapped: an address is there to be copied.
                self.console.print(Text.assemble((f"{what:<24}", "bold"), (where, "cyan")), soft_wrap=True)
            self.console.print("\nEverything stays up until Ctrl-C.", style="dim")
            self.staying = True
            raise await parts.first_to_end()

    def _free(self, part: str, wanted: str) -> str:
        """Return `wanted`, or the same host with port 0 when the port is taken, which it says."""
        host, port = parse_listen(wanted)
        try:
            listening_socket(host, port).close()
        except UnusableAddress as error:
            if "in use" not in error.why:
                raise
            self.console.print(f"Port {port} is taken: the {part} takes a free one.", style="yellow")
            port = 0
        return f"{bracketed(host)}:{port}"

    def _heard(self, part: str, line: str) -> None:
        """Pass on what the parts say once the sessions are over; before, it would only be in the way."""
        if self.staying:
            self.console.print(Text.assemble((f"{part:>9}  ", "dim"), line))

    async def _sessions(self, parts: Parts, url: str) -> bool:
        """Play one charging session per OCPP version, all at once; returns whether all went well."""
        self.console.print(f"Three charge points charge through the proxy at {url}", highlight=False)
        progress = dict.fromkeys(CHARGE_POINTS, "starts")
        ending: dict[str, int] = {}

        def table() -> Table:
            grid = Table.grid(padding=(0, 2))
            for version, line in progress.items():
                mark = {None: "…", 0: "[green]✓[/]"}.get(ending.get(version), "[red]✗[/]")
                grid.add_row(" ", mark, f"OCPP {version}", Text(line, no_wrap=True, overflow="ellipsis"))
            return grid

        with Live(table(), console=self.console, auto_refresh=False) as live:

            async def session(version: str) -> None:
                charge_point = await parts.start(
                    CHARGE_POINTS[version],
                    *("charge-point", "--url", url, "--id", CHARGE_POINTS[version], "--ocpp", version),
                    *("--minutes", self.minutes),
                    listener=lambda _, line: show(version, line),
                )
                ending[version] = await charge_point.ended()
                show(version, charge_point.last_words)

            def show(version: str, line: str) -> None:
                # Without what the row says already: "12:00:00.000  DEMO-16  …", "DEMO-16 (OCPP 1.6): …".
                progress[version] = re.sub(rf"^.*{CHARGE_POINTS[version]}( \([^)]*\):)?\s+", "", line)
                live.update(table(), refresh=True)

            async with asyncio.TaskGroup() as group:
                for version in CHARGE_POINTS:
                    group.create_task(session(version))
        return not any(ending.values())

    async def _recorded(self, proxy: Part) -> Contents:
        """Return what the proxy stored of this run, once it has stored the end of the sessions."""
        deadline = time.monotonic() + 20
        while True:
            with closing(open_recording(self.path)) as db:
                recording = latest_recording(db)
                found = contents(db, recording or 0)
            if sum(one.closed_ns is not None for one in found.sessions) >= len(CHARGE_POINTS):
                return found
            if time.monotonic() > deadline:
                raise PartFailed(proxy.name, f"has not stored the sessions within 20 s, only {found}", proxy.last_words)
            await asyncio.sleep(0.05)

    def _show(self, found: Contents) -> None:
        self.console.print(f"\nRecorded in {self.path}: {len(found.sessions)} sessions", highlight=False, style="bold")
        for one in sorted(found.sessions, key=lambda session: session.ocpp_version or ""):
            self.console.print(
                f"   OCPP {one.ocpp_version:<6} {one.charge_point_id:<9} {one.frame_count:>3} frames, "
                f"{one.error_count} with errors",
                highlight=False,
            )
        findings = ", ".join(f"{count} {severity}" for severity, count in found.findings.items())
        self.console.print(f"Findings: {findings}", highlight=False)
        self.console.print(f"Rows: {found}\n", highlight=False, soft_wrap=True)


def reachable(url: str) -> str:
    """Return an address as a program on this machine reaches it: a wildcard is no place to connect to."""
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
