"""A rule applies to the frames that meet its conditions, as often as it says, with luck that can be repeated."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.interventions.intervention import State
from inspector.interventions.luck import Turns
from inspector.interventions.matching import SessionRules
from inspector.interventions.rules_file import read
from inspector.protocol.session import Session
from inspector.protocol.vocabulary import Direction

UP, DOWN = Direction.FROM_CHARGE_POINT, Direction.FROM_CSMS
NUMBERS = count(1)


class Life:
    """One session with rules: say what a side sends and get the names of the rules that apply."""

    def __init__(self, rules: str, name: str = "CP-1", turns: Turns | None = None, version: str = "ocpp1.6") -> None:
        self.rules = SessionRules(name, read(rules, Path("r.toml")), turns or Turns())
        self.session = Session(version)

    def says(self, sender: Direction, *elements: Any) -> list[str]:
        number = next(NUMBERS)
        return [
            rule.name
            for rule in self.rules.of(self.session.frame(number, number, number, sender, json.dumps(elements).encode()))
        ]


def rule(match: str, do: str = "{ drop = true }", name: str = "r") -> str:
    return f'[[intervention]]\nname = "{name}"\nmatch = {match}\ndo = {do}\n'


def test_a_rule_applies_to_frames_of_its_sender_action_and_type_alone() -> None:
    life = Life(rule('{ from = "csms", action = "Heartbeat", type = "CALLRESULT" }'))
    assert life.says(UP, 2, "1", "Heartbeat", {}) == []
    assert life.says(DOWN, 3, "1", {"currentTime": "2026-01-01T00:00:00Z"}) == ["r"]
    assert life.says(UP, 2, "2", "Heartbeat", {}) == []
    assert life.says(DOWN, 4, "2", "InternalError", "", {}) == []
    assert life.says(UP, 2, "3", "Authorize", {"idTag": "1"}) == []
    assert life.says(DOWN, 3, "3", {"idTagInfo": {"status": "Accepted"}}) == []


def test_rules_apply_in_the_order_of_the_file() -> None:
    life = Life(rule("{}", name="b") + rule("{}", name="a"))
    assert life.says(UP, 2, "1", "Heartbeat", {}) == ["b", "a"]


@pytest.mark.parametrize(
    ("pattern", "applies"), [("*", True), ("CP-*", True), ("CP-[12]", True), ("cp-*", False), ("CP", False)]
)
def test_a_rule_is_for_charge_points_of_its_pattern(pattern: str, applies: bool) -> None:
    assert Life(rule(f'{{ charge_point = "{pattern}" }}')).rules.for_frames is applies


PAYLOAD = {"idTag": "04AB", "meterStart": 5, "on": True, "list": [{"a": None}]}


@pytest.mark.parametrize(
    ("predicate", "holds"),
    [
        ('pointer = "/idTag", equals = "04AB"', True),
        ('pointer = "/idTag", equals = "04ab"', False),
        ('pointer = "/idTag", like = "04*"', True),
        ('pointer = "/meterStart", like = "5"', False),
        ('pointer = "/meterStart", equals = 5.0', True),
        ('pointer = "/on", equals = 1', False),
        ('pointer = "/on", equals = true', True),
        ('pointer = "/meterStart", above = 4', True),
        ('pointer = "/meterStart", above = 5', False),
        ('pointer = "/meterStart", below = 5.5', True),
        ('pointer = "/on", above = 0', False),
        ('pointer = "/idTag", above = 0', False),
        ('pointer = "/list/0/a", exists = true', True),
        ('pointer = "/list/1/a", exists = true', False),
        ('pointer = "/none", exists = false', True),
        ('pointer = "/none", equals = "x"', False),
    ],
)
def test_a_rule_applies_where_its_conditions_on_the_payload_hold(predicate: str, holds: bool) -> None:
    life = Life(rule(f"{{ payload = [{{ {predicate} }}] }}"))
    assert bool(life.says(UP, 2, "1", "StartTransaction", PAYLOAD)) is holds


@pytest.mark.parametrize("elements", [[2], [2, "1", "X"], [2, "1", "X", []], ["x"], [3, "nobody-asked", {}]])
def test_odd_frames_meet_no_condition_on_a_payload_and_break_nothing(elements: list[Any]) -> None:
    life = Life(rule('{ payload = [{ pointer = "/a", equals = 1 }] }') + rule("{}", name="all"))
    assert life.says(UP, *elements) == ["all"]


def test_after_every_and_times_count_the_frames_that_meet_the_conditions() -> None:
    life = Life(rule('{ action = "Heartbeat", after = 2, every = 3, times = 2 }'))
    said = []
    for number in range(12):
        life.says(UP, 2, f"x{number}", "Authorize", {"idTag": "1"})
        said.append(bool(life.says(UP, 2, str(number), "Heartbeat", {})))
    assert [number for number, applied in enumerate(said) if applied] == [2, 5]


def test_states_follow_the_frames_of_1_6() -> None:
    life = Life(rule('{ state = "in-transaction" }', name="t") + rule('{ state = "booted" }', name="b"))
    assert life.says(UP, 2, "1", "BootNotification", {"chargePointModel": "m", "chargePointVendor": "v"}) == []
    assert life.says(DOWN, 3, "1", {"status": "Accepted", "interval": 1, "currentTime": "2026-01-01T00:00:00Z"}) == []
    assert life.says(UP, 2, "2", "StartTransaction", {"connectorId": 1}) == ["b"]
    assert life.says(UP, 2, "3", "Heartbeat", {}) == ["t", "b"]
    assert life.says(UP, 2, "4", "StopTransaction", {"transactionId": 1}) == ["t", "b"]
    assert life.says(UP, 2, "5", "Heartbeat", {}) == ["b"]


def test_states_follow_the_transaction_events_of_2_x() -> None:
    life = Life(rule('{ state = "in-transaction" }'), version="ocpp2.0.1")
    for kind, applies in (("Started", False), ("Updated", True), ("Ended", True), ("Started", False)):
        event = {"eventType": kind, "transactionInfo": {"transactionId": "t"}}
        assert bool(life.says(UP, 2, kind, "TransactionEvent", event)) is applies
    assert State.IN_TRANSACTION in life.rules.states


def test_a_handshake_is_refused_as_often_as_the_rule_says() -> None:
    turns = Turns()
    text = rule("{ times = 2 }", "{ refuse = 503 }")
    refused = [Life(text, "CP-1", turns).rules.refusal(0.0) is not None for _ in range(4)]
    assert refused == [True, True, False, False]
    assert Life(text, "CP-2", turns).rules.refusal(0.0) is not None
    assert not Life(text, "CP-1", turns).rules.for_frames


LUCKY = rule("{ probability = 0.4, seed = 11 }") + rule("{ probability = 0.4, seed = 11 }", name="other")


@given(st.lists(st.sampled_from(("CP-1", "CP-2", "CP-3")), max_size=60))
def test_nobody_disturbs_the_luck_of_another_charge_point(order: list[str]) -> None:
    def run(order: list[str]) -> list[list[str]]:
        turns = Turns()
        lives = {name: Life(LUCKY, name, turns) for name in ("CP-1", "CP-2", "CP-3")}
        said = [(name, lives[name].says(UP, 2, "1", "Heartbeat", {})) for name in order]
        return [applied for name, applied in said if name == "CP-1"]

    assert run(order) == run([name for name in order if name == "CP-1"])


def test_the_same_seed_gives_the_same_luck_and_another_seed_another() -> None:
    def run(text: str) -> list[list[str]]:
        life = Life(text)
        return [life.says(UP, 2, "1", "Heartbeat", {}) for _ in range(200)]

    assert run(LUCKY) == run(LUCKY) != run(LUCKY.replace("seed = 11", "seed = 12"))
    applied = [name for names in run(LUCKY) for name in names]
    assert 50 < applied.count("r") < 110 and applied.count("r") != len(applied)


def test_a_rule_that_is_changed_counts_anew_and_one_that_is_not_goes_on() -> None:
    turns = Turns()
    first = Life(rule("{ times = 1 }") + rule("{ times = 1 }", name="same"), turns=turns)
    assert first.says(UP, 2, "1", "Heartbeat", {}) == ["r", "same"]
    changed = Life(rule("{ times = 2 }") + rule("{ times = 1 }", name="same"), turns=turns)
    assert changed.says(UP, 2, "2", "Heartbeat", {}) == ["r"]
    assert turns.applied() == {"r": 1, "same": 1}


def test_a_handshake_is_refused_for_a_time_from_the_first_refusal_of_its_charge_point() -> None:
    turns, text = Turns(), rule("{}", '{ refuse = { status = 503, for = "5m" } }')

    def refused(name: str, now_s: float) -> bool:
        return Life(text, name, turns).rules.refusal(now_s) is not None

    assert [refused("CP-1", at) for at in (1000, 1299, 1301, 1000)] == [True, True, False, True]
    assert refused("CP-2", 1301) and refused("CP-2", 1600) and not refused("CP-2", 1602)
