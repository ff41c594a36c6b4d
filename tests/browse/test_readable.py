"""Frames on pages: shown as they were sent, with faults marked, and always as plain text."""

from __future__ import annotations

import html
import re

import pytest

from inspector.browse.readable import DEPTH_LIMIT, READABLE_LIMIT, Mark, readable
from inspector.browse.summary import LENGTH, summarise
from tests.browse.charging import HOSTILE


def text(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", markup))


def test_numbers_keys_and_order_stay_as_sent() -> None:
    """1.10 does not become 1.1, duplicate keys stay, and large integers keep their digits."""
    raw = '[2,"1","X",{"b":1.10,"a":9007199254740993123,"b":1e400,"c":NaN}]'
    shown = text(readable(raw))
    assert re.sub(r"\s", "", shown) == raw
    assert shown.startswith('[2, "1", "X", {\n  "b": 1.10,')


def test_the_faulty_place_is_marked() -> None:
    """By its JSON pointer, with the worst severity and what is wrong."""
    marks = {"/3/a~1b/1": [Mark("warning", "odd"), Mark("error", "wrong")], "/1": [Mark("info", "hm")]}
    shown = str(readable('[2,"id","X",{"a/b":[1,"<2>"]}]', marks))
    assert (
        '<mark class="cs-at cs-error" title="odd\nwrong"><span class="cs-j-text">&#34;&lt;2&gt;&#34;</span></mark>'
        in shown
    )
    assert '<mark class="cs-at cs-info" title="hm">' in shown
    assert shown.count("<mark") == 2


@pytest.mark.parametrize(
    "raw",
    [
        HOSTILE,
        f'[2,"{HOSTILE}","{HOSTILE}",{{"{HOSTILE}":"{HOSTILE}"}}]',
        f'[2,"1",{HOSTILE}',
        "\x00\x1b[31m",
        '"\\ud800"',
        "",
        "[" * 5000,
        "[" * (DEPTH_LIMIT + 5) + "]" * (DEPTH_LIMIT + 5),
        "x" * (READABLE_LIMIT + 1),
    ],
)
def test_whatever_comes_is_escaped_text(raw: str) -> None:
    """Nothing raises, and the only tags are our own spans."""
    shown = str(readable(raw, {"": [Mark("error", HOSTILE)]}))
    assert set(re.findall(r"</?([a-zA-Z!]+)", shown)) <= {"span", "mark", "b"}
    assert "<script" not in shown
    assert len(shown) < 20 * READABLE_LIMIT
    summarise(raw, 2, "BootNotification")


def test_bytes_are_shown_as_bytes() -> None:
    """Offset, hexadecimal, characters."""
    assert str(readable(b"\x00\xffAB<")) == "000000  00 ff 41 42 3c                                   ··AB&lt;"


STATUS, EVENT = "StatusNotification", "TransactionEvent"
LINES: list[tuple[int | None, str | None, str | bytes | None, str]] = [
    (2, STATUS, '{"connectorId":1,"errorCode":"NoError","status":"Charging"}', "connector 1 · Charging"),
    (2, STATUS, '{"connectorId":1,"errorCode":"Other","status":"Faulted"}', "connector 1 · Faulted · Other"),
    (2, STATUS, '{"evseId":2,"connectorId":1,"connectorStatus":"Occupied"}', "EVSE 2 · connector 1 · Occupied"),
    (2, "BootNotification", '{"chargingStation":{"vendorName":"V","model":"M"},"reason":"PowerUp"}', "V · M · PowerUp"),
    (3, "StartTransaction", '{"transactionId":7,"idTagInfo":{"status":"Accepted"}}', "transaction 7 · Accepted"),
    (2, "StopTransaction", '{"transactionId":7,"meterStop":12345}', "transaction 7 · 12.35 kWh"),
    (2, "Unheard", '{"a":{"b":1},"c":[1,2],"d":"e"}', "c 1, 2 · d e · b 1"),
    (2, "MeterValues", '{"connectorId":"what","meterValue":"no"}', "connectorId what · meterValue no"),
    (2, EVENT, '{"eventType":"Updated","seqNo":3,"transactionInfo":{}}', "Updated #3"),
    (2, EVENT, '{"eventType":"Updated"}', "eventType Updated"),
    (2, STATUS, "[1]", ""),
]


@pytest.mark.parametrize(("msg_type", "action", "payload", "said"), LINES)
def test_a_line_says_what_a_frame_is_about(msg_type: int, action: str, payload: str, said: str) -> None:
    """What a person would say of it; for what nobody expected, its plain values."""
    raw = f'[3,"1",{payload}]' if msg_type == 3 else f'[2,"1","{action}",{payload}]'
    assert summarise(raw, msg_type, action) == said


def test_what_is_no_message_is_shown_as_it_is() -> None:
    """Errors appear with their code, text as text, bytes as bytes, and oversized frames with their size."""
    assert summarise('[4,"1","InternalError","oops",{}]', 4, "Authorize") == "InternalError: oops"
    assert summarise("not json at all", None, None) == "not json at all"
    assert summarise(b"\x01\x02", None, None) == "binary: 01 02"
    assert summarise(None, 2, "DataTransfer") == "a large frame"


def test_a_line_stays_a_line() -> None:
    """A long value does not wrap or add lines."""
    assert len(summarise(f'[2,"1","X",{{"a":"{"y" * 5000}"}}]', 2, "X")) == LENGTH
