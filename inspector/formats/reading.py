"""The progress of reading one input, and the lines that could not be understood."""

from __future__ import annotations

from collections.abc import Callable

from inspector.errors import UserMistake

KEPT = 3
"""How many lines that could not be understood are reported one by one."""


REMARKS = 20
"""How many decisions about one input are reported."""


class Unreadable(UserMistake):
    """An input cannot be understood; the message names the file, the line and the reason."""

    def __init__(self, source: str, line: int | None, why: str) -> None:
        self.source, self.line, self.why = source, line, why
        super().__init__(source, line, why)

    def __str__(self) -> str:
        return f"{self.source}{f', line {self.line}' if self.line else ''}: {self.why}"


class Reading:
    """The progress of reading an input, and the lines that could not be understood.

    Attributes:
        source: its name.
        strict: whether reading ends at the first line that cannot be understood.
        size: in bytes; None if unknown.
        written_ns: when the file was last modified; None if unknown.
        position: returns how many bytes have been read.
        missed: how many lines (entries, flows) look like frames but could not be understood.
        first: the first few misses.
        passed_over: how many lines (entries, flows) have nothing to do with OCPP and were skipped.
        remarks: decisions about the input as a whole, for the user.
    """

    def __init__(self, source: str, strict: bool = True) -> None:
        self.source = source
        self.strict = strict
        self.size: int | None = None
        self.position: Callable[[], int] = lambda: 0
        self.kind = ""
        self.written_ns: int | None = None
        self.missed = 0
        self.first: list[Unreadable] = []
        self.passed_over = 0
        self.remarks: list[str] = []

    def remark(self, text: str) -> None:
        """Note a decision about the input as a whole."""
        if len(self.remarks) < REMARKS and text not in self.remarks:
            self.remarks.append(text)

    def miss(self, line: int, why: str) -> None:
        """Note a line that could not be understood.

        Raises:
            Unreadable: `strict` is set.
        """
        found = Unreadable(self.source, line, why)
        if self.strict:
            raise found
        self.missed += 1
        if len(self.first) < KEPT:
            self.first.append(found)
