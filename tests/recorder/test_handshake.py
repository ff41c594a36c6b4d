"""Handshakes tell what is needed and keep every secret out of the record."""

from __future__ import annotations

import base64

import pytest

from inspector.recorder import handshake

BASIC = (b"Authorization", b"Basic " + base64.b64encode(b"CP:1:pass:word-16chars"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/ocpp/CP1", "CP1"),
        ("/ocpp/CP1/", "CP1"),
        ("/CP%201%2Fx?token=a/b", "CP 1/x"),
        ("/", ""),
    ],
)
def test_charge_point_id_is_the_last_path_segment_decoded(path: str, expected: str) -> None:
    assert handshake.charge_point_id(path) == expected


def test_basic_authorization_tells_user_and_password_length_only() -> None:
    assert handshake.authorization((BASIC,)) == {
        "auth_scheme": "Basic",
        "auth_user": "CP",
        "auth_password_length": 19,
    }


@pytest.mark.parametrize(
    "value", [b"Basic ???", b"Basic", b"Bearer abc", b"", b"Basic " + base64.b64encode(b"nocolon")]
)
def test_odd_authorization_is_no_crash_and_no_leak(value: bytes) -> None:
    facts = handshake.authorization(((b"Authorization", value),))
    assert "auth_user" not in facts
    assert "abc" not in repr(facts)


def test_secret_headers_are_replaced_and_named() -> None:
    headers = (BASIC, (b"COOKIE", b"id=7"), (b"X-Api-Key", b"k"), (b"Sec-WebSocket-Key", b"public"), (b"Host", b"h"))
    shown, redacted = handshake.safe_headers(headers)
    assert shown == [
        ["Authorization", "Basic «redacted»"],
        ["COOKIE", "«redacted»"],
        ["X-Api-Key", "«redacted»"],
        ["Sec-WebSocket-Key", "public"],
        ["Host", "h"],
    ]
    assert redacted == ["Authorization", "COOKIE", "X-Api-Key"]


def test_secret_query_parameters_are_replaced() -> None:
    assert handshake.safe_path("/CP1?a=1&Token=x%20y&password=z") == "/CP1?a=1&Token=«redacted»&password=«redacted»"
    assert handshake.safe_path("/token=kept") == "/token=kept"


def test_what_a_peer_chose_cannot_break_the_log() -> None:
    assert handshake.printable("CP 1é\n\x1b[31mred\u2028") == "CP 1é\\n\\x1b[31mred\\u2028"


def test_forced_version_holds_only_without_a_subprotocol() -> None:
    with_one = ((b"Sec-WebSocket-Protocol", b"ocpp1.6"),)
    assert handshake.link_facts("/a", with_one, with_one, forced_version="2.1")["ocpp_version"] is None
    assert handshake.link_facts("/a", (), (), forced_version="2.1")["ocpp_version"] == "2.1"
