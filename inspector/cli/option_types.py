"""Values of options as people write them; knows which option to name when one cannot be read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import click

from inspector.errors import UserMistake

_LARGEST = 2**62
"""SQLite's numbers go to twice of it, less one; so there is room to count on."""


def amount[T](option: str, text: str, read: Callable[[str], T], examples: str) -> T:
    """A size or a duration by one of the functions of `inspector.units`.

    Raises:
        UserMistake: it cannot be read.
    """
    try:
        return read(text)
    except ValueError:
        raise UserMistake(f"{option}: {text!r} cannot be read; say {examples}") from None


class Whole(click.IntRange):
    """A range of whole numbers without those that no recording can hold; help does not mention where they begin."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a number; fails with click's own line."""
        number = super().convert(value, param, ctx)
        if abs(number) > _LARGEST:
            self.fail(f"{str(number)[:30]} is beyond the numbers of a recording.", param, ctx)
        return number


class Finite(click.FloatRange):
    """A range of numbers without nan, which no bound keeps out, and inf."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a number; fails with click's own line."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no finite number.", param, ctx)
        return number


def without_id(url: str, charge_point_id: str) -> str:
    """Return the address without the charge point's id, where it ends with it: the id is appended anyway.

    Raises:
        UserMistake: it ends with the id twice.
    """
    ending = "/" + quote(charge_point_id, safe="")
    base = url.rstrip("/")
    if base.endswith(ending * 2):
        raise UserMistake(f"{url}: ends with the id {charge_point_id} twice; write it once, or leave it out")
    return base.removesuffix(ending)


class FileMode(click.ParamType[int]):
    """The permissions of files that a command makes, in octal as `chmod` has them; their owner can always use them."""

    name = "MODE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read `640`, `0640` or `0o640`."""
        if isinstance(value, int):
            return value
        digits = str(value).removeprefix("0o").removeprefix("0")
        if not re.fullmatch(r"6[0-7]{2}", digits) or int(digits, 8) & 0o111:
            self.fail(f"{value!r} is not an octal file mode from 0600 to 0666, such as 0640.", param, ctx)
        return int(digits, 8)


def file_mode(what: str = "Permissions of the recording and the files beside it") -> Callable[..., Any]:
    """The option `--file-mode`."""
    return click.option("--file-mode", type=FileMode(), default="0600", show_default=True, help=f"{what}, if new.")


class Origin(click.ParamType[str]):
    """What browsers send as Origin: scheme, host and perhaps a port."""

    name = "ORIGIN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in ("*", "null") and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#\s]*", value, re.IGNORECASE):
            self.fail(f"{value!r} is not an origin, such as http://bench.example:8080 (without a path)", param, ctx)
        return str(value)
