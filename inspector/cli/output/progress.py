"""The progress bar on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


def bar(shown: bool = True, *more: TextColumn) -> Progress:
    """Return a bar that disappears at the end. It shows nothing unless stderr is a terminal and `shown` is True."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), *more, TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not (shown and console.is_terminal))


@contextmanager
def counted(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar while the block runs; yield a function to call with the progress, a number up to `total`."""
    with bar() as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)
