"""A session is relayed message by message: each side gets what the rules say, in order, and nothing else changes."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.interventions.edited_session import EditedSession
from inspector.interventions.luck import Turns
from inspector.interventions.matching import SessionRules
from inspector.interventions.rules_file import read
from inspector.protocol.session import Session
from inspector.websocket.frames import make_frame
from inspector.websocket.messages import PING, TEXT, Message, MessageAssembler

MASK = b"\x01\x02\x03\x04"
CALL, ANSWER = '[2,"1","Heartbeat",{}]', '[3,"1",{"currentTime":"2026-01-01T00:00:00Z"}]'


class Relay:
    """An edited session with two peers and a clock of its own."""

    def __init__(self, rules: str = "") -> None:
        turns = Turns()
        found = SessionRules("CP-1", read(rules, Path("r")), turns)
        self.recorded: list[tuple[bool, str, dict[str, Any]]] = []
        self.events: list[tuple[str, dict[str, Any]]] = []
        readers = {side: MessageAssembler(10_000, side) for side in (True, False)}
        self.session = EditedSession("CP-1", found, turns, Session("ocpp1.6"), self, readers)
        self.now = 100.0
        self.passed: list[tuple[bool, bytes]] = []
        self.peers = {True: MessageAssembler(10_000, False), False: MessageAssembler(10_000, True)}

    def record(self, from_charge_point: bool, messages: list[Message]) -> None:
        self.recorded += [
            (from_charge_point, raw.decode(), notes or {}) for opcode, raw, notes in messages if opcode == TEXT
        ]

    def event(self, kind: str, detail: dict[str, Any]) -> None:
        self.events.append((kind, detail))

    def says(self, from_charge_point: bool, text: str, opcode: int = TEXT) -> None:
        self.feed(from_charge_point, make_frame(0x80 | opcode, text.encode(), MASK if from_charge_point else None))

    def feed(self, from_charge_point: bool, data: bytes) -> None:
        if self.session.feed(from_charge_point, data, self.now, 0):
            self.passed.append((not from_charge_point, data))

    def due(self) -> list[tuple[bool, bytes]]:
        """Return what the proxy writes now, as (whether to the charge point, bytes)."""
        passed, self.passed = self.passed, []
        return [*passed, *self.session.due(self.now)]

    def arrived(self, at_charge_point: bool) -> list[tuple[int, str]]:
        """Return the messages that have arrived at one side since the last time, as (opcode, text)."""
        return [
            (opcode, payload.decode())
            for to_charge_point, data in self.due()
            for opcode, payload, _ in self.peers[to_charge_point].feed(data)
            if to_charge_point is at_charge_point
        ]


def rule(do: str, match: str = "{}") -> str:
    return f'[[intervention]]\nname = "r"\nmatch = {match}\ndo = {do}\n'


def test_without_a_rule_each_side_gets_what_the_other_sent_and_control_frames_too() -> None:
    relay = Relay()
    relay.says(True, CALL)
    relay.says(True, "beat", PING)
    assert relay.arrived(False) == [(TEXT, CALL), (PING, "beat")]
    relay.says(False, ANSWER)
    relay.feed(False, make_frame(0x88, b"\x0f\xa0bye", None))
    ((_, answer), (_, close)) = relay.due()
    assert answer == make_frame(0x81, ANSWER.encode(), None) and close == make_frame(0x88, b"\x0f\xa0bye", None)
    assert relay.recorded == [(True, CALL, {}), (False, ANSWER, {})]


@given(st.lists(st.integers(1, 20), max_size=30))
def test_chunks_of_any_size_make_no_difference(sizes: list[int]) -> None:
    relay = Relay()
    data = (
        make_frame(0x01, b'[2,"1",', MASK) + make_frame(0x89, b"p", MASK) + make_frame(0x80, b'"Heartbeat",{}]', MASK)
    )
    at = 0
    for size in [*sizes, len(data)]:
        relay.feed(True, data[at : at + size])
        at += size
    assert relay.arrived(False) == [(PING, "p"), (TEXT, CALL)]


def test_a_delayed_frame_makes_later_ones_of_its_direction_wait_and_no_other() -> None:
    relay = Relay(rule('{ delay = "3s" }', '{ from = "csms", times = 1 }'))
    relay.says(True, CALL)
    assert relay.arrived(False) == [(TEXT, CALL)]
    relay.says(False, ANSWER)
    relay.says(False, "later")
    relay.says(True, "meanwhile")
    assert relay.session.next_due() == relay.now
    assert relay.arrived(False) == [(TEXT, "meanwhile")]
    relay.now += 2.9
    assert relay.arrived(True) == [] and relay.session.next_due() == 103.0
    relay.now += 0.2
    assert relay.arrived(True) == [(TEXT, ANSWER), (TEXT, "later")]


def test_a_frame_that_is_reordered_goes_out_after_as_many_others() -> None:
    relay = Relay(rule("{ reorder = 2 }", '{ from = "charge_point", times = 1 }'))
    for text in ("a", "b", "c", "d"):
        relay.says(True, text)
    assert [text for _, text in relay.arrived(False)] == ["b", "c", "a", "d"]


def test_the_answer_to_an_injected_call_reaches_nobody() -> None:
    inject = '{ inject = { to = "charge_point", action = "Reset", payload = { type = "Soft" } } }'
    relay = Relay(rule(inject, '{ from = "charge_point", action = "Heartbeat", times = 1 }'))
    relay.says(True, CALL)
    everything = [(to, data) for to, data in relay.session.due(relay.now)]
    (call,) = [text for to, data in everything if to for _, text, _ in relay.peers[True].feed(data)]
    assert call == b'[2,"chargesentinel-1","Reset",{"type":"Soft"}]'
    relay.says(True, '[3,"chargesentinel-1",{"status":"Accepted"}]')
    relay.says(True, '[3,"other",{}]')
    assert relay.arrived(False) == [(TEXT, '[3,"other",{}]')]
    assert [notes for _, _, notes in relay.recorded] == [
        {"interventions": [["r", "inject"]]},
        {"made_by": "r", "made_from": 1, "later": 1},
        {"forwarded": False, "to_proxy": True},
        {},
    ]
    assert relay.events == [("sent", {"later": 1, "what": "Reset CALL"})]


def test_an_answered_call_does_not_reach_the_other_side() -> None:
    relay = Relay(rule('{ answer = { status = "Accepted" } }', '{ action = "Authorize" }'))
    relay.says(True, '[2,"7","Authorize",{"idTag":"1"}]')
    assert relay.arrived(True) == [(TEXT, '[3,"7",{"status":"Accepted"}]')]
    relay.says(True, CALL)
    assert relay.arrived(False) == [(TEXT, CALL)]


@pytest.mark.parametrize(("do", "what"), [("{ close = 4000 }", "close"), ("{ reset = true }", "reset")])
def test_what_ends_the_session_is_handed_on(do: str, what: str) -> None:
    relay = Relay(rule(do, '{ action = "Heartbeat" }'))
    relay.says(True, CALL)
    assert relay.arrived(False) == []
    assert (relay.session.close, relay.session.reset) == (((4000, ""), False) if what == "close" else (None, True))


def test_a_held_frame_goes_on_after_its_timeout_unchanged() -> None:
    relay = Relay(rule('{ hold = "5s" }', '{ action = "Heartbeat" }'))
    relay.says(True, CALL)
    assert relay.arrived(False) == [] and len(relay.session.held) == 1
    relay.now += 5
    assert relay.arrived(False) == [(TEXT, CALL)]


def test_a_stream_that_is_no_websocket_is_said_so() -> None:
    relay = Relay()
    relay.feed(True, b"\x81\xff" + b"\xff" * 12)
    assert relay.session.broken is not None


@given(st.lists(st.floats(0, 5), min_size=1, max_size=8))
def test_the_order_of_a_direction_is_kept_whatever_is_delayed(pauses: list[float]) -> None:
    relay = Relay(rule('{ delay = ["0s", "10s"] }', "{ probability = 0.5, seed = 3 }"))
    for number, pause in enumerate(pauses):
        relay.says(True, str(number))
        relay.now += pause
    relay.now += 100
    texts = [int(text) for _, text in relay.arrived(False)]
    assert len(texts) == len(pauses) and all(a < b for a, b in pairwise(texts))


@pytest.mark.parametrize(("place", "order"), [("before", [2, 3]), ("after", [3, 2])])
def test_an_injected_call_comes_before_or_after_the_frame_that_it_travels_with(place: str, order: list[int]) -> None:
    inject = f'{{ inject = {{ to = "charge_point", action = "ClearCache", place = "{place}" }} }}'
    relay = Relay(rule(inject, '{ from = "csms", type = "CALLRESULT" }'))
    relay.says(True, CALL)
    relay.arrived(False)
    relay.says(False, ANSWER)
    assert [int(text[1]) for _, text in relay.arrived(True)] == order


@pytest.mark.parametrize("what", ['action = "ClearCache"', 'text = \'[2,"x","ClearCache",{}]\''])
def test_an_injected_frame_waits_for_its_time_and_lets_all_others_pass(what: str) -> None:
    inject = f'{{ inject = {{ to = "charge_point", {what}, wait = "20s" }} }}'
    relay = Relay(rule(inject, '{ from = "charge_point", action = "Heartbeat", times = 1 }'))
    relay.says(True, CALL)
    assert relay.arrived(False) == [(TEXT, CALL)]
    assert relay.session.next_due() == relay.now + 20
    relay.says(False, ANSWER)
    assert relay.arrived(True) == [(TEXT, ANSWER)]
    relay.now += 20
    ((_, text),) = relay.arrived(True)
    assert json.loads(text)[2:] == ["ClearCache", {}]
    assert [(notes.get("made_by"), notes.get("made_from")) for _, _, notes in relay.recorded] == [
        (None, None),
        (None, None),
        ("r", 2),
    ]
    assert relay.session.next_due() is None or "action" in what


@pytest.mark.parametrize("do", ['{ hold = "20s" }', '{ delay = "20s" }', "{ reorder = 2 }"])
def test_a_frame_that_still_waits_when_the_session_ends_is_recorded_as_not_sent(do: str) -> None:
    relay = Relay(rule(do, '{ action = "Heartbeat", type = "CALL" }'))
    relay.says(True, CALL)
    assert relay.arrived(False) == []
    relay.session.ended()
    relay.session.ended()
    assert relay.events == [("not-sent", {"later": 1, "what": "Heartbeat CALL", "why": "the session ended"})]
