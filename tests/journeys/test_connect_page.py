"""A charge point of the package `ocpp` tries what docs/connect.md says about the URLs of chargers."""

from __future__ import annotations

import asyncio
import base64
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ocpp.routing import on
from ocpp.v16 import ChargePoint, call, call_result
from ocpp.v16.enums import RegistrationStatus
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from tests.processes import Program
from tests.test_repository import ROOT

pytestmark = pytest.mark.system

ROW = re.compile(r"^\| `(/[^`]*)` \| `ws://csms\.example:9000([^`]*)` \| `([^`]+)` \| `([^`]+)` \|$", re.M)
PAGE = (ROOT / "docs" / "connect.md").read_text()
ROWS = ROW.findall(PAGE)
BASIC = "Basic " + base64.b64encode(b"CP001:0123456789abcdef").decode()


class Csms(ChargePoint):
    """The side of the CSMS, with the same package."""

    @on("BootNotification")
    def boot(self, **_: Any) -> call_result.BootNotification:
        return call_result.BootNotification("2026-12-01T00:00:00Z", 300, RegistrationStatus.accepted)


@pytest.mark.parametrize("base", sorted({base for _, base, _, _ in ROWS}))
async def test_the_proxy_treats_urls_as_the_page_says(base: str, tmp_path: Path) -> None:
    rows = [(path, asked, known) for path, where, asked, known in ROWS if where == base]
    requests: list[tuple[str, str | None, str | None]] = []

    async def admit(session: ServerConnection) -> None:
        assert session.request is not None
        requests.append((session.request.path, session.request.headers.get("Authorization"), session.subprotocol))
        await Csms("csms", session).start()

    async with serve(admit, "127.0.0.1", 0, subprotocols=["ocpp1.6"]) as csms:
        upstream = f"ws://127.0.0.1:{csms.sockets[0].getsockname()[1]}{base}"
        options = ("--upstream", upstream, "--listen", "127.0.0.1:0", "--db", tmp_path / "traffic.db")
        proxy = await asyncio.to_thread(Program, "proxy", *options)
        try:
            found = await asyncio.to_thread(proxy.wait_for, r"listening on (ws://\S+)")
            for path, _, _ in rows:
                await boot(found[1] + path)
        finally:
            await asyncio.to_thread(proxy.stop)
    assert requests == [(asked, BASIC, "ocpp1.6") for _, asked, _ in rows]
    with closing(sqlite3.connect(tmp_path / "traffic.db")) as recording:
        ids = [one for (one,) in recording.execute("SELECT charge_point_id FROM sessions ORDER BY id")]
    assert ids == [known for _, _, known in rows]


async def boot(url: str) -> None:
    """Connect with a password, and boot."""
    headers = {"Authorization": BASIC}
    async with connect(url, subprotocols=["ocpp1.6"], additional_headers=headers) as session:
        charge_point = ChargePoint("CP001", session)
        serving = asyncio.create_task(charge_point.start())
        answer = await charge_point.call(call.BootNotification("Model", "Vendor"))
        assert answer.status == "Accepted"
        serving.cancel()


def test_the_page_has_lines_to_try_and_every_make_has_a_source() -> None:
    assert len(ROWS) == 10
    makes = PAGE.split("| make | where |")[1].strip().splitlines()[2:]
    assert len(makes) >= 20
    assert all(re.search(r"\]\(https://[^)]+\)[^|]*\|$", make) for make in makes)
