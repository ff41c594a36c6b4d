"""Print the result of a replay for people: the frames around the first difference, then all differences."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from inspector.escaping import visible
from inspector.interventions.words import in_words
from inspector.protocol.frame import Frame
from inspector.protocol.large_values import shorten, shorten_text
from inspector.protocol.messages import CallError
from inspector.protocol.vocabulary import Direction
from inspector.replay.outcome import Outcome, Row
from inspector.units import quantity

CONTEXT = 3
"""Rows shown before and after the first difference."""

PLAYED = {"charge-point": Direction.FROM_CHARGE_POINT, "csms": Direction.FROM_CSMS}
"""The direction of the frames that this program sent, by `Outcome.played`."""

_NUMBER = 5
_PADDING = 6
"""Columns around the three cells of a row."""
WIDTH = 122
"""The width of a report without a terminal: wider frames are printed below each other instead of side by side."""


_WHOLE = 10**12
"""A limit in characters that no frame reaches."""


def excerpt(outcome: Outcome) -> str:
    """Return the text report of one outcome for JUnit and failing tests: without colours, with whole frames."""
    console = Console(width=WIDTH, highlight=False, no_color=True, force_terminal=False)
    with console.capture() as captured:
        print_outcome(console, outcome)
    return captured.get()


def print_outcome(console: Console, outcome: Outcome) -> None:
    """Print the result of one session: the verdict, the frames around the first difference, all differences."""
    differences = outcome.differences
    verdict = "as recorded" if outcome.equal else "DIFFERS"
    head = Text(visible(f"{outcome.script} "), style="bold")
    head.append(f"played as {outcome.played}: " if outcome.played in PLAYED else "compared: ")
    head.append(verdict, style="green" if outcome.equal else "bold red")
    if outcome.played in PLAYED:
        head.append(f" ({quantity(outcome.sent, 'frame')} sent, {outcome.seconds:.1f} s)", style="dim")
    console.print(head, soft_wrap=True)
    if outcome.identity:
        console.print(Text(visible(f"  · played against {outcome.identity}"), style="dim"), soft_wrap=True)
    if differences:
        _ladder(console, outcome, outcome.rows.index(differences[0][0]))
    for sentence in outcome.sentences():
        console.print(Text.assemble(("  ✗ ", "red"), visible(sentence)), soft_wrap=True)
    for sentence in _interventions(outcome):
        console.print(Text(visible(f"  · {sentence}"), style="dim"), soft_wrap=True)
    for key in outcome.improvements:
        line = f"no longer found: {outcome.in_words(key)}"
        console.print(Text.assemble(("  ✓ ", "green"), visible(line)), soft_wrap=True)
    for sentence in dict.fromkeys(outcome.defaults):
        console.print(Text(visible(f"  · {sentence}"), style="dim"), soft_wrap=True)


def _interventions(outcome: Outcome) -> Iterator[str]:
    """Yield a sentence for each frame that interventions changed; what they made of it is not compared."""
    for row in outcome.rows:
        for side, frame in (("recorded", row.recorded), (outcome.live_side, row.live)):
            if frame is not None and (said := in_words(frame.notes or {})):
                yield f"{side}, frame {frame.frame_id} {frame.action or ''}: {said}; compared as it came"


def _ladder(console: Console, outcome: Outcome, first: int) -> None:
    """Print the rows around the first difference, in a terminal cut to its width."""
    rows = outcome.rows[max(0, first - CONTEXT) : first + CONTEXT + 1]
    most = max(10, (console.width - _NUMBER - _PADDING) // 2) if console.is_terminal else None
    cells = [_cells(outcome, row, most) for row in rows]
    if most is None:
        widest = max((max(len(recorded), len(live)) for _, recorded, live in cells), default=0)
        if 2 * widest + _NUMBER + _PADDING > WIDTH:
            _stacked(console, outcome, first, rows, cells)
            return
        most = (WIDTH - _NUMBER - _PADDING) // 2
    table = Table(box=None, padding=(0, 1), show_edge=False)
    table.add_column("", width=_NUMBER, justify="right", style="dim")
    table.add_column("recorded", width=max(most, len("recorded")), no_wrap=True)
    table.add_column(outcome.live_side, width=max(most, len(outcome.live_side)), no_wrap=True)
    for row, (number, recorded, live) in zip(rows, cells, strict=True):
        # Use Text: in a plain string, rich would read the brackets of a frame as markup.
        table.add_row(number, Text(recorded), Text(live), style=_style(outcome, row))
        for difference in row.differences if row is outcome.rows[first] else ():
            table.add_row("", "", Text(visible(f"^ {difference.sentence}"), style="red", overflow="fold"))
    console.print(table)


def _stacked(
    console: Console, outcome: Outcome, first: int, rows: list[Row], cells: list[tuple[str, str, str]]
) -> None:
    """Print the same rows as `_ladder`, with each live frame below the recorded one."""
    for row, (number, recorded, live) in zip(rows, cells, strict=True):
        style = _style(outcome, row)
        label = len(outcome.live_side)
        console.print(Text(f"{number:>{_NUMBER}}  {'recorded':<{label}}  {recorded}", style=style), soft_wrap=True)
        console.print(Text(f"{'':>{_NUMBER}}  {outcome.live_side:<{label}}  {live}", style=style), soft_wrap=True)
        for difference in row.differences if row is outcome.rows[first] else ():
            line = visible(f"{'':>{_NUMBER + label + 4}}^ {difference.sentence}")
            console.print(Text(line, style="red"), soft_wrap=True)


def _cells(outcome: Outcome, row: Row, most: int | None) -> tuple[str, str, str]:
    """Return the number of the recorded frame, that frame and the live one, each cut to `most` characters."""
    number = str(row.recorded.frame_id) if row.recorded is not None else "+"
    recorded = _frame(row.recorded, most) if row.recorded is not None else "–"
    live = "–" if row.live is None else "sent" if _sent_by_us(outcome, row) else _frame(row.live, most)
    return number, recorded, live


def _style(outcome: Outcome, row: Row) -> str:
    return "red" if row.differences else "dim" if _sent_by_us(outcome, row) else ""


def _sent_by_us(outcome: Outcome, row: Row) -> bool:
    return row.recorded is not None and row.recorded.direction is PLAYED.get(outcome.played)


def _frame(frame: Frame, most: int | None) -> str:
    arrow = "→" if frame.direction is Direction.FROM_CHARGE_POINT else "←"
    if isinstance(frame.message, CallError):
        said = f"{arrow} {frame.action} CALLERROR {frame.message.error_code}"
    else:
        kind = "" if frame.answer_status is None else "⤶ "
        said = f"{arrow} {kind}{frame.action or frame.message} {shorten(frame.payload, most or _WHOLE)}"
    return visible(said) if most is None else shorten_text(visible(said), most)
