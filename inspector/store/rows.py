"""The rows of a recording as dataclasses, one for each table.

Times are nanoseconds since 1970, energies Wh.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChargePoint:
    """A charge point, with totals over its sessions."""

    charge_point_id: str
    vendor: str | None
    model: str | None
    firmware: str | None
    serial: str | None
    first_seen_ns: int | None
    last_seen_ns: int | None
    sessions: int
    live: int
    frames: int
    errors: int
    versions: str

    def __str__(self) -> str:
        return f"{self.charge_point_id} ({self.sessions} sessions, {self.frames} frames)"


@dataclass(frozen=True, slots=True)
class Session:
    """One session. `state` is "live", "closed" or "interrupted" (its recorder ended before it closed)."""

    id: int
    charge_point_id: str | None
    ocpp_version: str | None
    subprotocol: str | None
    subprotocols_offered: str | None
    opened_ns: int
    closed_ns: int | None
    frame_count: int
    error_count: int
    last_seen_ns: int | None
    cp_close_code: int | None
    cp_close_reason: str | None
    csms_close_code: int | None
    csms_close_reason: str | None
    closed_by: str | None
    remote_addr: str | None
    request_path: str | None
    upstream_url: str | None
    auth_scheme: str | None
    tls_version: str | None
    tls_cipher: str | None
    tls_sni: str | None
    client_cert_subject: str | None
    upstream_tls_version: str | None
    recording_id: int
    state: str

    def __str__(self) -> str:
        return f"session {self.id}: {self.charge_point_id} {self.ocpp_version} {self.state}, {self.frame_count} frames"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. In lists, `raw` is None if it is above TEXT_LIMIT. `answer_id` is the frame that answers a CALL."""

    id: int
    session_id: int
    ts_ns: int
    mono_ns: int
    direction: str
    msg_type: int | None
    action: str | None
    valid: int | None
    max_severity: str | None
    latency_us: int | None
    message_id: str | None
    call_id: int | None
    answer_id: int | None
    size: int
    forwarded: int
    redacted: int
    raw: str | bytes | None

    def __str__(self) -> str:
        return f"#{self.id} {'>' if self.direction == 'cp-to-csms' else '<'} {self.msg_type} {self.action}"


@dataclass(frozen=True, slots=True)
class Finding:
    """A stored finding."""

    id: int
    severity: str
    rule_id: str
    message: str
    pointer: str | None
    spec_ref: str | None
    side: str
    count: int
    ts_ns: int
    frame_id: int | None
    last_frame_id: int | None
    session_id: int

    def __str__(self) -> str:
        return f"{self.severity} {self.rule_id} [{self.side}] {self.message}"


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a recording, such as a gap or a fault; `detail` is JSON."""

    id: int
    session_id: int | None
    ts_ns: int
    after_frame_id: int | None
    kind: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind} {self.detail}"


@dataclass(frozen=True, slots=True)
class Transaction:
    """A charging transaction; energies in Wh."""

    id: int
    session_id: int
    charge_point_id: str | None
    transaction_id: str
    evse_id: int | None
    connector_id: int | None
    id_token: str | None
    started_ns: int | None
    stopped_ns: int | None
    meter_start_wh: float | None
    meter_stop_wh: float | None
    stop_reason: str | None
    start_frame_id: int | None
    stop_frame_id: int | None

    def __str__(self) -> str:
        return f"transaction {self.transaction_id} of {self.charge_point_id}"


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured value; `ts_ns` is the charge point's time, `seen_ns` when its frame crossed the wire.

    `connector` (or the EVSE) is only known for samples outside of a transaction.
    """

    frame_id: int
    ts_ns: int
    seen_ns: int
    measurand: str
    phase: str | None
    location: str | None
    value: float | None
    unit: str | None
    transaction_id: int | None
    connector: str | int | None

    def __str__(self) -> str:
        return f"{self.measurand} {self.value} {self.unit}"
