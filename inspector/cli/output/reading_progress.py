"""The progress of reading an input, on standard error."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice

from inspector.formats.reading import Reading
from inspector.records import FrameRecord, Record

_EVERY = 2000
"""How many records pass between two updates of the bar."""


def followed(records: Iterator[Record], reading: Reading, before: int = 1) -> Iterator[Record]:
    """Yield the records of an input; on a terminal, show how much of it has been read, and the frames per second.

    The bar has a thread, so it appears only after the first `before` records: what reads them may fork.
    """
    yield from islice(records, before)
    first = next(records, None)
    if first is None:
        return  # most inputs are short, and the bar takes long to import
    yield first
    from rich.progress import TextColumn

    from inspector.cli.output.progress import bar

    with bar(True, TextColumn("{task.fields[rate]}")) as progress:
        task = progress.add_task(reading.source, total=reading.size, rate="")
        began, frames = time.monotonic(), 0
        for number, record in enumerate(records):
            if number % _EVERY == 0 and number:
                rate = frames / (time.monotonic() - began)
                progress.update(task, completed=reading.position(), rate=f"{rate:,.0f} frames/s")
            frames += isinstance(record, FrameRecord)
            yield record
