"""One input being read: how far, and what in it was not understood; knows no format."""

from __future__ import annotations

from collections.abc import Callable

from inspector.errors import UserMistake

KEPT = 3
"""How many of the lines that were not understood are told one by one."""


REMARKS = 20
"""How many decisions about one input are told."""


class Unreadable(UserMistake):
    """An input cannot be understood; says where (file and line) and why."""

    def __init__(self, source: str, line: int | None, why: str) -> None:
        self.source, self.line, self.why = source, line, why
        super().__init__(source, line, why)

    def __str__(self) -> str:
        return f"{self.source}{f', line {self.line}' if self.line else ''}: {self.why}"


class Reading:
    """How far an input is read, and what in it was not understood.

    Attributes:
        source: its name.
        strict: whether the first thing not understood ends the reading.
        size: its bytes, None where that is not known.
        written_ns: when it was last written, None where that is not known.
        position: tells how many of them are read.
        missed: how many lines (entries, flows) should be frames and could not be understood.
        first: the first few of them.
        passed_over: how many lines (entries, flows) have nothing to do with OCPP.
        remarks: what was decided about the input as a whole.
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
            Unreadable: in strict reading.
        """
        found = Unreadable(self.source, line, why)
        if self.strict:
            raise found
        self.missed += 1
        if len(self.first) < KEPT:
            self.first.append(found)
