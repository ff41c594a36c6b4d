"""The command `demo`: runs the other commands together and records a charging session per OCPP version."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from inspector.cli.child_processes import Part, PartFailed, Parts
from inspector.cli.options.option_types import Finite
from inspector.cli.output.frame_excerpt import count
from inspector.errors import UnusableAddress
from inspector.proxy.addresses import bracketed, listening_socket, parse_listen
from inspector.store.files.connection import open_recording
from inspector.store.writing.run_summary import Contents, contents, latest_recording
from inspector.units import quantity

CHARGE_POINTS = {"1.6": "DEMO-16", "2.0.1": "DEMO-201", "2.1": "DEMO-21"}
"""OCPP version -> id of the charge point that uses it."""

VISITOR = "CHARGER-001"
"""Id of the charge point on the simulator page."""


@click.command(
    epilog="""Example:

    chargesentinel demo

Then open the printed addresses in the browser, or let your own charge point connect to the proxy."""
)
@click.option(
    "--db",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("demo.db"),
    show_default=True,
    help="Recording to write; an existing one is continued.",
)
@click.option("--csms", metavar="[HOST:]PORT", default="9000", show_default=True, help="Address of the CSMS.")
@click.option(
    "--operator", metavar="[HOST:]PORT", default="9001", show_default=True, help="Address of the operator page."
)
@click.option("--proxy", metavar="[HOST:]PORT", default="9100", show_default=True, help="Address of the proxy.")
@click.option(
    "--simulator", metavar="[HOST:]PORT", default="8080", show_default=True, help="Address of the simulator page."
)
@click.option(
    "--browse",
    metavar="[HOST:]PORT",
    default="8001",
    show_default=True,
    help="Address of the pages that show the recording.",
)
@click.option(
    "--minutes",
    type=Finite(0.1, 60),
    default=3.0,
    show_default=True,
    help="Simulated charging time in minutes.",
)
@click.option("--exit", "leave", is_flag=True, help="Exit after the sessions instead of running until Ctrl-C.")
def demo(**options: Any) -> int:
    """Record three charging sessions and show them.

    Starts a CSMS, the proxy in front of it, the simulator page and the pages that show the recording. If a port is in
    use, the part takes a free one. Everything runs until Ctrl-C. Exit code 1: a session failed.
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
        """Run until the end or until a signal; all child processes have ended when this returns.

        Returns:
            The exit code: 0 success, 1 a session failed, 130 a signal came before everything was running.
        """
        playing = asyncio.ensure_future(self._play())
        asked = False

        def ask() -> None:
            nonlocal asked
            # Cancel only once: a second Ctrl-C must not interrupt the end of the parts.
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
            listen, page = self._free(self.csms), self._free(self.operator)
            csms = await parts.start("csms", "csms", "--listen", listen, "--page", page)
            listen = self._free(self.simulator)
            simulator = await parts.start("simulator", "simulator", "--listen", listen)
            csms_url = reachable(await csms.ready(r"csms at (ws://\S+)"))
            self._name_port("the CSMS", self.csms, csms_url)
            operator_url = await csms.ready(r"operator page at (http://\S+)")
            self._name_port("the operator page", self.operator, operator_url)
            listen = self._free(self.proxy)
            proxy = await parts.start("proxy", "proxy", "--upstream", csms_url, "--listen", listen, "--db", self.path)
            proxy_url = reachable(await proxy.ready(r"listening on (ws://\S+)"))
            self._name_port("the proxy", self.proxy, proxy_url)
            browse = await parts.start("browse", "browse", self.path, "--listen", self._free(self.browse))
            simulator_url = reachable(await simulator.ready(r"simulator at (http://\S+)"))
            self._name_port("the simulator page", self.simulator, simulator_url)
            browse_url = await browse.ready(r"browse at (http://\S+)")
            self._name_port("the recording", self.browse, browse_url)

            good = await self._sessions(parts, proxy_url)
            self._show(await self._recorded(proxy))
            if self.leave:
                return 0 if good else 1

            pages = {"recordings": browse_url, "simulator": simulator_url, "csms": operator_url}
            simulated = f"{simulator_url}/?url={proxy_url}/{VISITOR}&id={VISITOR}"
            for what, where in (
                ("The recording", linked(browse_url, "recordings", pages)),
                ("A simulated charger", linked(simulated, "simulator", pages)),
                ("For your own charger", f"{proxy_url}/<its id>"),
                ("The CSMS's operator page", linked(operator_url, "csms", pages)),
            ):
                # Do not wrap lines, so that addresses can be copied.
                self.console.print(Text.assemble((f"{what:<26}", "bold"), (where, "cyan")), soft_wrap=True)
            self.console.print("\nEverything runs until Ctrl-C.", style="dim")
            self.staying = True
            raise await parts.first_to_end()

    def _free(self, wanted: str) -> str:
        """Return the address `wanted`, or port 0 of the same host if the port is in use."""
        host, port = parse_listen(wanted)
        try:
            listening_socket(host, port).close()
        except UnusableAddress as error:
            if "in use" not in error.why:
                raise
            port = 0
        return f"{bracketed(host)}:{port}"

    def _name_port(self, part: str, wanted: str, url: str) -> None:
        """Print the port of a part if it is not the wanted one."""
        port, asked = urlsplit(url).port, parse_listen(wanted)[1]
        if asked and port != asked:
            self.console.print(f"Port {asked} is in use: {part} is at port {port} instead.", style="yellow")

    def _heard(self, part: str, line: str) -> None:
        """Print a line of a part, but only after the sessions: earlier it would disturb the table."""
        if self.staying:
            self.console.print(Text.assemble((f"{part:>9}  ", "dim"), line))

    async def _sessions(self, parts: Parts, url: str) -> bool:
        """Run one charging session per OCPP version, all at once; return whether all succeeded."""
        self.console.print(f"Three simulated chargers charge through the proxy at {url}", highlight=False)
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
                # The row already has the name: remove beginnings such as "12:00:00.000  DEMO-16" from the line.
                progress[version] = re.sub(rf"^.*{CHARGE_POINTS[version]}( \([^)]*\):)?\s+", "", line)
                live.update(table(), refresh=True)

            async with asyncio.TaskGroup() as group:
                for version in CHARGE_POINTS:
                    group.create_task(session(version))
        return not any(ending.values())

    async def _recorded(self, proxy: Part) -> Contents:
        """Wait until the proxy has stored the end of all sessions, and return the summary of its run."""
        deadline = time.monotonic() + 20
        while True:
            with closing(open_recording(self.path)) as db:
                recording = latest_recording(db)
                found = contents(db, recording or 0)
            if sum(one.closed_ns is not None for one in found.sessions) >= len(CHARGE_POINTS):
                return found
            if time.monotonic() > deadline:
                raise PartFailed(proxy.name, f"did not store the sessions within 20 s, only {found}", proxy.last_words)
            await asyncio.sleep(0.05)

    def _show(self, found: Contents) -> None:
        sessions = quantity(len(found.sessions), "session")
        self.console.print(f"\nRecorded in {self.path}: {sessions}", highlight=False, style="bold", soft_wrap=True)
        for one in sorted(found.sessions, key=lambda session: session.ocpp_version or ""):
            self.console.print(
                f"   OCPP {one.ocpp_version:<6} {one.charge_point_id:<9} {one.frame_count:>3} frames, "
                f"{one.error_count} with errors",
                highlight=False,
            )
        findings = ", ".join(count(number, severity) for severity, number in found.findings.items())
        self.console.print(f"Findings: {findings}", highlight=False)
        self.console.print(f"Rows: {found}\n", highlight=False, soft_wrap=True)


def linked(url: str, own: str, pages: dict[str, str]) -> str:
    """Return the address of a page with the ports of the other pages, so that its bar has links to them."""
    others = "&".join(f"{name}={urlsplit(page).port}" for name, page in pages.items() if name != own)
    return f"{url}{'&' if '?' in url else '/?'}{others}"


def reachable(url: str) -> str:
    """Return an address with 0.0.0.0 and [::] replaced by loopback, so that a client can connect to it."""
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
