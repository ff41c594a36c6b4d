"""Suggest the correct value at a place of a frame, from the message of a finding or the good example of its rule."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from inspector.browse.examples import script_for
from inspector.browse.views.serialize import RULES

_EXPECTED = re.compile(
    r"(?:expected|spells it|it is called|that of [^;]* is|was requested with) (-?[\w.+:-]+?)(?=[,;.)]?(?:\s|$))"
)
_MEMBER = re.compile(r"(?:without (\w+)|(?:with )?(\w+)(?: is)? (\S+)); expected (\w+)")
_LEAST = re.compile(r"falls from (-?[\d.]+ \w+) to ")
_NEEDLESS = re.compile(r"(\w+) is (?:set|given|sent)\b|has an? (\w+)$")
_WRITE = re.compile(r"; write (\{\})")
_MEASURED = re.compile(r"-?\d+(\.\d+)?|\d{4}-\d\d-\d\dT\S+")
"""Texts for which the value in an example makes no sense: registers and times."""


class Suggestion(NamedTuple):
    """What to do at a place; `good` is the correct value, as JSON or in words, `example` whether there are others."""

    text: str | None
    good: str | None
    example: bool


def suggestion(rule: str, pointer: str, said: str, version: str, action: str | None, value: Any) -> Suggestion | None:
    """Return a suggestion for the place `pointer` instead of `value`; None if neither message nor example has one."""
    if (by_message := _said(pointer, said, value)) is not None:
        return by_message
    if rule not in RULES:
        return None
    bad, good = (_at_places(rule, version, action, pointer, which) for which in ("bad", "good"))
    if isinstance(value, dict):
        wrong: dict[str, Any] = bad[0] if bad and isinstance(bad[0], dict) else {}
        right: dict[str, Any] = next((each for each in good if isinstance(each, dict) and set(each) - set(wrong)), {})
        more = [name for name in right if name not in wrong and name not in value]
        text = ", ".join(f"{name}, for example {_shown(right[name])}" for name in more[:2])
        return Suggestion(f"Add {text}.", None, True) if more else None
    if isinstance(value, list):
        return None
    fitting = [each for each in good if not isinstance(each, dict | list) and each != value]
    if fitting and not _measured(value, pointer):
        return Suggestion(None, _shown(fitting[-1]), True)
    holder, _, name = pointer.rpartition("/")
    holders = [each for each in _at_places(rule, version, action, holder, "good") if isinstance(each, dict)]
    if holders and all(name not in each for each in holders):
        return Suggestion(None, f"leave {name} out", False)
    return None


def _said(pointer: str, said: str, value: Any) -> Suggestion | None:
    """Return the suggestion in the message of a finding."""
    name = pointer.rpartition("/")[2]
    if found := _LEAST.search(said):
        return Suggestion(None, f"{found[1]} or more", False)
    if found := _WRITE.search(said):
        return Suggestion(None, found[1], False)
    if isinstance(value, str) and re.fullmatch(r"-?\d+,\d+", value):
        return Suggestion(None, json.dumps(value.replace(",", ".")), False)
    if isinstance(value, dict):
        if (found := _MEMBER.search(said)) is None:
            return None
        if found[1]:
            return Suggestion(f"Add {found[1]}: {found[4]}.", None, False)
        known = f'"{found[2]}":' in json.dumps(value)
        return Suggestion(f"Change {found[2]} from {found[3]} to {found[4]}.", None, False) if known else None
    if isinstance(value, list):
        return None
    if (found := _NEEDLESS.search(said)) and name in (found[1], found[2]):
        return Suggestion(None, f"leave {name} out", False)
    for found in _EXPECTED.finditer(said):
        if isinstance(value, str) and len(found[1]) > 2:
            return Suggestion(None, json.dumps(found[1]), False)
        if isinstance(value, int | float) and re.fullmatch(r"-?\d+(\.\d+)?", found[1]):
            return Suggestion(None, found[1], False)
    return None


def _measured(value: Any, pointer: str) -> bool:
    """Return whether a value is a measurement or a time, for which the value in an example makes no sense."""
    if isinstance(value, str):
        return _MEASURED.fullmatch(value) is not None
    return isinstance(value, int | float) and pointer.endswith(("/value", "meterStart", "meterStop"))


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _at_places(rule: str, version: str, action: str | None, pointer: str, which: str) -> list[Any]:
    """Return the values at a place in frames of the same action in an example; indexes of lists are ignored."""
    parts = pointer.split("/")[1:]
    if not parts:
        return []
    frames = [frame for name, kind, frame in _frames(rule, version, which) if name == action and kind == parts[0]]
    return [value for frame in frames for value in _values(frame, parts)]


def _values(value: Any, parts: list[str]) -> Iterator[Any]:
    if not parts:
        yield value
        return
    first, rest = parts[0].replace("~1", "/").replace("~0", "~"), parts[1:]
    if isinstance(value, dict) and first in value:
        yield from _values(value[first], rest)
    elif isinstance(value, list) and first.isdigit():
        inside = value if len(value) and not isinstance(value[0], int) else value[int(first) : int(first) + 1]
        for each in inside:
            yield from _values(each, rest)


@lru_cache(512)
def _frames(rule: str, version: str, which: str) -> tuple[tuple[str | None, str, Any], ...]:
    """Return the frames of an example as (action, index of the payload, frame); the index is "3" or "2"."""
    script = script_for(RULES[rule].bad if which == "bad" else RULES[rule].good, version)
    actions: dict[str, str] = {}
    found = []
    for line in script.splitlines():
        step, _, rest = line.strip().partition(" ")
        if step not in (">", "<"):
            continue
        try:
            frame = json.loads(rest)
            if frame[0] == 2:
                actions[frame[1]] = frame[2]
            found.append((actions.get(frame[1]), "3" if frame[0] == 2 else "2", frame))
        except (ValueError, LookupError, TypeError):
            continue
    return tuple(found)
