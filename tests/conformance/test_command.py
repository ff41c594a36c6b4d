"""`conform` explains mistakes in a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspector.cli.conformance.case import CASES, Case, Result, Verdict
from inspector.cli.conformance.reports import good, surprises, tally
from tests.cli.test_mistakes import refused


def test_the_cases_of_a_profile_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    from inspector.cli.commands.conform import list_cases

    list_cases(("smart-charging",))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 15
    assert all("smart-charging" in line for line in lines)


def test_there_are_forty_cases_for_each_version_and_each_says_where_it_is_written() -> None:
    from inspector.cli.conformance import running  # noqa: F401 - imports the cases

    for version in ("1.6", "2.0.1", "2.1"):
        names = [one.name for one in CASES if version in one.versions]
        assert len(names) == len(set(names)) > 40
    assert all(one.spec and one.title for one in CASES)


def test_an_unknown_name_in_the_file_of_expected_failures_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "expected.txt"
    path.write_text("no-such-case\n")
    assert "no-such-case" in refused("conform", "charge-point", "--listen", "0", "--expected", str(path))


def test_an_operator_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    said = refused(
        "conform", "charge-point", "--listen", "0", "--operator", "/no/such/program", "--db", str(tmp_path / "c.db")
    )
    assert "/no/such/program" in said


def _result(verdict: Verdict, *, expected: bool = False) -> Result:
    async def play(stage: object) -> None:
        """Do nothing."""

    return Result(Case("one", "core", "do", ("1.6",), "§1", (), play), verdict, expected=expected)


def test_a_run_is_good_if_only_what_was_expected_to_fail_failed() -> None:
    assert good([_result(Verdict.PASS), _result(Verdict.PARTIAL), _result(Verdict.NOT_APPLICABLE)])
    assert not good([_result(Verdict.FAIL)])
    assert good([_result(Verdict.FAIL, expected=True)])
    assert good([_result(Verdict.NOT_APPLICABLE, expected=True)])
    assert not good([_result(Verdict.PASS, expected=True)])
    assert surprises([_result(Verdict.PASS, expected=True)]) == ["one"]
    assert tally([_result(Verdict.PASS), _result(Verdict.PASS), _result(Verdict.FAIL)]) == "2 PASS, 1 FAIL"
