"""A replay that plays the CSMS refuses connections from web pages of other sites."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from inspector.protocol.vocabulary import OcppVersion
from inspector.replay.connect import lobby

OCPP: Any = ["ocpp1.6"]


async def _connects(address: str, origin: Any) -> bool:
    try:
        async with connect(f"{address}/CP-1", subprotocols=OCPP, origin=origin, proxy=None):
            return True
    except InvalidStatus as refused:
        assert refused.response.status_code == 403
        assert f"{origin!r} may not connect" in bytes(refused.response.body or b"").decode()
        return False


@pytest.mark.parametrize(("allowed", "may"), [((), False), (("http://bench.example",), True), (("*",), True)])
async def test_a_foreign_page_connects_only_where_it_is_allowed(allowed: tuple[str, ...], may: bool) -> None:
    """Charge points, which send no Origin header, and pages served by this machine are always accepted."""
    address: list[str] = []
    async with lobby("127.0.0.1", 0, OcppVersion.V16, None, address.append, allowed):
        assert await _connects(address[0], "http://bench.example") is may
        assert await _connects(address[0], None)
        assert await _connects(address[0], "http://localhost:8080")
