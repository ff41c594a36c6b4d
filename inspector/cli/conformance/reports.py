"""Write the results of a conformance run: a summary for the terminal, JSON, JUnit and HTML."""

from __future__ import annotations

import html
import json
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

from inspector.cli.conformance.case import Result, Verdict, facts
from inspector.cli.conformance.running import Run
from inspector.cli.output.reports import xml_name, xml_text
from inspector.errors import UnusableFile

NO_CERTIFICATE = (
    "No certificate: these cases are ours, not the test cases of the OCA, whose ids are only named beside them."
)
_COLOURS = {
    Verdict.PASS: "#1a7f37",
    Verdict.FAIL: "#c62a2f",
    Verdict.PARTIAL: "#9a6700",
    Verdict.NOT_APPLICABLE: "#6e7781",
}


def tally(results: list[Result]) -> str:
    """Return how many cases have each verdict."""
    counts = Counter(result.verdict for result in results)
    return ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict]) or "no case ran"


def good(results: list[Result]) -> bool:
    """Whether nothing failed but what was expected to, and everything that was expected to fail did."""
    return all(result.good for result in results)


def surprises(results: list[Result]) -> list[str]:
    """Return the names of cases that were expected to fail and did not."""
    return [one.case.name for one in results if one.expected and one.ran and one.verdict is not Verdict.FAIL]


def as_json(run: Run) -> str:
    """Return the results as JSON."""
    counts = Counter(result.verdict.value for result in run.results)
    return json.dumps(
        {
            "charge_point": run.charge_point_id,
            "ocpp_version": run.version,
            "verdicts": dict(counts),
            "good": good(run.results),
            "cases": [facts(result) for result in run.results],
        },
        indent=2,
        ensure_ascii=False,
    )


def as_junit(run: Run) -> str:
    """Return the results as JUnit XML: NOT APPLICABLE is skipped, an expected failure too."""
    suite = ET.Element("testsuite", name=xml_name(f"conform charge-point {run.charge_point_id} OCPP {run.version}"))
    failures = skipped = 0
    for result in run.results:
        one = ET.SubElement(
            suite,
            "testcase",
            classname=f"conformance.{run.version}.{result.case.profile}",
            name=result.case.name,
            time=f"{result.seconds:.3f}",
        )
        if not result.good:
            failures += 1
            text = "; ".join(problem.why for problem in result.problems) or "passes although it is expected to fail"
            failure = ET.SubElement(one, "failure", type=result.verdict.value, message=xml_text(text))
            failure.text = xml_text(
                "\n".join(filter(None, (f"{p.why} ({p.clause})\n{p.frame or ''}" for p in result.problems)))
            )
        elif not result.ran or result.expected:
            skipped += 1
            ET.SubElement(one, "skipped", message=xml_text(result.why or "expected to fail"))
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(failures))
    suite.set("skipped", str(skipped))
    return ET.tostring(suite, encoding="unicode", xml_declaration=True)


_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root {{ color-scheme: light dark; }} body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem;
padding: 0 1rem; }} table {{ border-collapse: collapse; width: 100%; }} td, th {{ padding: .35rem .5rem;
border-bottom: 1px solid #8884; vertical-align: top; text-align: left; }} code {{ font: 13px ui-monospace, monospace;
overflow-wrap: anywhere; }} .verdict {{ color: #fff; border-radius: 4px; padding: .1rem .45rem; font-size: 12px;
white-space: nowrap; }} .small {{ opacity: .75; font-size: 13px; }} li {{ margin: .25rem 0; }}
</style><h1>{title}</h1><p>{summary}</p><p class="small">{note}</p>
<table><tr><th>verdict<th>case<th>what the charge point does<th>specification</tr>{rows}</table></html>"""


def as_html(run: Run) -> str:
    """Return the results as a page."""
    title = html.escape(f"Conformance of {run.charge_point_id}, OCPP {run.version}")
    rows = "".join(_row(result) for result in run.results)
    return _PAGE.format(title=title, summary=html.escape(tally(run.results)), note=NO_CERTIFICATE, rows=rows)


def _row(result: Result) -> str:
    one = result.case
    said = [
        f"<li>{html.escape(p.why)} <span class=small>({html.escape(p.clause)})</span>{_more(p)}"
        for p in result.problems
    ]
    said += [f"<li>left out: {html.escape(why)}" for why in result.left_out]
    why = f'<div class="small">{html.escape(result.why)}</div>' if result.why else ""
    octt = f'<div class="small">{html.escape(", ".join(one.octt))}</div>' if one.octt else ""
    expected = '<div class="small">expected to fail</div>' if result.expected else ""
    verdict = f'<span class="verdict" style="background:{_COLOURS[result.verdict]}">{result.verdict.value}</span>'
    problems = f"<ul>{''.join(said)}</ul>" if said else ""
    return (
        f"<tr><td>{verdict}{expected}<td>{html.escape(one.name)}<div class=small>{one.profile}, {result.seconds:.1f} s"
        f"</div><td>{html.escape(one.title)}{why}{problems}<td>{html.escape(one.spec)}{octt}</tr>"
    )


def _more(problem: object) -> str:
    remedy, frame = getattr(problem, "remedy", ""), getattr(problem, "frame", None)
    parts = [f"<div>{html.escape(remedy)}</div>"] if remedy else []
    if frame:
        parts.append(f"<div><code>{html.escape(frame[:2000])}</code></div>")
    return "".join(parts)


def write(path: Path, content: str) -> None:
    """Write a report. Raises UnusableFile if that is not possible."""
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise UnusableFile(path, (error.strerror or str(error)).lower()) from error
