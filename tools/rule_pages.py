"""Writes docs/rules/: a page for each rule and an index, from the rules themselves; `--check` only compares.

Run `python -m tools.rule_pages` after changing a rule.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from inspector.protocol import correlation
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules import judge
from inspector.rules.catalogue import rules
from inspector.rules.rule import Rule
from inspector.rules.settings import thresholds
from inspector.rules.state import configuration, transactions_v2x, transactions_v16
from inspector.rules.topics.availability import status_v16
from inspector.rules.topics.metering import registers
from inspector.rules.topics.rpc import exchange
from inspector.rules.topics.transactions import authorization_v16
from tools import rule_coverage

ROOT = Path(__file__).parent.parent
READMES = ("README.md", "README.tr.md")
FOLDER = ROOT / "docs" / "rules"
COUNTED = re.compile(r"(?<=\b)[\d,.]+(?= (?:requirements|gereksinim))")
"""The number of covered requirements where the READMEs say it."""
BOUNDS = {
    "CALLs that wait for an answer, for each side of a connection": correlation.OPEN_LIMIT,
    "CALLs that were answered, for each side of a connection": correlation.ANSWERED_LIMIT,
    "message ids, for each side of a charge point, over its connections": exchange.SEEN_IDS,
    "transactions of a charge point": transactions_v16.TRANSACTIONS_LIMIT,
    "events of one transaction (2.x)": transactions_v2x.EVENTS_LIMIT,
    "connectors of a charge point": status_v16.CONNECTORS_LIMIT,
    "configuration keys or variables of a charge point": configuration.KEYS_LIMIT,
    "id tokens of a charge point (1.6)": authorization_v16.TAGS_LIMIT,
    "transactions of a charge point whose registers are followed": registers.TRANSACTIONS_LIMIT,
    "registers of one of those": registers.SERIES_LIMIT,
    "findings of one rule in a session; more are counted together": judge.FINDINGS_PER_RULE,
    "charge points": judge.STATIONS_LIMIT,
}
"""Limits of the judge's memory, which hold for any input."""
DECLINED: dict[str, str] = {}
"""Rows of the catalogue that a passive watcher cannot decide -> the evidence it would need."""


def pages() -> dict[str, str]:
    """Return the text of every page by its file name."""
    made = {f"{rule.slug}.md": page(rule) for rule in rules()}
    made["README.md"] = index()
    made["coverage.md"] = rule_coverage.page()
    return made


def counted(text: str) -> str:
    """Return the README's text with the current number of requirements that have a rule."""
    return COUNTED.sub(str(rule_coverage.count()), text)


def page(rule: Rule) -> str:
    """Return the page of a rule: what breaks it, severity, a bad and a good example, and what to do."""
    lines = [f"# {rule.slug}", "", f"{rule.title}.", ""]
    lines += ["| | |", "| --- | --- |"]
    lines.append(f"| severity | {_severities(rule)} |")
    lines.append(f"| at fault | {rule.side.value.replace('_', ' ') if rule.side else 'whoever sent the frame'} |")
    lines.append(f"| reference | {rule.spec} |")
    if rule.heuristic:
        lines.append("| heuristic | yes: no text demands it; experience does |")
    for heading, examples in (("Breaks it", rule.bad), ("Does not", rule.good)):
        for version, script in examples.items():
            lines += ["", f"## {heading}{f' (OCPP {version})' if version else ''}", "", "```", script.strip(), "```"]
    lines += ["", "## Remedy", "", rule.remedy, ""]
    return "\n".join(lines)


def index() -> str:
    """Return the index: a table of rules for each topic, and how to read and configure them."""
    lines = [
        "# Rules",
        "",
        "What ChargeSentinel judges in every frame, exchange and silence. `chargesentinel rules RULE` shows these",
        "pages in the terminal. In the examples `>` is a frame of the charge point, `<` one of the CSMS, `+` lets",
        "time pass, `open`, `close` and `event` are the life of the WebSocket.",
        "",
        f"{rule_coverage.count()} requirements of OCPP 2.0.1 and 2.1 have a rule. [coverage.md](coverage.md) lists",
        "them and says why the others have none.",
        "",
        f"A rule is in the topic that its name begins with: {_topics()}.",
        "",
        "Severities, thresholds and vendor allowances are set in a TOML file that `check`, `import` and `proxy` take",
        "as `--rules FILE`, or in `[tool.chargesentinel]` of the `pyproject.toml` where they are run:",
        "",
        "```toml",
        "[severity]",
        '"rpc.duplicate-key" = "off"            # error, warning, info or off',
        "",
        "[thresholds]",
        "answer_timeout_s = 60",
        "",
        "[allow.values]",
        '"StatusNotification/errorCode" = ["Error"]',
        "",
        "[allow.lengths]",
        '"BootNotification/chargePointSerialNumber" = 50',
        "```",
    ]
    lines += ["", "## Thresholds", "", "| threshold | default | what it says |", "| --- | --- | --- |"]
    lines += [f"| `{name}` | {default:,g} | {what} |" for name, default, what in thresholds()]
    topic = ""
    for rule in sorted(rules(), key=lambda rule: rule.slug):
        if rule.slug.partition(".")[0] != topic:
            topic = rule.slug.partition(".")[0]
            lines += ["", f"## {topic}", "", "| rule | severity | OCPP | broken when |", "| --- | --- | --- | --- |"]
        versions = "all" if len(rule.versions) == len(OcppVersion) else ", ".join(sorted(rule.versions))
        severity = "/".join(dict.fromkeys(level.value for _, level in sorted(rule.severity.items())))
        title = rule.title + (" (heuristic)" if rule.heuristic else "")
        lines.append(f"| [{rule.slug}]({rule.slug}.md) | {severity} | {versions} | {title} |")
    if DECLINED:
        lines += ["", "## Not judged", "", "A watcher on the wire cannot decide these.", ""]
        lines += ["| what | evidence that is missing |", "| --- | --- |"]
        lines += [f"| {what} | {evidence} |" for what, evidence in DECLINED.items()]
    lines += [
        "",
        "## What is remembered",
        "",
        "Beyond these bounds the oldest is forgotten, or nothing new is learned.",
    ]
    lines += ["", "| of | at most |", "| --- | --- |"]
    lines += [f"| {what} | {most:,} |" for what, most in BOUNDS.items()]
    return "\n".join([*lines, ""])


def _topics() -> str:
    return ", ".join(f"[{topic}](#{topic})" for topic in sorted({rule.slug.partition(".")[0] for rule in rules()}))


def _severities(rule: Rule) -> str:
    by_version = {version.value: level.value for version, level in sorted(rule.severity.items())}
    if len(set(by_version.values())) == 1:
        covered = "all versions" if len(by_version) == len(OcppVersion) else f"OCPP {', '.join(by_version)}"
        return f"{next(iter(by_version.values()))} ({covered})"
    return ", ".join(f"{level} in OCPP {version}" for version, level in by_version.items())


def main() -> int:
    """Write the pages, or with `--check` name those that are out of date; return the exit code."""
    wanted = pages()
    wanted |= {f"../../{name}": counted((ROOT / name).read_text(encoding="utf-8")) for name in READMES}
    stale = [name for name, text in wanted.items() if not _is(FOLDER / name, text)]
    left = [path.name for path in FOLDER.glob("*.md") if path.name not in wanted]
    if "--check" in sys.argv:
        for name in [*stale, *left]:
            print(f"docs/rules/{name} is not what the rules say; run `python -m tools.rule_pages`")
        return int(bool(stale or left))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (FOLDER / name).write_text(wanted[name], encoding="utf-8")
    for name in left:
        (FOLDER / name).unlink()
    return 0


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
