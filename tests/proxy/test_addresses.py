"""Addresses are read as users write them; a message of one line says what is wrong with one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from inspector.errors import UnusableAddress, UserMistake
from inspector.proxy.addresses import (
    Upstream,
    bracketed,
    lan_addresses,
    listening_socket,
    listening_sockets,
    parse_listen,
)
from inspector.proxy.routing import Route


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


@pytest.mark.parametrize(
    "host", ["csms..example", ".example", f"{'a' * 64}.example", "x" * 64, "csms.\udcff.example", "a\u0338..b"]
)
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_host_that_no_lookup_takes_is_refused_at_once(host: str, scheme: str) -> None:
    for parse in (Upstream.parse, lambda url: Route.parse(f"CP-*={url}")):
        with pytest.raises(UnusableAddress, match="not a valid host name"):
            parse(f"{scheme}://{host}:99")


@pytest.mark.parametrize("host", ["csms", "csms.example.", "müller.example", "a_b.example", "x" * 63, "127.0.0.1"])
def test_host_that_can_be_looked_up_is_taken(host: str) -> None:
    assert Upstream.parse(f"ws://{host}:99").host == host


PASSWORDS = [
    "ws://user:hush@csms/ocpp",
    "ws://user:pa/hush@csms",
    "ws://user:80/hush@csms",
    "ws://user:p@hush@csms",
    "ws://user:p?hush@csms",
    "ws://user:p#hush@csms",
    "ws://us//er:hush//@csms",
    "ws://user:p hush@csms",
    "ws://user:p\nhush@csms",
    "ws://user:[hush@csms",
    "http://user:hush@csms",
    "ws:/user:hush@csms",
    "user:hush@csms:9000",
    "user:p//hush@csms:9000",
]


@pytest.mark.parametrize("url", PASSWORDS)
def test_password_is_refused_and_not_repeated_however_it_is_mistyped(url: str) -> None:
    attempts = [(Upstream.parse, url), (parse_listen, url)]
    attempts += [(Route.parse, text) for text in (f"={url}", url, f"CP-*={url}", f"/site={url}")]
    for parse, text in attempts:
        with pytest.raises(UserMistake) as refused:
            parse(text)
        assert "hush" not in str(refused.value) and "csms" in str(refused.value)


def test_at_sign_in_the_path_is_told_how_to_be_written() -> None:
    with pytest.raises(UnusableAddress, match="%40"):
        Upstream.parse("ws://csms/site@home")
    assert Upstream.parse("ws://csms/site%40home").path == "/site%40home"


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


@pytest.mark.parametrize("text", ["", "host", "host:", "1:2:x", "70000", "-1", "٣", "a..b:9100", ".a:9100"])
def test_malformed_listen_address_is_a_users_mistake(text: str) -> None:
    with pytest.raises(UnusableAddress):
        parse_listen(text)


def test_taken_port_is_told_in_words() -> None:
    with listening_socket("127.0.0.1", 0) as taken, pytest.raises(UnusableAddress, match="the port is in use"):
        listening_socket("127.0.0.1", taken.getsockname()[1])


def test_lan_addresses_are_not_loopback() -> None:
    assert not any(address.startswith("127.") for address in lan_addresses())


def test_each_port_0_is_a_listener_of_its_own_and_a_fixed_port_twice_is_one() -> None:
    with listening_socket("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    sockets = listening_sockets(["127.0.0.1:0", f"127.0.0.1:{port}", "0", str(port)])
    ports = [listener.getsockname()[1] for listener in sockets]
    for listener in sockets:
        listener.close()
    assert len(set(ports)) == 3 and ports[1] == port


def test_ipv4_peer_of_an_ipv6_socket_is_written_as_ipv4() -> None:
    assert bracketed("::ffff:192.0.2.7") == "192.0.2.7"
    assert [bracketed(host) for host in ("::1", "::ffff:ab", "csms")] == ["[::1]", "[::ffff:ab]", "csms"]


IN_A_NETWORK_OF_ITS_OWN = """
import socket, subprocess, sys
from inspector.proxy.addresses import listening_sockets, reached_at
for line in ("link set lo up", "addr add 10.9.9.1/24 dev lo", "addr add fd00::9/64 dev lo nodad",
             "route add default dev lo src 10.9.9.1"):
    subprocess.run(["ip", *line.split()], check=True)
for listener in listening_sockets(sys.argv[1:]):
    port = listener.getsockname()[1]
    listener.settimeout(1)
    answering = []
    for host in ("127.0.0.1", "::1"):
        try:
            socket.create_connection((host, port), 5).close()
            if listener.accept()[1][0] in (host, f"::ffff:{host}"):
                answering.append(host)
        except (ConnectionRefusedError, TimeoutError):
            pass
    print(*answering, *reached_at(listener))
"""


def answers(*listen: str) -> list[str]:
    """Return, for each listener, which loopback addresses it answers and what others get, in a network namespace."""
    alone = ["unshare", "--map-root-user", "--net"]
    try:
        subprocess.run([*alone, "ip", "link"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no network of our own to be had here")
    argv = [*alone, sys.executable, "-c", IN_A_NETWORK_OF_ITS_OWN, *listen]
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()


def test_ipv6_wildcard_is_everybody_and_tells_addresses_of_both_kinds() -> None:
    assert answers("[::]:0", "[::1]:0") == ["127.0.0.1 ::1 10.9.9.1 [fd00::9]", "::1"]


def test_ipv6_wildcard_beside_ipv4s_leaves_it_ipv4() -> None:
    each = ["::1 [fd00::9]", "127.0.0.1 10.9.9.1"]
    assert answers("[::]:9100", "0.0.0.0:9100") == each
    assert answers("0.0.0.0:9100", "[::]:9100") == each[::-1]
