"""Frames are found in the logs that CSMSs and charge points write, with their time, direction and charge point."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.formats import logs
from inspector.formats.captured import Captured
from inspector.formats.reading import Reading
from inspector.protocol.vocabulary import Direction
from tests.examples import examples

UP, DOWN = Direction.FROM_CHARGE_POINT, Direction.FROM_CSMS
NOON = 1_767_268_800_000_000_000
BOOT = '[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]'
BOOTED = '[3,"1",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":300}]'


def read(text: str) -> tuple[list[Captured], Reading]:
    reading = Reading("a.log", strict=False)
    return list(logs.read(text.encode().splitlines(keepends=True), reading)), reading


def told(frames: list[Captured]) -> list[tuple[Any, ...]]:
    return [(frame.charge_point_id, frame.direction, frame.ts_ns, frame.raw.decode()) for frame in frames]


def test_the_log_of_steve() -> None:
    where = "de.rwth.idsg.steve.ocpp.ws.WebSocketLogger"
    frames, reading = read(
        f"""\
[INFO ] 2026-01-01 12:00:00,000 {where} (qtp1-50) - [chargeBoxId=CP1, sessionId=53a8] Connection is established
[INFO ] 2026-01-01 12:00:00,001 {where} (qtp1-50) - [chargeBoxId=CP1, sessionId=53a8] Received: {BOOT}
[INFO ] 2026-01-01 12:00:00,002 {where} - [chargeBoxId=CP1, sessionId=53a8] Sending: {BOOTED}
[DEBUG] 2026-01-01 12:00:01,000 {where} (qtp1-50) - [chargeBoxId=CP1, sessionId=53a8] Sending ping message
[WARN ] 2026-01-01 12:00:02,000 {where} (qtp1-50) - [chargeBoxId=CP 2, sessionId=53a9] Received: [2,"2","X" {{}}]
[ERROR] 2026-01-01 12:00:02,003 de.rwth.idsg.steve.ocpp.ws.pipeline.Deserializer - Exception for [2,"2","X" {{}}]
\tat de.rwth.idsg.steve.ocpp.ws.Deserializer.accept(Deserializer.java:85)
"""
    )
    assert told(frames) == [
        ("CP1", UP, NOON + 1_000_000, BOOT),
        ("CP1", DOWN, NOON + 2_000_000, BOOTED),
        ("CP 2", UP, NOON + 2_000_000_000, '[2,"2","X" {}]'),
    ]
    assert [frame.session for frame in frames] == ["1", "1", "2"]
    assert (reading.missed, reading.passed_over) == (0, 4)


def test_the_log_of_a_csms_that_uses_the_ocpp_package() -> None:
    """Received frames are from the charge point; a frame may span several lines."""
    frames, reading = read(
        """\
2026-01-01 12:00:00 WARNING (MainThread) [homeassistant.loader] You are using a custom integration ocpp
2026-01-01 12:00:00.5 INFO (MainThread) [ocpp] Wallbox: send [2,"7","TriggerMessage",{"requestedMessage":"Heartbeat"}]
2026-01-01 12:00:01 INFO (MainThread) [ocpp] Wallbox: receive message [3,"7",
{
"status": "Accepted"
}]
INFO:ocpp:Wallbox: receive message [2,"8","Heartbeat",{}]
"""
    )
    assert told(frames) == [
        ("Wallbox", DOWN, NOON + 500_000_000, '[2,"7","TriggerMessage",{"requestedMessage":"Heartbeat"}]'),
        ("Wallbox", UP, NOON + 1_000_000_000, '[3,"7",\n{\n"status": "Accepted"\n}]'),
        ("Wallbox", UP, NOON + 1_000_000_000, '[2,"8","Heartbeat",{}]'),
    ]
    assert (reading.missed, reading.passed_over) == (0, 1)


def test_the_log_of_a_charge_point_that_uses_the_ocpp_package() -> None:
    """ "Receive" means the opposite in a charge point's log; the first CALL that only one side may send decides."""
    frames, _ = read(f'CP1: receive message [3,"0",{{}}]\nCP1: send {BOOT}\nCP1: receive message {BOOTED}\n')
    assert [frame.direction for frame in frames] == [DOWN, UP, DOWN]


def test_the_log_of_everest() -> None:
    pretty = json.dumps(json.loads(BOOT), indent=2)
    frames, reading = read(
        f"""\
2026-01-01T12:00:00.000Z: SYS> Session logging started.\x20


2026-01-01T12:00:00.001Z: ChargePoint>CentralSystem BootNotification\x20
{pretty}

2026-01-01T12:00:00.002Z: CentralSystem>ChargePoint  BootNotificationResponse
{BOOTED}

2026-01-01T12:00:00.003Z: ChargePoint>CentralSystem Heartbeat\x20
"""
    )
    assert told(frames) == [(None, UP, NOON + 1_000_000, pretty), (None, DOWN, NOON + 2_000_000, BOOTED)]
    assert [str(line) for line in reading.first] == ["a.log, line 18: announces a frame that does not follow"]


def test_the_html_log_of_everest() -> None:
    frames, reading = read(
        """\
<html><head><title>EVerest OCPP log session</title>
<tr class="SYS"> <td>2026-01-01T12:00:00.000Z</td> <td>SYS&gt;</td> <td><pre lang="json"></pre></td> </tr>
<tr class="ChargePoint"> <td>2026-01-01T12:00:00.001Z</td> <td>ChargePoint&gt;CentralSystem</td> <td><pre lang="json">[
  2,"1",
  "DataTransfer",{"vendorId":"a&lt;b"}]</pre></td> </tr>
<tr class="CentralSystem"> <td>2026-01-01T12:00:00.002Z</td> <td><pre lang="json">[3,"1",{}]</pre></td> </tr>
"""
    )
    assert told(frames) == [
        (None, UP, NOON + 1_000_000, '[\n  2,"1",\n  "DataTransfer",{"vendorId":"a<b"}]'),
        (None, DOWN, NOON + 2_000_000, '[3,"1",{}]'),
    ]
    assert reading.missed == 0


def test_the_console_of_everest_with_its_colours() -> None:
    frames, _ = read(
        '2026-01-01 12:00:00.001000 [INFO] ocpp:OCPP :: \x1b[1;35mChargePoint: [\n  2,"1","Heartbeat",{}\n]\x1b[1;0m\n'
        '2026-01-01 12:00:00.002000 [INFO] ocpp:OCPP :: \x1b[1;36mCentralSystem: [3,"1",{}]\x1b[1;0m\n'
    )
    assert told(frames) == [
        (None, UP, NOON + 1_000_000, '[\n  2,"1","Heartbeat",{}\n]'),
        (None, DOWN, NOON + 2_000_000, '[3,"1",{}]'),
    ]


@pytest.mark.parametrize(
    ("before", "ts_ns", "direction", "charge_point_id"),
    [
        ("2026-01-01T12:00:00.123456789Z >", NOON + 123_456_789, UP, None),
        ("2026-01-01T14:00:00,5+02:00 CP1 <", NOON + 500_000_000, DOWN, "CP1"),
        ("2026/01/01 12:00:00 [CP1] cp-to-csms:", NOON, UP, "CP1"),
        ("2026-01-01 12:00:00 +0000 INFO (CP1) CSMS->CP |", NOON, DOWN, "CP1"),
        ("1767268800 RX CP1", NOON, UP, "CP1"),
        ("1767268800.25;CP1;incoming;", NOON + 250_000_000, UP, "CP1"),
        ("1767268800001 OUT", NOON + 1_000_000, DOWN, None),
        ("[2026-01-01T12:00:00Z] CP1 => ", NOON, UP, "CP1"),
        ("2026-01-01T12:00:00Z", NOON, UP, None),
    ],
)
def test_lines_of_time_direction_and_frame(
    before: str, ts_ns: int, direction: Direction | None, charge_point_id: str | None
) -> None:
    frames, reading = read(f'{before} [2,"9","DataTransfer",{{"vendorId":"x"}}]\n')
    assert reading.missed == 0
    assert told(frames) == [(charge_point_id, direction, ts_ns, '[2,"9","DataTransfer",{"vendorId":"x"}]')]


def test_a_frame_in_prose_is_a_frame() -> None:
    frames, reading = read(f"2026-01-01T12:00:00Z > {BOOT}\nthe answer was this: {BOOTED}\nnothing here\n")
    assert [frame.direction for frame in frames] == [UP, DOWN]
    assert (reading.missed, reading.passed_over) == (0, 1)


def test_what_looks_like_a_frame_and_is_none_is_named() -> None:
    frames, reading = read(f'2026-01-01T12:00:00Z > {BOOT}\nlist [3, "a", "b"]\nnumbers [3, 4, 5]\n')
    assert len(frames) == 1
    assert [str(line) for line in reading.first] == [
        "a.log, line 2: an array that begins like a frame but lacks its parts"
    ]


def test_a_frame_that_the_log_cut_short_is_kept_as_it_is() -> None:
    frames, reading = read(f"2026-01-01T12:00:00Z > {BOOT[:40]}\n2026-01-01T12:00:01Z < {BOOTED}\n")
    assert [frame.raw.decode() for frame in frames] == [BOOT[:40], BOOTED]
    assert reading.missed == 0


@settings(max_examples=examples(300))
@given(
    lines=st.lists(
        st.one_of(
            st.text(max_size=60),
            st.sampled_from(["CP1: send ", "[", "]", "2026-01-01T12:00:00Z > ", "X: receive message "]).flatmap(
                lambda start: st.text('[]{}",:0123 ', max_size=30).map(lambda rest: start + rest)
            ),
        ),
        max_size=20,
    )
)
def test_any_lines_are_frames_or_missed_or_passed_over_never_a_crash(lines: list[str]) -> None:
    frames, reading = read("\n".join(lines))
    assert len(frames) + reading.missed + reading.passed_over <= len("\n".join(lines).splitlines()) + 1
