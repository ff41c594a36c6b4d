"""Define the messages between a relay and its recorder process, and convert them to bytes and back.

`marshal` is fast, but accepts only plain tuples. Therefore `encode` and `plain` remove the types of messages and
records, and `Decoder` and `typed` restore them.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterable
from dataclasses import fields
from operator import itemgetter
from typing import Any, NamedTuple, cast

from inspector.recorder.recorder import CommitFigures, FirstFinding, StoredCounts
from inspector.recorder.traffic import Traffic
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
        settings: settings of the rules.
        redaction: the arguments of `redaction.redactor.Redactor`.
        resume: the id of the recording that an earlier process began; None for the first process.
        counted: None for no Traffic messages, otherwise how many charge points get figures of their own in them.
    """

    writer: dict[str, Any]
    settings: Settings
    redaction: dict[str, Any]
    resume: int | None
    counted: int | None = None


class Reopen(NamedTuple):
    """The open sessions; sent to a restarted process before the records that it has to store again."""

    records: list[ReopenRecord]


class Store(NamedTuple):
    """Records to store. The first one has the number `first`; with `measured`, the process reports their times."""

    first: int
    records: list[Record]
    measured: bool


class Finish(NamedTuple):
    """The request to store everything and exit; no more records will come."""


class Ready(NamedTuple):
    """The report that the file is open and has the records up to the number `committed`."""

    committed: int
    recording_id: int
    counts: StoredCounts


class Refused(NamedTuple):
    """The report that the file cannot be opened for writing; the fields are those of UnusableFile."""

    path: str
    why: str
    remedy: str | None


class Moved(NamedTuple):
    """The report that recording continues in the file at `path`."""

    path: str


class Taken(NamedTuple):
    """The report that the records up to `number` are processed and wait for their commit.

    `spent_us` has the microseconds that they took, by session number.
    """

    number: int
    spent_us: dict[int, float]


class Committed(NamedTuple):
    """The report that the records up to `number` are on disk; `gone` is that of the Pipeline."""

    number: int
    counts: StoredCounts
    figures: CommitFigures
    gone: int


class Failing(NamedTuple):
    """The report that the file cannot be written at the moment; the process keeps its rows and tries again."""


class Found(NamedTuple):
    """The first finding of each rule that had none before."""

    findings: list[FirstFinding]


class Finished(NamedTuple):
    """The answer to Finish; the file is closed."""

    number: int
    counts: StoredCounts
    gone: int


type ToRecorder = Setup | Reopen | Store | Finish
type ToRelay = Ready | Refused | Moved | Taken | Committed | Failing | Found | Finished | Traffic
type Message = ToRecorder | ToRelay

_MESSAGES: tuple[type[Any], ...] = (
    *(Setup, Reopen, Store, Finish),
    *(Ready, Refused, Moved, Taken, Committed, Failing, Found, Finished, Traffic),
)
_RECORDS: tuple[type[Any], ...] = (
    *(OpenRecord, FrameRecord, EventRecord, CloseRecord, ReopenRecord, GapRecord, SetAsideRecord),
)
_KINDS = {kind: number for number, kind in enumerate((*_MESSAGES, *_RECORDS))}
_TYPES = tuple(_KINDS)
_FORMAT = 2
"""The newest format of `marshal` without references to repeated objects; there are none, so it takes half the time."""
_typed: Any = tuple.__new__
"""Makes a named tuple from a plain one, twice as fast as the constructor of its class."""
_fields = itemgetter(slice(None))
"""Makes a plain tuple from a named one, twice as fast as `tuple`."""


def encode(message: Message) -> bytes:
    """Return the bytes of a message for the socket: four bytes of length, then the message in `marshal`'s format."""
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
    """Return the kinds of records, one byte each, and their fields as plain tuples. For speed, the loops run in C."""
    return bytes(map(_KINDS.__getitem__, map(type, records))), list(map(_fields, records))


def typed(kinds: bytes, records: list[tuple[Any, ...]]) -> list[Any]:
    """Return the records that `plain` has converted; the arguments are its results."""
    return list(map(_typed, map(_TYPES.__getitem__, kinds), records))


def _message(kind: int, *content: Any) -> Message:
    make = _TYPES[kind]
    if make is Store:
        first, kinds, records, measured = content
        return Store(first, typed(kinds, records), measured)
    if make is Reopen:
        return Reopen(typed(*content))
    if make is Setup:
        writer, settings, *rest = content
        return Setup(writer, _settings(settings), *rest)
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
    """Makes messages from the bytes of a socket, which may arrive in chunks of any size."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, chunk: bytes) -> list[Message]:
        """Add a chunk; return the messages that are now complete."""
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
