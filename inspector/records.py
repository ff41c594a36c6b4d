"""The plain tuples that cross the recorder's door: knows their shapes; knows neither who makes nor who stores them.

Tuples of numbers, strings, bytes, None and dicts of those, so that `marshal` can carry a batch over a socket.
Every record starts with (kind, link, ts_ns, mono_ns): `link` numbers one WebSocket life within one run of the
relay, from 1 (0 where there is none, as for a rejected upgrade); `ts_ns` is wall-clock time, nanoseconds since
1970; `mono_ns` is the monotonic clock.
"""

from __future__ import annotations

from typing import Any, TypedDict

type Record = tuple[Any, ...]

OPEN, FRAME, EVENT, CLOSE, REOPEN, GAP, SET_ASIDE = range(7)

TEXT, BINARY = 1, 2
"""WebSocket opcodes (RFC 6455 section 5.2) of the two kinds of data message."""


FRAMING = "framing"
"""The kind of the event that says how a frame came, where its bytes do not: binary, in fragments."""


AUTHENTICATION = "authentication"
"""The kind of the event that keeps the facts of LinkFacts that `sessions` has no column for: never a password."""
AUTHENTICATION_FACTS = ("auth_user", "auth_password_length", "auth_password_form", "extensions")
CAPTURE = "capture"
"""The kind of the event that keeps what a capture cannot show: times, offset of the clock, a side, the beginning."""
CAPTURE_FACTS = ("from_start", "timed", "clock", "utc_offset_s", "unseen", "version_told_by")
FACTS_OF_EVENTS = {AUTHENTICATION: AUTHENTICATION_FACTS, CAPTURE: CAPTURE_FACTS}
KEPT_NOTES = frozenset({"fragments", "cut", "direction", "mended", "unsearched"})
"""The notes of a frame that its FRAMING event keeps."""


class SessionFacts(TypedDict, total=False):
    """What the handshake said; every key may be missing. But for `secrets` it holds no credential."""

    charge_point_id: str  # last path segment, %-decoded
    request_path: str  # as the charge point sent it, with its query
    upstream_url: str
    subprotocol: str | None  # what the CSMS selected
    subprotocols_offered: list[str]
    ocpp_version: str | None  # "1.6", "2.0.1", "2.1" when forced by --ocpp; else the subprotocol tells
    remote_addr: str
    auth_scheme: str | None
    auth_user: str | None
    auth_password_length: int | None  # bytes
    auth_password_form: str  # "hexadecimal" where the password is 40 such digits; nothing else of it is kept
    tls_version: str | None
    tls_cipher: str | None
    tls_sni: str | None
    client_cert_subject: str | None
    upstream_tls_version: str | None
    extensions: str | None  # Sec-WebSocket-Extensions as agreed
    secrets: list[str]  # what must not be stored wherever it is quoted; kept in memory, never written
    from_start: bool  # False where the capture began in mid-session (imports)
    timed: bool  # False where nothing tells when the frames were sent (raw lines)
    clock: str  # "unknown" where the times are local and nothing tells their offset to UTC, or their date
    utc_offset_s: int  # by how many seconds the times of all records of this session are ahead of UTC
    unseen: list[str]  # which frames the capture never shows: "<side> calls", "<side> answers"; side as in Side
    version_told_by: str  # what told `ocpp_version`, where it was neither agreed nor forced
    recording_id: int  # which run of a recorder it was recorded in, where a recording is read back


class CloseFacts(TypedDict, total=False):
    """How a WebSocket ended; a code is None where that side sent no close frame."""

    cp_close_code: int | None
    cp_close_reason: str | None
    csms_close_code: int | None
    csms_close_reason: str | None
    closed_by: str  # "charge-point", "csms", "proxy" or "unknown": who ended it first


def opened(link: int, ts_ns: int, mono_ns: int, facts: SessionFacts) -> Record:
    """A WebSocket is up: the 101 has passed."""
    return (OPEN, link, ts_ns, mono_ns, facts)


def frame(
    link: int,
    ts_ns: int,
    mono_ns: int,
    from_charge_point: bool,
    opcode: int,
    payload: bytes,
    notes: dict[str, Any] | None = None,
) -> Record:
    """One whole message as its receiver got it, unmasked and inflated, else untouched.

    `notes` is None or what the bytes do not show: {"fragments": n}, {"compressed": wire_size},
    {"forwarded": False}, {"redacted": True} (read back from a recording: something was hidden before).
    Of logs: {"cut": True} (the log broke off the frame; nobody is at fault), {"direction": "guessed"} (nothing tells
    who sent it), {"mended": what was undone}, such as "typographic quotation marks",
    {"unsearched": n} (bytes at its end that are starred out, as looking for secrets in them would have taken too long).
    """
    return (FRAME, link, ts_ns, mono_ns, from_charge_point, opcode, payload, notes)


def event(link: int, ts_ns: int, mono_ns: int, kind: str, detail: dict[str, Any]) -> Record:
    """Anything else: handshake, rejected-upgrade, unreachable, ping, pong, close, fault, gap, tls."""
    return (EVENT, link, ts_ns, mono_ns, kind, detail)


def closed(link: int, ts_ns: int, mono_ns: int, facts: CloseFacts) -> Record:
    """Both sockets of a WebSocket are gone."""
    return (CLOSE, link, ts_ns, mono_ns, facts)


def reopened(record: Record) -> Record:
    """The OPEN record of a link again, for a recorder that has been restarted meanwhile."""
    return (REOPEN, *record[1:])


def gap(
    ts_ns: int, mono_ns: int, frames: int, since_ns: int, link: int = 0, more: dict[str, Any] | None = None
) -> Record:
    """`frames` crossed the wire since `since_ns` and could not be kept for the recorder; all, or those of one link.

    `more` says what else was lost, and why: {"events": n}, {"sessions": n}, {"reason": text}.
    """
    return (GAP, link, ts_ns, mono_ns, frames, since_ns, more or {})


SET_ASIDE_REASON = "the recorder ended or hung on it twice"


def set_aside(record: Record) -> Record:
    """A frame that has ended a recorder twice, as asterisks; of an event only its kind. Others stay as they are."""
    if record[0] == FRAME:
        return (SET_ASIDE, *record[1:6], b"*" * len(record[6]), record[7])
    if record[0] == EVENT:
        return event(record[1], record[2], record[3], "fault", {"reason": SET_ASIDE_REASON, "kind": record[4]})
    return record


def is_gap(event: Record) -> bool:
    """Whether an event says that frames are missing, or that earlier ones are in another file."""
    return event[4] in ("gap", "continued", "pruned")
