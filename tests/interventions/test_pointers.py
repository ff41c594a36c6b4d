"""A value of a JSON text is set or removed where a pointer leads, and every other byte stays."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.interventions.pointers import MISSING, NotThere, parts, removed_from, set_in, value_at

TEXT = '[2, "1" ,"X",{"a" : 1.10, "b":[1,{"c":"é\\u00e9"} ,3], "a":2e5}]'


@pytest.mark.parametrize(
    ("pointer", "value", "expected"),
    [
        ("/3/a", "x", '[2, "1" ,"X",{"a" : 1.10, "b":[1,{"c":"é\\u00e9"} ,3], "a":"x"}]'),
        ("/3/b/1/c", None, '[2, "1" ,"X",{"a" : 1.10, "b":[1,{"c":null} ,3], "a":2e5}]'),
        ("/3/b/1/d", [1], '[2, "1" ,"X",{"a" : 1.10, "b":[1,{"c":"é\\u00e9","d":[1]} ,3], "a":2e5}]'),
        ("/3/b/-", 4, '[2, "1" ,"X",{"a" : 1.10, "b":[1,{"c":"é\\u00e9"} ,3,4], "a":2e5}]'),
        ("/3/b/3", 4, '[2, "1" ,"X",{"a" : 1.10, "b":[1,{"c":"é\\u00e9"} ,3,4], "a":2e5}]'),
        ("/3", {}, '[2, "1" ,"X",{}]'),
        ("", 1, "1"),
    ],
)
def test_a_value_is_set_and_the_rest_stays_byte_for_byte(pointer: str, value: Any, expected: str) -> None:
    assert set_in(TEXT, pointer, value) == expected


@pytest.mark.parametrize(
    ("text", "pointer", "expected"),
    [
        ('{"a":1, "b":2 ,"c":3}', "/a", '{ "b":2 ,"c":3}'),
        ('{"a":1, "b":2 ,"c":3}', "/b", '{"a":1,"c":3}'),
        ('{"a":1, "b":2 ,"c":3}', "/c", '{"a":1, "b":2 }'),
        ('{ "a":1 }', "/a", "{}"),
        ("[1,2,3]", "/1", "[1,3]"),
        ("[1]", "/0", "[]"),
        ('{"a~b":{"c/d":1}}', "/a~0b/c~1d", '{"a~b":{}}'),
    ],
)
def test_a_member_or_item_is_removed_with_one_comma(text: str, pointer: str, expected: str) -> None:
    assert removed_from(text, pointer) == expected


@pytest.mark.parametrize("pointer", ["/4/x", "/3/z/y", "/3/a/b", "/3/b/7", "/3/b/x", "/3/b/01/c"])
def test_a_pointer_that_leads_nowhere_is_said_so(pointer: str) -> None:
    with pytest.raises(NotThere):
        set_in(TEXT, pointer, 1)
    with pytest.raises(NotThere):
        removed_from(TEXT, pointer)


def test_a_pointer_begins_with_a_slash() -> None:
    with pytest.raises(ValueError, match="a/b"):
        parts("a/b")


DOCUMENTS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("a/~0é", max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)


def places(document: Any, at: str = "") -> list[str]:
    inner: dict[Any, Any] = {}
    if isinstance(document, dict | list):
        inner = document if isinstance(document, dict) else dict(enumerate(document))
    found = [at]
    for name, one in inner.items():
        found += places(one, f"{at}/{str(name).replace('~', '~0').replace('/', '~1')}")
    return found


@given(DOCUMENTS, st.integers(0, 3).map(lambda spaces: spaces or None), st.data())
def test_what_is_set_is_found_there_and_what_is_removed_is_not(
    document: Any, indent: int | None, data: st.DataObject
) -> None:
    text = json.dumps(document, indent=indent)
    pointer = data.draw(st.sampled_from(places(document)))
    changed = json.loads(set_in(text, pointer, "new"))
    assert value_at(changed, pointer) == "new"
    assert json.loads(set_in(text, pointer, value_at(document, pointer))) == document
    if pointer:
        less = json.loads(removed_from(text, pointer))
        outer = pointer.rpartition("/")[0]
        container, before = value_at(less, outer), value_at(document, outer)
        assert len(container) == len(before) - 1
        assert isinstance(before, list) or value_at(less, pointer) is MISSING


def test_a_pointer_into_sixteen_megabytes_takes_no_more_than_reading_them() -> None:
    text = json.dumps([2, "1", "DataTransfer", {"data": "x" * 16_000_000, "a": [0] * 500_000, "b": 1}])
    began = time.process_time()
    assert set_in(text, "/3/b", 2).endswith('"b": 2}]')
    assert time.process_time() - began < 3
