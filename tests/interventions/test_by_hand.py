"""Frames by hand in a session with interventions: release, replace, send; the order of the others is kept."""

from __future__ import annotations

import json

from inspector.interventions.outcome import Outgoing
from inspector.interventions.turn_taking import SETTLE_S
from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import Direction
from inspector.websocket.messages import TEXT
from tests.interventions.test_edited_session import ANSWER, CALL, Relay, rule

HOLD = rule('{ hold = "20s" }', '{ from = "charge_point" }')
SECOND = CALL.replace('"1"', '"2"')


def test_a_released_frame_waits_for_the_one_before_it_and_not_for_the_one_after() -> None:
    relay = Relay(HOLD)
    relay.says(True, CALL)
    relay.says(True, SECOND)
    first, second = relay.session.held
    assert relay.session.release(second, relay.now) and relay.arrived(False) == []
    assert relay.session.release(first, relay.now)
    assert relay.arrived(False) == [(TEXT, CALL), (TEXT, SECOND)]
    assert not relay.session.release(first, relay.now)


def test_releasing_one_frame_does_not_release_the_next() -> None:
    relay = Relay(HOLD)
    relay.says(True, CALL)
    relay.now += 5
    relay.says(True, SECOND)
    assert relay.session.release(next(iter(relay.session.held)), relay.now)
    assert relay.arrived(False) == [(TEXT, CALL)] and len(relay.session.held) == 1
    relay.now += 19.9
    assert relay.arrived(False) == []
    relay.now += 0.2
    assert relay.arrived(False) == [(TEXT, SECOND)] and not relay.session.held


def test_a_dropped_call_lets_the_calls_of_the_proxy_go() -> None:
    relay = Relay(HOLD)
    relay.says(True, CALL)
    answers: list[Frame | None] = []
    relay.session.send_call(False, "Heartbeat", "{}", relay.now, 0, answers.append)
    assert relay.arrived(False) == []  # the held CALL comes first
    assert relay.session.release(next(iter(relay.session.held)), relay.now, [])
    ((_, own),) = relay.arrived(False)
    relay.says(False, json.dumps([3, json.loads(own)[1], {}]))
    assert relay.arrived(True) == [] and answers[0] is not None
    assert relay.events[0] == ("not-sent", {"later": 1, "what": "Heartbeat CALL"})


def test_what_replaces_a_held_frame_is_recorded_with_its_origin() -> None:
    relay = Relay(HOLD)
    relay.says(True, CALL)
    relay.says(False, "meanwhile")
    assert relay.arrived(True) == [(TEXT, "meanwhile")]
    answer = Outgoing(Direction.FROM_CSMS, ANSWER.encode(), "hand")
    assert relay.session.release(next(iter(relay.session.held)), relay.now, [answer])
    assert relay.arrived(True) == [(TEXT, ANSWER)]
    assert relay.recorded[-1] == (False, ANSWER, {"made_by": "hand", "made_from": 2})


def test_an_answer_that_comes_twice_or_too_late_reaches_no_peer() -> None:
    relay = Relay()
    answers: list[Frame | None] = []
    message_id = relay.session.send_call(True, "Reset", "{}", relay.now, 0, answers.append)
    relay.session.expect_no_answer(message_id)
    for _ in range(2):
        relay.says(True, json.dumps([3, message_id, {}]))
    relay.says(True, "next")
    assert relay.arrived(False) == [(TEXT, "next")] and answers == []


def test_a_call_waits_a_moment_in_a_session_that_was_taken_over_or_until_an_answer_passes() -> None:
    for answered in (False, True):
        relay = Relay()
        relay.session.settle(relay.now)
        relay.session.send_call(False, "Heartbeat", "{}", relay.now, 0, lambda frame: None)
        assert relay.arrived(False) == [] and relay.session.next_due() == relay.now + SETTLE_S
        if answered:
            relay.says(False, '[3,"from before",{}]')
        else:
            relay.now += SETTLE_S
        ((_, call),) = relay.arrived(False)
        assert json.loads(call)[2] == "Heartbeat"


def test_nobody_waits_for_an_answer_when_the_session_has_ended() -> None:
    relay = Relay()
    answers: list[Frame | None] = []
    relay.session.send_call(True, "Reset", "{}", relay.now, 0, answers.append)
    relay.session.ended()
    assert answers == [None]


def test_bytes_that_wait_are_counted_until_they_are_sent() -> None:
    relay = Relay(HOLD)
    for text in (CALL, SECOND):
        relay.says(True, text)
    waiting = relay.session.waiting_bytes(True)
    assert waiting > len(CALL) + len(SECOND) and relay.session.waiting_bytes(False) == 0
    assert relay.session.release(next(iter(relay.session.held)), relay.now, [])
    assert 0 < relay.session.waiting_bytes(True) < waiting
    relay.now += 20
    assert list(relay.arrived(False)) and relay.session.waiting_bytes(True) == 0
