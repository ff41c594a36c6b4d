"""A frame as read from a file, and the conversion of such frames into records for the recorder."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from inspector import records
from inspector.protocol.messages import Call, CallResultError, Malformed, Send, parse
from inspector.protocol.vocabulary import ACTIONS_FROM, SUBPROTOCOLS, Direction, OcppVersion
from inspector.records import CloseRecord, FrameRecord, OpenRecord, Record, SessionFacts


class Captured(NamedTuple):
    """One frame of an input.

    Attributes:
        raw: the frame, as sent.
        direction: None if the input does not say; then the content decides.
        ts_ns, mono_ns: nanoseconds since 1970 and on a monotonic clock; None where the input has no times.
        charge_point_id, ocpp_version: None if the input does not say.
        session: a key that separates the sessions of one charge point in this input.
        binary: whether it was a binary message.
        line: its line in the input, from 1; 0 if the input has no lines.
        meta: other facts about the session in the input.
        notes: as in `records.FrameRecord`.
        row: the id of its row if the input is a recording, else 0.
    """

    raw: bytes
    direction: Direction | None = None
    ts_ns: int | None = None
    mono_ns: int | None = None
    charge_point_id: str | None = None
    ocpp_version: OcppVersion | None = None
    session: str = ""
    binary: bool = False
    line: int = 0
    meta: Meta | None = None
    notes: dict[str, Any] | None = None
    row: int = 0


class Meta(NamedTuple):
    """The facts besides frames in a file that this program exported; they restore a session completely.

    `before` and `after` are records with session number 0: events, and frames that the format cannot express.
    """

    opened: OpenRecord | None = None
    before: tuple[Record, ...] = ()
    after: tuple[Record, ...] = ()
    closed: CloseRecord | None = None
    placeholder: bool = False  # the record represents a session without frames
    outside: tuple[Record, ...] = ()  # events of no session, such as failed attempts; all other members are then empty


_NO_META = Meta()
_FINER = re.compile(r"[.,]\d{6}(\d+)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LARGEST_NS = 2**63 - 1
"""The largest integer of SQLite; as nanoseconds since 1970, it is in the year 2262."""
_UNTIMED_STEP_NS = 1_000_000
_REMEMBERED_CALLS = 10_000
"""How many CALLs each session remembers, to find the sender of an answer by its message id."""


def nanoseconds(text: str) -> int:
    """Return an RFC 3339 time as nanoseconds since 1970; a time without an offset counts as UTC.

    Raises:
        ValueError: the text is not an RFC 3339 time.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = datetime.fromisoformat(text.upper())  # RFC 3339 allows a lower-case t and z
    since = (at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH
    whole = ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000
    if len(text) > 26 and (finer := _FINER.search(text)):  # datetime drops digits below a microsecond
        whole += int(finer[1].ljust(3, "0")[:3])
    if abs(whole) > LARGEST_NS:
        raise ValueError("beyond the year 2262")
    return whole


def version_named(text: str | None) -> OcppVersion | None:
    """Return the version that a file names: "1.6", "1.6J", "ocpp1.6", "OCPP 2.0.1", ...; None if unsupported."""
    plain = (text or "").lower().replace("ocpp", "").strip(" -_j")
    return SUBPROTOCOLS.get(f"ocpp{'2.0.1' if plain == '2.0' else plain}")


def to_records(
    frames: Iterable[Captured], ocpp: OcppVersion | None = None, charge_point: str | None = None
) -> Iterator[tuple[Record, Captured | None]]:
    """Yield records for the recorder, each with the captured frame it came from (None for open and close).

    A session begins with the first frame of its charge point and ends with the last. If the first frame is a
    BootNotification, the capture counts as complete from the start.

    Args:
        frames: in the order of the input.
        ocpp: the version of frames whose input does not name one.
        charge_point: the id of the charge point of frames whose input does not name one.
    """
    links: dict[tuple[str | None, str], _Link] = {}
    closings: list[tuple[int, int, Record]] = []
    count = 0
    last = (0, 0)

    def closed_before(ts_ns: int) -> Iterator[tuple[Record, None]]:
        # A file has the close of a session at its last frame, but frames of other sessions may precede the close.
        while closings and closings[0][0] < ts_ns:
            yield heapq.heappop(closings)[2], None

    for captured in frames:
        key = (captured.charge_point_id, captured.session)
        link, meta = links.get(key), captured.meta or _NO_META
        if meta.outside:
            for record in meta.outside:
                yield from closed_before(record.ts_ns)
                yield record, None
            continue
        if link is None:
            count += 1
            link = links[key] = _Link(count)
            opened = meta.opened or OpenRecord(0, *link.stamp(captured, last), _facts(captured, ocpp, charge_point))
            yield from closed_before(opened.ts_ns)
            yield _numbered(opened, link), None
        if closings and captured.ts_ns is not None:
            yield from closed_before(meta.before[0].ts_ns if meta.before else captured.ts_ns)
        for record in meta.before:
            yield _numbered(record, link), captured if isinstance(record, FrameRecord) else None
        last = stamps = link.stamp(captured, last)
        from_charge_point = link.direction(captured, ocpp) is Direction.FROM_CHARGE_POINT
        opcode = records.BINARY if captured.binary else records.TEXT
        if not meta.placeholder:
            yield (
                FrameRecord(link.number, *stamps, from_charge_point, opcode, captured.raw, captured.notes),
                captured,
            )
        for record in meta.after:
            yield _numbered(record, link), captured if isinstance(record, FrameRecord) else None
        if meta.closed:
            del links[key]
            heapq.heappush(closings, (meta.closed.ts_ns, link.number, _numbered(meta.closed, link)))
    for link in links.values():
        record = CloseRecord(link.number, *link.last, {"closed_by": "unknown"})
        heapq.heappush(closings, (record.ts_ns, link.number, record))
    yield from closed_before(LARGEST_NS + 1)


def _numbered(record: Record, link: _Link) -> Record:
    return record._replace(session_number=link.number)


def _facts(captured: Captured, ocpp: OcppVersion | None, charge_point: str | None) -> SessionFacts:
    version = captured.ocpp_version or ocpp
    message = parse(captured.raw, version)
    facts: SessionFacts = {
        "charge_point_id": captured.charge_point_id or charge_point or "",
        "from_start": isinstance(message, Call) and message.action == "BootNotification",
        "timed": captured.ts_ns is not None,
    }
    if version:
        facts["ocpp_version"] = version.value
    return facts


class _Link:
    """The state of one session while its records are made: its number, its latest time, the senders of its CALLs."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.last = (0, 0)
        self._callers: dict[str, Direction] = {}

    def stamp(self, captured: Captured, last: tuple[int, int]) -> tuple[int, int]:
        if captured.ts_ns is None:
            self.last = (last[0] + _UNTIMED_STEP_NS, last[1] + _UNTIMED_STEP_NS)
        else:
            self.last = (captured.ts_ns, captured.mono_ns if captured.mono_ns is not None else captured.ts_ns)
        return self.last

    def direction(self, captured: Captured, ocpp: OcppVersion | None) -> Direction:
        if captured.direction is not None:
            return captured.direction
        message: Any = parse(captured.raw, captured.ocpp_version or ocpp)
        if isinstance(message, Call | Send):
            direction = _sender(message.action, captured.ocpp_version or ocpp)
            self._callers[message.message_id] = direction
            if len(self._callers) > _REMEMBERED_CALLS:
                del self._callers[next(iter(self._callers))]
            return direction
        if isinstance(message, Malformed) and message.action:
            return _sender(message.action, captured.ocpp_version or ocpp)
        caller = self._callers.get(message.message_id or "", Direction.FROM_CHARGE_POINT)
        return caller if isinstance(message, CallResultError) else caller.opposite


def sender(action: str) -> Direction | None:
    """Return the only side that may send an action in any version; None if both may, or neither."""
    senders = {
        direction
        for by_direction in ACTIONS_FROM.values()
        for direction, actions in by_direction.items()
        if action in actions
    }
    return senders.pop() if len(senders) == 1 else None


def _sender(action: str, version: OcppVersion | None) -> Direction:
    """Return the side that sends an action; the charge point if both may, or if the action is unknown."""
    versions = [version] if version else list(OcppVersion)
    for known in versions:
        if action in ACTIONS_FROM[known][Direction.FROM_CHARGE_POINT]:
            return Direction.FROM_CHARGE_POINT
    for known in versions:
        if action in ACTIONS_FROM[known][Direction.FROM_CSMS]:
            return Direction.FROM_CSMS
    return Direction.FROM_CHARGE_POINT
