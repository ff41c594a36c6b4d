"""Tells of sound JSON that it has nothing to hide, from its parsed values; what it doubts it leaves to the close look.

The close look has to know where everything stands, at a microsecond a byte. Large frames with a telling word in them,
of which few have anything to hide, would take the recorder most of its time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

import orjson

from inspector.redaction.assignments import NAMING
from inspector.redaction.effort import Effort
from inspector.redaction.json_tokens import TOKEN_LIMIT
from inspector.redaction.ocpp_values import payload_at
from inspector.redaction.sensitive_names import SECRET_TOKEN_TYPES

_NAMING = NAMING | {"type", "kty"}
"""Members that say what the value beside them is of, in lower case."""

_NODE_STEPS, _CHILD_STEPS = 0.5, 0.5

type Value = str | bool | list[Value] | tuple[tuple[str, Value], ...] | None
"""An object is a tuple of its members, so that none is lost where two have the same name; a number is as written."""


class Meaning(Protocol):
    """What names mean."""

    def is_secret(self, name: str, parent: str = "") -> bool: ...

    def is_secret_variable(self, name: str) -> bool: ...

    def is_personal(self, name: str, parent: str = "") -> bool: ...


def parsed(text: str) -> Value | None:
    """Return the value of a text that any parser reads alike; None where this one would not swear to it."""
    # A token is a mark or stands beside one.
    if 2 * sum(map(text.count, "{}[]:,")) >= TOKEN_LIMIT:
        return None
    try:
        orjson.loads(text)
        value: Value = json.loads(text, object_pairs_hook=tuple, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    return value


def has_nothing(
    value: Value,
    parent: str,
    meaning: Meaning,
    tells: Callable[[str], bool],
    name_tells: Callable[[str], bool],
    effort: Effort,
) -> bool:
    """Tell whether no name and no text within a value asks for anything to be hidden.

    Args:
        value: what `parsed` has returned.
        parent: what the value counts as a member of: its action.
        meaning: what names mean.
        tells: whether a string or a number says or quotes what is to be hidden.
        name_tells: the same of a member's name.
        effort: what is spent on it.

    Raises:
        TooMuch: it takes too long to tell.
    """
    payload = value[payload_at(value[0]) :] if isinstance(value, list) and value and isinstance(value[0], str) else []
    if not all(isinstance(child, tuple) for child in payload):
        return False  # a list may hold a name and, behind it, its value
    names: set[tuple[str, str]] = set()
    texts: dict[str, None] = {}  # in their order: what is found first is remembered first
    waiting: list[tuple[Any, str]] = [(value, parent)]
    while waiting:
        node, within = waiting.pop()
        effort.spend(_NODE_STEPS)
        if isinstance(node, str):
            texts[node] = None
        elif isinstance(node, list):
            effort.spend(len(node) * _CHILD_STEPS)
            if len(node) == 2 and isinstance(node[0], str) and meaning.is_secret(node[0]):
                return False  # a name and its value
            waiting += [(child, within or parent) for child in node]
        elif isinstance(node, tuple):
            effort.spend(len(node) * _CHILD_STEPS)
            for name, child in node:
                names.add((name, within))
                if isinstance(child, str):
                    texts[child] = None
                elif child is not None:
                    waiting.append((child, name))
                if (lower := name.lower()) in _NAMING and _names_a_secret(lower, child, meaning):
                    return False
    return not (
        any(meaning.is_secret(*one) or meaning.is_personal(*one) for one in names)
        or any(map(name_tells, {name for name, _ in names}))
        or any(map(tells, texts))
    )


def _names_a_secret(name: str, child: Any, meaning: Meaning) -> bool:
    for text in child if isinstance(child, list) else (child,):
        if not isinstance(text, str):
            continue
        if name == "kty":
            return True
        if name == "type":
            if text.lower() in SECRET_TOKEN_TYPES:
                return True
        elif meaning.is_secret_variable(text) or meaning.is_personal(text):
            return True
    return False
