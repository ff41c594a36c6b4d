"""Shared memory in which a recorder process notes which record it works on, for its relay to read at any time.

It is memory rather than messages so that the relay can still read it when the process hangs or is dead.
"""

from __future__ import annotations

import mmap
import os
import tempfile

NUMBER, SESSION, FRAME_OF_SESSION, DETAILS_OF = range(4)
"""The words: the number of the record being worked on, or 0 between records; then the session id of the record whose
number is in DETAILS_OF, and which frame of that session it is."""
DETAILS_FROM = 256
"""Size in bytes above which a frame's session is noted too. Smaller frames are done before anybody looks."""
_SIZE = 4096


class ProgressPage:
    """The memory that a relay and its recorder process share."""

    def __init__(self, descriptor: int | None = None) -> None:
        """Make a page, or open the one whose descriptor the relay has passed on."""
        if descriptor is None:
            with tempfile.TemporaryFile() as file:
                file.truncate(_SIZE)
                descriptor = os.dup(file.fileno())
        self.descriptor = descriptor
        self.words = memoryview(mmap.mmap(descriptor, _SIZE)).cast("Q")

    @property
    def number(self) -> int:
        """The number of the record being worked on; 0 between records."""
        return self.words[NUMBER]

    @property
    def details(self) -> tuple[int, int]:
        """The session id of that record, and which frame of the session it is; zeros where they are not known."""
        words = self.words
        return (words[SESSION], words[FRAME_OF_SESSION]) if words[DETAILS_OF] == words[NUMBER] else (0, 0)

    def end(self) -> None:
        """Note that no record is being worked on."""
        self.words[NUMBER] = 0
