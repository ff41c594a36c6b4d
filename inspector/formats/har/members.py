"""Read a HAR file with at most one member of one entry in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import ijson

from inspector.errors import UnusableFile

LIMIT = 64 * 1024 * 1024
"""In bytes. A larger value is refused rather than read into memory."""

DEPTH = 500
"""The most levels of nesting; a real HAR file has less than a tenth of it."""

_STARTS = ("start_map", "start_array")
_ENDS = ("end_map", "end_array")
# The nesting depths inside an entry, and inside its messages: a file is {"log": {"entries": [{member: value}]}}.
_ENTRY, _MESSAGE = 4, 6


def members(
    file: BinaryIO, source: str, wanted: frozenset[str], items_of: str | None
) -> Iterator[tuple[int, str, Any]]:
    """Yield the wanted members as (number of the entry from 0, name, value), in the order of the file.

    Numbers are int or Decimal, so no digit is lost. Members of an entry that are larger than LIMIT are left out.

    Args:
        file: JSON.
        source: the name of the file for messages.
        wanted: the names of the members to yield.
        items_of: the name of a member that is an array; each of its items is yielded separately.

    Raises:
        UnusableFile: a single value is larger than LIMIT, or the nesting is deeper than DEPTH.
        ijson.JSONError: the file is not JSON; for some files ijson raises other exceptions.
    """
    guarded = _Guarded(file, source)
    names: list[str | None] = [None] * (DEPTH + 2)
    depth, index = 0, -1
    builder: Any = None
    began = begin_depth = 0
    for event, value in ijson.basic_parse(guarded, use_float=False):
        guarded.mark = guarded.position
        ended = False
        if event == "map_key":
            names[depth] = value
        elif event in _STARTS:
            depth += 1
            if depth > DEPTH:
                raise UnusableFile(source, f"nested more than {DEPTH} levels deep")
            names[depth] = None
            if depth == _ENTRY and names[1:3] == ["log", "entries"] and event == "start_map":
                index += 1
            if builder is None and _begins(depth, names, wanted, items_of):
                builder, began, begin_depth = ijson.ObjectBuilder(), guarded.position, depth
        elif event in _ENDS:
            ended = depth == begin_depth
            depth -= 1
        elif depth == _ENTRY and names[1:3] == ["log", "entries"] and names[_ENTRY] in wanted:
            yield index, str(names[_ENTRY]), value
        if builder is not None:
            builder.event(event, value)
            if ended:
                yield index, str(names[_ENTRY]), builder.value
                builder = None
            elif guarded.position - began > LIMIT:
                if begin_depth == _MESSAGE:
                    raise UnusableFile(source, f"a message is larger than {LIMIT // 1024 // 1024} MiB")
                builder = None


def _begins(depth: int, names: list[str | None], wanted: frozenset[str], items_of: str | None) -> bool:
    if names[1:3] != ["log", "entries"]:
        return False
    if depth == _ENTRY + 1:
        return names[_ENTRY] in wanted
    return depth == _MESSAGE and items_of is not None and names[_ENTRY] == items_of


class _Guarded:
    """A file that refuses further reads once a single value is larger than LIMIT."""

    def __init__(self, file: BinaryIO, source: str) -> None:
        self._file = file
        self._source = source
        self.position = self.mark = 0

    def read(self, size: int = -1) -> bytes:
        if self.position - self.mark > LIMIT:
            raise UnusableFile(self._source, f"a value is larger than {LIMIT // 1024 // 1024} MiB")
        data = self._file.read(size)
        self.position += len(data)
        return data
