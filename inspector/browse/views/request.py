"""What a reader asked for, out of an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

PAGE = 50
"""Sessions on a page of them."""
FRAMES_PAGE = 200
FRAMES_MOST = 1000
"""Frames in one answer, unless asked and at most."""


class NotThere(LookupError):
    """The session, frame, rule, ... does not exist; `str()` of it is a sentence."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request.

    Attributes:
        base: address of the database, "/ocpp".
        file: path of the recording, for lines to paste.
        name: the path it was given by: the same, or a link to the newest file of a recording in several.
        values: what the path named: {"id": "12"}.
        args: the query string, each name with all its values.
    """

    base: str
    file: str
    values: Mapping[str, str] = field(default_factory=dict)
    args: Mapping[str, list[str]] = field(default_factory=dict)
    name: str = ""

    def text(self, name: str) -> str | None:
        """The first value of a query parameter; None when absent or empty."""
        return next((value for value in self.args.get(name, []) if value), None)

    def number(self, name: str, default: int | None = None, most: int | None = None) -> int | None:
        """A query parameter as a number, bounded; anything else counts as absent."""
        try:
            value = int(self.text(name) or "")
        except ValueError:
            return default
        if not -(2**63) <= value < 2**63:
            return default
        return value if most is None else max(1, min(value, most))

    def choice(self, name: str, allowed: tuple[str, ...]) -> str | None:
        """A query parameter when it is one of these."""
        value = self.text(name)
        return value if value in allowed else None

    def many(self, name: str) -> list[str]:
        """All values of a query parameter."""
        return [value for value in self.args.get(name, []) if value][:100]

    @property
    def id(self) -> int:
        """The number the path named.

        Raises:
            NotThere: SQLite cannot hold such a number.
        """
        value = int(self.values["id"])
        if value >= 2**63:
            raise NotThere(f"There is nothing numbered {value}.")
        return value

    @property
    def key(self) -> str:
        """The text the path named, with Datasette's tilde-encoding of path parts undone."""
        return unquote(self.values["id"].replace("%", "%25").replace("~", "%").replace("+", " "))


type View = dict[str, Any]
"""A page's content: what its template shows and its JSON holds."""
