"""What a relay and its recorder process say to each other, as typed messages and as the bytes that cross the socket.

`marshal` is fast, but takes plain tuples only. So this is the one place where records and messages lose their types
(`encode`, `plain`) and get them back (`Decoder`, `typed`).
"""

from __future__ import annotations

import marshal
from collections.abc import Iterable
from dataclasses import fields
from operator import itemgetter
from typing import Any, NamedTuple, cast

from inspector.recorder.recorder import CommitFigures, FirstFinding, StoredCounts
from inspector.records import (
    CloseRecord,
    EventRecord,
    FrameRecord,
    GapRecord,
    OpenRecord,
    Record,
    ReopenRecord,
    SetAsideRecord,
)
from inspector.rules.finding import Severity
from inspector.rules.settings import Settings


class Setup(NamedTuple):
    """The first message to a recorder process.

    Attributes:
        writer: the arguments of `store.writer.Writer`.
        settings: of the judge.
        redaction: the arguments of `redaction.redactor.Redactor`.
        resume: the id of the recording that an earlier process began; None for the first process.
    """

    writer: dict[str, Any]
    settings: Settings
    redaction: dict[str, Any]
    resume: int | None


class Reopen(NamedTuple):
    """The sessions that are open, sent to a restarted process before the records that it has to store again."""

    records: list[ReopenRecord]


class Store(NamedTuple):
    """Records to store; the first has the number `first`. `measured` asks how long each session's records take."""

    first: int
    records: list[Record]
    measured: bool


class Finish(NamedTuple):
    """Nothing more is coming: store everything and end."""


class Ready(NamedTuple):
    """The file is open. Records up to the number `committed` are in it already."""

    committed: int
    recording_id: int
    counts: StoredCounts


class Refused(NamedTuple):
    """The file cannot be written; the fields are those of UnusableFile."""

    path: str
    why: str
    remedy: str | None


class Moved(NamedTuple):
    """Recording continues in the file at `path`."""

    path: str


class Taken(NamedTuple):
    """Records up to `number` are judged and wait for their commit; `spent_us` is what they took, by session."""

    number: int
    spent_us: dict[int, float]


class Committed(NamedTuple):
    """Records up to `number` are on disk; `gone` frames were stored in files that others deleted, or not at all."""

    number: int
    counts: StoredCounts
    figures: CommitFigures
    gone: int


class Failing(NamedTuple):
    """The file cannot be written at the moment; everything is kept and tried again."""


class Found(NamedTuple):
    """The first findings of rules that had none before."""

    findings: list[FirstFinding]


class Finished(NamedTuple):
    """The answer to Finish: the file is closed."""

    number: int
    counts: StoredCounts
    gone: int


type ToRecorder = Setup | Reopen | Store | Finish
type ToRelay = Ready | Refused | Moved | Taken | Committed | Failing | Found | Finished
type Message = ToRecorder | ToRelay

_MESSAGES: tuple[type[Any], ...] = (
    *(Setup, Reopen, Store, Finish),
    *(Ready, Refused, Moved, Taken, Committed, Failing, Found, Finished),
)
_RECORDS: tuple[type[Any], ...] = (
    *(OpenRecord, FrameRecord, EventRecord, CloseRecord, ReopenRecord, GapRecord, SetAsideRecord),
)
_KINDS = {kind: number for number, kind in enumerate((*_MESSAGES, *_RECORDS))}
_TYPES = tuple(_KINDS)
_FORMAT = 2
"""The last format of `marshal` that does not look for objects it has written before: half the work, as none repeat."""
_typed: Any = tuple.__new__
"""Makes a named tuple of a plain one. The constructor of its class does the same in twice the time."""
_fields = itemgetter(slice(None))
"""Makes a plain tuple of a named one. `tuple` does the same in twice the time."""


def encode(message: Message) -> bytes:
    """Return a message as it crosses the socket: four bytes of length, then the message in `marshal`'s format."""
    kind = _KINDS[type(message)]
    body = marshal.dumps((kind, *_plain(message)), _FORMAT)
    return len(body).to_bytes(4, "big") + body


def _plain(message: Message) -> Iterable[Any]:
    if isinstance(message, Store):
        return message.first, *plain(message.records), message.measured
    if isinstance(message, Reopen):
        return plain(message.records)
    if isinstance(message, Setup):
        return message._replace(settings=cast(Any, _plain_settings(message.settings)))
    if isinstance(message, Found):
        return (list(map(tuple, message.findings)),)
    if isinstance(message, Ready | Committed | Finished):
        return (tuple(field) if isinstance(field, tuple) else field for field in message)
    return message


def plain(records: Iterable[Record]) -> tuple[bytes, list[tuple[Any, ...]]]:
    """Return the kinds of records, one byte each, and their fields as plain tuples. Every loop here runs in C."""
    return bytes(map(_KINDS.__getitem__, map(type, records))), list(map(_fields, records))


def typed(kinds: bytes, records: list[tuple[Any, ...]]) -> list[Any]:
    """Return the records that `plain` has taken apart."""
    return list(map(_typed, map(_TYPES.__getitem__, kinds), records))


def _message(kind: int, *content: Any) -> Message:
    make = _TYPES[kind]
    if make is Store:
        first, kinds, records, measured = content
        return Store(first, typed(kinds, records), measured)
    if make is Reopen:
        return Reopen(typed(*content))
    if make is Setup:
        writer, settings, redaction, resume = content
        return Setup(writer, _settings(settings), redaction, resume)
    if make is Found:
        return Found([FirstFinding(*finding) for finding in content[0]])
    message: Message = make(*content)
    if isinstance(message, Ready | Finished):
        return message._replace(counts=StoredCounts(*message.counts))
    if isinstance(message, Committed):
        return message._replace(counts=StoredCounts(*message.counts), figures=CommitFigures(*message.figures))
    return message


def _plain_settings(settings: Settings) -> dict[str, Any]:
    values = {f.name: getattr(settings, f.name) for f in fields(settings)}
    values["severity"] = {slug: level.value for slug, level in settings.severity.items()}
    return values


def _settings(values: dict[str, Any]) -> Settings:
    severity = {slug: Severity(level) for slug, level in values["severity"].items()}
    return Settings(**{**values, "severity": severity})


class Decoder:
    """Makes messages of the bytes that come from a socket, in whatever chunks they come."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> list[Message]:
        """Take a chunk; returns the messages that are complete with it."""
        buffer = self._buffer
        buffer += chunk
        messages: list[Message] = []
        at = 0
        while len(buffer) - at >= 4:
            end = at + 4 + int.from_bytes(buffer[at : at + 4], "big")
            if end > len(buffer):
                break
            with memoryview(buffer) as view:
                messages.append(_message(*marshal.loads(view[at + 4 : end])))
            at = end
        del buffer[:at]
        return messages
