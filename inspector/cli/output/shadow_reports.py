"""Print the comparison of a shadow with its primary as text, JSON, JUnit or HTML."""

from __future__ import annotations

import html
import json
import statistics
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from inspector.escaping import visible, visible_json
from inspector.shadow.mirror import CAUSES
from inspector.shadow.report import Disagreement, Report, Tally
from inspector.units import quantity

_SHOWN = 20
_WIDTH = 120
_VERDICTS = ("same", "differs", "missing", "late")


def write(style: str, report: Report) -> None:
    """Print a report in one of the formats."""
    writers: dict[str, Callable[[Report], None]] = {"text": _text, "json": _json, "junit": _junit, "html": _html}
    writers[style](report)


def as_json(report: Report) -> dict[str, Any]:
    """Return a report as JSON values."""
    return {
        "shadow": report.shadow,
        "agrees": report.agrees,
        "sessions": report.sessions,
        "agreement": {action: _counts(tally) for action, tally in sorted(report.agreement.items())},
        "differences": [_difference(one) for one in report.differences],
        "differences_total": report.found,
        "latency_ms": {
            action: {"primary": _quantiles(primary), "shadow": _quantiles(shadow)}
            for action, (primary, shadow) in sorted(report.latencies_ms.items())
        },
        "csms_calls": {
            action: {"primary": primary, "shadow": shadow}
            for action, (primary, shadow) in sorted(report.csms_calls.items())
        },
        "findings": [one._asdict() for one in report.findings],
        "not_mirrored": dict(sorted(report.not_mirrored.items())),
        "lost": {cause: {"calls": calls, "reason": CAUSES.get(cause)} for cause, calls in sorted(report.lost.items())},
        "noise": [
            {"action": action, "pointer": pointer, "left_out": times}
            for (action, pointer), times in sorted(report.noise.items(), key=str)
        ],
        "unreachable": [{"charge_point": name, "reason": reason} for name, reason in report.unreachable.items()],
        "charge_points": [
            {"charge_point": name, **_model(report.models.get(name, (None, None, None))), **_counts(tally)}
            for name, tally in sorted(report.charge_points.items())
        ],
        "models": [{**_model(model), **_counts(tally)} for model, tally in report.by_model().items()],
    }


def _counts(tally: Tally) -> dict[str, int]:
    return {name: getattr(tally, name) for name in _VERDICTS}


def _model(model: tuple[str | None, str | None, str | None]) -> dict[str, str | None]:
    return dict(zip(("vendor", "model", "firmware"), model, strict=True))


def _difference(one: Disagreement) -> dict[str, Any]:
    return {name: value for name, value in one._asdict().items() if name != "sentence"} | {"message": one.sentence}


def _quantiles(values: list[float]) -> dict[str, float] | None:
    if not values:
        return None
    cuts = statistics.quantiles(values, n=100, method="inclusive") if len(values) > 1 else values * 99
    return {"p50": round(cuts[49], 1), "p95": round(cuts[94], 1), "max": round(max(values), 1)}


def _json(report: Report) -> None:
    click.echo(visible_json(json.dumps(as_json(report), ensure_ascii=False, indent=2)))


def _text(report: Report) -> None:
    console = Console(file=sys.stdout, highlight=False, markup=False)
    if not console.is_terminal:
        console.width = _WIDTH
    table = Table(box=None, padding=(0, 2, 0, 0))
    headings = ("action", *_VERDICTS, "primary p50/p95 ms", "shadow p50/p95 ms")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "action" else "right")
    for row in _rows(report):
        table.add_row(*(visible(cell) for cell in row))
    console.print(_headline(report))
    console.print(table)
    for heading, lines in _sections(report):
        console.print(f"\n{heading}")
        for line in lines:
            console.print(f"  {visible(line)}", soft_wrap=True)


def _headline(report: Report) -> str:
    total = report.total
    share = f"{100 * total.same / total.total:.1f} % of {total.total:,} answers agree" if total.total else "no answers"
    points = quantity(len(report.charge_points), "charge point")
    return f"shadow {visible(report.shadow)}: {share}; {points}, {quantity(report.sessions, 'session')}"


def _rows(report: Report) -> Iterator[tuple[str, ...]]:
    for action, tally in sorted(report.agreement.items()):
        latencies = (_short(values) for values in report.latencies_ms.get(action, ([], [])))
        yield (action, *(str(getattr(tally, name)) for name in _VERDICTS), *latencies)


def _short(values: list[float]) -> str:
    found = _quantiles(values)
    return f"{found['p50']:.1f} / {found['p95']:.1f}" if found else "-"


def _sections(report: Report) -> Iterator[tuple[str, list[str]]]:
    """Yield the rest of the report, as (heading, lines)."""
    if report.first is not None:
        call, primary, shadow = report.first
        yield "first difference", [f"CALL     {call}", f"primary  {primary}", f"shadow   {shadow}"]
    if report.differences:
        shown = [_line(one) for one in report.differences[:_SHOWN]]
        yield quantity(report.found, "difference"), [*shown, *_more(report.found - len(shown))]
    if len(report.by_model()) > 1:
        lines = [
            f"{' '.join(filter(None, model)) or '?'}: {_told(tally)}" for model, tally in report.by_model().items()
        ]
        yield "by model and firmware", lines
    if report.findings:
        lines = [
            f"only the {one.only}: {one.severity} {one.rule} ({one.side.replace('_', ' ')}), {one.charge_point}"
            f"{f' frame {one.frame}' if one.frame is not None else ''}: {one.message}"
            for one in report.findings[:_SHOWN]
        ]
        yield "findings that only one side has", [*lines, *_more(len(report.findings) - len(lines))]
    if report.csms_calls:
        lines = [f"{action}: primary {one}, shadow {other}" for action, (one, other) in report.csms_calls.items()]
        yield "CALLs of the CSMSs", lines
    if report.not_mirrored:
        lines = [f"{action}: {calls}" for action, calls in sorted(report.not_mirrored.items())]
        lines += [f"{calls} because {CAUSES.get(cause, cause)}" for cause, calls in report.lost.items()]
        yield "CALLs that the shadow did not get", lines
    if report.noise:
        lines = [
            f"{action} {pointer}: {quantity(times, 'difference')}" for (action, pointer), times in report.noise.items()
        ]
        yield "left out as noise", lines
    if report.unreachable:
        yield "not reached at some time", [f"{name}: {reason}" for name, reason in report.unreachable.items()]


def _more(left: int) -> list[str]:
    return [f"… and {left:,} more; see --format json"] if left else []


def _told(tally: Tally) -> str:
    return ", ".join(f"{getattr(tally, name)} {name}" for name in _VERDICTS if getattr(tally, name) or name == "same")


def _line(one: Disagreement) -> str:
    frames = ", ".join(
        f"{name} frame {number}"
        for name, number in (("primary", one.primary_frame), ("shadow", one.shadow_frame))
        if number is not None
    )
    return f"{one.charge_point} {one.action or 'connection'}: {one.sentence}{f' ({frames})' if frames else ''}"


def _junit(report: Report) -> None:
    """Print one test case for each action, and one for the connections."""
    from inspector.cli.output.reports import xml_name, xml_text

    of_action: dict[str, list[Disagreement]] = {action: [] for action in sorted(report.agreement)}
    for one in report.differences:
        of_action.setdefault(one.action or "connections", []).append(one)
    failures = [f"{name}: {reason}" for name, reason in report.unreachable.items()]
    if failures:
        of_action.setdefault("connections", [])
    failed = sum(bool(found) or (action == "connections" and bool(failures)) for action, found in of_action.items())
    suite = ET.Element("testsuite", name="chargesentinel shadow", tests=str(len(of_action)), failures=str(failed))
    for action, found in of_action.items():
        case = ET.SubElement(suite, "testcase", classname=xml_name(report.shadow), name=xml_name(action))
        lines = [*map(_line, found[:_SHOWN]), *(failures if action == "connections" else [])]
        if lines:
            failure = ET.SubElement(case, "failure", message=xml_text(lines[0]))
            failure.text = xml_text("\n".join(lines))
    click.echo(ET.tostring(suite, encoding="unicode", xml_declaration=True))


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Shadow</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root {{ color-scheme: light dark; }} body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem;
padding: 0 1rem; }} table {{ border-collapse: collapse; width: 100%; }} td, th {{ padding: .25rem .5rem;
border-bottom: 1px solid #8884; vertical-align: top; text-align: left; }} code {{ font: 13px ui-monospace, monospace;
word-break: break-word; }} .differs {{ background: #e5484d22; }}
</style><h1>{title}</h1>{body}</html>"""


def _html(report: Report) -> None:
    heads = "".join(f"<th>{name}" for name in ("action", *_VERDICTS, "primary p50/p95 ms", "shadow p50/p95 ms"))
    rows = "".join(map(_html_tally, _rows(report)))
    parts = [f"<table><tr>{heads}</tr>{rows}</table>"]
    if report.differences:
        heads = "".join(f"<th>{name}" for name in ("charge point", "action", "frames", "pointer", "primary", "shadow"))
        rows = "".join(map(_html_row, report.differences))
        parts.append(f"<h2>{quantity(report.found, 'difference')}</h2><table><tr>{heads}</tr>{rows}</table>")
    for heading, lines in _sections(report):
        if "difference" not in heading or heading.startswith("first"):
            listed = "".join(f"<li><code>{_escaped(line)}</code>" for line in lines)
            parts.append(f"<h2>{_escaped(heading)}</h2><ul>{listed}</ul>")
    click.echo(_PAGE.format(title=_escaped(_headline(report)), body="".join(parts)))


def _html_tally(row: tuple[str, ...]) -> str:
    style = "" if row[2:5] == ("0", "0", "0") else ' class="differs"'
    return f"<tr{style}>{''.join(f'<td>{_escaped(cell)}' for cell in row)}</tr>"


def _html_row(one: Disagreement) -> str:
    frames = " / ".join("–" if number is None else str(number) for number in (one.primary_frame, one.shadow_frame))
    values = (json.dumps(value, ensure_ascii=False) for value in (one.primary, one.shadow))
    cells = (one.charge_point, one.action or "connection", frames, one.pointer or one.kind, *values)
    return f"<tr>{''.join(f'<td><code>{_escaped(cell)}</code>' for cell in cells)}</tr>"


def _escaped(text: str) -> str:
    return html.escape(visible(text))
