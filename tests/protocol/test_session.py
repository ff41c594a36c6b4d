"""A session knows its version, from the handshake or from messages, and describes every frame."""

from __future__ import annotations

import pytest

from inspector.protocol.session import Session
from inspector.protocol.vocabulary import Direction, OcppVersion

CP, CSMS = Direction.FROM_CHARGE_POINT, Direction.FROM_CSMS
V16, V201, V21 = OcppVersion.V16, OcppVersion.V201, OcppVersion.V21


@pytest.mark.parametrize(
    ("subprotocol", "forced", "version"),
    [
        ("ocpp1.6", None, V16),
        ("ocpp2.0.1", None, V201),
        ("ocpp2.1", None, V21),
        ("ocpp2.1", V16, V16),
        ("ocpp1.5", None, None),
        (None, None, None),
    ],
)
def test_the_subprotocol_tells_the_version_unless_one_is_forced(
    subprotocol: str | None, forced: OcppVersion | None, version: OcppVersion | None
) -> None:
    """Unknown subprotocols do not determine a version."""
    assert Session(subprotocol, forced).version is version


@pytest.mark.parametrize(
    ("raw", "version"),
    [
        ('[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]', V16),
        ('[2,"1","BootNotification",{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}]', V201),
        ('[2,"1","BootNotification",{}]', None),
        ('[2,"1","StartTransaction",{}]', V16),
        ('[2,"1","TransactionEvent",{}]', V201),
        ('[2,"1","BatterySwap",{}]', V21),
        ('[2,"1","Heartbeat",{}]', None),
        ('[2,"1","Nonsense",{}]', None),
        ("garbage", None),
    ],
)
def test_without_a_subprotocol_the_first_telling_call_decides(raw: str, version: OcppVersion | None) -> None:
    """A boot decides by its members, another CALL if only 1.6 or only 2.x has it; else the version stays unknown."""
    session = Session()
    session.frame(1, 0, 0, CP, raw.encode())
    assert session.version is version


def test_a_clock_that_was_set_back_makes_no_answer_older_than_its_call() -> None:
    """Imported recordings have no monotonic clock, so their times can go backwards."""
    session = Session("ocpp1.6")
    hour = 3600 * 10**9
    session.frame(1, hour, hour, CP, b'[2,"1","Heartbeat",{}]')
    answer = session.frame(2, 0, 0, CSMS, b'[3,"1",{}]')
    assert (answer.mono_ns, answer.ts_ns, answer.latency_ns) == (hour, 0, 0)


def test_the_csms_does_not_decide_the_version() -> None:
    """Only messages of the charge point show which version it speaks."""
    session = Session()
    session.frame(1, 0, 0, CSMS, b'[2,"1","StartTransaction",{}]')
    assert session.version is None


def test_a_frame_keeps_its_bytes_and_notes_and_prints_as_a_log_line() -> None:
    """The bytes and notes of a frame are kept as received."""
    raw = b' [2,"1",  "Heartbeat",{}]'
    frame = Session("ocpp1.6").frame(7, 1, 2, CP, raw, notes={"fragments": 2})
    assert (frame.raw, frame.notes, frame.action) == (raw, {"fragments": 2}, "Heartbeat")
    assert str(frame) == "#7 > CALL Heartbeat 1"


@pytest.mark.parametrize("raw", [b'[2,"1","Heartbeat",null]', b'[2,"1","Heartbeat",[1]]', b"[", b'[4,"1","x","",{}]'])
def test_a_payload_that_is_no_object_counts_as_an_empty_one(raw: bytes) -> None:
    """So rules can read members of any frame."""
    assert Session("ocpp1.6").frame(1, 0, 0, CP, raw).payload == {}
