"""Print the outcomes of replays and comparisons as text, JSON, JUnit or HTML."""

from __future__ import annotations

import html
import json
import statistics
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from inspector.browse import formatting
from inspector.escaping import visible_json
from inspector.replay.outcome import Outcome, Row
from inspector.replay.redact_outcome import hidden
from inspector.replay.script import FindingKey
from inspector.replay.text_report import PLAYED, WIDTH, excerpt, print_outcome

_OUTCOMES_SHOWN = 5


def write(style: str, outcomes: list[Outcome]) -> None:
    """Print outcomes in one of the formats."""
    writers: dict[str, Callable[[list[Outcome]], None]] = {
        "text": _text,
        "json": _json,
        "junit": _junit,
        "html": _html,
    }
    writers[style]([hidden(outcome) for outcome in outcomes])


def _text(outcomes: list[Outcome]) -> None:
    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    shown = 0
    for outcome in outcomes:
        if len(outcomes) > _OUTCOMES_SHOWN and (outcome.equal or shown >= _OUTCOMES_SHOWN):
            continue
        shown += 1
        print_outcome(console, outcome)
    if len(outcomes) > 1:
        equal = sum(outcome.equal for outcome in outcomes)
        console.print(f"{equal} of {len(outcomes)} sessions as recorded")
        _latencies(console, outcomes)


def _latencies(console: Console, outcomes: list[Outcome]) -> None:
    merged: dict[str, list[float]] = {}
    for outcome in outcomes:
        for action, values in outcome.latencies_ms.items():
            merged.setdefault(action, []).extend(values)
    if not merged:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), title="latency of the peer's answers, ms", title_justify="left")
    for heading in ("action", "count", "p50", "p95", "p99", "max"):
        table.add_column(heading, justify="left" if heading == "action" else "right")
    for action, values in sorted(merged.items()):
        cuts = statistics.quantiles(values, n=100, method="inclusive") if len(values) > 1 else [values[0]] * 99
        numbers = [cuts[49], cuts[94], cuts[98], max(values)]
        table.add_row(action, str(len(values)), *(f"{number:.1f}" for number in numbers))
    console.print(table)


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as JSON values."""
    return {
        "source": outcome.script.source,
        "charge_point": outcome.script.charge_point_id,
        "ocpp_version": outcome.script.version.value if outcome.script.version else None,
        "played": outcome.played,
        "peer": outcome.peer or None,
        "at": formatting.iso(outcome.at_ns),
        "equal": outcome.equal,
        "failure": outcome.failure,
        "seconds": round(outcome.seconds, 3),
        "differences": [_difference(row, difference) for row, difference in outcome.differences],
        "regressions": [_finding(outcome, key, count) for key, count in outcome.regressions.items()],
        "improvements": [_finding(outcome, key, count) for key, count in outcome.improvements.items()],
        "defaults": list(dict.fromkeys(outcome.defaults)),
    }


def _finding(outcome: Outcome, key: FindingKey, count: int) -> dict[str, Any]:
    rule, side = key
    return {"rule": rule, "side": side.value, "count": count, "first": outcome.messages.get(key)}


def _difference(row: Row, difference: Any) -> dict[str, Any]:
    return {
        "matcher": difference.matcher,
        "frame": row.recorded.frame_id if row.recorded is not None else None,
        "action": frame.action if (frame := row.recorded or row.live) is not None else None,
        "pointer": difference.pointer,
        "message": difference.sentence,
        "recorded": row.recorded.raw.decode("utf-8", "replace") if row.recorded is not None else None,
        "live": row.live.raw.decode("utf-8", "replace") if row.live is not None else None,
    }


def _json(outcomes: list[Outcome]) -> None:
    document = {"equal": all(o.equal for o in outcomes), "sessions": [as_json(outcome) for outcome in outcomes]}
    click.echo(visible_json(json.dumps(document, ensure_ascii=False, indent=2)))


def _junit(outcomes: list[Outcome]) -> None:
    from inspector.cli.output.reports import xml_name, xml_text

    failed = sum(not outcome.equal for outcome in outcomes)
    suite = ET.Element("testsuite", name="chargesentinel replay", tests=str(len(outcomes)), failures=str(failed))
    for outcome in outcomes:
        name = xml_name(f"{outcome.script.charge_point_id} as {outcome.played}")
        case = ET.SubElement(suite, "testcase", classname=xml_name(outcome.script.source), name=name)
        case.set("time", f"{outcome.seconds:.3f}")
        if not outcome.equal:
            failure = ET.SubElement(case, "failure", message=xml_text("; ".join(outcome.sentences()[:3])))
            failure.text = xml_text(excerpt(outcome))
        if outcome.defaults:
            ET.SubElement(case, "system-out").text = xml_text("\n".join(dict.fromkeys(outcome.defaults)))
    click.echo(ET.tostring(suite, encoding="unicode", xml_declaration=True))


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Replay</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root {{ color-scheme: light dark; }} body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem;
padding: 0 1rem; }} table {{ border-collapse: collapse; width: 100%; }} td, th {{ padding: .25rem .5rem;
border-bottom: 1px solid #8884; vertical-align: top; text-align: left; }} code {{ font: 13px ui-monospace, monospace;
word-break: break-word; }} .differs {{ background: #e5484d22; }} .why {{ color: #c62a2f; }} .ours {{ opacity: .6; }}
@media (prefers-color-scheme: dark) {{ .why {{ color: #ff8b8e; }} }}
</style><h1>{title}</h1>{body}</html>"""


def _html(outcomes: list[Outcome]) -> None:
    parts = []
    for outcome in outcomes:
        rows = "".join(_html_row(outcome, row) for row in outcome.rows)
        sentences = [*outcome.sentences(), *dict.fromkeys(outcome.defaults)]
        said = "".join(f"<li>{html.escape(sentence)}" for sentence in sentences)
        verdict = "as recorded" if outcome.equal else "differs"
        parts.append(
            f"<h2>{html.escape(str(outcome.script))}: {verdict}</h2><p>{html.escape(_about(outcome))}</p>"
            f"<ul>{said}</ul><table><tr><th>frame<th>direction<th>recorded<th>{outcome.live_side}</tr>{rows}</table>"
        )
    equal = sum(outcome.equal for outcome in outcomes)
    click.echo(_PAGE.format(title=f"Replay: {equal} of {len(outcomes)} as recorded", body="".join(parts)))


def _about(outcome: Outcome) -> str:
    """Return a line with the played side, the peer, and the dates of the run and of the recording."""
    who = {"charge-point": "Played as the charge point against the CSMS", "csms": "Played as the CSMS against"}
    peer = f"{who.get(outcome.played, 'Compared with')} {outcome.peer or '?'}"
    recorded = formatting.moment(outcome.script.began_ns)
    recorded = f" Recorded on {recorded[:19]} UTC." if recorded else ""
    return f"{peer} on {formatting.moment(outcome.at_ns)[:19]} UTC.{recorded}"


def _html_row(outcome: Outcome, row: Row) -> str:
    played = row.recorded is not None and row.recorded.direction is PLAYED.get(outcome.played)
    ours = not row.differences and (played or (row.recorded is not None and row.live is None))
    style = "differs" if row.differences else "ours" if ours else ""
    number = row.recorded.frame_id if row.recorded is not None else "extra"
    texts = [frame.raw.decode("utf-8", "replace") if frame is not None else "" for frame in (row.recorded, row.live)]
    frame = row.recorded or row.live
    direction = formatting.DIRECTIONS[frame.direction.value] if frame is not None else ""
    why = "".join(f'<div class="why">{html.escape(d.sentence)}</div>' for d in row.differences)
    recorded, live = (f"<code>{html.escape(text)}</code>" for text in texts)
    return f'<tr class="{style}"><td>{number}<td>{direction}<td>{recorded}<td>{live}{why}</tr>'
