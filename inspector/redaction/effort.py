"""The budget for searching one frame, and what is stored of a part that was not searched."""

from __future__ import annotations

STEPS_LIMIT = 250_000
"""The budget of one look at a frame, which gets two looks at most. A step takes about a microsecond. Steps are counted
and not timed, so that a frame is stored alike on every machine."""

_MARKS = b'{}[]:,"'
_BLANKS = b" \t\r\n"
_IN_STRINGS = bytes.maketrans(bytes(range(256)), b"*" * 256)
_BETWEEN = bytes(byte if byte in _MARKS + _BLANKS else ord("9") for byte in range(256))
"""Between its strings JSON has numbers and three words; each may become a number."""
_MANY = 100_000
"""From so many strings on, none is handled on its own."""


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
            TooMuch: The budget has fewer steps left.
        """
        self.left -= steps
        if self.left < 0:
            raise TooMuch


def unsearched(rest: str) -> str:
    """Hide the rest of a frame that was not searched.

    It starts outside of a string, and JSON remains JSON: strings become asterisks, everything else nines.
    """
    data = rest.encode("utf-8", "surrogateescape")
    data = data.replace(b"\\\\", b"**").replace(b'\\"', b"**")  # every remaining quote starts or ends a string
    if data.count(b'"') > _MANY:
        return data.translate(_BETWEEN).decode()
    parts = data.split(b'"')
    for at, part in enumerate(parts):
        parts[at] = part.translate(_IN_STRINGS if at % 2 else _BETWEEN)
    return b'"'.join(parts).decode()
