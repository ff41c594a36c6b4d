"""Print findings as text, JSON, JUnit, SARIF or GitHub annotations."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import click
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from inspector.escaping import visible, visible_json, visible_lines
from inspector.formats.captured import Captured
from inspector.offline.check import Checked, Found
from inspector.records import FrameRecord, Record
from inspector.rules.catalogue import rules
from inspector.rules.finding import Finding, Severity, tally
from inspector.store.reading.failed_attempts import in_words
from inspector.units import quantity

_COLOURS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_SIDES = {"charge_point": "charge point", "csms": "CSMS", "link": "link"}


class Places:
    """The place of each frame in its input: a line of a file, or a row of a recording."""

    def __init__(self) -> None:
        self._places = array("Q")
        self._by_row = False

    def follow(self, steps: Iterable[tuple[Record, Captured | None]]) -> Iterator[Record]:
        """Yield the same records, and remember the place of each frame."""
        for record, captured in steps:
            if isinstance(record, FrameRecord):
                self._by_row = self._by_row or bool(captured and captured.row)
                self._places.append((captured.row or captured.line) if captured else 0)
            yield record

    def line(self, frame: int | None) -> int | None:
        """Return the line of a frame by its number; None for a missing frame, and for inputs without lines."""
        return (self._place(frame) or None) if not self._by_row else None

    def row(self, frame: int | None) -> int | None:
        """Return the id of the frame in a recording; None for a missing frame, and for other inputs."""
        return (self._place(frame) or None) if self._by_row else None

    def _place(self, frame: int | None) -> int:
        return self._places[frame - 1] if frame and frame <= len(self._places) else 0


@dataclass(frozen=True, slots=True)
class CheckedInput:
    """One input with its findings."""

    name: str
    result: Checked
    places: Places


def write(style: str, inputs: list[CheckedInput]) -> None:
    """Print the findings of all inputs in one of the formats."""
    writers: dict[str, Callable[[list[CheckedInput]], None]] = {
        "text": _text,
        "json": _json,
        "junit": _junit,
        "sarif": _sarif,
        "github": _github,
    }
    writers[style](inputs)


def _text(inputs: list[CheckedInput]) -> None:
    console = Console(file=sys.stdout, highlight=False, soft_wrap=not sys.stdout.isatty())
    for entry in inputs:
        result = entry.result
        if len(inputs) > 1 and not result.findings:
            console.print(Text.assemble((visible(entry.name), "bold"), ("  nothing found", "green")))
        elif result.findings:
            console.print(Text(visible(entry.name), style="bold"))
        for found in result.findings:
            _print_finding(console, entry, found)
        if result.unjudged:
            unjudged = quantity(result.unjudged, "frame")
            line = f"the OCPP version of {unjudged} is unknown: only the envelope was judged; name it with --ocpp"
            console.print(Text(f"  {line}", style="yellow"))
    total = tally(found.finding for entry in inputs for found in entry.result.findings)
    frames = sum(entry.result.frames for entry in inputs)
    sessions = sum(entry.result.sessions for entry in inputs)
    said = ", ".join(_count(times, severity.value) for severity, times in total.items() if times)
    failed = sum((entry.result.failed_attempts for entry in inputs), Counter())
    attempts = f", {in_words(failed)}" if failed else ""
    line = f"{_count(frames, 'frame')} in {_count(sessions, 'session')}{attempts}: {said or 'nothing found'}"
    console.print(visible(line))


def _print_finding(console: Console, entry: CheckedInput, found: Found) -> None:
    finding = found.finding
    line = Text("  ")
    line.append(f"{finding.severity.value:<8}", style=_COLOURS[finding.severity])
    place, row = entry.places.line(finding.frame_id), entry.places.row(finding.frame_id)
    line.append(f"{f'frame {finding.frame_id}' if finding.frame_id else 'missing':<11}")
    line.append(f"{_SIDES[finding.side]:<14}")
    line.append(finding.rule_id, style="bold")
    if finding.count > 1:
        last = f", last in frame {finding.last_frame_id}" if finding.last_frame_id is not None else ""
        line.append(f"  ×{finding.count}{last}", style="dim")
    console.print(line)
    _print_below(console, Text(visible(finding.message)))
    hints = [f"line {place}" if place and place != finding.frame_id else ""]
    hints += [f"id {row} in the recording" if row and row != finding.frame_id else "", finding.pointer or ""]
    hints += [finding.spec_ref or "", found.charge_point_id]
    _print_below(console, Text(visible(" · ".join(hint for hint in hints if hint)), style="dim"))


def _print_below(console: Console, text: Text) -> None:
    """Print an indented text: wrapped on a terminal, on one line elsewhere."""
    console.print(Padding(text, (0, 0, 0, 10)) if not console.soft_wrap else Text("          ") + text)


def _json(inputs: list[CheckedInput]) -> None:
    findings = [_as_json(entry, found, several=len(inputs) > 1) for entry in inputs for found in entry.result.findings]
    document = {
        "frames": sum(entry.result.frames for entry in inputs),
        "sessions": sum(entry.result.sessions for entry in inputs),
        "failed_attempts": sum(entry.result.failed_attempts.total() for entry in inputs),
        "findings": findings,
    }
    click.echo(visible_json(json.dumps(document, ensure_ascii=False, indent=2)))


def _as_json(entry: CheckedInput, found: Found, *, several: bool) -> dict[str, Any]:
    finding = found.finding
    row: dict[str, Any] = {
        "rule": finding.rule_id,
        "severity": finding.severity.value,
        "side": finding.side.value,
        "session": found.session or None,
        "charge_point": found.charge_point_id or None,
        "frame": finding.frame_id,
        "pointer": finding.pointer,
        "message": finding.message,
        "spec": finding.spec_ref,
        "count": finding.count,
        "last_frame": finding.last_frame_id,
        "caused_by": finding.caused_by,
        "frames": list(found.frames),
    }
    return {"input": entry.name, **row} if several else row


def _junit(inputs: list[CheckedInput]) -> None:
    suites = ET.Element("testsuites", name="chargesentinel check")
    for entry in inputs:
        broken: dict[str, list[Found]] = {}
        for found in entry.result.findings:
            broken.setdefault(found.finding.rule_id, []).append(found)
        suite = ET.SubElement(suites, "testsuite", name=xml_name(entry.name))
        failures = 0
        for rule in rules():
            case = ET.SubElement(suite, "testcase", classname=xml_name(entry.name), name=rule.slug)
            hits = [f for f in broken.get(rule.slug, []) if f.finding.severity is not Severity.INFO]
            if hits:
                failures += 1
                worst = max(hits, key=lambda found: found.finding.severity.rank).finding
                failure = ET.SubElement(case, "failure", type=worst.severity.value, message=xml_text(worst.message))
                failure.text = xml_text("\n".join(str(found.finding) for found in hits))
            if caused := [str(f.finding) for f in broken.get(rule.slug, []) if f.finding.caused_by and f not in hits]:
                ET.SubElement(case, "system-out").text = xml_text("\n".join(caused))
        suite.set("tests", str(len(suite)))
        suite.set("failures", str(failures))
    click.echo(ET.tostring(suites, encoding="unicode", xml_declaration=True))


def xml_text(text: str) -> str:
    """Return a text in which characters that XML 1.0 does not allow are escaped, such as control characters."""
    return visible_lines(text).replace("\ufffe", "�").replace("\uffff", "�")


def xml_name(name: str) -> str:
    """Return a name for XML in which line breaks are escaped."""
    return xml_text(visible(name))


def _sarif(inputs: list[CheckedInput]) -> None:
    levels = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
    descriptors = [
        {
            "id": rule.slug,
            "shortDescription": {"text": rule.title},
            "help": {"text": f"{rule.remedy} ({rule.spec})"},
        }
        for rule in rules()
    ]
    results = []
    for entry in inputs:
        for found in entry.result.findings:
            finding = found.finding
            place: dict[str, Any] = {"artifactLocation": {"uri": _uri(entry.name)}}
            location: dict[str, Any] = {"physicalLocation": place}
            if line := entry.places.line(finding.frame_id):
                place["region"] = {"startLine": line}
            frame = _frame_without_line(entry, finding)
            if frame:
                whose = f"{found.charge_point_id}/{frame}" if found.charge_point_id else frame
                location["logicalLocations"] = [{"name": frame, "fullyQualifiedName": whose}]
            results.append(
                {
                    "ruleId": finding.rule_id,
                    "level": levels[finding.severity],
                    "message": {"text": f"{frame}: {finding.message}" if frame else finding.message},
                    "locations": [location],
                    "occurrenceCount": finding.count,
                    "properties": {
                        "side": finding.side.value,
                        "pointer": finding.pointer,
                        "frame": finding.frame_id,
                        **({"causedBy": finding.caused_by} if finding.caused_by else {}),
                    },
                }
            )
    from importlib.metadata import version

    tool = {"name": "ChargeSentinel", "version": version("chargesentinel"), "rules": descriptors}
    document = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": tool}, "results": results}],
    }
    click.echo(visible_json(json.dumps(document, ensure_ascii=False, indent=2)))


def _frame_without_line(entry: CheckedInput, finding: Finding) -> str:
    """Return "frame N" for a finding without a line in the input: the row id in a recording, else the number."""
    if finding.frame_id is None or entry.places.line(finding.frame_id):
        return ""
    return f"frame {entry.places.row(finding.frame_id) or finding.frame_id}"


def _uri(name: str) -> str:
    return "stdin" if name == "-" else quote(name)


def _github(inputs: list[CheckedInput]) -> None:
    words = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
    for entry in inputs:
        for found in entry.result.findings:
            finding = found.finding
            place = f"file={_property(entry.name)}"
            if line := entry.places.line(finding.frame_id):
                place += f",line={line}"
            frame = _frame_without_line(entry, finding)
            message = visible(f"{frame}: {finding.message}" if frame else finding.message).replace("%", "%25")
            click.echo(f"::{words[finding.severity]} {place},title={finding.rule_id}::{message}")


def _property(text: str) -> str:
    for plain, escaped in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"), (":", "%3A"), (",", "%2C")):
        text = text.replace(plain, escaped)
    return text


def _count(number: int, noun: str) -> str:
    return quantity(number, noun, noun if noun == "info" else "")
