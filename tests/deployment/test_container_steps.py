"""The steps of the Containerfile install a program that runs as the compose file says, without a container engine."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.test_repository import ROOT


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_all_services_run_without_root_record_a_charge_point_and_end_on_the_stop_signal(tmp_path: Path) -> None:
    """Nothing but the volume can be written to; tests/deployment/pod.py does it in namespaces."""
    if os.geteuid() != 0 or not (shutil.which("unshare") and shutil.which("ip")):
        pytest.skip("namespaces with another root need root, unshare and ip")
    tmp_path.chmod(0o755)  # it becomes the root of a user who is not root
    argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", sys.executable, "-m", "tests.deployment.pod"]
    done = subprocess.run([*argv, tmp_path], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    seen: dict[str, Any] = json.loads(done.stdout)
    assert seen["user"] == "10001 []"
    refusals = [answer for name, answer in seen.items() if name.startswith("write ")]
    assert len(refusals) == 4
    assert all("Read-only file system" in answer for answer in refusals)
    assert seen["codes"] == {"csms": 0, "proxy": 0, "browse": 0}
    assert seen["charge point"] == 0
    assert "CP1" in seen["page"]
    assert "chargesentinel_sessions_total 1.0" in seen["metrics"]
    (session,) = json.loads(seen["sessions"])
    assert session["charge_point"] == "CP1"
