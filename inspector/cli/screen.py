"""Puts lines on a terminal or into a pipe: knows colours, widths and what must not get through; knows no frame.

Text that came over the wire is shown with its control characters as escapes, whatever prints it. On a terminal a
line is cut at the edge; in a pipe it is whole, plain and never wrapped. rich is loaded for a terminal only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import cache
from itertools import chain, islice
from typing import Any

from inspector.escaping import visible

type Part = str | tuple[str, str]
"""Text, or text with a style of rich ("bold red")."""

STYLES = {
    "error": "bold red",
    "warning": "yellow",
    "info": "cyan",
    "cp-to-csms": "green",
    "csms-to-cp": "blue",
    "faint": "dim",
    "event": "magenta",
    "gap": "bold white on red",
    "hit": "bold black on yellow",
    "head": "bold",
}
"""Names a part may give in place of a style."""


class Screen:
    """Where lines go: standard output as it is."""

    def __init__(self) -> None:
        stream: Any = sys.stdout
        if hasattr(stream, "reconfigure"):
            # A locale without arrows must not end the command in the middle of a line.
            stream.reconfigure(errors="replace")
        self.terminal = stream.isatty()
        self.width, self.height, self._coloured = 0, 0, False
        if self.terminal or os.environ.get("FORCE_COLOR"):
            from rich.console import Console

            console = Console(file=stream, highlight=False)
            self._coloured = console.color_system is not None and not console.no_color
            if self.terminal:
                self.width, self.height = console.size

    def line(self, *parts: Part) -> str:
        """One line, without its end; what does not fit the terminal is cut off with an ellipsis."""
        pieces = [(visible(part), "") if isinstance(part, str) else (visible(part[0]), part[1]) for part in parts]
        if self.width:
            pieces = _cut(pieces, self.width)
        if not self._coloured:
            return "".join(text for text, _ in pieces).rstrip()
        return "".join(_styled(text, style) if style else text for text, style in pieces)

    def print(self, *parts: Part) -> None:
        """Write one line."""
        sys.stdout.write(self.line(*parts) + "\n")

    def note(self, text: str) -> None:
        """Say something beside the data: on stderr, so that a pipe does not get it."""
        sys.stderr.write(visible(text) + "\n")

    def write(self, lines: Iterable[str], *, paged: bool) -> None:
        """Write lines as they come; `paged` lets a pager have those that do not fit the terminal."""
        rest = iter(lines)
        if paged and self.terminal:
            first = list(islice(rest, self.height))
            rest = chain(first, rest)
            if len(first) == self.height:
                import click

                click.echo_via_pager(f"{line}\n" for line in rest)
                return
        for line in rest:
            sys.stdout.write(line + "\n")


def _cut(pieces: list[tuple[str, str]], width: int) -> list[tuple[str, str]]:
    from rich.cells import cell_len, set_cell_size

    lengths = [cell_len(text) for text, _ in pieces]
    if sum(lengths) <= width:
        return pieces
    left = width - 1
    for place, ((text, style), length) in enumerate(zip(pieces, lengths, strict=True)):
        if length > left:
            return [*pieces[:place], (f"{set_cell_size(text, left)}…", style)]
        left -= length
    return pieces


@cache
def _style(name: str) -> Any:
    from rich.style import Style

    return Style.parse(STYLES.get(name, name))


def _styled(text: str, style: str) -> str:
    from rich.color import ColorSystem

    return str(_style(style).render(text, color_system=ColorSystem.STANDARD))
