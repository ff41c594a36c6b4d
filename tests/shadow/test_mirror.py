"""A shadow gets the charge point's CALLs one at a time, in order, under its own ids, and costs bounded memory."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.protocol.vocabulary import OcppVersion
from inspector.shadow.message_ids import mirrored_id, mirrored_ids
from inspector.shadow.mirror import ANSWER_S, ENTRY_BYTES, FULL, LEAST_LIMIT, NO_TRANSACTION, UNANSWERED, Mirror
from inspector.shadow.shadow_ids import ShadowIds

START = {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": "2026-01-01T00:00:00Z"}
STOP = {"transactionId": 7, "meterStop": 9, "timestamp": "2026-01-01T01:00:00Z"}
ACCEPTED = {"idTagInfo": {"status": "Accepted"}}


class Wire:
    """A mirror between a charge point, its primary and a shadow, with a clock of its own."""

    def __init__(self, version: OcppVersion | None = OcppVersion.V16, **options: Any) -> None:
        self.mirror = Mirror(ShadowIds(), version, **options)
        self.now = 100.0

    def call(self, message_id: str, action: str, payload: Any) -> None:
        self.mirror.offer(True, json.dumps([2, message_id, action, payload]).encode())

    def primary(self, message_id: str, payload: Any) -> None:
        self.mirror.offer(False, json.dumps([3, message_id, payload]).encode())

    def due(self) -> list[list[Any]]:
        """Return the messages that the shadow gets now."""
        return [json.loads(one.text) for one in self.mirror.due(self.now)]

    def answer(self, call: list[Any], payload: Any) -> None:
        self.mirror.received(json.dumps([3, call[1], payload]).encode())

    def connected(self) -> Wire:
        self.mirror.connected(self.now)
        return self


def test_a_call_is_mirrored_with_another_message_id_and_otherwise_the_same_bytes() -> None:
    wire = Wire().connected()
    wire.mirror.offer(True, b'[2, "7" ,"DataTransfer",{"vendorId":"\xc3\xa9", "data" : 1.50}]')
    (sent,) = wire.mirror.due(wire.now)
    assert sent.text == f'[2, "{mirrored_id("7", 1)}" ,"DataTransfer",{{"vendorId":"é", "data" : 1.50}}]'


def test_the_next_call_waits_for_the_answer_to_the_one_before() -> None:
    wire = Wire().connected()
    wire.call("1", "Heartbeat", {})
    wire.call("2", "Authorize", {"idTag": "A"})
    (first,) = wire.due()
    assert first[2] == "Heartbeat" and wire.due() == []
    wire.answer(first, {"currentTime": "2026-01-01T00:00:00Z"})
    (second,) = wire.due()
    assert second[2] == "Authorize"


def test_after_an_answer_that_never_comes_the_next_call_is_sent() -> None:
    wire = Wire().connected()
    wire.call("1", "Heartbeat", {})
    wire.call("2", "Authorize", {"idTag": "A"})
    wire.due()
    assert wire.mirror.next_due() == wire.now + ANSWER_S
    wire.now += ANSWER_S
    assert [call[2] for call in wire.due()] == ["Authorize"]


def test_a_transaction_of_1_6_goes_on_under_the_shadows_id() -> None:
    wire = Wire().connected()
    wire.call("1", "StartTransaction", START)
    wire.primary("1", {"transactionId": 7, **ACCEPTED})
    wire.call("2", "MeterValues", {"connectorId": 1, "transactionId": 7, "meterValue": []})
    wire.call("3", "StopTransaction", STOP)
    (start,) = wire.due()
    wire.answer(start, {"transactionId": 5001, **ACCEPTED})
    (values,) = wire.due()
    wire.answer(values, {})
    (stop,) = wire.due()
    assert values[3]["transactionId"] == stop[3]["transactionId"] == 5001


def test_the_shadow_may_answer_a_start_before_the_primary_does() -> None:
    wire = Wire().connected()
    wire.call("1", "StartTransaction", START)
    (start,) = wire.due()
    wire.answer(start, {"transactionId": 5001, **ACCEPTED})
    wire.primary("1", {"transactionId": 7, **ACCEPTED})
    wire.call("2", "StopTransaction", STOP)
    assert wire.due()[0][3]["transactionId"] == 5001


def test_a_transaction_that_the_shadow_refused_to_open_is_not_stopped_there() -> None:
    wire = Wire().connected()
    wire.call("1", "StartTransaction", START)
    wire.primary("1", {"transactionId": 7, **ACCEPTED})
    (start,) = wire.due()
    wire.mirror.received(json.dumps([4, start[1], "InternalError", "", {}]).encode())
    wire.call("2", "StopTransaction", STOP)
    wire.call("3", "Heartbeat", {})
    assert [call[2] for call in wire.due()] == ["Heartbeat"]
    assert wire.mirror.take_losses() == [(1, NO_TRANSACTION)]


def test_an_id_that_the_primary_uses_again_stands_for_the_newer_transaction() -> None:
    wire = Wire().connected()
    for number, own in ((1, 5001), (2, 5002)):
        wire.call(f"start{number}", "StartTransaction", START)
        wire.primary(f"start{number}", {"transactionId": 7, **ACCEPTED})
        (start,) = wire.due()
        wire.answer(start, {"transactionId": own, **ACCEPTED})
        wire.call(f"stop{number}", "StopTransaction", STOP)
        (stop,) = wire.due()
        wire.answer(stop, {})
        assert stop[3]["transactionId"] == own


def test_a_transaction_of_2_x_keeps_the_id_of_the_charge_point() -> None:
    wire = Wire(OcppVersion.V201).connected()
    event = {"eventType": "Started", "transactionInfo": {"transactionId": "tx-1", "remoteStartId": 4}, "seqNo": 0}
    wire.call("1", "TransactionEvent", event)
    (sent,) = wire.due()
    assert sent[3]["transactionInfo"] == {"transactionId": "tx-1"}  # only the primary knows its remote start


def test_a_report_that_only_the_primary_has_asked_for_is_not_mirrored() -> None:
    wire = Wire(OcppVersion.V201).connected()
    wire.call("1", "NotifyReport", {"requestId": 3, "seqNo": 0, "generatedAt": "2026-01-01T00:00:00Z"})
    assert wire.due() == []
    assert wire.mirror.left_out == {"NotifyReport": 1} and wire.mirror.take_losses() == []


def test_neither_calls_of_the_primary_nor_answers_to_them_reach_the_shadow() -> None:
    wire = Wire().connected()
    wire.mirror.offer(False, b'[2,"p1","Reset",{"type":"Soft"}]')
    wire.mirror.offer(True, b'[3,"p1",{"status":"Accepted"}]')
    wire.mirror.offer(True, b"not OCPP")
    assert wire.due() == []


def test_a_call_of_the_shadow_is_rejected_by_default() -> None:
    wire = Wire().connected()
    wire.mirror.received(b'[2,"s1","Reset",{"type":"Hard"}]')
    (answer,) = wire.due()
    assert answer[:3] == [4, "s1", "NotSupported"]


def test_a_call_of_the_shadow_can_be_answered_as_the_charge_point_answered_the_primary() -> None:
    wire = Wire(answering=True).connected()
    wire.mirror.offer(False, b'[2,"p1","ReserveNow",{"connectorId":1,"idTag":"A","reservationId":3}]')
    wire.mirror.offer(True, b'[3,"p1",{"status":"Occupied"}]')
    wire.mirror.received(b'[2,"s1","ReserveNow",{"connectorId":1,"idTag":"A","reservationId":900}]')
    wire.mirror.received(b'[2,"s2","Reset",{"type":"Hard"}]')
    wire.call("1", "StartTransaction", {**START, "reservationId": 3})
    same, rejected, start = wire.due()
    assert same == [3, "s1", {"status": "Occupied"}] and rejected[2] == "NotSupported"
    assert start[3]["reservationId"] == 900


def test_the_boot_comes_first_until_the_shadow_has_accepted_it() -> None:
    wire = Wire().connected()
    wire.call("b", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
    (boot,) = wire.due()
    wire.answer(boot, {"status": "Pending", "currentTime": "2026-01-01T00:00:00Z", "interval": 1})
    wire.mirror.disconnected()
    wire.call("h", "Heartbeat", {})
    wire.connected()
    (again,) = wire.due()
    assert again[2] == "BootNotification" and again[1] == mirrored_id("b", 2)
    wire.answer(again, {"status": "Accepted", "currentTime": "2026-01-01T00:00:00Z", "interval": 1})
    wire.mirror.disconnected()
    wire.connected()
    assert [call[2] for call in wire.due()] == ["Heartbeat"]


def test_a_call_without_an_answer_is_sent_again_on_the_next_connection_but_only_once() -> None:
    wire = Wire().connected()
    wire.call("1", "Heartbeat", {})
    assert len(wire.due()) == 1
    wire.mirror.disconnected()
    assert len(wire.connected().due()) == 1
    wire.mirror.disconnected()
    assert wire.connected().due() == [] and wire.mirror.take_losses() == [(1, UNANSWERED)]
    assert wire.mirror.waiting_bytes == 0


def test_what_waits_for_a_shadow_is_bounded_in_bytes_and_the_rest_is_counted() -> None:
    wire = Wire(limit_bytes=LEAST_LIMIT)
    text = json.dumps([2, "1", "DataTransfer", {"vendorId": "V", "data": "x" * 1000}]).encode()
    for _ in range(100):
        wire.mirror.offer(True, text)
        wire.mirror.settle()
    kept = LEAST_LIMIT // (len(text) + ENTRY_BYTES)
    assert wire.mirror.waiting_bytes <= LEAST_LIMIT
    assert wire.mirror.take_losses() == [(100 - kept, FULL)]


def test_nothing_more_waits_while_too_much_waits_for_other_charge_points() -> None:
    wire = Wire()
    assert wire.mirror.offer(True, b'[2,"1","Heartbeat",{}]', full=True) is False
    assert wire.mirror.waiting_bytes == 0 and wire.mirror.take_losses() == [(1, FULL)]


def test_a_recording_shows_which_call_a_mirrored_one_came_from() -> None:
    wire = Wire().connected()
    for _ in range(3):
        wire.call("same id", "Heartbeat", {})
        (sent,) = wire.due()
        assert sent[1] in list(mirrored_ids("same id"))[:3] and len(sent[1]) == 36
        wire.answer(sent, {})


STEPS = st.lists(
    st.sampled_from(["start", "stop", "meter", "beat", "answer", "late", "drop", "connect", "junk", "own"]), max_size=60
)


@given(STEPS, st.integers(LEAST_LIMIT, 40_000))
def test_whatever_happens_a_shadow_gets_its_own_ids_one_call_at_a_time_in_order(steps: list[str], limit: int) -> None:
    wire, ids = Wire(limit_bytes=limit), {}  # of the primary -> of the shadow
    made, sent, flying = 0, [], []
    transaction: int | None = None
    for step in steps:
        made += 1
        if step == "start":
            wire.call(str(made), "StartTransaction", {**START, "meterStart": made})
            wire.primary(str(made), {"transactionId": made, **ACCEPTED})
            transaction = made
        elif step in ("stop", "meter") and transaction is not None:
            action = "StopTransaction" if step == "stop" else "MeterValues"
            wire.call(str(made), action, {**STOP, "transactionId": transaction, "meterStop": made, "meterValue": []})
        elif step == "beat":
            wire.call(str(made), "Heartbeat", {"n": made})
        elif step == "answer" and flying:
            call = flying.pop()
            if call[2] == "StartTransaction":
                ids[call[3]["meterStart"]] = 90_000 + made
            wire.answer(call, {"transactionId": 90_000 + made, **ACCEPTED} if call[2] == "StartTransaction" else {})
        elif step == "late":
            wire.now += ANSWER_S
            flying.clear()
        elif step == "drop" and wire.mirror.open:
            wire.mirror.disconnected()
            flying.clear()
        elif step == "connect" and not wire.mirror.open:
            wire.connected()
        elif step == "junk":
            wire.mirror.received(b'[3,"never sent",{}]')
            wire.mirror.received(b"[[[")
        elif step == "own":
            wire.mirror.received(b'[2,"s","Reset",{}]')
        for message in wire.due() if wire.mirror.open else []:
            if message[0] == 4:
                continue
            flying.append(message)
            sent.append(message)
        assert len(flying) <= 1
        assert 0 <= wire.mirror.waiting_bytes <= max(limit, LEAST_LIMIT)
    order = [message[3].get("n") or message[3].get("meterStart") or message[3].get("meterStop") for message in sent]
    assert order == sorted(order)
    for message in sent:
        if "transactionId" in message[3]:
            assert message[3]["transactionId"] in ids.values()


@pytest.mark.parametrize("text", [b'[2,7,"Heartbeat",{}]', b'[2,"1","Heartbeat",null]', b'[2,"","Heartbeat",{}]'])
def test_odd_calls_of_a_charge_point_do_no_harm(text: bytes) -> None:
    wire = Wire().connected()
    wire.mirror.offer(True, text)
    wire.call("ok", "Authorize", {"idTag": "A"})
    sent = wire.due()
    for _ in range(2):
        if sent and sent[-1][2] != "Authorize":
            wire.answer(sent[-1], {})
            sent += wire.due()
    assert sent[-1][2] == "Authorize"
    assert isinstance(sent[-1][1], str)
