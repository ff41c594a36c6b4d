"""Join the lines of a pretty-printed frame to one line, if its layout is unambiguous; leave other lines unchanged.

    2026-01-01 12:00:00 sent [
      2,
      "1",
      …
    ]

This only saves time: `gathering` can read these frames too, line by line.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator

import orjson

_OPENS = (b"[\n", b"[\r\n")
_TYPE = re.compile(rb"[ \t]+[2-6],[ \t]*\r?\n")
_MOST_LINES = 2000
_MOST_BYTES = 1024 * 1024
_SPARE_LINES = 10_000
"""How many more lines may be examined in vain than were read. Without a limit, a hostile log costs quadratic time."""

type Numbered = tuple[int, bytes]
"""A line with its number, from 1."""


def joined(lines: Iterable[Numbered]) -> Iterator[Numbered]:
    """Yield all lines; the lines of a pretty-printed frame as one, with the number of its first line."""
    source = iter(lines)
    waiting: deque[Numbered] = deque()
    in_vain = 0
    while True:
        numbered = waiting.popleft() if waiting else next(source, None)
        if numbered is None:
            return
        number, line = numbered
        if not line.endswith(_OPENS) or in_vain > number + _SPARE_LINES:
            yield numbered
            continue
        taken = _frame(waiting, source)
        whole = line + b"".join(following for _, following in taken)
        if taken and taken[-1][1].startswith(b"]") and _is_frame(whole[line.rindex(b"[") :]):
            yield number, whole.replace(b"\r\n", b"\n")
            continue
        in_vain += len(taken)
        waiting.extendleft(reversed(taken))
        yield numbered


def _frame(waiting: deque[Numbered], source: Iterator[Numbered]) -> list[Numbered]:
    """Return the lines that continue a frame, up to its last line or the first that cannot be part of it."""
    taken: list[Numbered] = []
    size = 0
    while len(taken) < _MOST_LINES and size < _MOST_BYTES:
        numbered = waiting.popleft() if waiting else next(source, None)
        if numbered is None:
            break
        taken.append(numbered)
        line = numbered[1]
        size += len(line)
        if not line.startswith((b" ", b"\t")) or (len(taken) == 1 and not _TYPE.fullmatch(line)):
            break
    return taken


def _is_frame(text: bytes) -> bool:
    try:
        frame = orjson.loads(text)
    except ValueError:
        return False
    return isinstance(frame, list) and len(frame) >= 3
