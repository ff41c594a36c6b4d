"""The browse pages in Turkish: every text of a template has a translation, and what was recorded stays as it is."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment

from inspector.browse import language
from inspector.browse.turkish import TURKISH
from tests.browse.conftest import Get

HOME = Path(language.__file__).parent
SAME = {
    *("ChargeSentinel", "OCPP", "CSMS", "CP", "UTC", "EVSE", "Enter", "Esc", "JSON", "SQL", "home", "wide", "narrow"),
    *("selected", "checked", "hidden", "chargesentinel diff", "wide workbench", "model"),
}
"""Texts of templates that are no words of a language: names, keys of a keyboard, classes of an element."""
TURKISH_READER = {"cookie": "chargesentinel_language=tr"}


def texts() -> dict[str, str]:
    """Return the static texts of our templates, each with the name of a template that has it."""
    found: dict[str, str] = {}
    for path in sorted((HOME / "templates").rglob("*.html")):
        inside = False
        for _, kind, value in Environment().lex(path.read_text(encoding="utf-8")):
            if kind != "data":
                continue
            for piece, _translatable in language.pieces(value, inside):
                plain = " ".join(unescape(piece).split())
                # A word, and neither markup nor a part of an address.
                if re.search("[A-Za-z]{2}", plain) and not re.search(r'[<>{}="]|^[/?&]', plain):
                    found[plain] = path.name
            inside = language.still_inside(value, inside)
    return found


def test_every_text_of_a_template_has_its_turkish() -> None:
    """Add what is missing to `turkish.py`; what is no word goes to SAME here."""
    missing = {text: name for text, name in texts().items() if text not in TURKISH and text not in SAME}
    assert {text: name for text, name in missing.items() if not text.endswith("charge_points")} == {}


@pytest.mark.parametrize("path", ["/", "/ocpp/sessions/1", "/ocpp/-/live", "/ocpp/-/dashboards", "/ocpp/frames/215"])
async def test_a_page_speaks_the_language_that_was_chosen(get: Get, path: str) -> None:
    """The cookie decides, else the browser's first language; the page names its language."""
    turkish, english = (await get(path, headers=TURKISH_READER)).text, (await get(path)).text
    by_browser = (await get(path, headers={"accept-language": "tr-TR,tr;q=0.9,en;q=0.8"})).text
    chosen = (await get(path, headers={"accept-language": "tr", "cookie": "chargesentinel_language=en"})).text
    assert '<html lang="tr">' in turkish and ">Oturumlar<" in turkish
    assert '<html lang="en">' in english and ">Sessions<" in english and ">Oturumlar<" not in english
    assert turkish == by_browser and english == chosen


async def test_what_was_recorded_is_never_translated(get: Get) -> None:
    """JSON is the same in every language; so is every name and every frame."""
    for path in ("/ocpp/sessions/2.json", "/ocpp/frames/205.json", "/ocpp/-/home.json"):
        assert (await get(path, headers=TURKISH_READER)).json() == (await get(path)).json()
    page = (await get("/ocpp/frames/205", headers=TURKISH_READER)).text
    assert "BootNotification" in page and "payload.schema" in page


async def test_an_ending_is_a_phrase_in_the_readers_language(get: Get) -> None:
    page = (await get("/", headers=TURKISH_READER)).text
    assert "CSMS kapattı: iç hata (1011)" in page
    assert "yarıda kaldı: kaydedici bitti" in page


@given(st.text(alphabet='<>"= \nabcSessions…/-{}', max_size=60), st.booleans())
def test_pieces_of_a_text_are_the_text(text: str, inside: bool) -> None:
    """Nothing of a template is lost on the way, whatever its markup."""

    whole = "".join(piece for piece, _ in language.pieces(text, inside))

    assert " ".join(whole.split()) == " ".join(text.split())
