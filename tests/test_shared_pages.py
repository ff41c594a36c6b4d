"""What all pages share: every package has an equal copy, and every page has the same bar."""

from __future__ import annotations

import re

import pytest

from tools import shared_pages

PAGES = ("inspector/browse/templates/chargesentinel/_bar.html", "csms/page/index.html", "simulator/page/index.html")


@pytest.mark.parametrize("folder", shared_pages.COPIES)
def test_a_copy_of_shared_files_equals_its_source(folder: str) -> None:
    """`python -m tools.shared_pages` writes them again."""
    expected = {path.name: text for path, text in shared_pages.copies() if path.parent == shared_pages.ROOT / folder}
    found = {path.name: path.read_text(encoding="utf-8") for path in (shared_pages.ROOT / folder).iterdir()}
    assert found == expected


def test_every_shared_file_is_used() -> None:
    used = {name for names in shared_pages.COPIES.values() for name in names}
    assert {path.name for path in shared_pages.SOURCE.iterdir()} == used


@pytest.mark.parametrize("page", PAGES)
def test_every_bar_has_the_icon_the_links_and_the_three_switches(page: str) -> None:
    html = (shared_pages.ROOT / page).read_text(encoding="utf-8")
    icon = re.search(r'<path d="(M5 3v18[^"]+)"', html)
    assert icon is not None
    for name in ("apps", "zone", "theme", "language"):
        assert f'id="{name}"' in html


def test_only_the_shared_files_define_colours() -> None:
    """A page that needs another colour adds it to `tokens.css`, with its value in the dark."""
    stray = []
    for folder in ("inspector/browse/static", "csms/page", "simulator/page/css"):
        for path in sorted((shared_pages.ROOT / folder).glob("*.css")):
            stray += [
                f"{path.name}: {found}" for found in re.findall(r"--[\w-]+: *#[0-9a-f]+", path.read_text("utf-8"))
            ]
    assert stray == []


def test_a_module_becomes_a_constant_with_what_it_exports() -> None:
    module = (
        "// Counts.\n"
        'import { shape } from "./frame_row.js";\n\n'
        "const hidden = 1;\n"
        "export const shown = () => hidden;\n"
        "export function named() {}\n"
    )
    assert shared_pages.as_constant("small_part", module) == (
        "// Counts.\n"
        "const smallPart = (() => {\n"
        "const { shape } = frameRow;\n\n"
        "const hidden = 1;\n"
        "const shown = () => hidden;\n"
        "function named() {}\n\n"
        "return { shown, named };\n"
        "})();\n"
    )
