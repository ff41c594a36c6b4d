"""Leave the address and the token of a control port beside the recording, in a file that only its user can read."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from inspector.errors import UnusableFile, UserMistake

TOKEN_VARIABLE = "CHARGESENTINEL_CONTROL_TOKEN"
LONGEST_TOKEN = 1_000


class Access(NamedTuple):
    """Where a control port is, and what opens it."""

    url: str
    token: str


def file_beside(recording: Path) -> Path:
    """Return the file with the address and the token of the proxy that writes a recording."""
    return recording.with_name(f"{recording.name}-control")


def token_from(file: Path | None, variable: str | None) -> str | None:
    """Return the token of a file or of the environment, None if neither is given.

    Raises:
        UserMistake: it is empty or not printable; the message does not contain it.
    """
    if file is None and variable is None:
        return None
    try:
        given = (file.read_text(encoding="utf-8") if file is not None else variable or "").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableFile(file or "", f"cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if not given or not given.isprintable() or len(given) > LONGEST_TOKEN:
        where = str(file) if file is not None else TOKEN_VARIABLE
        raise UserMistake(f"{where}: the token must be 1 to {LONGEST_TOKEN:,} printable characters on one line")
    return given


def new_token() -> str:
    return secrets.token_urlsafe(24)


def write(recording: Path, access: Access) -> None:
    """Write the file beside a recording, readable for this user alone. Raises UnusableFile."""
    path = file_beside(recording)
    try:
        with suppress(FileNotFoundError):
            path.unlink()  # an old one may be readable for others
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({**access._asdict(), "pid": os.getpid()}, file)
    except OSError as error:
        raise UnusableFile(path, f"cannot be written ({error.strerror})") from None


def remove(recording: Path) -> None:
    """Remove the file again, unless another proxy has written it since."""
    path = file_beside(recording)
    with suppress(OSError, ValueError, TypeError, KeyError):
        if json.loads(path.read_text(encoding="utf-8"))["pid"] == os.getpid():
            path.unlink()


def read(recording: Path) -> Access | None:
    """Return how to reach the proxy that writes a recording, None if there is none."""
    try:
        found = json.loads(file_beside(recording).read_text(encoding="utf-8"))
        return Access(str(found["url"]), str(found["token"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
