"""Return the bad and good examples of a rule as markup, with marks at the places that break the rule."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from markupsafe import Markup, escape

from inspector.browse.readable import Mark, readable
from inspector.browse.views.serialize import RULES
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.finding import Finding
from inspector.rules.playback import ExampleMistake, play
from inspector.rules.rule import Rule


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
    return tuple(
        Example(
            name,
            _laid_out(rule, script_for(rule.bad, name), name, "error"),
            _laid_out(rule, script_for(rule.good, name), name, ""),
        )
        for name in names
    )


def script_for(scripts: dict[str, str], name: str) -> str:
    """Return the script for a version: its own, or else the script for all versions."""
    return scripts.get(name) or scripts.get("2x" if name.startswith("2") else name) or scripts.get("") or ""


def _version(rule: Rule, name: str) -> OcppVersion:
    known = sorted(rule.versions)
    wanted = [each for each in known if str(each) == name] or [each for each in known if str(each).startswith(name[:1])]
    return (wanted or known)[0]


def _laid_out(rule: Rule, script: str, name: str, severity: str) -> Markup:
    """Return a script as markup, line by line; frames that break the rule are indented and marked."""
    found: list[Finding] = []
    if severity:
        try:
            found = [each for each in play(script, _version(rule, name)) if each.rule_id == rule.slug]
        except (ExampleMistake, ValueError):
            found = []
    lines: list[Markup] = []
    frame = 0
    for line in script.strip().splitlines():
        step, _, rest = line.strip().partition(" ")
        if step not in (">", "<", ">b", "<b"):
            lines.append(escape(line))
            continue
        frame += 1
        marks: dict[str, list[Mark]] = {}
        for each in found:
            if each.frame_id == frame:
                marks.setdefault(each.pointer or "", []).append(Mark(severity, each.message))
        lines.append(escape(f"{step} ") + (readable(rest, marks) if marks else escape(rest)))
    return Markup("\n").join(lines)
