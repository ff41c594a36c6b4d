"""Carries out docs/tutorial.md: after the demo, from the home page to the faulty value of a bad session.

With CHARGESENTINEL_PICTURES=1 it updates the tutorial's pictures; otherwise they go to a temporary folder.
"""

from __future__ import annotations

import os
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browse import charging
from tests.browse.charging import Recording
from tests.processes import Program

pytestmark = pytest.mark.system

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"


def command(start: str, replacing: dict[str, str]) -> list[str]:
    """Return the arguments of the tutorial's command with this beginning."""
    (line,) = [line for line in TUTORIAL.read_text().splitlines() if line.startswith(f"$ {start}")]
    for old, new in replacing.items():
        assert old in line
        line = line.replace(old, new)
    return shlex.split(line)[2:]


@pytest.mark.long
def test_the_tutorial_can_be_followed(page: Page, tmp_path: Path) -> None:
    """Every command works, and everything to click and every picture exists."""
    pictures = ROOT / "docs" / "pictures" if os.environ.get("CHARGESENTINEL_PICTURES") else tmp_path
    told = set(re.findall(r"\*\*(.+?)\*\*", TUTORIAL.read_text()))
    seen = set()
    page.set_viewport_size({"width": 1280, "height": 860})

    def picture(name: str) -> None:
        page.mouse.move(0, 0)
        page.screenshot(path=pictures / f"tutorial-{name}.png", animations="disabled")
        assert f"pictures/tutorial-{name}.png" in TUTORIAL.read_text()

    db = tmp_path / "demo.db"
    ports = [part for name in ("csms", "operator", "proxy", "simulator", "browse") for part in (f"--{name}", "0")]
    with Program("demo", "--db", db, "--minutes", "1", *ports) as demo:
        home = demo.wait_for(r"The recording\s+(http://\S+)", timeout=60)[1]
        proxy = demo.wait_for(r"For your own charger\s+(ws://\S+?)/?<")[1].rstrip("/")
        with Program(*command(".venv/bin/chargesentinel charge-point", {"ws://127.0.0.1:9100": proxy})) as charge_point:
            charge_point.finish(60)

        page.goto(home)
        row = page.get_by_role("row", name=re.compile("DEPOT-7"))
        seen.add("DEPOT-7")
        expect(row.locator(".cs-error")).to_be_visible()
        page.set_viewport_size({"width": 1280, "height": 480})
        picture("home")
        page.set_viewport_size({"width": 1280, "height": 860})
        row.locator(".cs-error").click()
        frame = page.locator("article.frame")
        expect(frame.get_by_text("boot.too-early")).to_be_visible()
        expect(frame.locator("h2")).to_contain_text("StatusNotification")
        expect(page.locator("#plot path.k-energy")).to_be_visible()
        expect(page.locator(".row.s-error").first).to_be_visible()
        page.set_viewport_size({"width": 1280, "height": 1000})
        picture("session")
        page.get_by_role("tab", name="Findings").click()
        seen.add("Findings")
        page.locator("#findings").get_by_role("link", name=re.compile(r"meter\.register-falls")).first.click()
        expect(frame.locator("h2")).to_contain_text("MeterValues")
        seen.add("meter.register-falls")
        expect(frame.locator("mark.cs-error").first).to_be_visible()
        expect(frame.get_by_text("What to do").first).to_be_visible()
        seen.add("What to do")
        page.evaluate("document.querySelector('.bench').scrollIntoView()")
        picture("frame")
        page.keyboard.press("p")
        expect(frame.locator(".cs-type").first).to_have_text("CALLRESULT")
        page.keyboard.press("p")
        expect(frame.locator(".cs-type").first).to_have_text("CALL")
        seen.add("p")
        page.keyboard.press("n")
        expect(page.locator(".row.chosen")).to_have_class(re.compile("s-(error|warning|info)"))
        seen.add("n")
        page.get_by_role("link", name="Compare with another").click()
        seen.add("Compare with another")
        page.get_by_role("link", name=re.compile("DEMO-16")).first.click()
        expect(page.locator("#outcome")).to_contain_text("differ")
        expect(page.locator(".difference").first).to_be_visible()
        picture("compare")
        page.get_by_label("only differences").check()
        seen.add("only differences")
        expect(page.locator("table.compare tbody tr:not(.differs)")).to_have_count(0)
        while "/sessions/" not in page.url:
            page.go_back()
        expect(page.locator(".row.chosen")).to_have_class(re.compile("s-(error|warning|info)"))
        expect(frame.locator(".verdict").first).to_be_visible()
        page.get_by_text("Commands to paste").click()
        expect(page.get_by_role("heading", name="Export its session")).to_be_visible()
        seen.add("Commands to paste")
        page.goto("about:blank")
    assert told == seen
    with Program("check", db) as check:
        assert check.finish(60) == 1
    assert command(".venv/bin/chargesentinel check", {"demo.db": str(db)}) == ["check", str(db)]
    assert any("meter.register-falls" in line for line in check.out)


def test_the_picture_of_the_readme_can_be_taken(page: Page, tmp_path: Path) -> None:
    """The picture shows ninety minutes of charging with a limit, and one impossible value in plot and frame."""
    recording = Recording(tmp_path / "traffic.db")
    charging.charge_well(recording, falls_at=66)
    path = recording.finish()
    page.set_viewport_size({"width": 1280, "height": 1000})
    with Program("browse", path, "--listen", "0") as browse:
        page.goto(f"{browse.wait_for(r'browse at (\S+)')[1]}/ocpp/sessions/1")
        page.locator("#findings").get_by_role("link", name=re.compile(r"meter\.register-falls")).click()
        expect(page.locator("article.frame mark.cs-error").first).to_be_visible()
        expect(page.locator("#plot .p-finding.l-error")).to_have_count(1)
        expect(page.locator("#legend")).to_contain_text("Energy")
        shown = page.locator("#plot path.p-line.k-energy").get_attribute("d")
        heights = [float(part.split()[1]) for part in re.split("[ML]", shown or "") if part]
        assert sum(lower > higher for higher, lower in pairwise(heights)) == 1
        pictures = ROOT / "docs" if os.environ.get("CHARGESENTINEL_PICTURES") else tmp_path
        page.screenshot(path=pictures / "session.png", animations="disabled")
        page.goto("about:blank")
