"""What all pages share: every package has an equal copy, and every page has the same bar."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape

import pytest

from inspector.browse.readable import readable
from inspector.browse.summary import summarise
from tests.simulator.schemas import example
from tests.simulator.test_charge_point_answers import CSMS_ACTIONS
from tools import shared_pages

PAGES = (
    "inspector/browse/templates/chargesentinel/_bar.html",
    "inspector/proxy/control/page/index.html",
    "csms/page/index.html",
    "simulator/page/index.html",
)


@pytest.mark.parametrize("folder", shared_pages.COPIES)
def test_a_copy_of_shared_files_equals_its_source(folder: str) -> None:
    """`make pages` writes them again."""
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
    for folder in ("inspector/browse/static", "inspector/proxy/control/page", "csms/page", "simulator/page/css"):
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


def messages() -> list[tuple[str, int, str]]:
    """Return frames of every action and version: (text, message type, action), with odd ones among them."""
    found: list[tuple[str, int, str]] = []
    for version, actions in CSMS_ACTIONS.items():
        for action in actions:
            found.append((json.dumps([2, "id", action, example(version, action, True)]), 2, action))
    for path in sorted((shared_pages.ROOT / "recordings").glob("*.jsonl")):
        actions_of: dict[str, str] = {}
        for frame in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            kind, number = json.loads(frame["raw"])[:2]
            action = actions_of.setdefault(number, frame.get("action", ""))
            found.append((frame["raw"], kind, action))
    odd = {"connectorId": None, "nested": {"list": [1, True, "x"], "empty": []}, "meterValue": "none", "value": False}
    found += [(json.dumps([kind, "id", odd, odd]), kind, action) for kind in (2, 3) for action in ("MeterValues", "No")]
    found += [('[4,"id","GenericError","why",{}]', 4, "Reset"), ("not  JSON\n", 2, "Reset"), ("[2]", 2, "Reset")]
    # A browser reads 1.0 as 1, so no frame here says 1.0.
    return [(re.sub(r"(\d)\.0+\b(?!\.)", r"\1", text), kind, action) for text, kind, action in found]


def test_a_summary_is_the_same_on_every_page() -> None:
    """The ladder's server and the scripts of the other pages write one line alike."""
    frames = messages()
    script = plain_script("frame_summary.js") + (
        'const frames = JSON.parse(require("fs").readFileSync(0, "utf8"));'
        "console.log(JSON.stringify(frames.map((frame) => summarise(...frame))));"
    )
    written = run_in_node(script, frames)
    assert len(frames) > 150
    assert written == [summarise(*frame) for frame in frames]


def run_in_node(script: str, given: object) -> object:
    """Run a script, with what it is given as JSON on stdin; return the JSON that it prints."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    done = subprocess.run([node, "-e", script], input=json.dumps(given), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def plain_script(name: str) -> str:
    """Return a shared module as a plain script."""
    return (shared_pages.SOURCE / name).read_text(encoding="utf-8").replace("export function", "function")


def test_json_is_laid_out_the_same_on_every_page() -> None:
    """The browse pages lay out on the server, the others in the browser; both leave numbers as they were sent."""
    texts = [text for text, _, _ in messages()] + [
        '[2,"1","A",{"n":1.10,"big":12345678901234567890,"e":{},"l":[[]]}]',
        '{"a":[1]}',
    ]
    script = plain_script("json_view.js") + (
        'const texts = JSON.parse(require("fs").readFileSync(0, "utf8"));'
        'console.log(JSON.stringify(texts.map((text) => laidOut(text).map(([, part]) => part).join(""))));'
    )
    expected = [re.sub(r"</?span[^>]*>", "", readable(text)) for text in texts]
    assert run_in_node(script, texts) == [unescape(text) for text in expected]
