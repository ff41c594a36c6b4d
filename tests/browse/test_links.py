"""Every link on our pages leads to a page that exists."""

from __future__ import annotations

import re
from collections import Counter
from html import unescape

import pytest

from inspector.browse.views.pages import PAGES
from tests.browse.conftest import Get

OF_A_KIND = 30
"""Links that differ in numbers or in their query alone, of which so many are tried."""


def followed(address: str) -> bool:
    """Return whether the test follows a link: to one of our pages, or to an unfiltered table."""
    path = address.removeprefix("/ocpp")
    return path in ("/", "") or any(re.fullmatch(rf"{page.path}(\?.*)?|/[a-z_]+", path) for page in PAGES)


@pytest.mark.system
async def test_every_link_leads_somewhere(get: Get) -> None:
    """Follow all links from the home page through our pages and tables."""
    found_on, waiting, kinds = {"/": ""}, ["/"], Counter[str]()
    for address in waiting:
        answer = await get(address)
        assert answer.status_code in (200, 302), f"{address}, a link on {found_on[address]}: {answer.status_code}"
        if not followed(address):
            continue
        for link in map(unescape, re.findall(r'\bhref="(/[^"#]*)', answer.text)):
            kinds[kind := re.sub(r"\?.*|/\d+", "", link)] += link not in found_on
            if link not in found_on and kinds[kind] <= OF_A_KIND:
                found_on[link] = address
                waiting.append(link)
    assert {"/ocpp/rules/payload~2Eschema", "/ocpp/charge_points/CP-DEPOT-07", "/ocpp/sessions/2"} <= {*found_on}


async def test_a_rule_is_found_under_the_address_its_links_have(get: Get) -> None:
    """The address works in Datasette's own encoding, unencoded, and with .json."""
    assert "/ocpp/rules/clock~2Ecsms" in (await get("/ocpp/rules")).text
    for address in ("/ocpp/rules/clock~2Ecsms", "/ocpp/rules/clock.csms"):
        assert (await get(address)).status_code == 200
        assert (await get(f"{address}.json")).json()["rule_id"] == "clock.csms"
