"""Our own failures, one shallow tree; what a peer does wrong on the wire is a finding, never one of these.

ChargeSentinelError
├── UserMistake            a wrong option, address, name or file: one line, exit code 2
│   ├── UnusableFile       a file that is not ours, too new, locked or not writable
│   ├── UnusableAddress    a malformed URL, a port in use, a host that cannot be bound
│   └── SettingsMistake    a TOML file says what cannot be
└── RecorderFailure        the recorder cannot go on (a dead disk with --require-recording)
"""

from __future__ import annotations

import re
from pathlib import Path


class ChargeSentinelError(Exception):
    """Base of everything this package raises on purpose; `str()` of it is a sentence for the user."""


class UserMistake(ChargeSentinelError):
    """The user asked for what cannot be done; the command line prints the sentence and exits with 2."""


class UnusableFile(UserMistake):
    """A file cannot be used for what was asked."""

    def __init__(self, path: Path | str, why: str, remedy: str | None = None) -> None:
        self.path, self.why, self.remedy = Path(path), why, remedy
        super().__init__(path, why, remedy)

    def __str__(self) -> str:
        return f"{self.path}: {self.why}" + (f"; {self.remedy}" if self.remedy else "")


class UnusableAddress(UserMistake):
    """An address cannot be listened on or connected to; what may be a password in it is not repeated."""

    def __init__(self, address: str, why: str, remedy: str | None = None) -> None:
        self.address, self.why, self.remedy = without_userinfo(address), why, remedy
        super().__init__(self.address, why, remedy)

    def __str__(self) -> str:
        return f"{self.address}: {self.why}" + (f"; {self.remedy}" if self.remedy else "")


def without_userinfo(address: str) -> str:
    """Return an address as typed, but for what may be a user and password.

    Mistyped, a password holds slashes, an @ or a space, or stands in an address without a scheme. So everything
    between the first :// (else the beginning) and the last @ counts as one.
    """
    return re.sub(r"^(.*?://)?.*@", r"\1…@", address, count=1, flags=re.S)


def without_userinfo_within(sentence: str) -> str:
    """Return a sentence that may quote an address, without what may be a user and password in it."""
    return re.sub(r"//.*@", "//…@", sentence, flags=re.S)


class RecorderFailure(ChargeSentinelError):
    """The recorder cannot store frames any more."""


class SettingsMistake(UserMistake):
    """A rules file says what cannot be; names the file and the place."""

    def __init__(self, path: Path, place: str, why: str) -> None:
        self.path, self.place, self.why = path, place, why
        super().__init__(path, place, why)

    def __str__(self) -> str:
        return f"{self.path}: {self.place + ': ' if self.place else ''}{self.why}"
