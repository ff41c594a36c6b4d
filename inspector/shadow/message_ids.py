"""Make the message ids of mirrored CALLs, and find them again in a recording.

The id follows from the id of the charge point's CALL, so a recording needs no table of which CALL mirrors which, and
a copy of it has the same ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid5

_MIRRORED = UUID("6b0f2a0e-7a49-5d0c-9a3c-2f4be8a4d7c1")
"""The namespace (RFC 9562 section 5.5) of mirrored message ids."""
MOST_REPEATS = 20
"""A charge point that uses one id more often than this gets CALLs whose mirrored ids cannot be found again."""


def mirrored_id(message_id: str, times: int) -> str:
    """Return the id under which a CALL is mirrored; `times` is 1 the first time that the id occurs, then 2, …"""
    return str(uuid5(_MIRRORED, message_id if times == 1 else f"{message_id}|{times}"))


def mirrored_ids(message_id: str) -> Iterator[str]:
    """Yield the ids under which CALLs with this id may have been mirrored, the first one first."""
    for times in range(1, MOST_REPEATS + 1):
        yield mirrored_id(message_id, times)
