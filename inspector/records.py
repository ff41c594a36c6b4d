"""The records that a recorder takes: each says what happened to a session, in the order in which it happened.

Every record begins with the same three fields. `session_number` numbers the sessions of one run of whoever made the
records, from 1; 0 means that there is no session, as for a rejected upgrade. `ts_ns` is wall-clock time in nanoseconds
since 1970, and `mono_ns` is the monotonic clock.

A record holds numbers, strings, bytes, None, and dicts and lists of those, so that `recorder/worker/wire.py` can send
it to another process.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypedDict

TEXT, BINARY = 1, 2
"""WebSocket opcodes (RFC 6455 section 5.2) of the two kinds of data message."""


FRAMING = "framing"
"""The kind of the event for properties of a frame that its bytes do not show, such as binary or fragmented."""


AUTHENTICATION = "authentication"
"""The kind of the event for facts about the authentication that `sessions` has no columns for; never a password."""
AUTHENTICATION_FACTS = ("auth_user", "auth_password_length", "auth_password_form", "extensions")
CAPTURE = "capture"
"""The kind of the event that says what a capture lacks: the beginning, the times or the frames of one side."""
CAPTURE_FACTS = ("from_start", "timed", "clock", "utc_offset_s", "unseen", "version_told_by")
FACTS_OF_EVENTS = {AUTHENTICATION: AUTHENTICATION_FACTS, CAPTURE: CAPTURE_FACTS}
KEPT_NOTES = frozenset({"fragments", "cut", "direction", "mended", "unsearched", "judged_values", "password_length"})
"""The notes of a frame that its FRAMING event keeps."""


class SessionFacts(TypedDict, total=False):
    """What is known from the handshake or the capture; every key may be missing. Only `secrets` holds credentials."""

    charge_point_id: str  # last path segment, %-decoded
    request_path: str  # as the charge point sent it, with its query
    upstream_url: str
    subprotocol: str | None  # what the CSMS selected
    subprotocols_offered: list[str]
    ocpp_version: str | None  # "1.6", "2.0.1" or "2.1", if forced by --ocpp; otherwise it follows from the subprotocol
    remote_addr: str
    auth_scheme: str | None
    auth_user: str | None
    auth_password_length: int | None  # bytes
    auth_password_form: str  # "hexadecimal" if the password is 40 hexadecimal digits
    tls_version: str | None
    tls_cipher: str | None
    tls_sni: str | None
    client_cert_subject: str | None
    upstream_tls_version: str | None
    extensions: str | None  # Sec-WebSocket-Extensions as agreed
    secrets: list[str]  # must not be stored wherever they are quoted; kept in memory only
    from_start: bool  # False if the capture begins in mid-session (imports)
    timed: bool  # False if the times of frames are not known (raw lines)
    clock: str  # "unknown" if times are local and their offset to UTC, or their date, is not known
    utc_offset_s: int  # how many seconds the times of this session are ahead of UTC
    unseen: list[str]  # frames that the capture lacks: "<side> calls", "<side> answers"; side as in Side
    version_told_by: str  # how `ocpp_version` was found, if it was neither agreed nor forced
    recording_id: int  # the run of a recorder, if a recording is read back


class CloseFacts(TypedDict, total=False):
    """How a session ended; a code is None if that side sent no close frame."""

    cp_close_code: int | None
    cp_close_reason: str | None
    csms_close_code: int | None
    csms_close_reason: str | None
    closed_by: str  # who ended it first: "charge-point", "csms", "proxy" or "unknown"


class OpenRecord(NamedTuple):
    """A session has begun: the CSMS has accepted the WebSocket handshake."""

    session_number: int
    ts_ns: int
    mono_ns: int
    facts: SessionFacts


class FrameRecord(NamedTuple):
    """One whole message as its receiver got it: unmasked and inflated, otherwise untouched.

    Attributes:
        opcode: TEXT or BINARY.
        notes: what the bytes do not show, or None:
            {"fragments": n}, {"compressed": wire_size}, {"forwarded": False},
            {"redacted": True} (read back from a recording: something was hidden before).
            Only in frames from logs: {"cut": True} (the log broke the frame off; neither peer is at fault),
            {"direction": "guessed"} (nothing in the log says who sent it),
            {"mended": what was undone}, such as "typographic quotation marks".
            {"unsearched": n}: n bytes at its end are starred out, because searching them for secrets would have taken
            too long.
            {"password_length": n}: it sets a short password, which is starred out; see `protocol.password_length`.
            {"judged_values": n}: it has more values than that, and rules and derived tables used only the first n.
    """

    session_number: int
    ts_ns: int
    mono_ns: int
    from_charge_point: bool
    opcode: int
    payload: bytes
    notes: dict[str, Any] | None = None


class EventRecord(NamedTuple):
    """Anything else: handshake, rejected-upgrade, unreachable, ping, pong, close, fault, gap, tls."""

    session_number: int
    ts_ns: int
    mono_ns: int
    kind: str
    detail: dict[str, Any]

    @property
    def is_gap(self) -> bool:
        """Whether the event says that frames are missing, or that earlier ones are in another file."""
        return self.kind in ("gap", "continued", "pruned")


class CloseRecord(NamedTuple):
    """A session has ended: both connections are closed."""

    session_number: int
    ts_ns: int
    mono_ns: int
    facts: CloseFacts


class ReopenRecord(NamedTuple):
    """The OpenRecord of a session that is still open, sent once more to a recorder that has been restarted."""

    session_number: int
    ts_ns: int
    mono_ns: int
    facts: SessionFacts


class GapRecord(NamedTuple):
    """Frames crossed the wire and could not be kept for the recorder.

    They belong to one session, or to any where `session_number` is 0.

    Attributes:
        frames: how many.
        since_ns: when the first of them crossed the wire; `ts_ns` is when the gap ended.
        more: what else was lost, and why: {"events": n}, {"sessions": n}, {"reason": text}.
    """

    session_number: int
    ts_ns: int
    mono_ns: int
    frames: int
    since_ns: int
    more: dict[str, Any]


class SetAsideRecord(NamedTuple):
    """A frame that has ended a recorder twice, with asterisks in place of its bytes."""

    session_number: int
    ts_ns: int
    mono_ns: int
    from_charge_point: bool
    opcode: int
    payload: bytes
    notes: dict[str, Any] | None


type Record = OpenRecord | FrameRecord | EventRecord | CloseRecord | ReopenRecord | GapRecord | SetAsideRecord


SET_ASIDE_REASON = "the recorder crashed or hung on it twice"


def set_aside(record: Record) -> Record:
    """Hide the content of a record that has ended a recorder twice; one that is no frame or event stays as it is."""
    if isinstance(record, FrameRecord):
        return SetAsideRecord(*record)._replace(payload=b"*" * len(record.payload))
    if isinstance(record, EventRecord):
        return record._replace(kind="fault", detail={"reason": SET_ASIDE_REASON, "kind": record.kind})
    return record
