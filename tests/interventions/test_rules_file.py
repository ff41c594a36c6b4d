"""A rules file says what it means, and a mistake in it is named with its place and what was probably meant."""

from __future__ import annotations

import copy
import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.errors import SettingsMistake
from inspector.interventions import intervention as kinds
from inspector.interventions.intervention import Change, Comparison, Intervention, Match, Place, Predicate, State
from inspector.interventions.rules_file import LARGEST_FILE, MOST_RULES, load, read
from inspector.interventions.rules_file import rules_of as read_document
from inspector.protocol.vocabulary import Direction, MessageType

PATH = Path("interventions.toml")


def rule(do: str, match: str = "{}") -> Intervention:
    (found,) = read(f'[[intervention]]\nname = "r"\nmatch = {match}\ndo = {do}\n', PATH)
    return found


def test_the_rules_of_the_contract_are_read_as_they_are_meant() -> None:
    text = """
        [[intervention]]
        name = "late-answers"
        match = { charge_point = "CP-7", from = "csms", action = "MeterValues", type = "CALLRESULT", times = 10 }
        do = { delay = "3s" }

        [[intervention]]
        name = "blocked-card"
        match = { charge_point = "*", from = "csms", action = "Authorize", type = "CALLRESULT" }
        do = { edit = [{ pointer = "/idTagInfo/status", value = "Blocked" }] }

        [[intervention]]
        name = "lost-stop"
        match = { from = "charge_point", action = "StopTransaction", type = "CALL" }
        do = { drop = true }
        """
    late, blocked, lost = read(text, PATH)
    csms, result = Direction.FROM_CSMS, MessageType.CALLRESULT
    assert late == Intervention(
        "late-answers", Match("CP-7", csms, "MeterValues", result, times=10), kinds.Delay(3.0, 3.0)
    )
    changes = (Change("/idTagInfo/status", "Blocked"),)
    assert blocked == Intervention("blocked-card", Match("*", csms, "Authorize", result), kinds.Edit(changes))
    stop = Match("*", Direction.FROM_CHARGE_POINT, "StopTransaction", MessageType.CALL)
    assert lost == Intervention("lost-stop", stop, kinds.Drop())


@pytest.mark.parametrize(
    ("do", "verb"),
    [
        ('{ delay = "1.5s" }', kinds.Delay(1.5, 1.5)),
        ('{ delay = ["500ms", "2m"] }', kinds.Delay(0.5, 120.0)),
        ("{ drop = true }", kinds.Drop()),
        ("{ duplicate = true }", kinds.Duplicate(2)),
        ("{ duplicate = 5 }", kinds.Duplicate(5)),
        ("{ reorder = true }", kinds.Reorder(1)),
        ("{ reorder = 3 }", kinds.Reorder(3)),
        (
            '{ edit = [{ pointer = "/a/0", value = 1 }, { pointer = "/b", remove = true }] }',
            kinds.Edit((Change("/a/0", 1), Change("/b", remove=True))),
        ),
        ('{ replace = "[2," }', kinds.Replace("[2,")),
        ('{ answer = { status = "Accepted" } }', kinds.Answer({"status": "Accepted"})),
        ('{ error = "InternalError" }', kinds.Error("InternalError")),
        ('{ error = { code = "X", description = "d", details = { a = 1 } } }', kinds.Error("X", "d", {"a": 1})),
        ("{ hold = true }", kinds.Hold(20.0)),
        ('{ hold = "1m" }', kinds.Hold(60.0)),
        (
            '{ inject = { to = "charge_point", action = "Reset", payload = { type = "Soft" }, place = "before" } }',
            kinds.Inject(Direction.FROM_CSMS, Place.BEFORE, "Reset", {"type": "Soft"}),
        ),
        ('{ inject = { to = "csms", text = "x" } }', kinds.Inject(Direction.FROM_CHARGE_POINT, text="x")),
        ("{ throttle = 1000 }", kinds.Throttle(1000)),
        ("{ close = true }", kinds.Close()),
        ("{ close = 4000 }", kinds.Close(4000)),
        ('{ close = { code = 1001, reason = "bye" } }', kinds.Close(1001, "bye")),
        ("{ reset = true }", kinds.Reset()),
        ("{ refuse = true }", kinds.Refuse(503)),
        ("{ refuse = 401 }", kinds.Refuse(401)),
        ("{ stall = true }", kinds.Stall()),
        ('{ stall = "1h" }', kinds.Stall(3600.0)),
    ],
)
def test_each_verb_is_read(do: str, verb: kinds.Verb) -> None:
    assert rule(do).do == verb


def test_each_condition_is_read() -> None:
    match = rule(
        "{ drop = true }",
        '{ charge_point = "CP-*", from = "charge_point", action = "Authorize", type = "CALL", state = "in-transaction",'
        ' after = 3, every = 2, times = 4, probability = 0.5, seed = 7, payload = [{ pointer = "/a", equals = "x" },'
        ' { pointer = "/b", like = "04*" }, { pointer = "/c", above = 1 }, { pointer = "/d", below = 2.5 },'
        ' { pointer = "/e", exists = false }] }',
    ).match
    tests = (Comparison.EQUALS, Comparison.LIKE, Comparison.ABOVE, Comparison.BELOW, Comparison.EXISTS)
    payload = tuple(
        Predicate(f"/{name}", test, value)
        for name, test, value in zip("abcde", tests, ("x", "04*", 1, 2.5, False), strict=True)
    )
    sender, kind, state = Direction.FROM_CHARGE_POINT, MessageType.CALL, State.IN_TRANSACTION
    assert match == Match("CP-*", sender, "Authorize", kind, payload, state, 3, 2, 4, 0.5, 7)


def test_a_rule_that_answers_matches_calls_alone() -> None:
    assert rule("{ answer = {} }").match.type is MessageType.CALL


MISTAKES = {
    "intervention 1: unknown key 'macth'; did you mean match?": 'name = "r"\nmacth = {}\ndo = { drop = true }',
    "intervention 1.match: unknown key 'acton'; did you mean action?": 'name = "r"\nmatch = { acton = "A" }\ndo = {}',
    "intervention 1.match.action: unknown action 'Autorize'; did you mean Authorize?": (
        'name = "r"\nmatch = { action = "Autorize" }\ndo = { drop = true }'
    ),
    "intervention 1.match.type: unknown message type 'CALLRESLT'; did you mean CALLRESULT?": (
        'name = "r"\nmatch = { type = "CALLRESLT" }\ndo = { drop = true }'
    ),
    "intervention 1.match.from: unknown sender 'cmsm'; did you mean csms?": (
        'name = "r"\nmatch = { from = "cmsm" }\ndo = { drop = true }'
    ),
    "intervention 1.match.state: unknown state 'in-transction'; did you mean in-transaction?": (
        'name = "r"\nmatch = { state = "in-transction" }\ndo = { drop = true }'
    ),
    "intervention 1.do: unknown key 'dely'; did you mean delay?": 'name = "r"\ndo = { dely = "3s" }',
    "intervention 1.do: expected one verb of delay, drop": 'name = "r"\ndo = { drop = true, delay = "3s" }',
    "intervention 1.do: missing a verb of delay, drop": 'name = "r"\ndo = {}',
    "intervention 1.do: must be a table such as do = { … }": 'name = "r"\ndo = 3',
    "intervention 1.name: missing": "do = { drop = true }",
    "intervention 1.name: expected a string, got 3": "name = 3\ndo = { drop = true }",
    "intervention 1.do.delay: expected a duration up to 3600 s": 'name = "r"\ndo = { delay = "3" }',
    "intervention 1.do.delay: the shorter duration comes first": 'name = "r"\ndo = { delay = ["3s", "1s"] }',
    "intervention 1.do.drop: expected true": 'name = "r"\ndo = { drop = 1 }',
    "intervention 1.match.times: expected a whole number from 1 to 1,000,000,000, got 0": (
        'name = "r"\nmatch = { times = 0 }\ndo = { drop = true }'
    ),
    "intervention 1.match.probability: expected a number from 0 to 1, got 2": (
        'name = "r"\nmatch = { probability = 2 }\ndo = { drop = true }'
    ),
    "intervention 1.match.payload 1: expected one of equals, like": (
        'name = "r"\nmatch = { payload = [{ pointer = "/a" }] }\ndo = { drop = true }'
    ),
    "intervention 1.match.payload 1.pointer: a JSON pointer begins with a slash": (
        'name = "r"\nmatch = { payload = [{ pointer = "a", equals = 1 }] }\ndo = { drop = true }'
    ),
    "intervention 1.do.edit 1: expected either a value or remove = true": (
        'name = "r"\ndo = { edit = [{ pointer = "/a" }] }'
    ),
    "intervention 1.do.edit 1.value: unknown template 'nov'; did you mean now?": (
        'name = "r"\ndo = { edit = [{ pointer = "/a", value = "{nov}" }] }'
    ),
    "intervention 1.do.edit 1.value: JSON has no date": (
        'name = "r"\ndo = { edit = [{ pointer = "/a", value = 2026-01-01 }] }'
    ),
    "intervention 1.do.edit 1.value: JSON has no inf": 'name = "r"\ndo = { edit = [{ pointer = "/a", value = inf }] }',
    "intervention 1.do.close.code: 1005 must not be sent": 'name = "r"\ndo = { close = 1005 }',
    "intervention 1.do.inject: expected either an action with its payload or a text": (
        'name = "r"\ndo = { inject = { to = "csms" } }'
    ),
    "intervention 1.match.type: only a CALL can be answered, not a CALLRESULT": (
        'name = "r"\nmatch = { type = "CALLRESULT" }\ndo = { answer = {} }'
    ),
    "intervention 1.match.action: a handshake has no action": (
        'name = "r"\nmatch = { action = "Heartbeat" }\ndo = { refuse = 503 }'
    ),
}


@pytest.mark.parametrize(("said", "entry"), MISTAKES.items())
def test_a_mistake_is_named_with_its_place_and_what_was_meant(said: str, entry: str) -> None:
    with pytest.raises(SettingsMistake) as failure:
        read(f"[[intervention]]\n{entry}\n", PATH)
    assert str(failure.value).startswith(f"{PATH}: {said}")
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[interventoin]]\n", "unknown key 'interventoin'; did you mean intervention?"),
        ("intervention = 3\n", "intervention: must be written as [[intervention]]"),
        ("[[intervention]\n", "not TOML: "),
        ("a = " + "[" * 100_000, "not TOML: "),
    ],
)
def test_a_file_that_is_no_list_of_rules_is_refused(text: str, said: str) -> None:
    with pytest.raises(SettingsMistake) as failure:
        read(text, PATH)
    assert str(failure.value).startswith(f"{PATH}: {said}")


def test_two_rules_of_one_name_are_refused() -> None:
    entry = '[[intervention]]\nname = "r"\ndo = { drop = true }\n'
    with pytest.raises(SettingsMistake, match=r"intervention 2\.name: 'r' is the name of an earlier rule"):
        read(entry * 2, PATH)


def test_a_file_without_rules_has_none() -> None:
    assert read("", PATH) == ()


def test_more_rules_than_anybody_writes_are_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "many.toml"
    path.write_text("".join(f'[[intervention]]\nname = "{n}"\ndo = {{ drop = true }}\n' for n in range(MOST_RULES + 1)))
    with pytest.raises(SettingsMistake, match="intervention: 1,001 rules; a file may have 1,000"):
        load(path)
    path.write_text("#" * (LARGEST_FILE + 1))
    began = time.process_time()
    with pytest.raises(SettingsMistake, match="a rules file may have 4,000,000"):
        load(path)
    assert time.process_time() - began < 1


def test_a_file_that_cannot_be_read_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(SettingsMistake, match="no such file"):
        load(tmp_path / "none.toml")
    (tmp_path / "odd.toml").write_bytes(b"\xff")
    with pytest.raises(SettingsMistake, match="not TOML"):
        load(tmp_path / "odd.toml")


VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-5, 5), st.floats(), st.text(max_size=4), st.dates().map(str)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text("ab", max_size=2), inner, max_size=3)),
    max_leaves=5,
)
KEYS = ("name", "match", "do", "delay", "drop", "edit", "answer", "error", "hold", "inject", "close", "refuse", "value")


def written(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case dict():
            return "{" + ", ".join(f'"{name}" = {written(one)}' for name, one in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(written, value)) + "]"
        case str():
            return "'" + "".join(c for c in value if c.isprintable() and c != "'") + "'"
    return repr(value)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=3), st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_whatever_stands_in_a_file_is_read_or_refused_in_one_line(
    entry: dict[str, object], do: dict[str, object]
) -> None:
    text = "\n".join(["[[intervention]]", *(f"{name} = {written(one)}" for name, one in entry.items())])
    if "do" not in entry:
        text += f"\ndo = {written(do)}"
    try:
        read(text, PATH)
    except SettingsMistake as mistake:
        assert "\n" not in str(mistake) and str(PATH) in str(mistake)


SOUND: tuple[dict[str, Any], ...] = (
    {"delay": ["1s", "2s"]},
    {"drop": True},
    {"duplicate": 2},
    {"reorder": 1},
    {"edit": [{"pointer": "/a", "value": {"b": ["{now}"]}}, {"pointer": "/c", "remove": True}]},
    {"replace": "{message_id}"},
    {"answer": {"status": "Accepted"}},
    {"error": {"code": "InternalError", "description": "d", "details": {"x": 1}}},
    {"hold": "20s"},
    {"inject": {"to": "csms", "action": "Heartbeat", "payload": {"x": [1]}, "place": "before"}},
    {"throttle": 100},
    {"close": {"code": 4000, "reason": "r"}},
    {"reset": True},
    {"refuse": {"status": 503, "for": "5m"}},
    {"stall": "1m"},
)
MATCH: dict[str, Any] = {
    "charge_point": "CP-*",
    "from": "csms",
    "action": "Heartbeat",
    "type": "CALL",
    "payload": [{"pointer": "/a", "equals": 1}, {"pointer": "/b", "like": "x*"}, {"pointer": "/c", "above": 1}],
    "state": "booted",
    "after": 1,
    "every": 2,
    "times": 3,
    "probability": 0.5,
    "seed": 4,
}
ODD = st.one_of(
    *(VALUES, st.none(), st.integers(), st.datetimes(), st.times(), st.binary(max_size=3)),
    st.sampled_from([math.inf, -math.inf, 10**400, "\ud800", "1e9h", "\n", {"": {"": []}}]),
)


@given(st.data())
def test_a_value_of_another_type_anywhere_in_a_sound_rule_is_refused_in_one_line(data: st.DataObject) -> None:
    rule: dict[str, Any] = copy.deepcopy({"name": "r", "match": MATCH, "do": data.draw(st.sampled_from(SOUND))})
    if "refuse" in rule["do"]:
        rule["match"] = {"charge_point": "CP-*"}
    read_document({"intervention": [copy.deepcopy(rule)]}, PATH)
    inside: Any = rule
    while True:
        key = data.draw(st.sampled_from(list(inside) if isinstance(inside, dict) else range(len(inside))))
        if not isinstance(inside[key], dict | list) or not inside[key] or data.draw(st.booleans()):
            break
        inside = inside[key]
    inside[key] = data.draw(ODD)
    try:
        read_document({"intervention": [rule]}, PATH)
    except SettingsMistake as mistake:
        assert "\n" not in str(mistake)


def test_a_value_nested_without_end_is_refused() -> None:
    value: Any = {}
    for _ in range(50_000):
        value = {"x": value}
    for do in (
        {"answer": value},
        {"edit": [{"pointer": "/a", "value": value}]},
        {"error": {"code": "c", "details": value}},
    ):
        with pytest.raises(SettingsMistake, match="has more than 100 levels"):
            read_document({"intervention": [{"name": "r", "do": do}]}, PATH)


def test_a_million_rules_are_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "million.toml"
    path.write_text("[[intervention]]\n" * 1_000_000)
    began = time.process_time()
    with pytest.raises(SettingsMistake, match="has 17,000,000 bytes; a rules file may have 4,000,000"):
        load(path)
    assert time.process_time() - began < 0.5
