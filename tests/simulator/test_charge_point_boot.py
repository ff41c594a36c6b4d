"""Boots until the charge point is accepted, heartbeats, and attempts to connect."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from simulator import charge_point as simulated
from tests.simulator.listening import VERSIONS, ListeningCsms
from tests.simulator.powered import ACCEPTED, TOKEN, PowerOn


@pytest.mark.parametrize("version", VERSIONS)
async def test_nothing_but_boots_is_sent_until_accepted(csms: ListeningCsms, power_on: PowerOn, version: str) -> None:
    """B02.FR.02: while Pending the next boot waits for the interval, and nothing else is sent."""
    answers = [{**ACCEPTED, "status": "Pending", "interval": 1}, ACCEPTED]
    csms.answers["BootNotification"] = lambda _: answers.pop(0)
    before = asyncio.get_running_loop().time()
    await power_on(version)
    assert asyncio.get_running_loop().time() - before >= 1
    assert csms.actions()[:3] == ["BootNotification", "BootNotification", "StatusNotification"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_triggered_boot_comes_at_once_while_pending(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    answers = [{**ACCEPTED, "status": "Pending", "interval": 600}, ACCEPTED]
    csms.answers["BootNotification"] = lambda _: answers.pop(0)
    station = await power_on(version, on=False)
    booting = asyncio.create_task(station.power_on())
    await csms.until(lambda: len(answers) == 1)
    while station.registration != "Pending":
        await asyncio.sleep(0.01)
    action, token = ("RemoteStartTransaction", {"idTag": TOKEN})
    if version != "1.6":
        action = "RequestStartTransaction"
        token = {"remoteStartId": 1, "idToken": {"idToken": TOKEN, "type": "Central"}}
    assert (await csms.ask(action, token))[2]["status"] == "Rejected"
    assert (await csms.ask("TriggerMessage", {"requestedMessage": "BootNotification"}))[2]["status"] == "Accepted"
    await asyncio.wait_for(booting, 5)
    assert csms.actions()[:2] == ["BootNotification"] * 2
    assert (await csms.ask("TriggerMessage", {"requestedMessage": "BootNotification"}))[2]["status"] == "Rejected"


async def test_heartbeats_come_when_nothing_else_does(csms: ListeningCsms, power_on: PowerOn) -> None:
    csms.answers["BootNotification"] = lambda _: {**ACCEPTED, "interval": 1}
    await power_on("1.6")
    await csms.until(lambda: csms.actions().count("Heartbeat") == 2, 5)


async def test_a_refused_connection_says_why(csms: ListeningCsms, power_on: PowerOn) -> None:
    station = await power_on("1.6", on=False)
    await csms.stop()
    with pytest.raises(simulated.Unreachable, match="cannot connect"):
        await station.power_on()
    await csms.start()


@pytest.mark.parametrize("place", ["http://[", "ws://a..b/", "ws://127.0.0.1:99999/x"])
async def test_a_csms_that_redirects_to_no_address_is_told_so(place: str) -> None:
    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    async with await asyncio.start_server(redirect, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        station = simulated.make("1.6", simulated.Identity(url=url, id="CP-1"))
        with pytest.raises(simulated.Unreachable, match="redirects to an invalid address"):
            await station.power_on()
        await station.power_off()


async def test_a_fault_nobody_foresaw_ends_the_power_on(csms: ListeningCsms, power_on: PowerOn) -> None:
    """A Python caller may pass TLS settings for a ws:// address: that raises an error instead of waiting forever."""
    station = await power_on("1.6", on=False, tls=ssl.create_default_context())
    with pytest.raises(ValueError, match="ssl"):
        await asyncio.wait_for(station.power_on(), 5)


async def test_a_patient_charge_point_waits_for_its_csms(csms: ListeningCsms, power_on: PowerOn) -> None:
    port = csms.port
    await csms.stop()
    station = await power_on("1.6", on=False)
    coming = asyncio.create_task(station.power_on(patient=True))
    await asyncio.sleep(0.1)
    assert not coming.done()
    await csms.start(port)
    await asyncio.wait_for(coming, 10)


async def test_the_pauses_between_attempts_grow(power_on: PowerOn) -> None:
    """J5.3: each pause is longer than the one before, until the longest is reached."""
    station = await power_on("2.0.1", on=False)
    pauses = [station._back_off(attempt) for attempt in range(1, 9)]
    assert pauses[:6] == sorted(pauses[:6])
    assert 1 <= pauses[0] <= 2 and 32 <= pauses[5] <= 33 and 32 <= pauses[7] <= 33


@pytest.mark.parametrize(("used", "expected"), [(True, [1, 1, 1]), (False, [1, 2, 3])])
async def test_pauses_grow_only_while_connections_end_unused(
    csms: ListeningCsms, power_on: PowerOn, monkeypatch: pytest.MonkeyPatch, used: bool, expected: list[int]
) -> None:
    """A CSMS that closes each connection at once waits longer each time; one that exchanges messages does not."""
    station = await power_on("1.6")
    attempts: list[int] = []

    def pause(attempt: int) -> float:
        attempts.append(attempt)
        return 0.01

    monkeypatch.setattr(station, "_back_off", pause)
    for number in range(2, 5):
        if used:
            await csms.ask("GetLocalListVersion", {})
        csms.connections[-1].transport.abort()
        await csms.until(lambda number=number: len(csms.connections) == number)  # type: ignore[misc]
        await asyncio.wait_for(station.online.wait(), 5)
    assert attempts == expected
