"""The simulator page's logic under `node --test`: a fake clock, a fake socket, and the page's own scripts.

What a station sends in those tests is validated here against the installed schemas, and `check` judges the traces
that a test keeps.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from simulator.page_server.page import SCRIPTS, assemble
from tests.processes import Program
from tests.simulator.schemas import example, violations
from tests.simulator.test_charge_point_answers import CSMS_ACTIONS

HOME = Path(__file__).parent
FILES = sorted(path.name for path in HOME.glob("*.test.js"))


@pytest.fixture(scope="session")
def node() -> str:
    """Return the path of node; skip if it is missing or too old to run tests."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("node is not installed")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip("v\n").partition(".")[0]) < 18:
        pytest.skip(f"node {version.strip()} is too old: 18 or newer is needed")
    return path


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment variables that tell node where the page and the requests are."""
    folder = tmp_path_factory.mktemp("inputs")
    page, requests = folder / "page.html", folder / "requests.json"
    page.write_text(assemble(), encoding="utf-8")
    made = {
        version: {action: [example(version, action, optional) for optional in (False, True)] for action in actions}
        for version, actions in CSMS_ACTIONS.items()
    }
    requests.write_text(json.dumps(made), encoding="utf-8")
    return {"CHARGESENTINEL_PAGE": str(page), "CHARGESENTINEL_REQUESTS": str(requests)}


@pytest.mark.parametrize("file", FILES)
def test_page_logic(file: str, node: str, inputs: dict[str, str], tmp_path: Path) -> None:
    """Every node test passes, all messages of the stations fit their schemas, the traces have the expected findings."""
    environment = {**os.environ, **inputs, "CHARGESENTINEL_KEPT": str(tmp_path), "NO_COLOR": "1"}
    environment.pop("FORCE_COLOR", None)
    argv = [node, "--test", "--test-reporter=tap", HOME / file]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, failures(done.stdout) or done.stdout + done.stderr
    counts = dict(re.findall(r"^# (\w+) (\d+)$", done.stdout, re.MULTILINE))
    written = len(re.findall(r"\btest\(", (HOME / file).read_text(encoding="utf-8")))
    assert int(counts["pass"]) == int(counts["tests"]) >= written > 0, done.stdout
    fits_the_schemas(tmp_path / "said.jsonl")
    for expected in tmp_path.glob("*.expected.json"):
        is_judged_as(expected.with_name(expected.name.replace(".expected.json", ".jsonl")), expected)


def failures(tap: str) -> str:
    """Return the failed tests of node's report, with their messages."""
    found = re.findall(r"^ *not ok \d+ - .*?^ *\.\.\.$", tap, re.MULTILINE | re.DOTALL)
    return "\n".join(found)


def fits_the_schemas(said: Path) -> None:
    """Fail unless every CALL, SEND and CALLRESULT of the stations fits its schema."""
    if not said.exists():
        return
    wrong = {}
    for line in set(said.read_text(encoding="utf-8").splitlines()):
        each = json.loads(line)
        if faults := violations(each["version"], each["action"], each["kind"], each["payload"]):
            wrong[f"{each['test']}: {each['version']} {each['action']} {each['kind']}"] = faults
    assert wrong == {}


def is_judged_as(trace: Path, expected: Path) -> None:
    """Fail unless `check` finds exactly what a test expects in its trace."""
    with Program("check", trace, "--format", "json") as check:
        check.finish()
        report = json.loads("\n".join(check.out))
    assert report["frames"] == len(trace.read_text(encoding="utf-8").splitlines())
    found = {(finding["rule"], finding["severity"]) for finding in report["findings"]}
    assert found == {tuple(each) for each in json.loads(expected.read_text(encoding="utf-8"))}


def test_the_last_script_is_the_only_one_that_node_leaves_out() -> None:
    """The harness runs all scripts but the last, which builds the visible page."""
    assert SCRIPTS[-1] == "main"
