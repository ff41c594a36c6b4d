"""The exceptions of the CSMS. Mistakes of charge points never reach the user: the CSMS answers them on the wire.

CsmsMistake            a mistake of the user; its message says what is wrong, where, and what to do
Refusal                turns the answer to a CALL into a CALLERROR
"""

from __future__ import annotations


class CsmsMistake(Exception):
    """A wrong address, file or option; `str()` returns the message for the user."""


class Refusal(Exception):
    """The CALL gets a CALLERROR instead of a CALLRESULT.

    Args:
        code: an error code in the spelling of 2.x; `frames.call_error` converts it for the version.
        description: the fault in words, for the charge point's log.
    """

    def __init__(self, code: str, description: str) -> None:
        self.code, self.description = code, description
        super().__init__(code, description)

    def __str__(self) -> str:
        return f"{self.code}: {self.description}"
