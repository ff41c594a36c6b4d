"""The exceptions of this package, one shallow tree. Faults of a peer on the wire are findings, never exceptions.

ChargeSentinelError
├── UserMistake            a wrong option, address, name or file: one line, exit code 2
│   ├── UnusableFile       a file that is not a recording, from a newer version, locked or not writable
│   ├── UnusableAddress    a malformed URL, a CSMS that cannot be reached
│   │   └── CannotListen   a port in use, an address of another machine
│   └── SettingsMistake    an unknown name or a wrong value in a settings file
└── RecorderFailure        the recorder cannot continue (a dead disk with --require-recording)
"""

from __future__ import annotations

import errno
import re
from pathlib import Path

_UNKNOWN_CA = (2, 18, 19, 20, 21)
"""OpenSSL's error codes for a certificate from an unknown CA; see the manual of `openssl verify`."""


class ChargeSentinelError(Exception):
    """The base class of the exceptions that this package raises on purpose; `str()` returns a sentence for the user."""


class UserMistake(ChargeSentinelError):
    """The user asked for something that cannot be done; the command line prints the sentence and exits with 2."""


class UnusableFile(UserMistake):
    """A file that cannot be used for what the user asked."""

    def __init__(self, path: Path | str, why: str, remedy: str | None = None) -> None:
        self.path, self.why, self.remedy = Path(path), why, remedy
        super().__init__(path, why, remedy)

    def __str__(self) -> str:
        return f"{self.path}: {self.why}" + (f"; {self.remedy}" if self.remedy else "")


class UnusableAddress(UserMistake):
    """An address that cannot be listened on or connected to. The message leaves out what may be a password."""

    def __init__(self, address: str, why: str, remedy: str | None = None) -> None:
        self.address, self.why, self.remedy = without_userinfo(address), why, remedy
        super().__init__(self.address, why, remedy)

    def __str__(self) -> str:
        return f"{self.address}: {self.why}" + (f"; {self.remedy}" if self.remedy else "")


class CannotListen(UnusableAddress):
    """An address that cannot be listened on; the message names `option`, with which the user can choose another."""

    def __init__(self, address: str, error: OSError, option: str = "--listen") -> None:
        why = {
            errno.EADDRINUSE: "the port is in use",
            errno.EACCES: "this user may not use that port",
            errno.EADDRNOTAVAIL: "this machine does not have that address",
        }.get(error.errno or 0, error.strerror or str(error))
        super().__init__(address, why, f"choose another with {option} (0 = any free port)")

    def __str__(self) -> str:
        return f"cannot listen on {self.address}: {self.why}; {self.remedy}"


def is_of_unknown_ca(failure: Exception) -> bool:
    """Return whether TLS failed because the certificate is from an unknown CA, so that the option --ca can help.

    For a wrong host name or an expired certificate it returns False.
    """
    return getattr(failure, "verify_code", 0) in _UNKNOWN_CA


def without_userinfo(address: str) -> str:
    """Return an address with … in place of what may be a user name and password.

    In a mistyped address, a password may contain slashes, an @ or a space, and the scheme may be missing. So everything
    between the first :// (or the beginning) and the last @ counts as a password.
    """
    return re.sub(r"^(.*?://)?.*@", r"\1…@", address, count=1, flags=re.S)


def without_userinfo_within(sentence: str) -> str:
    """Return a sentence with … in place of what may be the user name and password of an address in it."""
    return re.sub(r"//.*@", "//…@", sentence, flags=re.S)


class RecorderFailure(ChargeSentinelError):
    """The recorder can no longer store frames."""


class SettingsMistake(UserMistake):
    """An unknown name or a wrong value in a settings file; the message names the file and the place in it."""

    def __init__(self, path: Path, place: str, why: str) -> None:
        self.path, self.place, self.why = path, place, why
        super().__init__(path, place, why)

    def __str__(self) -> str:
        return f"{self.path}: {self.place + ': ' if self.place else ''}{self.why}"
