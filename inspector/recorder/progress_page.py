"""Share the number of the record that a recorder process works on with its relay, through memory.

Unlike a message, the relay can read it even when the process hangs or is dead.
"""

from __future__ import annotations

import mmap
import os
import tempfile

NUMBER, SESSION, FRAME_OF_SESSION, DETAILS_OF = range(4)
"""The positions of four numbers in the memory.

NUMBER is the number of the current record, 0 between records. For the record with the number DETAILS_OF, SESSION is the
session id, and FRAME_OF_SESSION says which frame of the session it is, from 1.
"""
DETAILS_FROM = 256
"""For frames of more bytes than this, SESSION and FRAME_OF_SESSION are set too; smaller frames are processed fast."""
_SIZE = 4096


class ProgressPage:
    """The memory that a relay and its recorder process share."""

    def __init__(self, descriptor: int | None = None) -> None:
        """Create the memory, or open the one with the file descriptor `descriptor`, which the relay has passed on."""
        if descriptor is None:
            with tempfile.TemporaryFile() as file:
                file.truncate(_SIZE)
                descriptor = os.dup(file.fileno())
        self.descriptor = descriptor
        self.words = memoryview(mmap.mmap(descriptor, _SIZE)).cast("Q")

    @property
    def number(self) -> int:
        """The number of the current record; 0 between records."""
        return self.words[NUMBER]

    @property
    def details(self) -> tuple[int, int]:
        """The session id of the current record and which frame of the session it is; (0, 0) if they are not known."""
        words = self.words
        return (words[SESSION], words[FRAME_OF_SESSION]) if words[DETAILS_OF] == words[NUMBER] else (0, 0)

    def end(self) -> None:
        """Set the number of the current record to 0."""
        self.words[NUMBER] = 0
