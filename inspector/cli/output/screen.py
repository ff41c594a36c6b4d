"""Print lines on a terminal or into a pipe, with control characters escaped.

On a terminal a line has colours and is cut at the edge; in a pipe it has no colours and is never cut or wrapped. rich
is only imported for a terminal.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterable
from functools import cache
from itertools import chain, islice
from typing import Any

from inspector.escaping import visible

type Part = str | tuple[str, str]
"""Text, or text with a style."""

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
"""Names of styles -> rich's names for them."""


class Screen:
    """Standard output: a terminal with its width and colours, or a pipe."""

    def __init__(self) -> None:
        stream: Any = sys.stdout
        if hasattr(stream, "reconfigure"):
            # In a locale whose encoding has no arrows, print "?" instead of raising an error.
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
        """Return one line without its end; on a terminal it is cut at the edge with an ellipsis."""
        pieces = [(visible(part), "") if isinstance(part, str) else (visible(part[0]), part[1]) for part in parts]
        if self.width:
            pieces = _cut(pieces, self.width)
        if not self._coloured:
            return "".join(text for text, _ in pieces).rstrip()
        return "".join(_styled(text, style) if style else text for text, style in pieces)

    def print(self, *parts: Part) -> None:
        """Print one line."""
        sys.stdout.write(self.line(*parts) + "\n")

    def note(self, text: str) -> None:
        """Print a remark on stderr, so that it does not mix with the output in a pipe."""
        sys.stderr.write(visible(text) + "\n")

    def write(self, lines: Iterable[str], *, paged: bool) -> None:
        """Print lines as they come; with `paged`, use a pager if they do not fit on the terminal."""
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


def wait_or_end(seconds: float) -> None:
    """Wait for some seconds, or until the reader of standard output ends, as in `… | head`.

    Raises:
        BrokenPipeError: the reader has ended.
    """
    try:
        output = sys.stdout.fileno()
    except (OSError, ValueError):  # an output in memory, as in a test
        time.sleep(seconds)
        return
    waiting = select.poll()
    waiting.register(output, 0)  # 0 means errors only: a pipe reports one when its reader ends
    if any(happened & (select.POLLERR | select.POLLHUP) for _, happened in waiting.poll(seconds * 1000)):
        raise BrokenPipeError


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
