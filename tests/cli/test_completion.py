"""The shell completion that docs/service.md installs completes commands and options."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_repository import ROOT

COMPLETE = """
. ~/.local/share/bash-completion/completions/chargesentinel
COMP_WORDS=(chargesentinel $1)
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_chargesentinel_completion chargesentinel
echo "${COMPREPLY[@]}"
"""


@pytest.mark.system
def test_bash_completes_commands_and_options(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    (install,) = re.findall(r"^_CHARGESENTINEL_COMPLETE=bash_source .*", (ROOT / "docs/service.md").read_text(), re.M)

    def bash(script: str, *arguments: str) -> str:
        argv = ["bash", "--norc", "-c", script, "bash", *arguments]
        environment = {**os.environ, "PATH": path, "HOME": str(tmp_path)}
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stdout

    bash(install)
    assert bash(COMPLETE, "pro") == "proxy\n"
    assert bash(COMPLETE, "proxy --print") == "--print-config\n"
