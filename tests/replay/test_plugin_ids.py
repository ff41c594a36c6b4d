"""Charge point ids, which a peer chooses, appear in test ids and JUnit files without breaking them."""

from __future__ import annotations

import contextlib
import io
import json
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.cli.output import replay_reports
from inspector.cli.output.reports import CheckedInput, Places, write, xml_name
from inspector.escaping import part_of_id
from inspector.offline.check import Checked
from inspector.replay.outcome import Outcome
from inspector.replay.script import Script
from tests.replay.parties import FOLDER

HOSTILE = ("CP\x1b[31m1", "a::b[c]", "a::b[c", "Säule\u202e", "two\nlines", "\x00", "\ufffe\uffff", "x" * 5000, "\\x5b")
names = st.text() | st.lists(st.sampled_from([":", "[", "]", "\\", "a", "\x1b", "é"])).map("".join)


@given(one=names, other=names)
def test_part_of_a_test_id_is_short_ascii_and_nobody_elses(one: str, other: str) -> None:
    part = part_of_id(one)
    assert part.isascii() and (part.isprintable() or not part) and len(part) <= 120
    assert not re.search(r"::|\[|\]", part)
    assert (part == part_of_id(other)) == (one == other)


@given(name=st.text(st.characters(exclude_categories=())))
def test_a_junit_file_can_be_read_whatever_the_names_are(name: str) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        write("junit", [CheckedInput(name, Checked(), Places())])
        checked = out.getvalue()
        replay_reports.write("junit", [Outcome(Script(name, name), "charge-point", failure=name)])
        played = out.getvalue().removeprefix(checked)
    for document in (checked, played):
        case = ET.fromstring(document.encode()).find(".//testcase")
        assert case is not None and case.get("classname") == xml_name(name)


@pytest.mark.system
def test_every_hostile_charge_point_is_a_test_that_can_be_chosen_by_its_id(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent))
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider -p no:anyio -p no:xdist\n")
    lines = (FOLDER / "charging-1.6.jsonl").read_text().splitlines()
    folder = pytester.mkdir("recordings")
    for number, name in enumerate(HOSTILE):
        renamed = [{**json.loads(line), "chargePointId": name, "meta": {}} for line in lines]
        (folder / f"{number}.jsonl").write_text("\n".join(map(json.dumps, renamed)))
    options = ("--collect-only", "-q", "--ocpp-recordings", "recordings", "--ocpp-csms", "ws://127.0.0.1:9")
    found = pytester.runpytest_inprocess(*options)
    ids = [line for line in found.outlines if "::" in line]
    assert len(ids) == len(HOSTILE) and all(line.isascii() and line.isprintable() for line in ids)
    for one in ids:
        again = pytester.runpytest_inprocess(*options, one)
        assert [line for line in again.outlines if "::" in line] == [one]
