"""The wheel in a clean environment, on each Python that is here: all that users run works from any folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.database import rows
from tests.processes import Program
from tests.test_make import ANY_PORTS
from tests.test_repository import ROOT

VERSIONS = ("3.12", "3.13", "3.14")

USES_THE_PLUGIN = """
import subprocess, sys

def test_the_csms_answers(ocpp_proxy):
    proxy = ocpp_proxy("{csms}")
    program = [sys.executable, "-P", "-m", "inspector", "charge-point"]
    assert subprocess.run([*program, "--url", proxy.url, "--minutes", "1"]).returncode == 0
    proxy.stop()
    assert proxy.db.stat().st_size > 0
    assert proxy.findings("error") == []
"""


def interpreters() -> dict[str, str]:
    """Return one interpreter of each version; pyenv's shims need not run, so they do not count."""
    found = {f"{sys.version_info[0]}.{sys.version_info[1]}": str(Path(sys.base_prefix) / "bin" / "python3")}
    folders = [Path(one) for one in os.environ["PATH"].split(os.pathsep) if not one.endswith("shims")]
    for version in VERSIONS:
        own = [folder / f"python{version}" for folder in folders]
        pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python{version}"))
        for one in (*own, *pyenv):
            if one.is_file():
                found.setdefault(version, str(one))
    return found


def install(interpreter: str, folder: Path) -> Path:
    """Install the wheel and pytest, and nothing else; return the folder of the programs."""
    if subprocess.run([interpreter, "-c", "import ensurepip, venv"], check=False).returncode:
        pytest.skip(f"{interpreter} cannot make environments")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([interpreter, "-m", "venv", folder / "venv"], check=True)
    programs = folder / "venv" / "bin"
    subprocess.run([programs / "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel, "pytest"], check=True)
    subprocess.run([programs / "pip", "check"], check=True)
    return programs


@contextmanager
def csms(installed: Path) -> Iterator[str]:
    """Run the installed CSMS; yield its address."""
    with Program(
        argv=[installed / "chargesentinel", "csms", "--listen", "127.0.0.1:0", "--no-page"], cwd="/"
    ) as program:
        yield program.wait_for(r"csms at (ws://\S+)")[1]


def charge(installed: Path, url: str) -> None:
    """Let the installed charge point charge once."""
    argv = [installed / "chargesentinel", "charge-point", "--url", url, "--id", "CP1", "--minutes", "1"]
    subprocess.run(argv, cwd="/", check=True, capture_output=True)


def demo_in_a_folder_with_other_modules_and_settings(installed: Path, tmp_path: Path) -> None:
    """Files of the user with the names of ours, and wrong settings for other commands, do not matter."""
    (tmp_path / "inspector").mkdir()
    (tmp_path / "inspector/__init__.py").write_text("raise SystemExit('not this one')")
    (tmp_path / "chargesentinel.toml").write_text("[proxy]\nmistake = 1\n")
    settings = {"CHARGESENTINEL_CONFIG": "chargesentinel.toml", "CHARGESENTINEL_PROXY_QUIET": "perhaps"}
    argv = [installed / "chargesentinel", "demo", "--exit", *ANY_PORTS]
    with Program(argv=argv, cwd=tmp_path, env=settings) as demo:
        assert demo.finish(120) == 0, demo.report()
    said = "\n".join(demo.out)
    assert "Recorded in demo.db: 3 sessions" in said
    assert "Findings: 0 error" in said


def proxy_and_browse(installed: Path, tmp_path: Path) -> None:
    recording = tmp_path / "traffic.db"
    with csms(installed) as url:
        argv = [installed / "chargesentinel", "proxy", "--upstream", url, "--listen", "127.0.0.1:0", "--db", recording]
        with Program(argv=argv, cwd="/") as proxy:
            charge(installed, proxy.wait_for(r"listening on (ws://\S+)")[1])
            assert proxy.stop() == 0, proxy.report()
    with Program(
        argv=[installed / "chargesentinel", "browse", recording, "--listen", "127.0.0.1:0"], cwd="/"
    ) as browse:
        browse.wait_for("browse at http://")
        assert browse.stop() == 0, browse.report()
    assert rows(recording, "SELECT charge_point_id FROM sessions") == [("CP1",)]
    listed = [installed / "chargesentinel", "proxy", "--interventions", "list"]
    assert "slow-boot" in subprocess.run(listed, cwd="/", capture_output=True, text=True, check=True).stdout


def addon_in_mitmdump(installed: Path, tmp_path: Path) -> None:
    recording = tmp_path / "dump.db"
    script = [installed / "python", "-m", "inspector.proxy.addon"]
    addon = subprocess.run(script, cwd="/", capture_output=True, text=True, check=True).stdout.strip()
    with csms(installed) as url:
        settings = ("--set", f"ocpp_db={recording}", "--set", f"confdir={tmp_path}")
        mode = f"reverse:{url.replace('ws', 'http', 1)}@127.0.0.1:0"
        with Program(argv=[installed / "mitmdump", "-s", addon, "--mode", mode, *settings], cwd="/") as dump:
            port = dump.wait_for(r"listening at \S*127\.0\.0\.1:(\d+)")[1]
            charge(installed, f"ws://127.0.0.1:{port}")
            assert dump.stop() == 0, dump.report()
    assert rows(recording, "SELECT charge_point_id FROM sessions") == [("CP1",)]


def pytest_plugin(installed: Path, tmp_path: Path) -> None:
    with csms(installed) as url:
        (tmp_path / "test_mine.py").write_text(USES_THE_PLUGIN.format(csms=url))
        argv = [installed / "pytest", "-q", "-p", "no:cacheprovider", tmp_path / "test_mine.py"]
        done = subprocess.run(argv, cwd="/", capture_output=True, text=True, check=False)
    assert re.search(r"^1 passed", done.stdout, re.M), done.stdout + done.stderr


# One test for each Python, because xdist would install the wheel again in each worker.
@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("interpreter", interpreters().values(), ids=interpreters())
def test_all_that_users_run_works_from_any_folder(interpreter: str, tmp_path: Path) -> None:
    installed = install(interpreter, tmp_path)
    for part in (demo_in_a_folder_with_other_modules_and_settings, proxy_and_browse, addon_in_mitmdump, pytest_plugin):
        folder = tmp_path / part.__name__
        folder.mkdir()
        part(installed, folder)
