"""Read and write `meta.chargesentinel` of trace records, for facts that Open OCPP Trace cannot express.

It has these members, each only if needed: `ts_ns` and `mono_ns` (as strings, because many JSON readers lose digits
above 2^53), `session`, `notes` (as in `records.FrameRecord`, for example that the frame was redacted or came in
fragments), `opened`, `before`, `after`, `closed`, `outside`. `before` and `after` are events, and frames that a trace
cannot hold (malformed, binary, SEND, CALLRESULTERROR); `outside` are events of no session, such as failed connection
attempts. Any other `meta` is kept as an event of kind `meta` before its frame.
"""

from __future__ import annotations

import base64
from typing import Any, get_type_hints

from inspector import records
from inspector.formats.captured import LARGEST_NS, Meta, nanoseconds
from inspector.protocol.vocabulary import OcppVersion
from inspector.records import CloseRecord, EventRecord, FrameRecord, OpenRecord
from inspector.redaction import handshake

OURS = "chargesentinel"
FOREIGN = "meta"
"""The kind of the event that keeps the `meta` of other tools."""


NOT_OURS = (AttributeError, KeyError, TypeError, ValueError)
"""Exceptions that a malformed part of `meta.chargesentinel` may raise."""


def number(text: Any) -> int:
    """Return nanoseconds from a string, the form in which this program writes them."""
    found = int(text)
    if abs(found) > LARGEST_NS:
        raise ValueError("a time beyond the year 2262")
    return found


class NotOurs(ValueError):
    """`meta.chargesentinel` does not have the form that this program writes."""

    def __str__(self) -> str:
        return f"meta.{OURS} is not as this program writes it ({self.args[0]})"


def read(meta: Any, ts_ns: int) -> dict[str, Any]:
    """Return the arguments of `Captured` from a record's `meta`: times, session, and the events around the frame.

    Raises:
        NotOurs: `meta.chargesentinel` does not have the form that this program writes.
    """
    if not isinstance(meta, dict):
        return {"ts_ns": ts_ns}
    ours = meta.get(OURS) or {}
    foreign = {name: value for name, value in meta.items() if name != OURS}
    try:
        ts_ns = number(ours["ts_ns"]) if "ts_ns" in ours else ts_ns
        mono_ns = number(ours["mono_ns"]) if "mono_ns" in ours else None
        before: list[EventRecord | FrameRecord] = [record(item) for item in ours.get("before", ())]
        if foreign:
            before.append(EventRecord(0, ts_ns, mono_ns or ts_ns, FOREIGN, foreign))
        told = Meta(
            opened=opened(ours["opened"]) if "opened" in ours else None,
            before=tuple(before),
            after=tuple(record(item) for item in ours.get("after", ())),
            closed=closed(ours["closed"]) if "closed" in ours else None,
            placeholder=ours.get("placeholder") is True,
            outside=tuple(record(item) for item in ours.get("outside", ())),
        )
        noted = notes(ours.get("notes"))
    except NOT_OURS as error:
        raise NotOurs(repr(error)) from error
    session = str(ours.get("session", ""))
    return {"ts_ns": ts_ns, "mono_ns": mono_ns, "session": session, "notes": noted, "meta": told}


def frame_stamps(ts_ns: int, mono_ns: int, timestamp: str) -> dict[str, str]:
    """Return the times of a frame that the timestamp of its record cannot express."""
    stamps = {}
    try:
        told: int | None = nanoseconds(timestamp)
    except ValueError:  # the earliest possible time, cut to milliseconds, is out of range
        told = None
    if told != ts_ns:
        stamps["ts_ns"] = str(ts_ns)
    if mono_ns != ts_ns:
        stamps["mono_ns"] = str(mono_ns)
    return stamps


def item(record: EventRecord | FrameRecord) -> dict[str, Any]:
    """Return an event or a frame as an item of `before` or `after`."""
    stamps = {"ts_ns": str(record.ts_ns), "mono_ns": str(record.mono_ns)}
    if isinstance(record, EventRecord):
        return {"event": record.kind, **stamps, "detail": _harmless(record.detail)}
    return {
        "frame": "cp-to-csms" if record.from_charge_point else "csms-to-cp",
        **stamps,
        "opcode": record.opcode,
        "base64": base64.b64encode(record.payload).decode(),
        **({"notes": record.notes} if record.notes else {}),
    }


def _harmless(detail: dict[str, Any]) -> dict[str, Any]:
    """Replace secrets in an event: a recorder does that before storing, but other databases may still hold some."""
    heads: dict[str, Any]
    heads = {name: detail[name] for name in ("request_headers", "response_headers") if name in detail}
    for name, headers in heads.items():
        pairs = tuple((str(header[0]).encode(), str(header[-1]).encode()) for header in headers if header)
        heads[name], _ = handshake.safe_headers(pairs)
    return {**detail, **heads} if heads else detail


def opening(record: OpenRecord) -> dict[str, Any]:
    """Return the OpenRecord of a session as JSON values."""
    return {"ts_ns": str(record.ts_ns), "mono_ns": str(record.mono_ns), "facts": record.facts}


def closing(record: CloseRecord) -> dict[str, Any]:
    """Return the CloseRecord of a session as JSON values."""
    return {"ts_ns": str(record.ts_ns), "mono_ns": str(record.mono_ns), "facts": record.facts}


def record(told: dict[str, Any]) -> EventRecord | FrameRecord:
    """Return the record of an item of `before` or `after`; raise one of NOT_OURS if malformed."""
    stamps = number(told["ts_ns"]), number(told["mono_ns"])
    if "event" in told:
        return EventRecord(0, *stamps, str(told["event"]), dict(told["detail"]))
    from_charge_point = {"cp-to-csms": True, "csms-to-cp": False}[told["frame"]]
    opcode = {1: records.TEXT, 2: records.BINARY}[told["opcode"]]
    payload = base64.b64decode(told["base64"], validate=True)
    return FrameRecord(0, *stamps, from_charge_point, opcode, payload, notes(told.get("notes")))


_NOTES: dict[str, type] = {
    **dict.fromkeys(("fragments", "compressed", "unsearched", "judged_values", "password_length"), int),
    **dict.fromkeys(("made_from", "later"), int),
    **dict.fromkeys(("forwarded", "redacted", "cut", "to_proxy"), bool),
    **dict.fromkeys(("direction", "mended", "made_by"), str),
    **dict.fromkeys(("interventions", "not_done"), list),
}


def notes(told: Any) -> dict[str, Any] | None:
    """Return the known notes of a frame, checked by type; raise one of NOT_OURS if malformed."""
    return {name: value for name, value in dict(told or {}).items() if type(value) is _NOTES.get(name)} or None


def opened(told: dict[str, Any]) -> OpenRecord:
    """Return the OPEN record that `opening` wrote; raise one of NOT_OURS if malformed."""
    return OpenRecord(0, number(told["ts_ns"]), number(told["mono_ns"]), _known(told, "opened"))  # type: ignore[arg-type]


def closed(told: dict[str, Any]) -> CloseRecord:
    """Return the CLOSE record that `closing` wrote; raise one of NOT_OURS if malformed."""
    return CloseRecord(0, number(told["ts_ns"]), number(told["mono_ns"]), _known(told, "closed"))  # type: ignore[arg-type]


_FACTS = {"opened": get_type_hints(records.SessionFacts), "closed": get_type_hints(records.CloseFacts)}
_NOT_OF_FILES = frozenset({"recording_id", "secrets"})
_VERSIONS = frozenset(version.value for version in OcppVersion)


def _known(told: dict[str, Any], place: str) -> dict[str, Any]:
    """Return only the known facts, checked by type: a file is untrusted input."""
    facts = {}
    for name, value in told["facts"].items():
        hint = _FACTS[place].get(name)
        if hint is None or name in _NOT_OF_FILES or (name == "ocpp_version" and value not in _VERSIONS):
            continue
        if value is None or _fits(value, hint):
            facts[name] = value
    return facts


def _fits(value: Any, hint: Any) -> bool:
    if hint == list[str]:
        return isinstance(value, list) and all(isinstance(text, str) for text in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return hint in (int, int | None) and abs(value) < 2**31
    return isinstance(value, hint)
