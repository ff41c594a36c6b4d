"""Write docs/rules/coverage.md: the requirements of the specifications that have a rule, and why the others have none.

A rule names its requirements in its `spec`. For the rest `requirements.toml` says why no rule is there. It has ids
only: the texts are in the specifications.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from inspector.rules.catalogue import rules

DATA = Path(__file__).parent / "requirements.toml"
_TOKEN = re.compile(r"([A-S]\d\d)\.FR\.(\d+)|(?<!\d)\.(\d+)|\bto\b|;")
_OLD_ID = re.compile(r"1\.6 (?:security )?whitepaper (?:[A-S]\d\d\.FR\.\d+(?:, |\b))+")
"""Ids of the 1.6 whitepaper, which are others than those of 2.x."""
_OLD_CLAUSE = re.compile(r"§\d+(?:\.\d+)*")
REASONS = {
    "permission": "allows or recommends; nobody breaks it",
    "inside": "happens inside one side; no message shows it",
    "outside": "concerns TLS, certificates, files, ISO 15118 or the network, not the messages",
    "unknowable": "depends on what only one side can know: its abilities, its stock, whether something worked",
    "answer": "every CALL must be answered: `rpc.no-answer` and `rpc.never-answered`",
    "schema": "the schema demands it: `payload.schema`",
    "open": "would show on the wire, and has no rule yet",
}
"""Reasons why a requirement has no rule of its own, in the order of the page."""


def named(spec: str) -> list[str]:
    """The requirement ids in a rule's `spec`: "B05.FR.02, .03" names two, "N07.FR.16 to N07.FR.19" four."""
    found: list[tuple[str, str]] = []
    span = False
    for token in _TOKEN.finditer(spec):
        if token.group() in ("to", ";"):
            span = token.group() == "to"
            continue
        case, number = token.group(1) or (found[-1][0] if found else ""), token.group(2) or token.group(3)
        if span and found and found[-1][0] == case:
            found += [(case, f"{between:02}") for between in range(int(found[-1][1]) + 1, int(number))]
        if case:
            found.append((case, number))
        span = False
    return [f"{case}.FR.{number}" for case, number in found]


def requirements() -> dict[str, tuple[str, str]]:
    """Return, for every 2.x requirement, its versions and the reason why it has no rule ("": it has one)."""
    document = tomllib.loads(DATA.read_text(encoding="utf-8"))
    covered = by_rule()
    found = {}
    for reason in ("rule", *REASONS):
        for versions, ids in document[reason].items():
            for case, numbers in (line.split(":") for line in ids.split(";") if line.strip()):
                for number in numbers.split():
                    name = f"{case.strip()}.FR.{number}"
                    found[name] = versions, "" if name in covered else reason
    return dict(sorted(found.items()))


def by_rule() -> dict[str, list[str]]:
    """Return the slugs of the rules that name each requirement."""
    covered: dict[str, list[str]] = {}
    for rule in rules():
        for name in named(_OLD_ID.sub("", rule.spec)):
            slugs = covered.setdefault(name, [])
            if rule.slug not in slugs:
                slugs.append(rule.slug)
    return covered


def count() -> int:
    """Return how many requirements have a rule."""
    return sum(not reason for _, reason in requirements().values())


def page() -> str:
    """Return the text of coverage.md."""
    known, covered = requirements(), by_rule()
    lines = [
        "# Which requirements have a rule",
        "",
        "Each numbered requirement of OCPP 2.0.1 (edition 3, errata of 2025-09) and 2.1 (edition 1), part 2, with the",
        "rules that judge it, or why it has none. The sections of OCPP 1.6 follow at the end.",
        "",
        "The reasons are those of a first reading. Where you find one wrong, a rule is missing: please report it.",
        "",
        "| requirements | |",
        "| ---: | --- |",
        f"| {count():,} | have a rule of their own |",
    ]
    for reason, why in REASONS.items():
        number = sum(given == reason for _, given in known.values())
        lines.append(f"| {number:,} | {reason}: {why} |")
    lines.append(f"| {len(known):,} | in all |")
    block = ""
    for name, (versions, reason) in known.items():
        if name[0] != block:
            block = name[0]
            lines += ["", f"## {block}", "", "| requirement | OCPP | rule, or why none |", "| --- | --- | --- |"]
        links = ", ".join(f"[{slug}]({slug}.md)" for slug in covered.get(name, ()))
        lines.append(f"| {name} | {versions} | {links or reason} |")
    lines += ["", "## OCPP 1.6", "", "1.6 does not number its requirements. The sections that rules refer to:", ""]
    lines += ["| section | rules |", "| --- | --- |"]
    sections: dict[str, list[str]] = {}
    for rule in rules():
        for clause in (part for part in rule.spec.split(";") if "1.6" in part and "OCPP-J" not in part):
            for section in _OLD_CLAUSE.findall(clause):
                sections.setdefault(section, []).append(rule.slug)
    for section in sorted(sections, key=lambda text: [int(number) for number in text[1:].split(".")]):
        links = ", ".join(f"[{slug}]({slug}.md)" for slug in dict.fromkeys(sections[section]))
        lines.append(f"| {section} | {links} |")
    return "\n".join([*lines, ""])
