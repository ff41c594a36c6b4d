"""No password reaches the CSMS's file, log or page, under whatever name it comes; older files are cleaned."""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import json
import logging
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlite_utils import Database

from csms import passwords, schema
from csms.central_system import CentralSystem
from csms.configuration import PageAddress, Settings
from csms.log import OneLine
from csms.operator_api.web import serving
from csms.passwords import Memory
from csms.store import Store
from tests.csms.peer import connected

SECRET = "WebSocketPassword ApnPassword apn_password simPin PIN1 authKey vpnKey AdminPasswordHash token psk şifre"
ACCEPTED = {"status": "Accepted"}
PLAIN = (
    "key idToken id_token localAuthorizationList passwordLength tokenType TokenReader keyboard compass publicKey "
    "HeartbeatInterval passed"
)


def files(path: Path) -> bytes:
    """Return the contents of the file, its -wal and its -shm."""
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))


def forms(value: str) -> set[bytes]:
    data = value.encode()
    return {data, data.hex().encode(), base64.b64encode(data)[:-2], data.decode().encode("utf-16-le")}


def test_names_of_passwords_are_known_and_those_that_only_look_so_are_not() -> None:
    assert [name for name in SECRET.split() if not passwords.is_secret(name)] == []
    assert [name for name in PLAIN.split() if passwords.is_secret(name)] == []


@pytest.mark.parametrize(
    "said",
    [
        '{"password":"Geheim-4711"}',
        '[2,"1","ChangeConfiguration",{"key":"WebSocketPassword","value":"Geheim-4711"}]',
        '{"vpn":{"key":"Geheim-4711"}}',
        '{"data":"{\\"wifi\\":{\\"psk\\":\\"Geheim-4711\\"}}"}',
        '{"idToken":{"idToken":"Geheim-4711","type":"KeyCode"}}',
        '{"setVariableData":[{"attributeValue":"Geheim-4711","variable":{"name":"ApnPassword"}}]}',
        '{"reportData":[{"variable":{"name":"ApnPassword"},"variableAttribute":[{"value":"Geheim-4711"}]}]}',
        '{"key":"ApnPassword","value":"Geheim-4711',
        "wrong password: Geheim-4711, try again",
        "<password>Geheim-4711</password>",
        "ftp://user:Geheim-4711@host/",
        "https://Geheim-4711@host/",
        "-----BEGIN PRIVATE KEY-----\nGeheim-4711\n-----END PRIVATE KEY-----",
    ],
)
def test_a_password_is_starred_and_then_known_wherever_it_is_quoted(said: str) -> None:
    memory = Memory()
    assert "Geheim" not in passwords.text(said, memory)
    if "BEGIN" not in said:
        assert "Geheim" not in passwords.text("unknown: Geheim-4711", memory)
        assert "R2VoZWltLTQ3MTE" not in passwords.text("R2VoZWltLTQ3MTE=", memory)


def test_of_all_members_of_the_schemas_only_passwords_count_as_such() -> None:
    """Hiding a member that is not a password would hide what an operator needs, everywhere its value appears."""
    package = importlib.util.find_spec("ocpp")
    assert package is not None and package.origin is not None
    members: set[str] = set()
    for path in Path(package.origin).parent.glob("v*/schemas/*.json"):
        members |= set(re.findall(r'"(\w+)"\s*:', path.read_text("utf-8-sig")))
    assert {name for name in members if passwords.is_secret(name)} == {
        *("apnPassword", "basicAuthPassword", "password", "simPin")
    }


def test_an_ordinary_frame_is_shown_as_it_came() -> None:
    for said in (
        '[2, "1","Authorize",{"idTag":"04AB"}]',
        '[3,"1",{"currentTime":"x", "interval":1.10}]',
        "no JSON",
        "card 04AB rejected",
        '[2,"1","SendLocalList",{"localAuthorizationList":[{"idTag":"TOKEN-1","idTagInfo":{"status":"Accepted"}}]}]',
    ):
        assert passwords.text(said, Memory()) == said


async def test_no_password_is_in_the_file_the_page_or_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "csms")
    caplog.handler.setFormatter(OneLine("%(message)s"))
    csms = CentralSystem(Settings(db=tmp_path / "csms.db"))
    basic = {"Authorization": "Basic " + base64.b64encode(b"CP1:Geheim-0001").decode()}
    async with (
        csms.listening("127.0.0.1", 0),
        serving(csms.context, csms.connections, PageAddress(port=0)) as url,
        connected(csms.address, "1.6", "CP1", additional_headers=basic) as charge_point,
        httpx.AsyncClient(base_url=url) as operator,
    ):
        data = json.dumps({"wifi": {"psk": "Geheim-0002"}, "note": "Geheim-0001"})
        await charge_point.call("DataTransfer", {"vendorId": "v", "data": data})

        async def asked(action: str, payload: Any, answer: Any) -> httpx.Response:
            call = {"action": action, "payload": payload}
            request = asyncio.create_task(operator.post("/api/charge-points/CP1/calls", json=call))
            message_id = (await charge_point.receive())[1]
            await charge_point.send([3, message_id, answer])
            return await request

        outcome = await asked("ChangeConfiguration", {"key": "ApnPassword", "value": "Geheim-0003"}, ACCEPTED)
        keys = [{"key": "WebSocketPassword", "readonly": False, "value": "Geheim-0004"}]
        told = await asked("GetConfiguration", {}, {"configurationKey": keys})
        await charge_point.send("Geheim-0003 is no frame")
        shown = await operator.get("/api/charge-points/CP1")
        await charge_point.websocket.close(1000, "bye Geheim-0001")
    written = files(tmp_path / "csms.db") + (outcome.text + shown.text + told.text + caplog.text).encode()
    csms.close()
    written += files(tmp_path / "csms.db")
    assert outcome.json()["kind"] == "CALLRESULT" and "WebSocketPassword" in shown.text and "bye ***" in caplog.text
    assert [n for n in range(1, 5) for form in forms(f"Geheim-000{n}") if form in written] == []


def test_an_older_file_loses_the_passwords_it_has_kept(tmp_path: Path) -> None:
    path = tmp_path / "csms.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        schema.migrations.apply(Database(connection), stop_before="no_passwords")
        notice = json.dumps({"data": '{"password":"Geheim-4711"}'})
        for number in range(300):
            row = ("CP1", "", f"ApnPassword{number}", "Actual", "Geheim-4711", None)
            connection.execute("INSERT INTO variables VALUES (?, ?, ?, ?, ?, ?)", row)
            row = ("CP1", "", f"HeartbeatInterval{number}", "Actual", "300", None)
            connection.execute("INSERT INTO variables VALUES (?, ?, ?, ?, ?, ?)", row)
            connection.execute("INSERT INTO notices VALUES (?, 'CP1', 't', 'DataTransfer', ?)", (number, notice))
        connection.execute("DELETE FROM notices WHERE id < 100")
        assert b"Geheim" in files(path)
    store = Store(path)
    assert b"Geheim" not in files(path)
    values = store.rows("SELECT DISTINCT value FROM variables ORDER BY value")
    assert [row["value"] for row in values] == ["***********", "300"]
    assert store.rows("SELECT count(*) AS n FROM notices") == [{"n": 200}]
    store.close()
    assert b"Geheim" not in files(path)
    Store(path).close()
