"""Limit the effort of searching one frame for secrets, and hide the part of a frame that was not searched."""

from __future__ import annotations

STEPS_LIMIT = 250_000
"""The budget in steps of one look at a frame; a frame gets at most two looks. A step takes about a microsecond.

The budget is not a time, so that every machine stores the same form of a frame.
"""

_MARKS = b'{}[]:,"'
_BLANKS = b" \t\r\n"
_IN_STRINGS = bytes.maketrans(bytes(range(256)), b"*" * 256)
_BETWEEN = bytes(byte if byte in _MARKS + _BLANKS else ord("9") for byte in range(256))
"""Translates JSON outside of strings: numbers, true, false and null become nines, marks and blanks stay."""
_MANY = 100_000
"""With more quotation marks than this, strings are not replaced one by one, which would take too long."""


class TooMuch(Exception):
    """Raised when the budget of a look is spent."""


class Effort:
    """The remaining budget of one look."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left: float = STEPS_LIMIT

    def spend(self, steps: float) -> None:
        """Take steps from the budget before doing the work.

        Raises:
            TooMuch: fewer steps are left.
        """
        self.left -= steps
        if self.left < 0:
            raise TooMuch


def unsearched(rest: str) -> str:
    """Return the rest of a frame, which was not searched, with everything hidden.

    `rest` begins outside of a string. JSON remains JSON: strings become asterisks, numbers and words nines.
    """
    data = rest.encode("utf-8", "surrogateescape")
    data = data.replace(b"\\\\", b"**").replace(b'\\"', b"**")  # every remaining quote starts or ends a string
    if data.count(b'"') > _MANY:
        return data.translate(_BETWEEN).decode()
    parts = data.split(b'"')
    for at, part in enumerate(parts):
        parts[at] = part.translate(_IN_STRINGS if at % 2 else _BETWEEN)
    return b'"'.join(parts).decode()
