"""One number for one thing: occurrences of findings are the same on every page and in every command."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from tests.browse import faulty
from tests.browse.conftest import Get, client
from tests.processes import Program

SEVERITIES = ("error", "warning", "info")


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording with faults that repeat, in several sessions and outside of any."""
    return faulty.several(tmp_path_factory.mktemp("counts") / "several.db")


@pytest.fixture(scope="module")
def ask(several: Path) -> Get:
    return client(several)


def added_up(path: Path, *by: str) -> Counter[tuple[object, ...]]:
    """Return the sums that SQL computes from the table `findings` alone."""
    with sqlite3.connect(path) as db:
        rows = db.execute(f"SELECT {', '.join(by)}, count FROM findings").fetchall()
    db.close()
    total: Counter[tuple[object, ...]] = Counter()
    for *key, times in rows:
        total[tuple(key)] += times
    return total


def command(*argv: object) -> object:
    with Program(*argv) as done:
        done.finish()
        return json.loads("\n".join(done.out))


def test_the_recording_has_faults_that_repeat(several: Path) -> None:
    """Otherwise rows and occurrences would be equal numbers, and the other tests could not tell them apart."""
    with sqlite3.connect(several) as db:
        rows, times, outside = db.execute(
            "SELECT count(*), sum(count), sum(session_id IS NULL) FROM findings"
        ).fetchone()
    db.close()
    assert times >= rows + 5
    assert outside


async def test_home_counts_all_occurrences(several: Path, ask: Get) -> None:
    """The totals, each row and the line "needs attention" count occurrences."""
    home = (await ask("/ocpp/-/home.json")).json()
    whole, by_session = added_up(several, "severity"), added_up(several, "session_id", "severity")
    assert [home["totals"][f"{name}s"] for name in SEVERITIES] == [whole[name,] for name in SEVERITIES]
    for row in home["sessions"]:
        assert [row["findings"][name] for name in SEVERITIES] == [by_session[row["id"], name] for name in SEVERITIES]
        assert row["error_count"] == row["findings"]["error"]
    by_rule = added_up(several, "rule_id", "severity")
    for each in home["attention"]["rules"]:
        assert each["count"] == by_rule[each["rule_id"], home["attention"]["severity"]]
    shown = re.findall(r"<dt>(\w+?)s?</dt><dd[^>]*>([\d,]+)</dd>", (await ask("/")).text)
    assert dict(shown)["error"] == str(whole["error",])


async def test_a_session_counts_them_in_chips_tab_and_list(several: Path, ask: Get) -> None:
    """The header's chips, the tab and the list of findings show the sum that SQL computes."""
    by_rule = added_up(several, "session_id", "rule_id", "severity")
    for session in {key[0] for key in by_rule if key[0] is not None}:
        mine = {key[1:]: times for key, times in by_rule.items() if key[0] == session}
        found = (await ask(f"/ocpp/sessions/{session}.json")).json()
        assert {(row["rule_id"], row["severity"]): row["count"] for row in found["rules"]} == mine
        assert sum(each["count"] for each in found["findings"]) == sum(mine.values())
        page = (await ask(f"/ocpp/sessions/{session}")).text
        chips = re.findall(r'data-rule="([^"]+)" data-count="\d+" aria-pressed="false"[^>]*><b>([\d,]+)×</b>', page)
        assert Counter({rule: int(times) for rule, times in chips}) == Counter(
            {rule: times for (rule, _), times in mine.items()}
        )
        (tab,) = re.findall(r'id="tab-findings".*?<span class="muted">(\d+)</span>', page)
        assert int(tab) == sum(mine.values())


async def test_dashboards_rules_and_charge_points_count_the_same(several: Path, ask: Get) -> None:
    """The counts by rule, model, charge point and in the matrix include findings outside of any session."""
    board = (await ask("/ocpp/-/dashboards.json")).json()
    whole = added_up(several, "severity")
    by_rule = added_up(several, "rule_id")
    total: Counter[tuple[object, ...]] = Counter()
    for row in board["rules"]:
        total[row["rule_id"],] += row["times"]
    assert total == by_rule
    for kind in ("models", "charge_points"):
        for name in SEVERITIES:
            assert sum(row[f"{name}s"] for row in board[kind]) == whole[name,], (kind, name)
    assert sum(sum(make["times"]) for make in board["matrix"]["makes"]) <= sum(by_rule.values())
    for row in (await ask("/ocpp/rules.json")).json()["rules"]:
        assert row["count"] == by_rule[row["rule_id"],]
    for rule, times in by_rule.items():
        found = (await ask(f"/ocpp/rules/{rule[0]}.json")).json()
        assert found["count"] == times == sum(each["count"] for each in found["findings"])
    point = (await ask("/ocpp/charge_points/VEST-052.json")).json()
    mine = added_up(several, "rule_id", "session_id")
    assert {row["rule_id"]: row["count"] for row in point["rules"]} == {
        rule: times for (rule, session), times in mine.items() if session == 1
    }


def test_sessions_and_check_count_the_same(several: Path) -> None:
    """`sessions --json` counts by session; `check --json` judges the recording again and finds the same number."""
    by_session, by_rule = added_up(several, "session_id", "severity"), added_up(several, "rule_id")
    for row in command("sessions", several, "--json"):  # type: ignore[attr-defined]
        assert [row["findings"][name] for name in SEVERITIES] == [by_session[row["id"], name] for name in SEVERITIES]
    judged: Counter[tuple[object, ...]] = Counter()
    for each in command("check", several, "--format", "json", "--fail-on", "never")["findings"]:  # type: ignore[index]
        judged[each["rule"],] += each["count"]
    assert judged == by_rule
