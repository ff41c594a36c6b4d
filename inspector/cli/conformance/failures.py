"""How a case ends before its end."""

from __future__ import annotations


class Failed(Exception):
    """The charge point did something else than the specification asks for; `str()` says what."""

    def __init__(self, why: str, clause: str, frame: int | None = None) -> None:
        super().__init__(why)
        self.clause, self.frame = clause, frame


class NotApplicable(Exception):
    """The charge point does not have what the case needs; `str()` says what."""
