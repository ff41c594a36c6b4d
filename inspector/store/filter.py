"""What somebody looks for in a recording, and the SQL that says it; asks nothing itself.

A value with `*`, `?` or `[` in it is a pattern; actions and rules are compared without regard to case.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

type Term = tuple[str, tuple[Any, ...]]
"""A condition with the values of its question marks."""

SEVERITIES = ("info", "warning", "error")

_MANY = 500
"""Values from which on they go in as one: SQLite takes no more than some ten thousand apart."""

UNREADABLE = 0
"""Stands among message types for frames that are no OCPP message."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Filters; those not given hold for everything, those given must all hold.

    Attributes:
        sessions: ids.
        charge_points: ids or patterns.
        versions: as in `sessions.ocpp_version`.
        since_ns, until_ns: nanoseconds since 1970, both included.
        actions: names or patterns.
        direction: "cp-to-csms" or "csms-to-cp".
        message_types: numbers; UNREADABLE for frames that are no message.
        severity: at least this bad a finding.
        rules: ids or patterns.
        id_tokens: any of these is in the frame, as a whole JSON string.
        transaction: a transaction id as OCPP has it.
        message_id: the whole of it.
        text: is somewhere in the frame; letters of ASCII match in either case.
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
        """Whether it asks for some sessions only."""
        return bool(self.sessions or self.charge_points or self.versions)

    @property
    def of_time(self) -> bool:
        """Whether it asks for a time."""
        return self.since_ns is not None or self.until_ns is not None

    @property
    def of_frames(self) -> bool:
        """Whether it asks for what only a frame can have, so that an event or a missing frame never fits."""
        return bool(
            self.actions or self.direction or self.message_types or self.message_id or self.transaction or self.texts
        )

    @property
    def of_findings(self) -> bool:
        """Whether it asks for what was found."""
        return bool(self.severity or self.rules)

    @property
    def severities(self) -> tuple[str, ...]:
        """The severities that are bad enough."""
        return SEVERITIES[SEVERITIES.index(self.severity) :] if self.severity else ()

    @property
    def texts(self) -> list[tuple[str, ...]]:
        """What must be in the text of a frame: one of each tuple."""
        return [
            *([(self.text,)] if self.text else []),
            *([tuple(form for token in self.id_tokens for form in json_strings(token))] if self.id_tokens else []),
            # A number as message id has no quotation marks.
            *([tuple(form[1:-1] for form in json_strings(self.message_id))] if self.message_id else []),
        ]

    def in_sessions(self, ids: Iterable[int]) -> Filter:
        """The same in these sessions only."""
        return replace(self, sessions=tuple(ids), charge_points=(), versions=())


def json_strings(value: str) -> list[str]:
    """The ways a value may stand in a frame, quotation marks included: some write / or what is not ASCII in escapes."""
    plain = json.dumps(value, ensure_ascii=False)
    return list(dict.fromkeys([plain, plain.replace("/", "\\/"), json.dumps(value)]))


def is_pattern(value: str) -> bool:
    """Whether a value is meant to match more than itself."""
    return any(character in value for character in "*?[")


def one_of(column: str, values: Sequence[Any]) -> Term:
    """The column has one of the values."""
    if len(values) > _MANY:
        return f"{column} IN (SELECT value FROM json_each(?))", (json.dumps(list(values)),)
    return f"{column} IN ({', '.join('?' * len(values))})", tuple(values)


def matches(column: str, values: Sequence[str]) -> Term:
    """The column is one of the values or fits one of the patterns."""
    parts = [f"{column} GLOB ?" if is_pattern(value) else f"{column} = ?" for value in values]
    return f"({' OR '.join(parts)})", tuple(values)


def holds(alternatives: Sequence[str]) -> Term:
    """The frame's text holds one of these.

    LIKE is three times as fast as `instr` of lower case, but it stops at a NUL and skips what is binary; such
    frames are never valid.
    """
    exact = "f.valid IS NOT 1 AND instr(lower(CAST(f.raw AS TEXT)), lower(?))"
    parts, values = [], []
    for text in alternatives:
        parts.append(f"f.raw LIKE ? ESCAPE '\\' OR ({exact})")
        values += ["%" + re.sub(r"([%_\\])", r"\\\1", text) + "%", text]
    return f"({' OR '.join(parts)})", tuple(values)


def names_transaction(transaction: str, raw: str | bytes) -> bool:
    """Whether a frame speaks of a transaction: `transactionId` has this value, as a number or a string."""
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)  # a number, in a crafted recording
    quoted = "|".join(map(re.escape, json_strings(transaction)))
    return bool(re.search(rf'"transactionId"\s*:\s*(?:{quoted}|{re.escape(transaction)}(?![^\s,}}\]]))', text))
