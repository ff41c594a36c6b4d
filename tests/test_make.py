"""`make` on a fresh machine: it finds a working Python, makes .venv once, and then needs no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FIND = ROOT / "tools" / "find-python.sh"
ANY_PORTS = [f"--{part}=0" for part in ("csms", "operator", "proxy", "simulator", "browse")]
SH = shutil.which("sh") or "/bin/sh"


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{SH}\n{script}\n")
    path.chmod(0o755)
    return path


def shim(path: Path) -> Path:
    """A pyenv shim of a version that is not selected."""
    return executable(path, f'echo "pyenv: {path.name}: command not found" >&2\nexit 127')


def old(path: Path) -> Path:
    """Make a Python that reports the version 3.11."""
    return pretending(path, "sys.version_info = (3, 11, 7)")


def pretending(path: Path, lie: str) -> Path:
    """Make a Python that runs the statement `lie` before the code given with -c."""
    return executable(path, f'exec "{sys.executable}" -c "import sys; {lie}; exec(sys.argv[1])" "$2"')


def real(path: Path) -> Path:
    """Make a suitable Python: the one that runs this test."""
    return executable(path, f'exec "{sys.executable}" "$@"')


def find(path: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run the finder with only `path` on PATH."""
    environment = {"PATH": str(path), "HOME": str(home)}
    return subprocess.run([SH, str(FIND)], env=environment, capture_output=True, text=True, check=False, timeout=60)


def test_a_shim_that_cannot_run_is_passed_over(tmp_path: Path) -> None:
    """python3.13 is on PATH but exits with 127; python3.12 runs."""
    shim(tmp_path / "bin/python3.14")
    shim(tmp_path / "bin/python3.13")
    real(tmp_path / "bin/python3.12")
    found = find(tmp_path / "bin", tmp_path)
    assert (found.returncode, found.stdout.strip()) == (0, sys.executable), found.stderr


def test_an_old_python3_is_passed_over_for_one_under_pyenv(tmp_path: Path) -> None:
    """python3 is 3.11, the shims do not run, and 3.12 or newer is only in `$(pyenv root)/versions`."""
    executable(tmp_path / "bin/pyenv", f'[ "$1" = root ] && echo "{tmp_path}/pyenv"')
    shim(tmp_path / "bin/python3.13")
    old(tmp_path / "bin/python3")
    old(tmp_path / "pyenv/versions/3.11.7/bin/python")
    real(tmp_path / "pyenv/versions/3.13.0/bin/python")
    found = find(tmp_path / "bin", tmp_path)
    assert (found.returncode, found.stdout.strip()) == (0, sys.executable), found.stderr


def test_pyenv_that_is_not_on_path_is_looked_for_at_home(tmp_path: Path) -> None:
    real(tmp_path / "home/.pyenv/versions/3.12.1/bin/python")
    (tmp_path / "bin").mkdir()
    found = find(tmp_path / "bin", tmp_path / "home")
    assert (found.returncode, found.stdout.strip()) == (0, sys.executable), found.stderr


def test_where_nothing_fits_one_line_says_what_is_missing_and_what_was_seen(tmp_path: Path) -> None:
    shim(tmp_path / "bin/python3.13")
    old(tmp_path / "bin/python3")
    found = find(tmp_path / "bin", tmp_path)
    assert found.returncode == 2
    assert found.stdout == ""
    assert found.stderr.count("\n") == 1
    assert "needs Python 3.12 or newer" in found.stderr
    assert f"{sys.executable} is 3.11" in found.stderr
    assert "python3.13 and python3.13-venv" in found.stderr


def test_a_python_that_cannot_make_environments_is_passed_over_and_named(tmp_path: Path) -> None:
    """Debian's python3 without python3-venv has no ensurepip."""
    pretending(tmp_path / "bin/python3", "sys.modules['ensurepip'] = None")
    found = find(tmp_path / "bin", tmp_path)
    assert found.returncode == 2
    assert "cannot make a virtual environment" in found.stderr


def test_make_alone_lists_the_targets() -> None:
    done = run(["make"], ROOT)
    assert done.returncode == 0, done.stderr
    for target in ("demo", "test", "test-system", "proof", "lint", "bench"):
        assert f"make {target}" in done.stdout


def test_a_virtual_environment_that_lost_its_interpreter_is_noticed(tmp_path: Path) -> None:
    """If the Python of a .venv is gone, its stamps do not count."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    executable(tmp_path / "tools/make-venv.sh", 'echo "installs $1"')
    (tmp_path / ".venv").mkdir()
    for stamp in ("ready", "ready-dev"):
        (tmp_path / ".venv" / stamp).touch()
    assert "installs .[dev]" in run(["make", ".venv/ready-dev"], tmp_path).stdout

    real(tmp_path / ".venv/bin/python")
    assert "installs" not in run(["make", ".venv/ready-dev"], tmp_path).stdout


@pytest.fixture(scope="module")
def fresh_clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the tracked files with their current content into a folder with a space in its name."""
    clone = tmp_path_factory.mktemp("a fresh") / "clone of it"
    listed = run(["git", "ls-files", "-z"], ROOT)
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in filter(None, listed.stdout.split("\0")):
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, clone / name)
    return clone


def run(argv: list[str], cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a command as in a fresh shell: without a virtual environment or variables of an outer make."""
    ours = ("VIRTUAL_ENV", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    own = {k: v for k, v in os.environ.items() if k not in ours and not k.startswith("PYTEST_")}
    return subprocess.run(
        argv, cwd=cwd, env={**own, **extra}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def without_network(argv: list[str]) -> list[str]:
    """Return the command for a network namespace that has only a loopback interface."""
    return ["unshare", "--net", "--map-root-user", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *argv]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_demo_and_test_work_in_a_fresh_clone_and_again_without_network(fresh_clone: Path) -> None:
    """Both commands work without preparation; the second time they need no network and install nothing."""
    demo = ["make", "demo", f"ARGS=--exit {' '.join(ANY_PORTS)}"]
    test = ["make", "test", "ARGS=tests/recorder"]

    for argv in (demo, test):
        done = run(argv, fresh_clone)
        assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout

    offline = run(without_network(["true"]), fresh_clone).returncode == 0
    for argv in (demo, test):
        again = run(without_network(argv) if offline else argv, fresh_clone, PIP_NO_INDEX="1")
        assert again.returncode == 0, again.stdout + again.stderr
        assert "Installing" not in again.stdout
    assert offline, "this machine makes no network namespace; the second run was only kept from the package index"
