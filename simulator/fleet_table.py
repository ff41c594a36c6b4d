"""Show a fleet in a terminal: the state while it runs, and the latencies at the end."""

from __future__ import annotations

import asyncio
from array import array

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from simulator.fleet import Fleet, Report, percentile

PLAIN_EVERY_S = 5.0
LIVE_EVERY_S = 0.5


async def watch(fleet: Fleet, console: Console) -> None:
    """Show a fleet until cancelled: as a live table in a terminal, else as a line every `PLAIN_EVERY_S` seconds."""
    if not console.is_terminal:
        while True:
            await asyncio.sleep(PLAIN_EVERY_S)
            report = fleet.report()
            console.print(
                f"{report.seconds:.0f} s: {report.online} online, {report.charging} charging, "
                f"{report.sent} calls, {report.waiting} waiting",
                highlight=False,
            )
    with Live(table(fleet.report()), console=console, auto_refresh=False, transient=True) as live:
        while True:
            await asyncio.sleep(LIVE_EVERY_S)
            live.update(table(fleet.report()), refresh=True)


def table(report: Report) -> Group:
    """Return the table of the current state, with the latencies by action."""
    state = Table.grid(padding=(0, 3))
    rate = report.sent / report.seconds if report.seconds else 0.0
    state.add_row("online", f"{report.online} of {report.count}", "calls", f"{report.sent}", "a second", f"{rate:.0f}")
    state.add_row(
        *("charging", f"{report.charging}", "refused", f"{report.refused}", "unanswered", f"{report.unanswered}")
    )
    state.add_row(
        *("energy", f"{report.energy_wh / 1000:.1f} kWh", "reconnections", f"{report.reconnects}"),
        *("waiting", f"{report.waiting}"),
    )
    return Group(state, Text(), latency_table(report))


def latency_table(report: Report) -> Table:
    """Return the table of latencies by action, in milliseconds, the most frequent action first."""
    found = Table(title=None, box=None, pad_edge=False, padding=(0, 2))
    found.add_column("action")
    for name in ("calls", "p50 ms", "p95 ms", "p99 ms", "max ms"):
        found.add_column(name, justify="right")
    for action, values in sorted(report.latencies.items(), key=lambda entry: -len(entry[1])):
        ordered: array[float] = array("f", sorted(values))
        cells = [f"{percentile(ordered, share):.1f}" for share in (0.5, 0.95, 0.99)]
        found.add_row(action, f"{len(ordered)}", *cells, f"{ordered[-1]:.1f}")
    return found
