"""Raw frames, one a line, with or without an arrow for the direction; knows no times."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from inspector.formats.captured import Captured
from inspector.protocol.vocabulary import Direction

_ARROWS = {b">": Direction.FROM_CHARGE_POINT, b"<": Direction.FROM_CSMS}


def read(lines: Iterable[bytes]) -> Iterator[Captured]:
    """The frames of a text; a line may begin with `>` (from the charge point) or `<` (from the CSMS).

    Empty lines and lines that begin with # are passed over.
    """
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith(b"#"):
            continue
        direction = _ARROWS.get(text[:1])
        if direction is not None:
            text = text[1:].lstrip()
        yield Captured(raw=text, direction=direction, line=number)
