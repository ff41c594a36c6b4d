"""The three packages refuse the same requests of web pages, though none imports another."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import pytest

from csms.operator_api import origins as csms_origins
from inspector import web_requests
from simulator.page_server import origins as simulator_origins
from tests.origin_cases import CASES, HOST, Case

type Rule = Callable[[str, str, Mapping[str, str]], bool]
RULES: dict[str, Rule] = {
    "inspector": web_requests.is_foreign,
    "csms": csms_origins.is_foreign,
    "simulator": simulator_origins.is_foreign,
}


@pytest.mark.parametrize("package", RULES)
@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_every_server_refuses_the_same_requests(package: str, case: Case) -> None:
    _, method, target, headers, foreign = case
    assert RULES[package](method, target, {"host": HOST, **headers}) is foreign


@pytest.mark.parametrize(
    ("origin", "host", "may"),
    [
        ("http://127.0.0.1:8080", "127.0.0.1:9000", True),
        ("http://localhost:8080", "127.0.0.1:9000", True),
        ("https://[::1]", "localhost:9000", True),
        ("file://", "localhost:9000", True),
        ("http://192.0.2.7:8080", "192.0.2.7:9000", True),
        ("http://[2001:db8::1]:8080", "[2001:db8::1]:9000", True),
        ("HTTP://BENCH.EXAMPLE:8080", "127.0.0.1:9000", True),
        ("http://192.0.2.8:8080", "192.0.2.7:9000", False),
        ("http://foreign.localhost:8080", "127.0.0.1:9000", False),
        ("http://localhost.evil.example", "127.0.0.1:9000", False),
        ("http://evil.example:9000", "evil.example:9000", False),
        ("http://bench.example:8081", "127.0.0.1:9000", False),
        ("http://127.0.0.1@evil.example", "127.0.0.1:9000", False),
        ("http://127.0.0.1:8080,http://evil.example", "127.0.0.1:9000", False),
        ("http://2130706433.evil.example", "127.0.0.1:9000", False),
        ("null", "127.0.0.1:9000", False),
        ("chrome-extension://abc", "127.0.0.1:9000", False),
        ("http://[", "127.0.0.1:9000", False),
        ("nonsense", "nonsense", False),
    ],
)
@pytest.mark.parametrize("may_connect", [csms_origins.may_connect, web_requests.may_connect], ids=["csms", "inspector"])
def test_pages_of_this_machine_may_be_charge_points(
    may_connect: Callable[[str, str, Collection[str]], bool], origin: str, host: str, may: bool
) -> None:
    """Allowed are loopback names, the CSMS's own address, files and listed origins; not just any equal host name."""
    assert may_connect(origin, host, ["http://bench.example:8080/"]) is may
    assert may_connect(origin, host, ["*"])
