"""The steps of the Containerfile install a program that runs as the compose file says, without a container engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import Any

import pytest

from tests.test_repository import ROOT


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what tests/deployment/pod.py saw in its namespaces."""
    if os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("ip")):
        pytest.skip("namespaces with another root need root, unshare and ip")
    folder = tmp_path_factory.mktemp("root")
    folder.chmod(0o755)  # it becomes the root of a user who is not root
    argv = [
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        sys.executable,
        "-m",
        "tests.deployment.pod",
        folder,
    ]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_image_runs_without_root_and_writes_only_to_its_volume(seen: dict[str, Any]) -> None:
    assert seen["user"] == "10001 []"
    refusals = [answer for name, answer in seen.items() if name.startswith("write ")]
    assert len(refusals) == 4
    assert all("Read-only file system" in answer for answer in refusals)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_all_services_become_healthy_and_end_on_the_stop_signal(seen: dict[str, Any]) -> None:
    assert seen["codes"] == {"csms": 0, "proxy": 0, "browse": 0}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_charge_point_is_recorded_in_the_volume_shown_and_counted(seen: dict[str, Any]) -> None:
    assert seen["charge point"] == 0
    assert "CP1" in seen["page"]
    assert "chargesentinel_sessions_total 1.0" in seen["metrics"]
    (session,) = json.loads(seen["sessions"])
    assert session["charge_point"] == "CP1"
