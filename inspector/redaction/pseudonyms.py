"""Replace personal values by pseudonyms. With the same key, a value always gets the same pseudonym.

Nobody can compute the value from it.

A pseudonym is `anon`, ten characters of an HMAC-SHA256 and two check characters, by which `is_own` recognises it. It is
padded with asterisks to the length of the value. Its 16 characters fit in every OCPP identifier; the shortest, an
idTag, may have 20. Upper and lower case make no difference, as in OCPP's CiString: 04AB and 04ab are the same card.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import stat
from pathlib import Path
from typing import NamedTuple

from inspector.errors import UnusableFile

LENGTH = 16
"""The length of a pseudonym in characters; the pseudonym of a longer value is padded to the value's length."""

SHORTEST_KEY = 32
"""The minimum length of a key in characters; new keys have 64 hexadecimal digits."""

_BODY = 10
_OWN = re.compile(r"anon([a-z2-7]{10})([a-z2-7]{2})\**")
_NUMBER_DIGITS = 14
_REMEMBERED = 200_000
_REMEMBERED_LENGTH = 1_000


class KeyFile(NamedTuple):
    """A key and its file."""

    path: Path
    key: bytes
    made: bool
    """Whether the file did not exist and was created."""
    readable_by_others: bool


def default_path() -> Path:
    """Return the default path of the key: in the user's state folder (XDG), away from recordings."""
    state = os.environ.get("XDG_STATE_HOME") or ""
    folder = Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state"
    return folder / "chargesentinel" / "pseudonym.key"


def read_key(path: Path | None = None) -> KeyFile:
    """Return the key in a file; if the file does not exist, create it (mode 0600) with a new key.

    Raises:
        UnusableFile: the file cannot be read or created, or has no valid key.
    """
    path = path or default_path()
    made = False
    try:
        if not path.exists():
            _make(path)
            made = True
        key = path.read_bytes().strip()
        others = bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    except OSError as error:
        why = f"no key for pseudonyms ({(error.strerror or str(error)).lower()})"
        raise UnusableFile(path, why, "give another file with --redact-key; it is made if it does not exist") from error
    if len(key) < SHORTEST_KEY:
        why = f"has {len(key)} characters; a key needs at least {SHORTEST_KEY}"
        raise UnusableFile(path, why, "give the name of a file that does not exist to make a new key")
    return KeyFile(path, key, made, others)


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Write the key to another file and link that, so that no process reads half a key. If two processes do this at
    # once, both use the key of the first.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink(missing_ok=True)


class Pseudonyms:
    """Makes pseudonyms with one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._made: dict[str, str] = {}

    @property
    def key_name(self) -> str:
        """Eight characters that identify the key, so that users see which recordings have the same pseudonyms."""
        return self._code("name of this key", 8)

    def of(self, value: str) -> str:
        """Return the pseudonym of a text. A pseudonym of this key is returned unchanged, so redacting twice is safe."""
        folded = value.lower()
        made = self._made.get(folded)
        if made is None:
            made = value if self.is_own(value) else self._make(folded, len(value))
            if len(folded) <= _REMEMBERED_LENGTH:
                self._made[folded] = made
            if len(self._made) > _REMEMBERED:
                del self._made[next(iter(self._made))]
        return made

    def of_number(self, literal: str) -> str:
        """Return the pseudonym of a JSON number: another number, of 15 digits."""
        if len(literal) == _NUMBER_DIGITS + 1 and literal == self._number(literal[1:9]):
            return literal
        return self._number(f"{int.from_bytes(self._mac(literal)[:8]) % 10**8:08}")

    def is_own(self, value: str) -> bool:
        """Return whether a text is a pseudonym of this key."""
        found = _OWN.fullmatch(value)
        return found is not None and self._code(f"check {found[1]}", 2) == found[2]

    def _make(self, folded: str, length: int) -> str:
        body = self._code(f"value {folded}", _BODY)
        return f"anon{body}{self._code(f'check {body}', 2)}".ljust(length, "*")

    def _number(self, body: str) -> str:
        check = int.from_bytes(self._mac(f"number {body}")[:8]) % 10 ** (_NUMBER_DIGITS - 8)
        return f"9{body}{check:06}"

    def _code(self, text: str, length: int) -> str:
        return base64.b32encode(self._mac(text))[:length].decode().lower()

    def _mac(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)
