"""The command `rules`: lists and explains the rules."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from inspector.protocol.vocabulary import OcppVersion
from inspector.units import quantity

if TYPE_CHECKING:
    from inspector.rules.rule import Rule


@click.command(
    epilog="""\b
Examples:
  chargesentinel rules
  chargesentinel rules rpc.orphan-answer
  chargesentinel rules meter        # all rules of a topic
  chargesentinel rules --ocpp 1.6 --json
"""
)
@click.argument("rule", required=False)
@click.option("--ocpp", type=click.Choice([v.value for v in OcppVersion]), help="Only rules of this version.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def rules(rule: str | None, ocpp: str | None, as_json: bool) -> None:
    """List the rules, or explain one of them.

    RULE is a rule or a topic. The explanation of a rule has a bad frame, a good frame and what to do.
    """
    from rich.console import Console
    from rich.text import Text

    from inspector.rules.catalogue import rules as every_rule

    topics = {r.slug.partition(".")[0] for r in every_rule()}
    topic = (rule or "").removesuffix("*").removesuffix(".")
    wanted = [
        r for r in every_rule() if not rule or rule == r.slug or (topic in topics and r.slug.startswith(f"{topic}."))
    ]
    chosen = [r for r in wanted if not ocpp or OcppVersion(ocpp) in r.versions]
    if rule and not wanted:
        raise click.BadParameter(close_to(rule), param_hint="RULE")

    if as_json:
        click.echo(json.dumps([facts(one) for one in chosen], ensure_ascii=False, indent=2))
        return
    console = Console(highlight=False)
    if rule and len(chosen) == 1 and chosen[0].slug == rule:
        explain(console, chosen[0])
        return
    longest = max((len(one.slug) for one in chosen), default=0)
    for one in chosen:
        severities = "/".join(dict.fromkeys(s.value for _, s in sorted(one.severity.items())))
        versions = "all" if len(one.versions) == len(OcppVersion) else " ".join(sorted(one.versions))
        facts_line = Text.assemble((f"{one.slug:<{longest}}", "bold"), f"  {severities:<13}  {versions}")
        console.print(facts_line, soft_wrap=True)
        print_indented(console, Text(one.title + (" (heuristic)" if one.heuristic else "")), 4)
    console.print(f"{quantity(len(chosen), 'rule')}; `chargesentinel rules RULE` explains one", style="dim")


def facts(one: Rule) -> dict[str, Any]:
    """Return a rule as JSON values."""
    return {
        "rule": one.slug,
        "title": one.title,
        "severity": {v.value: s.value for v, s in sorted(one.severity.items())},
        "side": one.side.value if one.side else "sender",
        "spec": one.spec,
        "heuristic": one.heuristic,
        "remedy": one.remedy,
        "bad": one.bad,
        "good": one.good,
    }


def close_to(rule: str) -> str:
    """Return a sentence that says that a rule does not exist, with the name that is most similar to it."""
    from difflib import get_close_matches

    from inspector.rules.catalogue import rules as every_rule

    slugs = [one.slug for one in every_rule()]
    close = get_close_matches(rule, [*(slug.partition(".")[0] for slug in slugs), *slugs], 1)
    hint = f"; did you mean {close[0]}?" if close else "; `chargesentinel rules` lists them"
    return f"no rule {rule!r}{hint}"


def explain(console: Any, one: Any) -> None:
    """Print everything about one rule."""
    from rich.text import Text

    severities = ", ".join(f"{s.value} in {v.value}" for v, s in sorted(one.severity.items()))
    sides = {None: "the sender", "charge_point": "the charge point", "csms": "the CSMS", "link": "the link"}
    print_indented(console, Text.assemble((one.slug, "bold"), "  ", one.title))
    facts = [severities, f"at fault: {sides[one.side]}", one.spec]
    facts.append("a heuristic, not demanded by the specification" if one.heuristic else "")
    print_indented(console, Text(" · ".join(fact for fact in facts if fact)))
    for heading, examples, style in (("bad", one.bad, "red"), ("good", one.good, "green")):
        for version, script in examples.items():
            console.print(Text(f"\n{heading}{f' (OCPP {version})' if version else ''}", style=f"bold {style}"))
            for line in script.strip().splitlines():
                print_indented(console, Text(line, overflow="fold"), 2)
    console.print(Text("\nwhat to do", style="bold"))
    print_indented(console, Text(one.remedy), 2)


def print_indented(console: Any, text: Any, indent: int = 0) -> None:
    """Print a text: wrapped on a terminal, on one line in a pipe."""
    from rich.padding import Padding
    from rich.text import Text

    if console.is_terminal:
        console.print(Padding(text, (0, 0, 0, indent)))
    else:
        console.print(Text(" " * indent) + text, soft_wrap=True)
