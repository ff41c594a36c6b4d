"""Filters for sessions, frames and findings, and the SQL conditions for them. Runs no query.

A value with `*`, `?` or `[` in it is a pattern; actions and rules are compared without regard to case.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

type Term = tuple[str, tuple[Any, ...]]
"""An SQL condition with the values of its question marks."""

SEVERITIES = ("info", "warning", "error")

_MANY = 500
"""More values than this are passed as one JSON array: SQLite takes some ten thousand parameters at most."""

UNREADABLE = 0
"""The number in `Filter.message_types` for frames that are not OCPP messages."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Criteria for sessions, frames and findings. All criteria that are given must hold.

    Attributes:
        sessions: ids.
        charge_points: ids or patterns.
        versions: as in `sessions.ocpp_version`.
        since_ns, until_ns: nanoseconds since 1970, both included.
        actions: names or patterns.
        direction: "cp-to-csms" or "csms-to-cp".
        message_types: numbers; UNREADABLE for frames that are not OCPP messages.
        severity: only findings of this severity or a worse one.
        rules: ids or patterns.
        id_tokens: the frame holds any of these as a whole JSON string.
        transaction: a transaction id, as in OCPP.
        message_id: a whole message id.
        text: a text that the frame contains; the case of ASCII letters does not matter.
    """

    sessions: tuple[int, ...] = ()
    charge_points: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    since_ns: int | None = None
    until_ns: int | None = None
    actions: tuple[str, ...] = ()
    direction: str | None = None
    message_types: tuple[int, ...] = ()
    severity: str | None = None
    rules: tuple[str, ...] = ()
    id_tokens: tuple[str, ...] = ()
    transaction: str | None = None
    message_id: str | None = None
    text: str | None = None

    @property
    def of_sessions(self) -> bool:
        """Whether the filter has a criterion for sessions."""
        return bool(self.sessions or self.charge_points or self.versions)

    @property
    def of_time(self) -> bool:
        """Whether the filter has a time limit."""
        return self.since_ns is not None or self.until_ns is not None

    @property
    def of_frames(self) -> bool:
        """Whether the filter has a criterion that only frames can meet, and not events or missing frames."""
        return bool(
            self.actions or self.direction or self.message_types or self.message_id or self.transaction or self.texts
        )

    @property
    def of_findings(self) -> bool:
        """Whether the filter has a criterion for findings."""
        return bool(self.severity or self.rules)

    @property
    def severities(self) -> tuple[str, ...]:
        """The severities that are at least as bad as `severity`."""
        return SEVERITIES[SEVERITIES.index(self.severity) :] if self.severity else ()

    @property
    def texts(self) -> list[tuple[str, ...]]:
        """Texts that a frame must contain: at least one of each tuple."""
        return [
            *([(self.text,)] if self.text else []),
            *([tuple(form for token in self.id_tokens for form in json_strings(token))] if self.id_tokens else []),
            # A message id that is a number has no quotation marks.
            *([tuple(form[1:-1] for form in json_strings(self.message_id))] if self.message_id else []),
        ]

    def in_sessions(self, ids: Iterable[int]) -> Filter:
        """Return the same filter, limited to these sessions."""
        return replace(self, sessions=tuple(ids), charge_points=(), versions=())


def json_strings(value: str) -> list[str]:
    """Return the ways to write a string in JSON, in quotation marks: `/` and non-ASCII characters may be escaped."""
    plain = json.dumps(value, ensure_ascii=False)
    return list(dict.fromkeys([plain, plain.replace("/", "\\/"), json.dumps(value)]))


def is_pattern(value: str) -> bool:
    """Return whether a value has one of the characters `*`, `?` and `[`."""
    return any(character in value for character in "*?[")


def one_of(column: str, values: Sequence[Any]) -> Term:
    """Return the condition that a column has one of the values."""
    if len(values) > _MANY:
        return f"{column} IN (SELECT value FROM json_each(?))", (json.dumps(list(values)),)
    return f"{column} IN ({', '.join('?' * len(values))})", tuple(values)


def matches(column: str, values: Sequence[str]) -> Term:
    """Return the condition that a column has one of the values or fits one of the patterns."""
    parts = [f"{column} GLOB ?" if is_pattern(value) else f"{column} = ?" for value in values]
    return f"({' OR '.join(parts)})", tuple(values)


def holds(alternatives: Sequence[str]) -> Term:
    """Return the condition that the text of a frame contains one of these.

    LIKE is three times as fast as `instr` on lower case, but it stops at a NUL and skips binary frames. Only invalid
    frames contain a NUL or are binary, so `instr` searches those.
    """
    exact = "f.valid IS NOT 1 AND instr(lower(CAST(f.raw AS TEXT)), lower(?))"
    parts, values = [], []
    for text in alternatives:
        parts.append(f"f.raw LIKE ? ESCAPE '\\' OR ({exact})")
        values += ["%" + re.sub(r"([%_\\])", r"\\\1", text) + "%", text]
    return f"({' OR '.join(parts)})", tuple(values)


def names_transaction(transaction: str, raw: str | bytes) -> bool:
    """Return whether a `transactionId` in a frame has this value, as a number or a string."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)  # a crafted file may have a number
    quoted = "|".join(map(re.escape, json_strings(transaction)))
    return bool(re.search(rf'"transactionId"\s*:\s*(?:{quoted}|{re.escape(transaction)}(?![^\s,}}\]]))', text))
