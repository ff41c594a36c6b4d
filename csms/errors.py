"""The CSMS's own failures; what a charge point does wrong is answered on the wire and is none of these.

CsmsMistake            the user asked for what cannot be done; the sentence says what, where and what next
Refusal                a CALL that gets a CALLERROR
"""

from __future__ import annotations


class CsmsMistake(Exception):
    """A wrong address, file or option; `str()` is a sentence for the user."""


class Refusal(Exception):
    """A CALL cannot be answered with a CALLRESULT.

    Args:
        code: an error code in 2.x spelling; `frames.call_error` spells it for the version.
        description: what is wrong, for the peer's log.
    """

    def __init__(self, code: str, description: str) -> None:
        self.code, self.description = code, description
        super().__init__(code, description)

    def __str__(self) -> str:
        return f"{self.code}: {self.description}"
