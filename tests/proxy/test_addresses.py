"""Addresses are read as users write them; what is wrong with one is said in a line."""

from __future__ import annotations

import pytest

from inspector.errors import UnusableAddress
from inspector.proxy.addresses import Upstream, lan_addresses, listening_socket, parse_listen


@pytest.mark.parametrize(
    ("url", "shown", "path"),
    [
        ("ws://csms", "ws://csms:80", "/CP1?x=%41"),
        ("wss://csms:8443/ocpp/", "wss://csms:8443/ocpp", "/ocpp/CP1?x=%41"),
        ("ws://[::1]:9000/a%2Fb", "ws://[::1]:9000/a%2Fb", "/a%2Fb/CP1?x=%41"),
    ],
)
def test_charge_points_path_is_appended_to_the_upstreams(url: str, shown: str, path: str) -> None:
    upstream = Upstream.parse(url)
    assert str(upstream) == shown
    assert upstream.path_for("/CP1?x=%41") == path


@pytest.mark.parametrize(
    "url",
    [
        "",
        "csms:9000",
        "http://csms",
        "ws://",
        "ws://csms:99999",
        "ws://csms:0",
        "ws://a b",
        "ws://[::1",
        "ws://csms/?a=1",
        "ws://c\n",
    ],
)
def test_malformed_upstream_is_a_users_mistake(url: str) -> None:
    with pytest.raises(UnusableAddress):
        Upstream.parse(url)


def test_password_in_the_upstream_is_refused_and_not_repeated() -> None:
    with pytest.raises(UnusableAddress) as refused:
        Upstream.parse("ws://me:hush@csms/ocpp")
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9000", ("127.0.0.1", 9000)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        ("[::1]:80", ("::1", 80)),
        (":90", ("127.0.0.1", 90)),
    ],
)
def test_listen_addresses_default_to_loopback(text: str, expected: tuple[str, int]) -> None:
    assert parse_listen(text) == expected


@pytest.mark.parametrize("text", ["", "host", "host:", "1:2:x", "70000", "-1", "٣"])
def test_malformed_listen_address_is_a_users_mistake(text: str) -> None:
    with pytest.raises(UnusableAddress):
        parse_listen(text)


def test_taken_port_is_told_in_words() -> None:
    with listening_socket("127.0.0.1", 0) as taken, pytest.raises(UnusableAddress, match="the port is in use"):
        listening_socket("127.0.0.1", taken.getsockname()[1])


def test_lan_addresses_are_not_loopback() -> None:
    assert not any(address.startswith("127.") for address in lan_addresses())
