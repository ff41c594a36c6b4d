"""Rules for the repository: layers, help, documents, packaging, file sizes, and that CI skips nothing."""

from __future__ import annotations

import ast
import graphlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import click
import grimp
import pytest

from inspector.cli import COMMANDS, command_line
from inspector.errors import SettingsMistake
from tools.command_page import PAGE, group_context, page

ROOT = Path(__file__).parent.parent
PACKAGES = ("inspector", "csms", "simulator")

LONG_FILES = {
    "inspector/proxy/fastpath.py": "all that touches names of mitmproxy that are not public, in one place on purpose",
    "inspector/rules/topic_order.py": "a list with two lines for each topic, whose order is the point",
}
"""Files of more than 400 lines -> why they are better whole."""

DOCUMENTS = ["README.md", "README.tr.md", "CONTRIBUTING.md"]
PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))


def tracked(*patterns: str) -> list[Path]:
    """Return the files that git tracks; in a source archive without git, all files."""
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0:
        names = listed.stdout.split("\0")
        return [ROOT / name for name in names if name and (ROOT / name).is_file()]
    return [path for pattern in patterns for path in ROOT.rglob(pattern) if ".venv" not in path.parts]


def python(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if k not in ("CI",) and not k.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=ROOT,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_imports_go_down_only() -> None:
    done = python("-c", "from importlinter.cli import lint_imports_command as c; c()", "--no-logo", "--no-cache")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_imports_itself_in_a_circle(package: str) -> None:
    """Imports for types only and imports within functions count too."""
    graph = grimp.build_graph(package, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    graphlib.TopologicalSorter(imports).prepare()  # raises CycleError, which names the modules


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_says_what_it_knows(package: str) -> None:
    """Each module opens with a docstring, and its first line is one sentence."""
    for path in tracked(f"{package}/*.py"):
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        assert re.match(r"[^\n]{10,}[.:]$", docstring.split("\n\n")[0].replace("\n", " ")), path.relative_to(ROOT)


def test_no_file_is_longer_than_400_lines_without_a_reason() -> None:
    long = set()
    for path in tracked("*.py", "*.js", "*.css", "*.html", "*.sh"):
        if len(path.read_text().splitlines()) > 400:
            long.add(str(path.relative_to(ROOT)))
    assert long <= LONG_FILES.keys()


def examples(text: str) -> Iterator[list[str]]:
    """Find the `chargesentinel …` lines in help or a document, as words without prompt, pipes and comments."""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if match := re.search(r"(?:^|[$`:|]|--\s)\s*(?:uv run |pipx run )?chargesentinel (.+)", line):
            words = shlex.split(match[1].split("`")[0], comments=True)
            stops = [i for i, word in enumerate(words) if word in ("|", "&", ">", "&&", ";")]
            yield words[: stops[0]] if stops else words


def assert_runnable(words: list[str]) -> None:
    """Fail unless the command line names an existing command with valid options and values."""
    if words[0].startswith("-"):
        assert words in (["--version"], ["--help"])
        return
    command = command_line.get_command(group_context(), words[0])
    assert command is not None, f"no such command: {words}"
    try:
        command.make_context(words[0], words[1:], parent=group_context())
    except click.exceptions.Exit:
        pass  # --help
    except (click.BadParameter, SettingsMistake) as error:
        # The files named in an example need not exist; everything else must be right.
        assert re.search("does not exist|no such file", str(error), re.I), f"{words}: {error}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_a_runnable_example(name: str) -> None:
    command = command_line.get_command(group_context(), name)
    assert command is not None
    assert COMMANDS[name][1] == command.get_short_help_str(200), "the list of commands says something else"
    help_text = command.get_help(click.Context(command, info_name=name, parent=group_context(), terminal_width=300))
    _, _, after_options = help_text.partition("Options:")
    found = [words for words in examples(after_options) if words[0] == name]
    assert found, f"no example in:\n{help_text}"
    for words in found:
        assert_runnable(words)
    assert all(option.help for option in command.params if isinstance(option, click.Option)), "an option has no help"


def test_the_page_of_commands_says_what_their_help_says() -> None:
    assert PAGE.read_text() == page(), "run `make docs`"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_names_only_commands_that_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    for words in examples(text):
        assert_runnable(words)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"`make ([a-z-]+)|^make ([a-z-]+)", text)) <= {
        *((t, "") for t in targets),
        *(("", t) for t in targets),
    }


@pytest.mark.parametrize("page_name", PAGES)
def test_every_command_in_a_block_of_a_page_can_be_pasted(page_name: str) -> None:
    text = (ROOT / "docs" / page_name).read_text()
    for block in re.findall(r"^```(?:sh|console)\n(.*?)^```", text, re.M | re.S):
        for words in examples(block):
            assert_runnable(words)


@pytest.mark.parametrize("document", sorted(str(p.relative_to(ROOT)) for p in tracked("*.md")))
def test_the_links_of_a_document_lead_somewhere(document: str) -> None:
    path = ROOT / document
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)|src=\"([^\"]+)\"", path.read_text()):
        link = target[0] or target[1]
        assert re.match(r"https?://|mailto:", link) or (path.parent / link).exists(), link


def test_the_turkish_readme_says_what_the_english_one_says() -> None:
    """Both have the same number of headings of each level, and the same commands in the same order."""

    def shape(name: str) -> tuple[list[str], list[str]]:
        text = (ROOT / name).read_text()
        blocks = re.findall(r"^```(?:sh|console)\n(.*?)^```", text, re.M | re.S)
        commands = [re.sub(r"\s*#.*", "", line) for block in blocks for line in block.splitlines()]
        prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
        return re.findall(r"^#+(?= )", prose, re.M), commands

    assert shape("README.tr.md") == shape("README.md")


def test_every_requirement_is_pinned_without_addresses() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][\w.+!]*", line) for line in lines)
    pinned = {normal(line) for line in lines}
    assert {normal(requirement) for requirement in wanted} <= pinned


def normal(requirement: str) -> str:
    """Return the name alone, as package indexes compare names."""
    match = re.match(r"[\w.-]+", requirement)
    assert match
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def test_the_wheel_holds_every_file_of_the_three_packages(tmp_path: Path) -> None:
    """The wheel has every tracked file, including pages, templates, styles and py.typed."""
    built = python("-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("chargesentinel-*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {str(path.relative_to(ROOT)) for package in PACKAGES for path in tracked(f"{package}/*")}
    assert wanted <= held, sorted(wanted - held)
    assert {name.split("/")[0] for name in held if ".dist-info/" not in name} == set(PACKAGES)


NOT_FAST = {"chromium", "browser", "async_chromium", "npm_peers"}
"""The fixtures that find, install or start Chromium and npm packages."""


def test_no_fast_test_needs_chromium_or_npm(request: pytest.FixtureRequest) -> None:
    """Check all tests of this run; a test that fails here needs the mark `system`."""
    needing = [item for item in request.session.items if NOT_FAST & set(getattr(item, "fixturenames", ()))]
    assert [item.nodeid for item in needing if not _marked(item, "system") and not _marked(item, "long")] == []


def test_what_must_run_alone_is_a_long_proof(request: pytest.FixtureRequest) -> None:
    alone = [item for item in request.session.items if _marked(item, "alone")]
    assert [item.nodeid for item in alone if not _marked(item, "long")] == []


def _marked(item: pytest.Item, name: str) -> bool:
    return item.get_closest_marker(name) is not None


SKIPPING = """
import pytest

def test_wants_what_is_not_there():
    pytest.skip("no such thing here")

@pytest.mark.xfail(strict=True)
def test_is_known_to_fail():
    assert False
"""


@pytest.mark.system
def test_a_skip_is_a_failure_in_ci_and_nowhere_else(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(SKIPPING)
    (tmp_path / "test_two.py").write_text("import pytest\npytest.importorskip('no_such_module')")
    run = ["-m", "pytest", "-p", "tests.conftest", "-c", os.devnull, "--rootdir", tmp_path, tmp_path]

    here = python(*run)
    assert "2 skipped, 1 xfailed" in here.stdout, here.stdout
    assert here.returncode == 0

    in_ci = python(*run, "--continue-on-collection-errors", CI="true")
    assert in_ci.returncode == 1, in_ci.stdout
    assert re.search(r"1 failed, 1 xfailed,.* 1 error", in_ci.stdout), in_ci.stdout
    assert "CI skips nothing: Skipped: no such thing here" in in_ci.stdout
