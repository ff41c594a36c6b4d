"""What looking for secrets in one frame may cost, and what becomes of what was not looked at."""

from __future__ import annotations

STEPS_LIMIT = 250_000
"""Steps of one look at a frame, of which two are made at most. A step takes about a microsecond, and the same frame
takes as many on any machine: what is stored of it hangs on no clock."""

_MARKS = b'{}[]:,"'
_BLANKS = b" \t\r\n"
_IN_STRINGS = bytes.maketrans(bytes(range(256)), b"*" * 256)
_BETWEEN = bytes(byte if byte in _MARKS + _BLANKS else ord("9") for byte in range(256))
"""What JSON has between its strings are numbers and three words, for which a number may stand."""
_MANY = 100_000
"""Strings that are too many to look at each."""


class TooMuch(Exception):
    """A look has cost more than it may."""


class Effort:
    """What is left to be spent on one look."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left: float = STEPS_LIMIT

    def spend(self, steps: float) -> None:
        """Spend steps, before they are taken.

        Raises:
            TooMuch: there are not so many left.
        """
        self.left -= steps
        if self.left < 0:
            raise TooMuch


def unsearched(rest: str) -> str:
    """Star out the rest of a frame in which nobody has looked for secrets.

    It begins outside of a string, and remains JSON where it was: a string becomes asterisks, all else nines.
    """
    data = rest.encode("utf-8", "surrogateescape")
    data = data.replace(b"\\\\", b"**").replace(b'\\"', b"**")  # what is left ends a string
    if data.count(b'"') > _MANY:
        return data.translate(_BETWEEN).decode()
    parts = data.split(b'"')
    for at, part in enumerate(parts):
        parts[at] = part.translate(_IN_STRINGS if at % 2 else _BETWEEN)
    return b'"'.join(parts).decode()
