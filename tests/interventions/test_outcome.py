"""What goes over the wire is what the rules say, and everything else of a frame stays byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.interventions.outcome import Outcome, outcome_of
from inspector.interventions.rules_file import read
from inspector.interventions.templates import Facts
from inspector.protocol.session import Session
from inspector.protocol.vocabulary import Direction

UP, DOWN = Direction.FROM_CHARGE_POINT, Direction.FROM_CSMS
FACTS = Facts(1_767_225_600_123_456_789, "CP-1", "m1", 4)
CALL = '[2, "m1","Authorize" ,{"idTag": "04AB", "x":[1.10]}]'


def applied(*verbs: str, raw: str = CALL, sender: Direction = UP) -> Outcome:
    text = "".join(f'[[intervention]]\nname = "r{n}"\ndo = {verb}\n' for n, verb in enumerate(verbs))
    frame = Session("ocpp1.6").frame(1, 1, 1, sender, raw.encode())
    return outcome_of(frame, read(text, Path("r")), FACTS, lambda rule, low, high: (low + high) / 2, lambda: "new-1")


def sent(outcome: Outcome) -> list[tuple[Direction, str, str | None]]:
    return [(one.direction, one.raw.decode(), one.made_by) for one in outcome.frames]


def test_without_a_rule_a_frame_stays_as_it_came() -> None:
    assert sent(applied()) == [(UP, CALL, None)] and applied().unchanged


def test_a_dropped_frame_is_not_sent_and_a_doubled_one_twice() -> None:
    assert sent(applied("{ drop = true }")) == []
    assert sent(applied("{ duplicate = 3 }")) == [(UP, CALL, None), (UP, CALL, "r0"), (UP, CALL, "r0")]
    assert sent(applied("{ drop = true }", "{ duplicate = 3 }")) == []


def test_an_edit_changes_what_it_names_and_nothing_else() -> None:
    edit = (
        '{ edit = [{ pointer = "/idTag", value = "{charge_point}-{count}" }, { pointer = "/x/-", value = "{now}" }] }'
    )
    expected = '[2, "m1","Authorize" ,{"idTag": "CP-1-4", "x":[1.10,"2026-01-01T00:00:00.123Z"]}]'
    assert sent(applied(edit)) == [(UP, expected, "r0")]
    assert applied(edit).did == [("r0", "edit")]


def test_an_edit_of_an_answer_goes_into_its_payload() -> None:
    edit = '{ edit = [{ pointer = "/idTagInfo/status", value = "Blocked" }] }'
    answer = '[3,"m1",{"idTagInfo":{"status":"Accepted"}}]'
    assert sent(applied(edit, raw=answer, sender=DOWN)) == [(DOWN, answer.replace("Accepted", "Blocked"), "r0")]


@pytest.mark.parametrize("raw", ["no JSON", "[2]", '[2,"m1","Authorize",{"a":', '[2,"m1","Authorize",[]]', "[]"])
def test_a_frame_that_cannot_be_edited_is_sent_as_it_came_and_said_so(raw: str) -> None:
    outcome = applied('{ edit = [{ pointer = "/a/b", value = 1 }] }', raw=raw)
    assert sent(outcome) == [(UP, raw, None)]
    assert outcome.unchanged and outcome.failed[0][1].startswith("cannot edit this frame")


def test_an_answer_goes_back_to_the_sender_and_the_call_no_further() -> None:
    answer = '[3,"m1",{"idTagInfo":{"status":"Accepted"}}]'
    assert sent(applied('{ answer = { idTagInfo = { status = "Accepted" } } }')) == [(DOWN, answer, "r0")]
    assert sent(applied('{ error = { code = "InternalError", description = "d" } }')) == [
        (DOWN, '[4,"m1","InternalError","d",{}]', "r0")
    ]


@pytest.mark.parametrize(("place", "order"), [("before", ["i", "f"]), ("after", ["f", "i"]), ("instead", ["i"])])
def test_a_call_is_injected_where_the_rule_says(place: str, order: list[str]) -> None:
    inject = (
        f'{{ inject = {{ to = "charge_point", action = "Reset", payload = {{ type = "Soft" }}, place = "{place}" }} }}'
    )
    outcome = applied(inject)
    assert ["i" if one.is_call else "f" for one in outcome.frames] == order
    (injected,) = [one for one in outcome.frames if one.is_call]
    assert (injected.direction, json.loads(injected.raw)) == (DOWN, [2, "new-1", "Reset", {"type": "Soft"}])


def test_a_later_edit_changes_no_injected_call() -> None:
    outcome = applied(
        '{ inject = { to = "csms", action = "Heartbeat" } }', '{ edit = [{ pointer = "/idTag", value = "1" }] }'
    )
    assert [one.raw.decode() for one in outcome.frames] == [CALL.replace("04AB", "1"), '[2,"new-1","Heartbeat",{}]']


def test_times_and_limits_are_handed_on() -> None:
    outcome = applied('{ delay = ["1s", "3s"] }', '{ delay = "1s" }', "{ reorder = 2 }", "{ throttle = 10 }")
    assert (outcome.delay_s, outcome.behind, outcome.bytes_per_s) == (3.0, 2, 10)
    assert applied('{ hold = "5s" }').hold_s == 5.0
    assert applied("{ stall = true }").stall_s == float("inf")


def test_nothing_follows_a_close_or_a_reset() -> None:
    closed = applied('{ close = { code = 4000, reason = "x" } }', "{ duplicate = true }")
    assert (sent(closed), closed.close, closed.did) == ([], (4000, "x"), [("r0", "close")])
    assert applied("{ reset = true }", "{ drop = true }").did == [("r0", "reset")]


VERBS = (
    *("{ drop = true }", "{ duplicate = true }", "{ reorder = 1 }", '{ delay = "1s" }', '{ replace = "x" }'),
    *(
        '{ edit = [{ pointer = "/a", value = "{message_id}" }] }',
        "{ answer = {} }",
        '{ error = "E" }',
        "{ hold = true }",
    ),
    *('{ inject = { to = "csms", text = "{now}" } }', "{ throttle = 1 }", "{ close = 1000 }", "{ stall = true }"),
)


@given(st.text(max_size=40), st.lists(st.sampled_from(VERBS), max_size=4))
def test_whatever_a_peer_sends_rules_break_on_nothing(raw: str, verbs: list[str]) -> None:
    outcome = applied(*verbs, raw=raw.encode("utf-8", "replace").decode())
    assert len(outcome.did) + len(outcome.failed) <= len(verbs)
    assert all(
        one.made_by is not None or one.raw.decode() == raw.encode("utf-8", "replace").decode() for one in outcome.frames
    )
