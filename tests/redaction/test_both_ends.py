"""Secrets sent between a charge point and the real CSMS through the proxy: neither CSMS nor proxy stores one."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.csms.peer import Peer, connected
from tests.database import rows
from tests.processes import Program
from tests.redaction.planted import Vault
from tests.redaction.planted_forms import FORMS, NAMES, nested
from tests.redaction.test_scan import everything_printed, files, found, wait_for_frames

MOMENT = "2026-01-01T00:00:00Z"


async def asked(api: httpx.AsyncClient, peer: Peer, name: str, action: str, payload: Any, answer: Any) -> str:
    """Have the CSMS send a CALL, answer it, and return what the operator sees."""
    call = {"action": action, "payload": payload, "checked": False}
    shown = asyncio.create_task(api.post(f"/api/charge-points/{name}/calls", json=call))
    message_id = (await peer.receive())[1]
    await peer.send(answer if isinstance(answer, str) else [3, message_id, answer])
    return (await shown).text if not isinstance(answer, str) else ""


async def speak_16(api: httpx.AsyncClient, peer: Peer, name: str, new: Callable[[], str]) -> list[str]:
    shown = []
    for member in NAMES:
        change = {"key": member, "value": new()}
        shown.append(await asked(api, peer, name, "ChangeConfiguration", change, {"status": "Accepted"}))
        keys = {"configurationKey": [{"key": member, "readonly": False, "value": new()}]}
        shown.append(await asked(api, peer, name, "GetConfiguration", {}, keys))
        data = nested(json.dumps({member: new()}), 2)
        await peer.call("DataTransfer", {"vendorId": "v", "data": data})
    for form in FORMS:
        await peer.call("DataTransfer", {"vendorId": "v", "data": form.replace("GEHEIM", new())})
    secret = new()
    await asked(api, peer, name, "ChangeConfiguration", {"key": "ApnPassword", "value": secret}, {"status": "Rejected"})
    await peer.call(
        "DataTransfer", {"vendorId": "v", "data": f"refused {secret}, {base64.b64encode(secret.encode())!r}"}
    )
    assert (await peer.ask([2, "odd", secret, {}]))[0] == 4
    await peer.send(f"{secret} is no frame")
    return shown


async def speak_2x(api: httpx.AsyncClient, peer: Peer, name: str, new: Callable[[], str]) -> list[str]:
    shown = []
    vpn = {"server": "s", "user": "u", "password": new(), "key": new(), "type": "IPSec"}
    apn = {"apn": "a", "apnPassword": new(), "simPin": 481_516, "apnAuthentication": "PAP"}
    profile = {"ocppInterface": "Wired0", "ocppTransport": "JSON", "messageTimeout": 30, "vpn": vpn, "apn": apn}
    profile |= {"ocppCsmsUrl": f"wss://u:{new()}@csms.example", "securityProfile": 1, "ocppVersion": "OCPP20"}
    order = {"configurationSlot": 1, "connectionData": profile}
    shown.append(await asked(api, peer, name, "SetNetworkProfile", order, {"status": "Accepted"}))
    for number, member in enumerate(NAMES):
        place = {"component": {"name": "C"}, "variable": {"name": member}}
        result = {"setVariableResult": [{"attributeStatus": "Accepted", **place}]}
        order = {"setVariableData": [{"attributeValue": new(), **place}]}
        shown.append(await asked(api, peer, name, "SetVariables", order, result))
        result = {"getVariableResult": [{"attributeStatus": "Accepted", "attributeValue": new(), **place}]}
        shown.append(await asked(api, peer, name, "GetVariables", {"getVariableData": [place]}, result))
        report = {"requestId": 1, "generatedAt": MOMENT, "seqNo": 0}
        report["reportData"] = [{**place, "variableAttribute": [{"value": new()}]}]
        await peer.call("NotifyReport", report)
        event = {"eventId": 1, "timestamp": MOMENT, "trigger": "Delta", "actualValue": new(), **place}
        event["eventNotificationType"] = "CustomMonitor"
        await peer.call("NotifyEvent", {"generatedAt": MOMENT, "seqNo": 0, "eventData": [event]})
        started = {"eventType": "Started", "timestamp": MOMENT, "triggerReason": "Authorized", "seqNo": 0}
        started |= {
            "transactionInfo": {"transactionId": f"t{number}"},
            "idToken": {"type": "KeyCode", "idToken": new()},
        }
        await peer.call("TransactionEvent", started)
    for form in FORMS:
        text = form.replace("GEHEIM", new())
        told = {"type": "SettingSystemTime", "timestamp": MOMENT, "techInfo": text[:255]}
        await peer.call("SecurityEventNotification", told)
    return shown


@pytest.mark.long
def test_neither_recording_nor_csms_keeps_a_secret_that_both_ends_speak(tmp_path: Path) -> None:
    vault = Vault("Geheim{number:03d}x{check:05d}Ab")
    folder = tmp_path / "kept"
    folder.mkdir()

    async def talk(url: str, page: str) -> str:
        shown: list[str] = []
        async with httpx.AsyncClient(base_url=page, timeout=30) as api:
            for version, speak in (("1.6", speak_16), ("2.0.1", speak_2x), ("2.1", speak_2x)):
                name = f"CP-{version}"
                headers = {"Authorization": "Basic " + base64.b64encode(f"{name}:{vault.new()}".encode()).decode()}
                async with connected(url, version, name, additional_headers=headers) as peer:
                    shown += await speak(api, peer, name, vault.new)
                    shown.append((await api.get(f"/api/charge-points/{name}")).text)
                    await peer.websocket.close(1000, f"bye, password={vault.new()}")
        return "\n".join(shown)

    with Program("csms", "--listen", "127.0.0.1:0", "--db", folder / "csms.db", "--page", "127.0.0.1:0") as csms:
        upstream = csms.wait_for(r"csms at (ws://\S+)")[1]
        page = csms.wait_for(r"operator page at (\S+)")[1]
        arguments = ("--upstream", upstream, "--listen", "127.0.0.1:0", "--db", folder / "t.db")
        with Program("proxy", *arguments) as proxy, ThreadPoolExecutor(1) as apart:
            shown = apart.submit(asyncio.run, talk(proxy.wait_for(r"listening on (ws://\S+)")[1], page)).result()
            wait_for_frames(folder / "t.db")
            places = {f"live {name}": data for name, data in files(folder).items()}
            assert proxy.stop() == 0, proxy.report()
        assert csms.stop() == 0, csms.report()
    places["printed"] = "\n".join([*proxy.out, *proxy.err, *csms.out, *csms.err]).encode()
    places["shown to the operator"] = shown.encode()
    places |= everything_printed(folder / "t.db", folder)
    places |= files(folder)
    assert len(vault.values) > 300
    assert rows(folder / "t.db", "SELECT sum(redacted) > 300 FROM frames") == [(1,)]
    assert not found(places, vault.values)
