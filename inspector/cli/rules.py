"""`chargesentinel rules`: shows the catalogue of rules; knows no frame."""

from __future__ import annotations

import json
from typing import Any

import click

from inspector.protocol.vocabulary import OcppVersion


@click.command(
    epilog="""\b
Examples:
  chargesentinel rules
  chargesentinel rules rpc.orphan-answer
  chargesentinel rules --ocpp 1.6 --json
"""
)
@click.argument("rule", required=False)
@click.option("--ocpp", type=click.Choice([v.value for v in OcppVersion]), help="Only rules of this version.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def rules(rule: str | None, ocpp: str | None, as_json: bool) -> None:
    """List the rules, or explain one: a bad frame, a good frame and the remedy."""
    from difflib import get_close_matches

    from rich.console import Console
    from rich.table import Table

    from inspector.rules.catalogue import rules as every_rule
    from inspector.rules.rule import Rule

    chosen = [r for r in every_rule() if (not rule or r.slug == rule) and (not ocpp or OcppVersion(ocpp) in r.versions)]
    if rule and not chosen:
        close = get_close_matches(rule, [r.slug for r in every_rule()], 1)
        hint = f"; did you mean {close[0]}?" if close else "; `chargesentinel rules` lists them"
        raise click.BadParameter(f"there is no rule {rule!r}{hint}", param_hint="RULE")

    def facts(one: Rule) -> dict[str, Any]:
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

    if as_json:
        click.echo(json.dumps([facts(one) for one in chosen], ensure_ascii=False, indent=2))
        return
    console = Console(highlight=False)
    if rule:
        explain(console, chosen[0])
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("rule", "severity", "OCPP", "what is broken"):
        table.add_column(heading, style="bold" if heading == "rule" else None, no_wrap=heading != "what is broken")
    for one in chosen:
        severities = "/".join(dict.fromkeys(s.value for _, s in sorted(one.severity.items())))
        versions = "all" if len(one.versions) == len(OcppVersion) else " ".join(sorted(one.versions))
        table.add_row(one.slug, severities, versions, one.title + (" (heuristic)" if one.heuristic else ""))
    console.print(table)
    console.print(f"{len(chosen)} rules; `chargesentinel rules RULE` explains one", style="dim")


def explain(console: Any, one: Any) -> None:
    """Print all of one rule."""
    from rich.padding import Padding
    from rich.text import Text

    severities = ", ".join(f"{s.value} in {v.value}" for v, s in sorted(one.severity.items()))
    sides = {None: "who sends it", "charge_point": "the charge point", "csms": "the CSMS", "link": "the link"}
    console.print(Text.assemble((one.slug, "bold"), "  ", one.title))
    facts = [severities, f"at fault: {sides[one.side]}", one.spec]
    facts.append("a heuristic: no text demands it" if one.heuristic else "")
    console.print(Text(" · ".join(fact for fact in facts if fact)))
    for heading, examples, style in (("bad", one.bad, "red"), ("good", one.good, "green")):
        for version, script in examples.items():
            console.print(Text(f"\n{heading}{f' (OCPP {version})' if version else ''}", style=f"bold {style}"))
            console.print(Padding(Text(script.strip()), (0, 0, 0, 2)), soft_wrap=True)
    console.print(Text("\nremedy", style="bold"))
    console.print(Padding(Text(one.remedy), (0, 0, 0, 2)))
