"""The CSMS's own failures; what a charge point does wrong is answered on the wire and is none of these.

CsmsMistake            the user asked for what cannot be done; the sentence says what, where and what next
Refusal                a CALL that gets a CALLERROR
"""

from __future__ import annotations

import errno


class CsmsMistake(Exception):
    """A wrong address, file or option; `str()` is a sentence for the user."""


def why_not(error: Exception) -> str:
    """Say in a few words why an address cannot be listened on."""
    known = {
        errno.EADDRINUSE: "the port is in use",
        errno.EADDRNOTAVAIL: "it is no address of this machine",
        errno.EACCES: "that is not allowed to this user",
    }
    if (number := getattr(error, "errno", None)) in known:
        return known[number]
    words = getattr(error, "strerror", None) or str(error)
    if "could not bind on any address" in words:
        return known[errno.EADDRNOTAVAIL]
    return str(words)


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
