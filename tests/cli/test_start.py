"""Commands start fast, because they import only what they need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RECORDING = Path(__file__).parents[2] / "recordings/charging-1.6.jsonl"
RUN = """
import sys
from inspector.cli import main
sys.argv = ["chargesentinel", *sys.argv[1:]]
try:
    main()
finally:
    print("imported", *sys.modules)
"""


def imported(*arguments: str) -> set[str]:
    """Return the modules that a command imports."""
    run = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], check=False, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    return set(run.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_no_command(option: str) -> None:
    assert not {name for name in imported(option) if name.startswith(("inspector.cli.", "rich", "sqlite3"))}


def test_check_of_a_trace_imports_no_store_and_no_reader_of_other_formats() -> None:
    modules = imported("check", str(RECORDING))
    assert "inspector.rules.judge" in modules
    assert not modules & {"sqlite_utils", "inspector.formats.logs", "inspector.formats.har.reader", "mitmproxy"}


def test_the_engine_imports_only_the_addons_of_mitmproxy_that_it_uses() -> None:
    """Whoever imports mitmproxy's addons later gets them whole."""
    code = """
import sys
from inspector.proxy.needed_addons import no_other_addons
with no_other_addons():
    from inspector.proxy import acceptor, engine, fastpath
print(*sorted(name for name in sys.modules if name.startswith("mitmproxy.addons.")))
from mitmproxy import addons
print(len(addons.default_addons()) > 20)
"""
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert run.stdout.splitlines() == ["mitmproxy.addons.proxyserver mitmproxy.addons.termlog", "True"], run.stderr
