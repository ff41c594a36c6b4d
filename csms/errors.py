"""The exceptions of the CSMS. Mistakes of charge points are not among them: those are answered on the wire.

CsmsMistake            a mistake of the user; its text says what is wrong, where, and what to do
Refusal                makes the answer to a CALL a CALLERROR
"""

from __future__ import annotations


class CsmsMistake(Exception):
    """A wrong address, file or option; `str()` gives the message for the user."""


class Refusal(Exception):
    """A CALL that gets a CALLERROR instead of a CALLRESULT.

    Args:
        code: an error code in the spelling of 2.x; `frames.call_error` converts it for the version.
        description: what is wrong, for the charge point's log.
    """

    def __init__(self, code: str, description: str) -> None:
        self.code, self.description = code, description
        super().__init__(code, description)

    def __str__(self) -> str:
        return f"{self.code}: {self.description}"
