"""Return the bad and good examples of a rule as markup, with marks at the places that break the rule."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from markupsafe import Markup, escape

from inspector.browse.readable import Mark, readable
from inspector.browse.views.serialize import RULES
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.playback import ExampleMistake, play
from inspector.rules.rule import Rule

STEPS = (">", "<", ">b", "<b")


class Example(NamedTuple):
    """A bad and a good example of a rule; `version` is empty if the example is for all versions."""

    version: str
    bad: Markup
    good: Markup


def examples(slug: str) -> tuple[Example, ...]:
    """Return the examples of a rule, one for each version that has its own; () for an unknown rule."""
    return _examples(slug) if slug in RULES else ()


@lru_cache(256)
def _examples(slug: str) -> tuple[Example, ...]:
    rule = RULES[slug]
    names = list(dict.fromkeys([*rule.bad, *rule.good]))
    if len(names) > 1 and "" in names:
        names.remove("")
    made = []
    for name in names:
        bad, good = script_for(rule.bad, name), script_for(rule.good, name)
        faults = _faults(rule, bad, name)
        made.append(Example(name, _laid_out(bad, faults), _laid_out(good, _kept(bad, good, faults))))
    return tuple(made)


type _Marks = dict[int, dict[str, list[Mark]]]
"""By the number of a frame in its script, and by JSON pointer."""


def _faults(rule: Rule, script: str, name: str) -> _Marks:
    """Return where a script breaks the rule."""
    marks: _Marks = {}
    with contextlib.suppress(ExampleMistake, ValueError):
        for each in play(script, _version(rule, name)):
            if each.rule_id == rule.slug and each.frame_id is not None:
                places = marks.setdefault(each.frame_id, {})
                places.setdefault(each.pointer or "", []).append(Mark("error", each.message))
    return marks


def _kept(bad: str, good: str, faults: _Marks) -> _Marks:
    """Return the places of the good example that correspond to faults of the bad one: same action, same pointer."""
    marks: _Marks = {}
    actions = {number: action for number, action, _ in _frames(bad)}
    for number, places in faults.items():
        for pointer in filter(None, places):
            same = [(each, frame) for each, action, frame in _frames(good) if action == actions.get(number)]
            found = [each for each, frame in same if _has(frame, pointer)]
            if found:
                marks.setdefault(found[-1], {})[pointer] = [Mark("ok", "as it should be")]
    return marks


def _frames(script: str) -> Iterator[tuple[int, tuple[Any, Any], Any]]:
    """Yield the frames of a script that are JSON: number, action with its message type, frame."""
    actions: dict[Any, Any] = {}
    number = 0
    for line in script.strip().splitlines():
        step, _, rest = line.strip().partition(" ")
        if step not in STEPS:
            continue
        number += 1
        with contextlib.suppress(ValueError, LookupError, TypeError):
            frame = json.loads(rest)
            if frame[0] == 2:
                actions[frame[1]] = frame[2]
            yield number, (frame[0], actions.get(frame[1])), frame


def _has(frame: Any, pointer: str) -> bool:
    try:
        for part in pointer.split("/")[1:]:
            frame = frame[int(part)] if isinstance(frame, list) else frame[part]
    except (ValueError, LookupError, TypeError):
        return False
    return True


def script_for(scripts: dict[str, str], name: str) -> str:
    """Return the script for a version: its own, or else the script for all versions."""
    return scripts.get(name) or scripts.get("2x" if name.startswith("2") else name) or scripts.get("") or ""


def _version(rule: Rule, name: str) -> OcppVersion:
    known = sorted(rule.versions)
    wanted = [each for each in known if str(each) == name] or [each for each in known if str(each).startswith(name[:1])]
    return (wanted or known)[0]


def _laid_out(script: str, marks: _Marks) -> Markup:
    """Return a script as markup, line by line; frames with marks are indented."""
    lines: list[Markup] = []
    frame = 0
    for line in script.strip().splitlines():
        step, _, rest = line.strip().partition(" ")
        if step not in STEPS:
            lines.append(escape(line))
            continue
        frame += 1
        lines.append(escape(f"{step} ") + (readable(rest, marks[frame]) if frame in marks else escape(rest)))
    return Markup("\n").join(lines)
