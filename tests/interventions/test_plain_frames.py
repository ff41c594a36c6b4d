"""Frames that no rule concerns pass without being parsed, with the same outcome as if they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.interventions.rules_file import read
from inspector.websocket.frames import make_frame
from tests.interventions.test_edited_session import MASK, Relay, rule

ACTIONS = ("BootNotification", "Heartbeat", "MeterValues", "StatusNotification", "StopTransaction", "DataTransfer")
MATCHES = (
    "{}",
    '{ action = "Heartbeat" }',
    '{ action = "MeterValues", payload = [{ pointer = "/v", equals = 1 }] }',
    '{ type = "CALLRESULT", payload = [{ pointer = "/v", above = 1 }] }',
    '{ from = "csms", action = "Heartbeat", every = 2 }',
    '{ state = "in-transaction" }',
    '{ action = "DataTransfer", probability = 0.5, seed = 3 }',
)
RULES = st.lists(st.sampled_from(MATCHES), max_size=3).map(
    lambda matches: "".join(
        rule("{ duplicate = 2 }", match).replace('"r"', f'"r{number}"') for number, match in enumerate(matches)
    )
)


@st.composite
def conversations(draw: st.DrawFn) -> list[tuple[bool, str]]:
    """CALLs and answers of both peers, in any order, some of them odd."""
    frames: list[tuple[bool, str]] = []
    for number in range(draw(st.integers(1, 12))):
        side, value = draw(st.booleans()), draw(st.integers(0, 2))
        message_id = draw(st.sampled_from([str(number), "again", 'q"']))
        kind = draw(st.sampled_from(("call", "answer", "error", "spaced", "broken")))
        call = [2, message_id, draw(st.sampled_from(ACTIONS)), {"v": value}]
        answers = {"answer": [3, message_id, {"v": value}], "error": [4, message_id, "GenericError", "", {}]}
        text = json.dumps(answers.get(kind, call), separators=(", ", ":") if kind == "spaced" else (",", ":"))
        frames.append((side, text[:-1] if kind == "broken" else text))
        if kind == "call" and draw(st.booleans()):
            frames.append((not side, json.dumps([3, message_id, {"v": value}], separators=(",", ":"))))
    return frames


def played(rules: str, frames: list[tuple[bool, str]], *, quick: bool) -> tuple[Any, ...]:
    """Return what each peer got and what was recorded; without `quick`, each frame comes in two chunks."""
    relay = Relay(rules)
    got: dict[bool, list[str]] = {True: [], False: []}
    for side, text in frames:
        data = make_frame(0x81, text.encode(), MASK if side else None)
        for chunk in (data,) if quick else (data[:1], data[1:]):
            if relay.session.feed(side, chunk, relay.now, 0):
                assert quick and chunk == data
                got[not side].append(text)
        relay.now += 0.01
        for to_charge_point, sent in relay.session.due(relay.now):
            got[to_charge_point] += [raw.decode() for _, raw, _ in relay.peers[to_charge_point].feed(sent)]
    return got, relay.recorded, relay.events


@given(RULES, conversations())
def test_the_quick_way_and_the_long_way_have_the_same_outcome(rules: str, frames: list[tuple[bool, str]]) -> None:
    assert played(rules, frames, quick=True) == played(rules, frames, quick=False)


def test_a_frame_that_no_rule_concerns_is_relayed_as_it_came_and_one_in_a_queue_is_not() -> None:
    relay = Relay(rule('{ delay = "1s" }', '{ action = "Heartbeat" }'))
    meter = make_frame(0x81, b'[2,"m","MeterValues",{}]', MASK)
    assert relay.session.feed(True, meter, 100.0, 0)
    assert not relay.session.feed(True, make_frame(0x81, b'[2,"h","Heartbeat",{}]', MASK), 100.0, 0)
    assert not relay.session.feed(True, meter, 100.1, 0), "it must not overtake the delayed frame"
    assert not relay.session.feed(True, meter + meter, 102.0, 0)


@pytest.mark.parametrize("kind", ["CALLRESULT", "CALLERROR"])
def test_a_new_rule_applies_to_the_answer_of_a_call_that_passed_before(kind: str) -> None:
    relay = Relay(rule("{ drop = true }", '{ action = "Reset" }'))
    relay.says(True, '[2,"m","MeterValues",{}]')
    relay.session.rules.replace(
        read(rule("{ drop = true }", f'{{ action = "MeterValues", type = "{kind}" }}'), Path("r"))
    )
    relay.says(False, '[3,"m",{}]' if kind == "CALLRESULT" else '[4,"m","GenericError","",{}]')
    assert relay.arrived(True) == []
