"""The quick answer that a frame has nothing to hide is never another one than the close look's."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.redaction.close_look import CloseLook
from inspector.redaction.json_tokens import read
from inspector.redaction.parsed_look import parsed
from inspector.redaction.prefilter import for_secrets
from inspector.redaction.redactor import Redactor
from inspector.redaction.secrets import Secrets
from inspector.redaction.sensitive_names import Additions

KNOWN = "S3cret-Known-Value"
NAMES = (
    *("key", "name", "value", "variable", "variableName", "type", "idToken", "additionalIdToken", "password", "secret"),
    *("attributeValue", "variableAttribute", "connectorId", "token", "data", "AuthorizationKey", "payload", KNOWN),
    *("Key", "NAME", "Value", "Variable", "TYPE", "IdToken", "AttributeValue", "VariableAttribute"),
)
TEXTS = (
    *(
        "AuthorizationKey",
        "BasicAuthPassword",
        "Available",
        "KeyCode",
        "Central",
        KNOWN,
        f"it said {KNOWN}",
        "12345678",
    ),
    *("https://user:hush@host/x", "https://host/x?token=abc", "password=hush", "Basic Q1A5OnNlY3JldA==", "x", ""),
    *("-----BEGIN PRIVATE KEY-----abc", "{not json", '["AuthorizationKey"]', '{"password":"hush"}', '{"a":1}', "[1]"),
)


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    """As text, so that a member may come twice."""
    members = draw(st.lists(st.tuples(st.sampled_from(NAMES), inner), max_size=4))
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in members) + "}"


LEAVES = st.one_of(
    st.sampled_from(TEXTS).map(json.dumps),
    st.sampled_from(TEXTS).map(lambda text: json.dumps(json.dumps({"data": text}))),
    st.sampled_from(("1", "12345678", "-0", "1e5", "true", "null")),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(objects(inner), st.lists(inner, max_size=4).map(lambda parts: f"[{','.join(parts)}]")),
    max_leaves=12,
)


FRAMES = st.lists(VALUES, min_size=1, max_size=3).map(lambda parts: f'[2,"1","DataTransfer",{",".join(parts)}]')


def a_look(level: str = "secrets", known: tuple[str, ...] = (KNOWN, "12345678")) -> CloseLook:
    redaction = Redactor(level, key=b"k" * 32 if level == "personal" else None)
    secrets = Secrets()
    secrets.add(known)
    return CloseLook(redaction, secrets, "DataTransfer", loose=False)


@given(st.one_of(VALUES, FRAMES), st.sampled_from(("secrets", "personal")), st.booleans())
def test_where_it_finds_nothing_the_close_look_finds_nothing(text: str, level: str, knows: bool) -> None:
    known = (KNOWN, "12345678") if knows else ()
    if a_look(level, known).finds_nothing(text):
        assert a_look(level, known).at_frame(text)[0] == []


@given(st.text(alphabet='{}[]:,"\\ ab1:=/?', max_size=40))
def test_broken_text_is_left_to_the_close_look(text: str) -> None:
    if a_look().finds_nothing(text):
        assert a_look().at_frame(text)[0] == []


@pytest.mark.parametrize(
    "payload",
    [
        {"configurationKey": [{"key": "HeartbeatInterval", "value": "300", "readonly": False}] * 100},
        {"vendorId": "v", "data": json.dumps({"address": "https://host.example/path", "values": [1, 2.5, None]})},
    ],
)
def test_large_frames_without_secrets_need_no_close_look(payload: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    look = a_look()
    monkeypatch.setattr(CloseLook, "_over", lambda *_: pytest.fail("looked closely"))
    assert look.finds_nothing(json.dumps([2, "1", "DataTransfer", payload]))


@pytest.mark.parametrize(
    "payload",
    [
        {"key": "AuthorizationKey", "value": "hush"},
        {"variable": {"name": "BasicAuthPassword"}, "attributeValue": "hush"},
        {"value": "hush", "variableName": "BasicAuthPassword"},
        {"type": "KeyCode", "idToken": "1234"},
        {"Key": "AuthorizationKey", "VALUE": "hush"},
        {"Type": "KeyCode", "IdToken": "1234"},
        {"password": ["hush"]},
        {"data": "https://user:hush@host/x"},
        {"data": '{"password":"hush"}'},
        {"data": f"it said {KNOWN}"},
        {KNOWN: 1},
        {"reading": 12345678},
        ["AuthorizationKey", "hush"],
    ],
)
def test_what_is_to_be_hidden_is_left_to_the_close_look(payload: Any) -> None:
    text = json.dumps([2, "1", "DataTransfer", payload])
    assert a_look().at_frame(text)[0]
    assert not a_look().finds_nothing(text)


@pytest.mark.parametrize(
    ("frame", "may"),
    [
        (rb'[2,"1","DataTransfer",{"data":"\u0070assword"}]', True),
        (rb'{"data":"{\"a\":\"\\u0070\"}"}', True),
        (b"\x90\\u\x89\x91\\UV", False),
        (rb"\u00", False),
    ],
)
def test_a_whole_escape_is_looked_at_and_bytes_that_begin_like_one_are_not(frame: bytes, may: bool) -> None:
    assert for_secrets(Additions())(frame.lower()) is may


def test_members_of_the_same_name_are_all_looked_at() -> None:
    assert not a_look().finds_nothing('{"a":{"password":"hush"},"a":1}')


def test_more_tokens_than_the_close_look_tells_apart_are_left_to_it() -> None:
    assert parsed(f"[{'1,' * 150_000}1]") is None


def test_a_string_of_megabytes_takes_hardly_more_memory_to_look_at_than_it_has() -> None:
    text = f'{{"password":"{"geheim" * 100_000}","x":"' + "a\\n" * 100
    tracemalloc.start()
    try:
        places = read(text)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [len(leaf.text) for leaf, _ in places.leaves] == [8, 600_000, 1, 200]
    assert peak < 3 * len(text)
