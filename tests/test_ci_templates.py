"""The files for GitHub and GitLab keep to the schemas of both, and their steps run as written."""

from __future__ import annotations

import os
import string
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from check_jsonschema import main as check_jsonschema
from click.testing import CliRunner

from tests.test_repository import ROOT, assert_runnable, examples

FILES = [
    ("github-actions", "action.yml"),
    ("github-workflows", ".github/workflows/*.yml"),
    ("github-issue-forms", ".github/ISSUE_TEMPLATE/[!c]*.yml"),
    ("github-issue-config", ".github/ISSUE_TEMPLATE/config.yml"),
    ("gitlab-ci", "ci/gitlab.yml"),
    ("citation-file-format", "CITATION.cff"),
]
"""Names of schemas that check-jsonschema brings along, and the files that must keep to them."""

ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
GITLAB = yaml.safe_load((ROOT / "ci/gitlab.yml").read_text())


@pytest.mark.parametrize(("schema", "pattern"), FILES)
def test_a_file_keeps_to_its_schema(schema: str, pattern: str) -> None:
    paths = sorted(str(path) for path in ROOT.glob(pattern))
    assert paths, f"no {pattern}"
    done = CliRunner().invoke(check_jsonschema, ["--builtin-schema", f"vendor.{schema}", *paths])
    assert done.exit_code == 0, done.output


def test_every_command_of_the_gitlab_templates_has_valid_options() -> None:
    for name in (".chargesentinel-check", ".chargesentinel-replay"):
        variables = {**GITLAB[".chargesentinel"]["variables"], **GITLAB[name]["variables"]}
        lines = [string.Template(line).safe_substitute(variables) for line in GITLAB[name]["script"]]
        found = list(examples("\n".join(lines).replace(">", " > ")))
        assert len(found) == len(lines)
        for words in found:
            assert_runnable(words)


def test_the_citation_names_the_version_and_licence_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])


def step(name: str, where: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run a step of action.yml as GitHub does: with its inputs in the environment, in bash -eo pipefail."""
    (found,) = [one for one in ACTION["runs"]["steps"] if one.get("name") == name]
    values = {f"${{{{ inputs.{key} }}}}": inputs.get(key, facts["default"]) for key, facts in ACTION["inputs"].items()}
    return bash(found["run"], where, {key: values[value] for key, value in found["env"].items()})


def bash(script: str, where: Path, variables: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    environment = {**os.environ, "PATH": path, **variables}
    return subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a folder whose recordings have spaces in their names: one good, one bad, one in a folder of its own."""
    for name, copy in (("charging-1.6", "a good one"), ("misbehaving-charge-point-1.6", "a bad one")):
        text = (ROOT / "recordings" / f"{name}.jsonl").read_text()
        path = tmp_path / "re cords" / "deep" / f"{copy}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.system
def test_the_action_annotates_findings_writes_both_reports_and_fails(project: Path) -> None:
    done = step("Check", project, check="re cords/**/*.jsonl\n", reports="out")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "::error file=re cords/deep/a bad one.jsonl,line=1,title=boot.too-early::" in done.stdout
    assert "<failure" in (project / "out/check.xml").read_text()
    assert '"boot.too-early"' in (project / "out/check.sarif").read_text()


@pytest.mark.system
def test_the_action_passes_when_there_are_no_errors(project: Path) -> None:
    good = step("Check", project, check="re cords/deep/a good one.jsonl")
    assert good.returncode == 0, good.stdout + good.stderr


@pytest.mark.system
def test_the_action_names_a_pattern_without_files_and_executes_no_input(project: Path) -> None:
    done = step("Check", project, check="$(touch ran)\n`touch ran`\nnowhere/*.jsonl")
    assert done.returncode == 2
    assert done.stdout == "::error::No file matches nowhere/*.jsonl\n"
    assert not (project / "ran").exists()


@pytest.mark.system
def test_the_action_reports_a_replay_that_fails(project: Path) -> None:
    done = step("Replay", project, replay="re cords/deep/a good one.jsonl", to="ws://127.0.0.1:1")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "::error::The replay of re cords/deep/a good one.jsonl failed with exit code 2" in done.stdout


@pytest.mark.system
def test_the_check_of_gitlab_writes_both_reports_and_fails_for_errors(project: Path) -> None:
    job = GITLAB[".chargesentinel-check"]
    variables = {**GITLAB[".chargesentinel"]["variables"], **job["variables"], "CHECK": "recordings/*.jsonl"}
    (project / "re cords" / "deep").rename(project / "recordings")
    (project / variables["REPORTS"]).mkdir()
    done = bash("\n".join(job["script"]), project, variables)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "boot.too-early" in done.stdout
    assert {path.name for path in (project / variables["REPORTS"]).iterdir()} == {"check.xml", "check.sarif"}
