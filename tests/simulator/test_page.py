"""The simulator page is one self-contained HTML file; the command `simulator` serves or saves it."""

from __future__ import annotations

import re
import signal
import urllib.request
from pathlib import Path

import httpx
import pytest

from simulator.page_server import page
from simulator.page_server.serving import application
from tests.origin_cases import CASES, HOST, Case
from tests.processes import Program


def test_page_is_one_file_that_asks_for_nothing_else() -> None:
    """No script, style, image or font comes from elsewhere, so the saved file works from disk."""
    html = page.assemble()
    assert not re.search(r"<(script|img|iframe|source)[^>]+src=", html)
    assert not re.search(r"""(@import|url\()['"]?https?:""", html)
    for link in re.findall(r"<link[^>]+>", html):
        assert 'href="data:' in link


def test_every_part_of_the_page_is_used() -> None:
    """The page contains every script and style of the folder."""
    assert {path.stem for path in (page.HOME / "js").glob("*.js")} == set(page.SCRIPTS)
    assert {path.stem for path in (page.HOME / "css").glob("*.css")} == set(page.STYLES)


def test_parts_are_small_and_open_with_what_they_do() -> None:
    """Each script begins with a comment that says what it does, and has less than 400 lines."""
    for path in (page.HOME / "js").glob("*.js"):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert re.fullmatch(r"// [A-Z].{15,}[.:]", lines[0]), path.name
        assert len(lines) <= 400, path.name


def test_both_languages_have_every_sentence() -> None:
    """English and Turkish have the same keys, and every key that the page uses exists."""
    keys = {}
    for language in ("en", "tr"):
        text = (page.HOME / "js" / f"i18n_{language}.js").read_text(encoding="utf-8")
        keys[language] = set(re.findall(r'(?:^|[{,])\s*"?([\w.]+)"?: "', text, re.MULTILINE))
    assert keys["en"] == keys["tr"]
    named = set(re.findall(r'data-t(?:-\w+)?="([\w.]+)"', (page.HOME / "index.html").read_text(encoding="utf-8")))
    assert named <= keys["en"]


def test_schemas_cannot_break_out_of_their_script_element() -> None:
    """No text in a schema can end the script element."""
    for version in page.SCHEMAS:
        assert "<" not in page._schemas(version)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_command_serves_the_page_and_ends_when_told(how: signal.Signals) -> None:
    """`simulator` prints its address when ready, sends a strict policy, and ends with 0."""
    with Program("simulator", "--listen", "127.0.0.1:0") as simulator:
        address = simulator.wait_for(r"simulator at (http://\S+)")[1]
        with urllib.request.urlopen(address) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert answer.read().decode() == page.assemble()
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert simulator.stop(how) == 0
        assert not simulator.err, simulator.report()


def test_saved_file_is_the_served_page(tmp_path: Path) -> None:
    """`--save` writes exactly the page that is served, even to a path with spaces."""
    target = tmp_path / "a charge point.html"
    with Program("simulator", "--save", target) as saving:
        assert saving.finish() == 0
    assert target.read_text(encoding="utf-8") == page.assemble()


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    """A missing folder and a malformed address each lead to one line and exit code 2."""
    for arguments in (["--save", tmp_path / "none" / "page.html"], ["--listen", "nowhere"]):
        with Program("simulator", *arguments) as command:
            assert command.finish() == 2
            assert len(command.err) == 1, command.report()


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
async def test_foreign_pages_get_nothing_but_a_visit(case: Case) -> None:
    """A link on a foreign page may open the page, but without settings that start something."""
    _, method, target, headers, foreign = case
    transport = httpx.ASGITransport(app=application())
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as http:
        answer = await http.request(method, target, headers={"host": HOST, **headers})
    assert (answer.status_code == 403) is foreign
    assert ("<html" in answer.text) is (not foreign and target.partition("?")[0] == "/")


async def test_a_page_on_loopback_answers_to_no_other_name() -> None:
    """On loopback, a foreign host name for this machine gets nothing; on a network every name is allowed."""
    for loopback, name, status in [
        (True, "127.0.0.1:8080", 200),
        (True, "LocalHost", 200),
        (True, "[::1]:8080", 200),
        (True, "evil.example", 421),
        (True, "127.0.0.1.evil.example", 421),
        (True, "", 421),
        (False, "bench.example:8080", 200),
    ]:
        transport = httpx.ASGITransport(app=application(loopback=loopback))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            assert (await http.get("/", headers={"host": name})).status_code == status, name
