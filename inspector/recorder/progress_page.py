"""Some words of memory in which a recorder process tells which record it works on; its relay reads them at any time.

Memory, not messages: the relay can read it whatever the process is caught in, and when it is dead.
"""

from __future__ import annotations

import mmap
import os
import tempfile

NUMBER, SESSION, FRAME_OF_SESSION, TOLD = range(4)
"""The words: the record's number (0 between records); its session and which frame of it the record is, for the record
whose number is in TOLD."""
TOLD_FROM = 256
"""Bytes of a frame from which on its session is told too: smaller ones are done before anybody looks."""
_SIZE = 4096


class ProgressPage:
    """The memory that a relay and its recorder process share."""

    def __init__(self, descriptor: int | None = None) -> None:
        """Make a page, or open the one whose descriptor the relay has handed on."""
        if descriptor is None:
            with tempfile.TemporaryFile() as file:
                file.truncate(_SIZE)
                descriptor = os.dup(file.fileno())
        self.descriptor = descriptor
        self.words = memoryview(mmap.mmap(descriptor, _SIZE)).cast("Q")

    @property
    def number(self) -> int:
        """The number of the record that is worked on; 0 between records."""
        return self.words[NUMBER]

    @property
    def told(self) -> tuple[int, int]:
        """The session of that record, and which frame of it the record is; zeros where that is not known."""
        words = self.words
        return (words[SESSION], words[FRAME_OF_SESSION]) if words[TOLD] == words[NUMBER] else (0, 0)

    def end(self) -> None:
        """Note that no record is worked on."""
        self.words[NUMBER] = 0
