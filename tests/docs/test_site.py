"""The documentation builds as a site without warnings, its links hold, and it works from a folder without a network."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Request, expect

from tests.test_repository import ROOT
from tools import site_check

PAGE = '<html><body><h2 id="here">Here</h2>{}</body></html>'


def faults_of(folder: Path, body: str) -> list[str]:
    (folder / "index.html").write_text(PAGE.format(body))
    (folder / "other.html").write_text(PAGE.format(""))
    return site_check.check(folder)


@pytest.mark.parametrize(
    "body",
    [
        '<a href="other.html#here">to an anchor</a>',
        '<a href="#here">on this page</a>',
        '<a href="https://example.com/">to another site</a>',
        '<img src="data:image/png;base64,AAAA">',
    ],
)
def test_what_holds_is_no_fault(body: str, tmp_path: Path) -> None:
    assert faults_of(tmp_path, body) == []


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<a href="gone.html">x</a>', "links to gone.html, which does not exist"),
        ('<a href="other.html#gone">x</a>', "links to other.html#gone, but that page has no such anchor"),
        ('<a href="/other.html">x</a>', "links to /other.html, which a folder does not have"),
        ('<img src="gone.png">', "loads gone.png, which does not exist"),
        ('<script src="https://example.com/x.js"></script>', "loads https://example.com/x.js from the network"),
        ('<link rel="stylesheet" href="//example.com/x.css">', "loads //example.com/x.css from the network"),
        ("<style>@import 'https://example.com/x.css'</style>", "loads https://example.com/x.css from the network"),
        ('<p style="background: url(https://example.com/x)">', "loads https://example.com/x from the network"),
    ],
)
def test_what_does_not_hold_is_named_with_its_place(body: str, fault: str, tmp_path: Path) -> None:
    assert faults_of(tmp_path, body) == [f"index.html:1 {fault}"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `make site` does."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "--quiet", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return folder


@pytest.mark.system
def test_every_link_of_the_site_holds_and_nothing_is_loaded_from_the_network(site: Path) -> None:
    assert site_check.check(site) == []


@pytest.mark.system
def test_every_page_of_docs_is_in_the_navigation(site: Path) -> None:
    home = site_check.read(site / "index.html")
    linked = {target.partition("#")[0] for _, target in home.links}
    pages = {f"{page.stem}.html" for page in (ROOT / "docs").glob("*.md")} - {"README.html"}
    assert pages <= linked, sorted(pages - linked)


@pytest.mark.system
def test_the_search_finds_a_rule_in_pages_opened_from_a_folder(site: Path, browser: Browser) -> None:
    """And a browser loads nothing from the network, whatever the scripts of the pages do."""
    page = browser.new_page()
    foreign: list[str] = []

    def note(request: Request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:", "about:")):
            foreign.append(request.url)

    page.on("request", note)
    page.goto((site / "index.html").as_uri())
    page.get_by_role("textbox", name="Search").press_sequentially("register falls")
    found = page.locator(".md-search-result__link").first
    expect(found).to_contain_text("meter.register-falls")
    found.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("meter.register-falls")
    expect(page.get_by_role("heading", level=2).first).to_contain_text("What to do")
    page.close()
    assert foreign == []
