"""What came of a replay as people read it: side by side around the first difference; knows terminals, no playing."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from inspector.escaping import visible
from inspector.protocol.frame import Frame
from inspector.protocol.large_values import shorten, shorten_text
from inspector.protocol.messages import CallError
from inspector.protocol.vocabulary import Direction
from inspector.replay.outcome import Outcome

CONTEXT = 3
"""Rows shown before and after the first difference."""

PLAYED = {"charge-point": Direction.FROM_CHARGE_POINT, "csms": Direction.FROM_CSMS}
"""The direction of the frames that were ours to send, by `Outcome.played`."""

_WIDTH = 46
WIDTH = 2 * _WIDTH + 30
"""Columns of the report where no terminal says otherwise."""


def excerpt(outcome: Outcome, width: int | None = None) -> str:
    """The text report of one outcome without colours, as a failing test shows it."""
    console = Console(width=width or WIDTH, highlight=False, no_color=True, force_terminal=False)
    with console.capture() as captured:
        print_outcome(console, outcome)
    return captured.get()


def print_outcome(console: Console, outcome: Outcome) -> None:
    """Print what came of one session: the verdict, the place of the first difference, all that differs."""
    differences = outcome.differences
    verdict = "as recorded" if outcome.equal else "DIFFERS"
    head = Text(visible(f"{outcome.script} "), style="bold")
    head.append(f"played as {outcome.played}: " if outcome.played in PLAYED else "compared: ")
    head.append(verdict, style="green" if outcome.equal else "bold red")
    if outcome.played in PLAYED:
        head.append(f" ({outcome.sent} frames sent, {outcome.seconds:.1f} s)", style="dim")
    console.print(head, soft_wrap=True)
    if differences:
        _ladder(console, outcome, outcome.rows.index(differences[0][0]))
    for sentence in outcome.sentences():
        console.print(Text.assemble(("  ✗ ", "red"), visible(sentence)), soft_wrap=True)
    for rule, side in outcome.improvements:
        console.print(Text.assemble(("  ✓ ", "green"), f"no longer found: {rule} ({side.value})"), soft_wrap=True)
    for sentence in dict.fromkeys(outcome.defaults):
        console.print(Text(visible(f"  · {sentence}"), style="dim"), soft_wrap=True)


def _ladder(console: Console, outcome: Outcome, first: int) -> None:
    table = Table(box=None, padding=(0, 1), show_edge=False)
    table.add_column("", width=5, justify="right", style="dim")
    table.add_column("recorded", width=_WIDTH, no_wrap=True)
    table.add_column("this run", width=_WIDTH, no_wrap=True)
    for index in range(max(0, first - CONTEXT), min(len(outcome.rows), first + CONTEXT + 1)):
        row = outcome.rows[index]
        number = str(row.recorded.frame_id) if row.recorded is not None else "+"
        ours = row.recorded is not None and row.recorded.direction is PLAYED.get(outcome.played)
        live = Text("–" if row.live is None else "sent" if ours else _frame(row.live))
        style = "red" if row.differences else "dim" if ours else ""
        # As texts: in a plain string rich would take the brackets of a frame for its own markup.
        recorded = Text(_frame(row.recorded) if row.recorded is not None else "–")
        table.add_row(number, recorded, live, style=style)
        for difference in row.differences if index == first else ():
            table.add_row("", "", Text(visible(f"^ {difference.sentence}"), style="red", overflow="fold"))
    console.print(table)


def _frame(frame: Frame) -> str:
    arrow = "→" if frame.direction is Direction.FROM_CHARGE_POINT else "←"
    if isinstance(frame.message, CallError):
        return shorten_text(visible(f"{arrow} {frame.action} CALLERROR {frame.message.error_code}"), _WIDTH)
    kind = "" if frame.answer_status is None else "⤶ "
    return shorten_text(visible(f"{arrow} {kind}{frame.action or frame.message} {shorten(frame.payload, 200)}"), _WIDTH)
