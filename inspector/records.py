"""The records that a recorder receives, in order. Each one is a frame of a session or another event in it.

Every record begins with the same three fields. `session_number` identifies the session: a proxy or an import numbers
its sessions from 1; 0 means that there is no session, as for a rejected upgrade. `ts_ns` is wall-clock time in
nanoseconds since 1970. `mono_ns` is the time on the monotonic clock, also in nanoseconds.

A record holds numbers, strings, bytes, None, and dicts and lists of those, so that `recorder/worker/wire.py` can send
it to another process.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypedDict

TEXT, BINARY = 1, 2
"""WebSocket opcodes (RFC 6455 section 5.2) of the two kinds of data message."""


FRAMING = "framing"
"""The kind of an event that lists properties of a frame that its bytes do not show, such as binary or fragmented."""


AUTHENTICATION = "authentication"
"""The kind of an event with facts about authentication for which the table `sessions` has no column.

It never contains a password.
"""
AUTHENTICATION_FACTS = ("auth_user", "auth_password_length", "auth_password_form", "extensions")
CAPTURE = "capture"
"""The kind of an event that says what a capture lacks: the beginning, the times or the frames of one side."""
CAPTURE_FACTS = ("from_start", "timed", "clock", "utc_offset_s", "unseen", "version_told_by", "relay")
SHADOW = "shadow-of"
"""The kind of an event that says which session a shadow's session mirrors, and the shadow's name.

A shadow is a second CSMS that gets what a charge point sends to its own CSMS, the primary; see `inspector.shadow`.
"""
SHADOW_FACTS = ("shadow_of", "shadow")
EDITED = "edited"
"""The fact `relay` of a session that rules may change: its peers may have seen different frames."""
TAKEN_OVER = "taken-over"
"""The kind of an event from which on rules may change a session, although it began without them; see EDITED."""
FACTS_OF_EVENTS = {AUTHENTICATION: AUTHENTICATION_FACTS, CAPTURE: CAPTURE_FACTS, SHADOW: SHADOW_FACTS}
OF_SESSION = ("handshake", *FACTS_OF_EVENTS, "taken-over")
"""The kinds of events that say how all later frames of a session must be read."""
INTERVENTION = "intervention"
"""The kind that a FRAMING event has if interventions applied to the frame, or made it."""
NOTES_OF_INTERVENTIONS = frozenset({"interventions", "not_done", "made_by", "made_from", "later", "to_proxy"})
KEPT_NOTES = NOTES_OF_INTERVENTIONS | {
    *("fragments", "cut", "direction", "mended", "unsearched", "judged_values", "password_length"),
}
"""The notes of a frame that are stored in its FRAMING event."""


class SessionFacts(TypedDict, total=False):
    """What is known from the handshake or the capture; every key may be missing. Only `secrets` holds credentials."""

    charge_point_id: str  # the last segment of the request path, %-decoded
    request_path: str  # as the charge point sent it, with its query
    upstream_url: str
    subprotocol: str | None  # what the CSMS selected
    subprotocols_offered: list[str]
    ocpp_version: str | None  # "1.6", "2.0.1" or "2.1", if forced by --ocpp; otherwise it follows from the subprotocol
    remote_addr: str
    auth_scheme: str | None
    auth_user: str | None
    auth_password_length: int | None  # in bytes
    auth_password_form: str  # "hexadecimal" if the password is 40 hexadecimal digits
    tls_version: str | None
    tls_cipher: str | None
    tls_sni: str | None
    client_cert_subject: str | None
    upstream_tls_version: str | None
    extensions: str | None  # the Sec-WebSocket-Extensions header of the CSMS's answer
    secrets: list[str]  # kept in memory only: they are hidden in every frame that contains them
    from_start: bool  # False if an imported capture begins in mid-session
    timed: bool  # False if the times of frames are not known (raw lines)
    clock: str  # "unknown" if the times lack their date or their offset to UTC
    utc_offset_s: int  # how many seconds the times of this session are ahead of UTC
    unseen: list[str]  # frames that the capture lacks: "<side> calls", "<side> answers", with a value of `rules.Side`
    relay: str  # EDITED if interventions could apply to the session
    version_told_by: str  # what `ocpp_version` was inferred from, if it was neither agreed nor forced
    shadow: str  # the name of the shadow, if the CSMS of this session is one
    shadow_of: int  # the number of the session that it mirrors; it must be open when this session opens
    recording_id: int  # row of the table `recordings`, if the session is read from a database


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
            {"fragments": n}: it came in n WebSocket frames.
            {"compressed": n}: it had n bytes on the wire.
            {"forwarded": False}: the proxy did not send it to the other peer.
            {"redacted": True}: it was read from a recording in which something is hidden.
            {"cut": True}: the log contains only its beginning; neither peer is at fault.
            {"direction": "guessed"}: nothing in the log says who sent it.
            {"mended": text}: the import repaired damage from the log, such as "typographic quotation marks".
            {"unsearched": n}: n bytes at its end are starred out, because a search for secrets in them would have taken
            too long.
            {"password_length": n}: it sets a short password, which is starred out; see `protocol.password_length`.
            {"interventions": [[rule, what], …]}: these rules of the proxy applied to it.
            {"not_done": [[rule, why], …]}: these rules applied to it but could not do what they say.
            {"made_by": rule}: the proxy made it, so the peer that it seems to come from never sent it.
            {"made_from": n}: it was made from the frame of the session that was recorded n frames earlier.
            {"later": n}: it was recorded before it was sent; the event "sent" with this number says when it was.
            {"to_proxy": True}: it answers a CALL of the proxy.
            {"judged_values": n}: it has more than n values, and rules and derived tables used only the first n.
    """

    session_number: int
    ts_ns: int
    mono_ns: int
    from_charge_point: bool
    opcode: int
    payload: bytes
    notes: dict[str, Any] | None = None


class EventRecord(NamedTuple):
    """An event that has no record type of its own.

    `kind` is for example handshake, rejected-upgrade, unreachable, ping, pong, close, fault, gap or tls.
    """

    session_number: int
    ts_ns: int
    mono_ns: int
    kind: str
    detail: dict[str, Any]

    @property
    def is_gap(self) -> bool:
        """Whether the event says that frames are missing or that earlier frames are in another file."""
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
    """Frames were relayed, but could not be kept for the recorder.

    They belong to the session `session_number`; if that is 0, they may belong to any session.

    Attributes:
        frames: how many.
        since_ns: when the first of them was relayed, in nanoseconds since 1970; `ts_ns` is when the gap ended.
        more: what else was lost, and why: {"events": n}, {"sessions": n}, {"reason": text}.
    """

    session_number: int
    ts_ns: int
    mono_ns: int
    frames: int
    since_ns: int
    more: dict[str, Any]


class SetAsideRecord(NamedTuple):
    """A frame on which the recorder crashed or hung twice, with asterisks in place of its bytes."""

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
    """Return a record without the content on which the recorder crashed or hung twice.

    Only frames and events have such content; any other record is returned unchanged.
    """
    if isinstance(record, FrameRecord):
        return SetAsideRecord(*record)._replace(payload=b"*" * len(record.payload))
    if isinstance(record, EventRecord):
        return record._replace(kind="fault", detail={"reason": SET_ASIDE_REASON, "kind": record.kind})
    return record
