"""Runs `conform charge-point` for tests, with our charge point behind planted faults."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parents[2]


def conform(
    folder: Path, version: str, *arguments: str, faults: str | None = None, exit_code: int | None = None
) -> dict[str, Any]:
    """Run cases against our charge point; return the report in JSON.

    Args:
        folder: for the recording and the report.
        version: of OCPP.
        arguments: more options, such as `--cases` and a name.
        faults: the content of a file of interventions between charge point and CSMS.
        exit_code: the one that the run must have.
    """
    if faults is not None:
        (folder / "faults.toml").write_text(faults)
    player = [sys.executable, "-m", "tests.conformance.faulty_bench", "{url}", version, str(folder)]
    report = folder / "report.json"
    command = [sys.executable, "-m", "inspector", "conform", "charge-point", "--listen", "0", "--json", str(report)]
    command += ["--db", str(folder / "cases.db"), "--patience", "12", "--answer-within", "6", "--restart-within", "25"]
    command += ["--operator", shlex.join(player), *arguments]
    ran = subprocess.run(command, cwd=HERE, check=False, capture_output=True, text=True, timeout=500)
    assert ran.returncode in ((0, 1) if exit_code is None else (exit_code,)), ran.stdout + ran.stderr
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    """Return case -> verdict."""
    return {one["case"]: one["verdict"] for one in report["cases"]}
