"""axe-core checks every page of ours and of Datasette, in light and dark."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.system

PAGES = (
    *("/", "/ocpp/sessions/1", "/ocpp/sessions/2#f215", "/ocpp/frames/215", "/ocpp/-/live", "/ocpp/-/dashboards"),
    *("/ocpp/charge_points/CP-DEPOT-07", "/ocpp/transactions/1", "/ocpp/rules", "/ocpp/rules/rpc.not-json"),
    *("/ocpp/-/compare?a=1&b=2", "/ocpp/-/compare", "/ocpp/frames/99999"),
)
DATASETTES = (
    *("/ocpp", "/ocpp/frames", "/ocpp/findings", "/ocpp/sessions?charge_point_id=CP-DEPOT-07", "/ocpp/connections"),
    *("/ocpp/latency-by-action", "/ocpp/recordings/1", "/ocpp?sql=select+1", "/nothing"),
)
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}


LONG = pytest.mark.long
SOME = [*PAGES[:4], *(pytest.param(path, marks=LONG) for path in PAGES[4:])]


@pytest.mark.parametrize("path", SOME)
def test_no_page_has_a_serious_violation(page: Page, address: str, path: str) -> None:
    """Contrast, names, roles, order: nothing serious or critical."""
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    assert serious(page, f"{address}{path}", None) == []


@pytest.mark.parametrize("path", [*SOME, *(pytest.param(path, marks=LONG) for path in DATASETTES)])
def test_the_dark_keeps_its_contrast(page: Page, address: str, path: str) -> None:
    """The dark theme has no serious violation of contrast either."""
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    assert serious(page, f"{address}{path}", CONTRAST) == []


@pytest.mark.long
@pytest.mark.parametrize("path", DATASETTES)
def test_no_page_of_datasette_has_a_serious_violation(page: Page, address: str, path: str) -> None:
    """Datasette's own pages, to which we add style, and names where Datasette gives none."""
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    assert serious(page, f"{address}{path}", None) == []


def serious(page: Page, address: str, rules: dict[str, object] | None) -> list[str]:
    """Return what axe-core calls serious or critical on a page that has finished drawing."""
    page.goto(address)
    if "/sessions/" in address:
        expect(page.locator(".row").first).to_be_visible()
    if "#f215" in address:
        expect(page.locator("article.frame mark").first).to_be_visible()
    violations = Axe().run(page, options=rules).response["violations"]
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:160]} {each['nodes'][0]['failureSummary'][:300]}"
        for each in violations
        if each["impact"] in ("serious", "critical")
    ]
