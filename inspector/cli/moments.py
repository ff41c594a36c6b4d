"""Times as people type them after `--since` and `--until`; knows no recording."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any

import click

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)(?:\s+ago)?")
_LAST_NS = 2**63 - 1
"""The largest number SQLite compares with: in 2262, and its opposite in 1677; what is beyond is as far as anything."""
_LONG_S = 1e10
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Moment(click.ParamType[int]):
    """An option's type: nanoseconds since 1970."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read `10m` (ago), `2026-01-01`, `2026-01-01T10:00`, with or without an offset (without: UTC)."""
        if isinstance(value, int):
            return value
        text = str(value).strip()
        if ago := _AGO.fullmatch(text):
            return max(time.time_ns() - int(min(float(ago[1]) * _UNITS[ago[2]], _LONG_S) * 1e9), -_LAST_NS)
        try:
            moment = datetime.fromisoformat(text)
            since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
        except (ValueError, OverflowError):
            self.fail(f"{text!r} is no time: write 10m, 2h, 3d (ago), 2026-01-01 or 2026-01-01T10:00 (UTC)", param, ctx)
        told = ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000
        return min(max(told, -_LAST_NS), _LAST_NS)
