"""Hypothesis strategies for what a peer may send: any bytes, any JSON, nearly valid and modified real messages."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from inspector.protocol.vocabulary import ACTIONS, ERROR_CODES, OcppVersion
from tests.protocol.real_messages import REAL

ANY_VERSION = st.sampled_from(OcppVersion)

any_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=20,
)
"""Any JSON value, with numbers that JSON does not have and integers beyond 64 bits among them."""


def written(value: Any) -> bytes:
    """Write a value as careless peers do, with NaN and lone surrogates, which are not valid JSON."""
    return json.dumps(value).encode("utf-8", "surrogatepass")


@st.composite
def nearly_right(draw: st.DrawFn, version: OcppVersion) -> bytes:
    """Make arrays that resemble messages of this version."""
    actions = sorted(ACTIONS[version])
    parts: list[Any] = [
        draw(st.sampled_from([2, 2, 2, 3, 3, 4, 5, 6, 7, -1, 2.0, "2", None, True])),
        draw(st.sampled_from(["1", "2", "3", "4", "", "x" * 40, 5, None, ["1"], {}])),
        draw(st.sampled_from(actions) | st.sampled_from(sorted(ERROR_CODES[version])) | any_json),
        draw(any_json),
        draw(any_json),
    ]
    return written(parts[: draw(st.integers(0, 5))])


@st.composite
def bent(draw: st.DrawFn, version: OcppVersion) -> bytes:
    """Make real messages with bytes removed, doubled, swapped or replaced, or with one value replaced."""
    raw = draw(st.sampled_from(REAL[version]))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(raw)))
        end = draw(st.integers(start, min(len(raw), start + 30)))
        match draw(st.sampled_from(["cut", "double", "replace", "value"])):
            case "cut":
                raw = raw[:start] + raw[end:]
            case "double":
                raw = raw[:end] + raw[start:]
            case "replace":
                raw = raw[:start] + draw(st.binary(max_size=5)) + raw[end:]
            case "value":
                raw = _other_value(raw, draw(st.integers(0, 40)), draw(any_json))
    return raw


def _other_value(raw: bytes, place: int, value: Any) -> bytes:
    """Replace the value at a position, counted over all values of the message."""
    try:
        message = json.loads(raw)
    except (ValueError, RecursionError):
        return raw
    places: list[tuple[Any, Any]] = []

    def visit(node: Any) -> None:
        keys = range(len(node)) if isinstance(node, list) else list(node) if isinstance(node, dict) else ()
        for key in keys:
            places.append((node, key))
            visit(node[key])

    visit(message)
    if places:
        node, key = places[place % len(places)]
        node[key] = value
    return written(message)


def anything(version: OcppVersion) -> st.SearchStrategy[bytes]:
    """Make anything that may arrive over a WebSocket of this version."""
    return (
        st.sampled_from(REAL[version])
        | bent(version)
        | nearly_right(version)
        | any_json.map(written)
        | st.binary(max_size=60)
    )
