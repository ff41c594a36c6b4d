"""Raw frames, one a line, with or without an arrow for the direction; knows no times."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from inspector.formats.captured import Captured
from inspector.formats.reading import Reading
from inspector.protocol.vocabulary import Direction

_BEGINNING = re.compile(rb'[<>]?\s*\[\s*(?:-?\d+\s*(?:,|\]|$)|"|\])')
_ARROWS = {b">": Direction.FROM_CHARGE_POINT, b"<": Direction.FROM_CSMS}


def looks_like_frame(line: bytes) -> bool:
    """Whether a line could be one of a file of raw frames."""
    return _BEGINNING.match(line.strip()) is not None


def read(lines: Iterable[bytes], reading: Reading) -> Iterator[Captured]:
    """The frames of a text; a line may begin with `>` (from the charge point) or `<` (from the CSMS).

    Empty lines and lines that begin with # are passed over. Nothing is missed: what is no frame is for the judge.
    """
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith(b"#"):
            reading.passed_over += bool(text)
            continue
        direction = _ARROWS.get(text[:1])
        if direction is not None:
            text = text[1:].lstrip()
        yield Captured(raw=text, direction=direction, line=number)
