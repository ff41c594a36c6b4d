"""The fast check "nothing to hide in this frame" always agrees with the thorough search."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from inspector.redaction.close_look import CloseLook
from inspector.redaction.json_tokens import read
from inspector.redaction.prefilter import for_secrets, parsed
from inspector.redaction.redactor import Redactor
from inspector.redaction.secret_names import is_secret_member
from inspector.redaction.secrets import Secrets
from inspector.redaction.sensitive_names import Additions
from tests.redaction.test_secret_names import SECRET

PAYLOADS = (
    *({"idToken": "04AB"}, {"id_token": "04AB"}, {"token": "04AB"}, {"id7token": 1}, {"data": "\\u00"}, {"data": "é"}),
    *(
        {"validToken": "hush"},
        {"groupIdToken": {"idToken": "04AB"}},
        {"a1": "pass"},
        {"a2": "p.a.s.s"},
        {"a3": "compa"},
        {"RadiusKey1": 1},
        {"radi_us": 1},
        {"data": "\\u0070"},
    ),
)
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
    """Make objects as text, because text can repeat a member."""
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
    assert for_secrets(Additions())(frame) is may


def frame(payload: Any) -> bytes:
    return json.dumps([2, "1", "DataTransfer", payload], ensure_ascii=False).encode()


DISGUISES = st.sampled_from(("", "", "", "_", ".", "-", "7", "._", "\u0301", "\u200b", "\u00ad"))


@given(st.sampled_from(SECRET), st.data())
def test_a_secret_name_is_seen_whatever_stands_between_its_letters(name: str, data: st.DataObject) -> None:
    turned = "".join(
        data.draw(DISGUISES) + data.draw(st.sampled_from((c, c.upper(), c.lower(), wide(c)))) for c in name
    )
    assume(is_secret_member(turned))
    look = for_secrets(Additions())
    assert look(frame({turned: "x"})) and look(frame({"data": f"{turned}=x"}))


def wide(letter: str) -> str:
    """Return the full-width form of a letter."""
    return chr(ord(letter) + 0xFEE0) if letter.isascii() and letter.isalpha() else letter


PARTS = (
    *("password", "p.w.d", "Pin", "key", "wifi", "token", "idToken", "Authorization", "X-Hub-Signature", "sig", "code"),
    *("hash", "auth", "cookie", "user", "value", "name", "Bearer", "Basic", "basic", "AccountKey", "PW", "şifre"),
    *tuple("=:?&/@<>'\"[]{}|\t\n ,;.-_"),
    *(": ", " = ", "://", "</", "->", "--", "\n  ", "X-"),
    *("%3D", "%61", "&#61;", "&#97;", "\\x61", "\\u0061", "ghp_", "AKIA", "eyJ"),
    *("Geheim4711", "04A2B3C4", "x7!", "ABCDEFGHIJKLMNOP", "Q1AxOmdlaGVpbTAwMTE=", "YXNzd29yZD1nZWhlaW0", "12345678"),
)


@given(st.lists(st.one_of(st.sampled_from(PARTS), st.text(max_size=3)), min_size=1, max_size=12).map("".join))
@example("wifiidToken|Geheim4711")
@example("X-Hub-Signaturesig:0")
def test_whatever_a_close_look_would_hide_in_a_text_it_is_asked_for(text: str) -> None:
    raw = frame({"vendorId": "v", "data": text.encode("utf-8", "replace").decode()})
    if a_look(known=()).at_frame(raw.decode())[0]:
        assert for_secrets(Additions())(raw)


@given(st.lists(st.sampled_from(PAYLOADS), min_size=2, max_size=6))
def test_what_was_seen_before_changes_no_answer(payloads: list[Any]) -> None:
    look = for_secrets(Additions(variables=("Radius*",)))
    seen = [look(frame(payload)) for payload in payloads]
    assert seen == [for_secrets(Additions(variables=("Radius*",)))(frame(payload)) for payload in payloads]


@given(st.lists(st.sampled_from("0123456789._-"), max_size=3).map("".join), st.sampled_from(("idToken", "token")))
def test_frames_that_differ_in_digits_and_separators_alone_are_told_apart(between: str, name: str) -> None:
    look = for_secrets(Additions())
    assert not look(frame({"idToken": {"idToken": "04AB", "type": "ISO14443"}}))
    assert look(frame({f"id{between}Token": {"idToken": "04AB", "type": "ISO14443"}})) == bool(between)
    assert look(frame({"idToken": {name: "04AB", "type": "ISO14443"}})) == (name == "token")


@pytest.mark.parametrize("name", ["dead", "BEEF", "密码", "Tür 7", "4711", "x509"])
def test_a_name_of_a_user_is_seen_whatever_its_letters(name: str) -> None:
    look = for_secrets(Additions(variables=(name,), members=(name,)))
    assert look(frame({"key": name, "value": "x"})) and look(frame({name: "x"}))
    assert look(json.dumps([2, "dead-beef", "X", {name: 1}], ensure_ascii=False).encode())
    assert not look(frame({"connectorId": 1}))


def test_more_shapes_than_are_remembered_are_answered_all_the_same() -> None:
    look = for_secrets(Additions())
    letters = "abcdfghi"
    shapes = ["".join(parts) for parts in itertools.product(letters, repeat=4)]
    assert not any(look(frame({f"{shape}{number}": number})) for number, shape in enumerate(shapes))
    assert all(look(frame({f"{shape}{number}": "password"})) for number, shape in enumerate(shapes))


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
