"""Read the parameters of a request from its address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

PAGE = 50
"""The most sessions on one page of a list."""
FRAMES_PAGE = 200
FRAMES_MOST = 1000
"""The most frames in one answer, which is also the default."""


class NotThere(LookupError):
    """The session, frame, rule, ... does not exist; `str()` returns a sentence about it."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request.

    Attributes:
        base: the address of the database, such as "/ocpp".
        file: the path of the recording, for commands to paste.
        name: the path that the user named: the same, or a link to the newest of several files.
        values: the values in the path of the request, such as {"id": "12"}.
        args: the query string: each name with all its values.
    """

    base: str
    file: str
    values: Mapping[str, str] = field(default_factory=dict)
    args: Mapping[str, list[str]] = field(default_factory=dict)
    name: str = ""

    def text(self, name: str) -> str | None:
        """Return the first value of a query parameter; None if it is missing or empty."""
        return next((value for value in self.args.get(name, []) if value), None)

    def number(self, name: str, default: int | None = None, most: int | None = None) -> int | None:
        """Return a query parameter as a number, limited to `most`; return `default` if it is not a number."""
        try:
            value = int(self.text(name) or "")
        except ValueError:
            return default
        if not -(2**63) <= value < 2**63:
            return default
        return value if most is None else max(1, min(value, most))

    def choice(self, name: str, allowed: tuple[str, ...]) -> str | None:
        """Return a query parameter if it is one of the allowed values, else None."""
        value = self.text(name)
        return value if value in allowed else None

    def many(self, name: str) -> list[str]:
        """Return all values of a query parameter."""
        return [value for value in self.args.get(name, []) if value][:100]

    @property
    def id(self) -> int:
        """The id in the path of the request.

        Raises:
            NotThere: the number is larger than SQLite's integers.
        """
        value = int(self.values["id"])
        if value >= 2**63:
            raise NotThere(f"There is nothing numbered {value}.")
        return value

    @property
    def key(self) -> str:
        """The text in the path of the request, with Datasette's tilde-encoding undone."""
        return unquote(self.values["id"].replace("%", "%25").replace("~", "%").replace("+", " "))


type View = dict[str, Any]
"""The content of a page, for its template and as its JSON."""
