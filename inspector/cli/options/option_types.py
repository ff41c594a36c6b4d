"""Types of option values: sizes, ages, times, numbers, file modes, addresses."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import click

from inspector.errors import UserMistake, without_userinfo

_LARGEST = 2**62
"""Half of SQLite's largest integer, so that sums of two numbers fit too."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)(?:\s+ago)?")
_LAST_NS = 2**63 - 1
"""The largest integer of SQLite: as a time it is in 2262, and later times become this one. The smallest is in 1677."""
_LONG_S = 1e10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def amount[T](option: str, text: str, read: Callable[[str], T], examples: str) -> T:
    """Read a size or a duration with `read`, a function of `inspector.units`.

    Raises:
        UserMistake: the text has another form.
    """
    try:
        return read(text)
    except ValueError:
        raise UserMistake(f"{option}: {text!r} is not a valid value; write {examples}") from None


class Whole(click.IntRange):
    """A range of whole numbers, limited to those that SQLite can store; the help does not mention this limit."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a number; fails with click's own line."""
        number = super().convert(value, param, ctx)
        if abs(number) > _LARGEST:
            self.fail(f"{str(number)[:30]} is too large for a recording.", param, ctx)
        return number


class Finite(click.FloatRange):
    """A range of numbers that excludes nan and inf; click's own accepts them."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read a number; fails with click's own line."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


ID_IN_ADDRESS = "the address ends with the id {}, so the id is not appended again"


def without_id(url: str, charge_point_id: str) -> str:
    """Return the address without the charge point's id at its end, as the id is appended when dialling.

    Raises:
        UserMistake: the address ends with the id twice.
    """
    ending = "/" + quote(charge_point_id, safe="")
    base = url.rstrip("/")
    if base.endswith(ending * 2):
        twice = f"ends with the id {charge_point_id} twice"
        raise UserMistake(f"{without_userinfo(url)}: {twice}; write it once or leave it out")
    return base.removesuffix(ending)


class FileMode(click.ParamType[int]):
    """The permissions of new files in octal, as for `chmod`; the owner can always read and write."""

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
    """Return the option `--file-mode`."""
    return click.option(
        "--file-mode", type=FileMode(), default="0600", show_default=True, help=f"{what}, if they are new."
    )


class Origin(click.ParamType[str]):
    """An origin as browsers send it: scheme, host and perhaps a port."""

    name = "ORIGIN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in ("*", "null") and not re.fullmatch(r"[a-z][a-z0-9+.-]*://[^/?#\s]*", value, re.IGNORECASE):
            self.fail(f"{value!r} is not an origin, such as http://bench.example:8080 (without a path)", param, ctx)
        return str(value)


class Moment(click.ParamType[int]):
    """A time, as nanoseconds since 1970."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read `10m` (ago), `2026-01-01` or `2026-01-01T10:00`; times without an offset are UTC."""
        if isinstance(value, int):
            return value
        text = str(value).strip()
        if ago := _AGO.fullmatch(text):
            return max(time.time_ns() - int(min(float(ago[1]) * _UNITS[ago[2]], _LONG_S) * 1e9), -_LAST_NS)
        try:
            moment = datetime.fromisoformat(text)
            since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
        except (ValueError, OverflowError):
            self.fail(
                f"{text!r} is not a time; write 10m, 2h, 3d (ago), 2026-01-01 or 2026-01-01T10:00 (UTC)", param, ctx
            )
        nanoseconds = ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000
        return min(max(nanoseconds, -_LAST_NS), _LAST_NS)
