"""Passwords and security profiles of a charge point, against the reference CSMS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from csms.central_system import CentralSystem
from csms.configuration import Settings
from csms.security import Security, hash_password
from simulator import charge_point as simulated
from simulator.station import Station
from tests.simulator.listening import VERSIONS, ListeningCsms

OLD, NEW = "0123456789abcdef", "fedcba9876543210"


@asynccontextmanager
async def guarded() -> AsyncIterator[CentralSystem]:
    """Start a CSMS with security profile 1 in which CP-1 has its old password."""
    csms = CentralSystem(Settings(security=Security(1)))
    csms.store.set_charge_point("CP-1", password_hash=hash_password(OLD.encode()))
    async with csms.listening("127.0.0.1", 0):
        yield csms
    csms.close()


def change(version: str, password: str) -> tuple[str, dict[str, Any]]:
    """Return the CALL that sets a new password; 1.6 encodes it in hexadecimal."""
    if version == "1.6":
        return "ChangeConfiguration", {"key": "AuthorizationKey", "value": password.encode().hex()}
    place = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    return "SetVariables", {"setVariableData": [{**place, "attributeValue": password}]}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_password_set_by_the_csms_is_the_one_for_the_next_connection(version: str) -> None:
    """After a reset it connects with the new password, the only one that the CSMS then accepts."""
    async with guarded() as csms:
        identity = simulated.Identity(url=csms.address, id="CP-1", password=OLD, speed=3000, timeout=5)
        station = simulated.make(version, identity)
        assert station.settings.text("SecurityProfile") == "1"
        await station.power_on()
        outcome = await csms.connections["CP-1"].send_call(*change(version, NEW))
        assert "Accepted" in str(outcome.payload)
        await station.restart("RemoteReset")
        await station.offline.wait()
        await asyncio.wait_for(station.online.wait(), 10)
        await station.power_off()
        assert station.failures == [] and station.reconnects == 1
        with pytest.raises(simulated.Unreachable, match=r"HTTP 401.*give the right --password"):
            await simulated.make(version, identity).power_on()


@pytest.mark.parametrize("value", ["0123456789abcdef", "zz" * 16, "ab" * 21, "abc"])
async def test_a_key_that_is_no_hexadecimal_password_is_rejected_in_1_6(
    csms: ListeningCsms, power_on: Callable[..., Awaitable[Station]], value: str
) -> None:
    await power_on("1.6")
    answer = await csms.ask("ChangeConfiguration", {"key": "AuthorizationKey", "value": value})
    assert answer[2] == {"status": "Rejected"}


@pytest.mark.parametrize(
    ("members", "profile"),
    [
        ({"url": "ws://127.0.0.1:1"}, 0),
        ({"url": "ws://127.0.0.1:1", "password": OLD}, 1),
        ({"url": "wss://127.0.0.1:1", "password": OLD}, 2),
        ({"url": "wss://127.0.0.1:1", "client_certificate": True}, 3),
    ],
)
def test_it_tells_the_profile_it_really_uses(members: dict[str, Any], profile: int) -> None:
    identity = simulated.Identity(id="CP-1", **members)
    assert simulated.make("2.0.1", identity).settings.text("SecurityProfile") == str(profile)
