"""The operator's API over real HTTP: what it shows, what it does, whom it lets in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from csms import schema
from csms.central_system import CentralSystem
from csms.configuration import PageAddress
from csms.errors import CsmsMistake
from csms.operator_api.api import PAGE
from csms.operator_api.web import Guard, serving
from tests.csms.peer import connected
from tests.origin_cases import CASES, HOST, VISIT, Case


@pytest.fixture
async def operator(csms: CentralSystem) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of the CSMS's API."""
    async with (
        serving(csms.context, csms.connections, PageAddress(port=0)) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        yield client


async def test_a_call_is_sent_and_its_answer_shown(csms: CentralSystem, operator: httpx.AsyncClient) -> None:
    async with connected(csms.address, "1.6") as charge_point:
        call = {"action": "ChangeAvailability", "payload": {"connectorId": 1, "type": "Inoperative"}}
        asking = asyncio.create_task(operator.post("/api/charge-points/CHARGER-001/calls", json=call))
        asked = await charge_point.receive()
        assert asked[2:] == [call["action"], call["payload"]]
        await charge_point.send([3, asked[1], {"status": "Scheduled"}])
        answer = await asking
    assert answer.status_code == 200
    assert answer.json()["kind"] == "CALLRESULT"
    assert answer.json()["payload"] == {"status": "Scheduled"}


async def test_what_the_book_forbids_is_sent_only_when_insisted_on(
    csms: CentralSystem, operator: httpx.AsyncClient
) -> None:
    url = "/api/charge-points/CHARGER-001/calls"
    call = {"action": "Reset", "payload": {"type": "Lukewarm"}}
    async with connected(csms.address, "1.6") as charge_point:
        refused = await operator.post(url, json=call)
        assert refused.status_code == 422 and "Lukewarm" in refused.json()["error"]
        asking = asyncio.create_task(operator.post(url, json={**call, "checked": False}))
        asked = await charge_point.receive()
        assert asked[2:] == ["Reset", {"type": "Lukewarm"}]
        await charge_point.send([4, asked[1], "PropertyConstraintViolation", "", {}])
        assert (await asking).json()["error_code"] == "PropertyConstraintViolation"


async def test_a_frame_of_the_operators_own_making_goes_out_as_it_is(
    csms: CentralSystem, operator: httpx.AsyncClient
) -> None:
    async with connected(csms.address, "2.1") as charge_point:
        sent = await operator.post("/api/charge-points/CHARGER-001/frames", json={"text": '[2,,"broken'})
        assert sent.status_code == 204
        assert await charge_point.websocket.recv() == '[2,,"broken'


async def test_everyday_operations_become_the_versions_own_calls(
    csms: CentralSystem, operator: httpx.AsyncClient
) -> None:
    async with connected(csms.address, "2.0.1") as charge_point:
        url = "/api/charge-points/CHARGER-001/operations/start"
        asking = asyncio.create_task(operator.post(url, json={"evse_id": 1, "id_token": "TAG"}))
        asked = await charge_point.receive()
        assert asked[2] == "RequestStartTransaction"
        assert asked[3]["idToken"] == {"idToken": "TAG", "type": "Central"}
        await charge_point.send([3, asked[1], {"status": "Accepted", "transactionId": "t-1"}])
        assert (await asking).json()["payload"]["transactionId"] == "t-1"
        wrong = await operator.post(url, json={"evse_id": "one", "id_token": "TAG"})
        assert wrong.status_code == 422 and "evse_id" in wrong.json()["error"]


async def test_a_charge_point_is_shown_with_all_that_is_known_of_it(
    csms: CentralSystem, operator: httpx.AsyncClient
) -> None:
    """Connectors, open transactions with their energy, the last frames; connected or not; never a password."""
    async with connected(csms.address, "1.6", "A%2FB%20C") as charge_point:
        await charge_point.call("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Charging"})
        start = {"connectorId": 1, "idTag": "TAG", "meterStart": 1000, "timestamp": "2026-01-01T00:00:00Z"}
        transaction_id = (await charge_point.call("StartTransaction", start))["transactionId"]
        sample = {"timestamp": "2026-01-01T00:01:00Z", "sampledValue": [{"value": "3.5", "unit": "kWh"}]}
        sample["sampledValue"][0]["measurand"] = "Energy.Active.Import.Register"  # type: ignore[index]
        await charge_point.call(
            "MeterValues", {"connectorId": 1, "transactionId": transaction_id, "meterValue": [sample]}
        )
        await operator.patch("/api/charge-points/A%2FB%20C", json={"password": "0123456789abcdef"})
        [listed] = (await operator.get("/api/charge-points")).json()
        shown = (await operator.get("/api/charge-points/A%2FB%20C")).json()
        status = (await operator.get("/api/status")).json()
    assert (listed["charge_point_id"], listed["connected"]) == ("A/B C", True)
    assert listed["connectors"][0]["status"] == "Charging"
    assert listed["open_transactions"][0]["transaction_id"] == str(transaction_id)
    assert shown["transactions"][0]["energy_wh"] == 2500
    assert json.loads(shown["frames"][-1]["text"])[0] == 3
    assert (status["connected"], status["open_transactions"]) == (1, 1)
    assert shown["has_password"] is True
    assert "password_hash" not in shown


async def test_only_connected_charge_points_are_charging_and_the_latest_message_is_the_last_sign(
    csms: CentralSystem, operator: httpx.AsyncClient
) -> None:
    """`open_transactions` leaves out disconnected charge points; `last_seen` stays the last message's time."""

    async def last_seen() -> str:
        return str((await operator.get("/api/charge-points/CHARGER-001")).json()["last_seen"])

    async with connected(csms.address, "1.6") as charge_point:
        at_first = await last_seen()
        start = {"connectorId": 1, "idTag": "TAG", "meterStart": 1000, "timestamp": "2026-01-01T00:00:00Z"}
        await charge_point.call("StartTransaction", start)
        later = await last_seen()
        assert later > at_first
        assert (await operator.get("/api/status")).json()["open_transactions"] == 1
    while (status := (await operator.get("/api/status")).json())["connected"]:
        await asyncio.sleep(0.01)
    assert status["open_transactions"] == 0
    assert await last_seen() == later


async def test_boot_policy_tokens_and_misbehaviours_are_set_by_the_api(
    csms: CentralSystem, operator: httpx.AsyncClient
) -> None:
    assert (await operator.patch("/api/charge-points/CHARGER-001", json={"boot": "Rejected"})).status_code == 204
    async with connected(csms.address, "1.6", boot=False) as charge_point:
        assert (await charge_point.boot())["status"] == "Rejected"
        await operator.patch("/api/charge-points/CHARGER-001", json={"boot": "Accepted"})
        assert (await charge_point.boot())["status"] == "Accepted"
        await operator.put("/api/tokens/TAG", json={"status": "Blocked"})
        assert (await charge_point.call("Authorize", {"idTag": "TAG"}))["idTagInfo"]["status"] == "Blocked"
        assert (await operator.delete("/api/tokens/TAG")).status_code == 204
        assert (await charge_point.call("Authorize", {"idTag": "TAG"}))["idTagInfo"]["status"] == "Accepted"
        order = {"what": "error", "code": "GenericError", "action": "Heartbeat"}
        number = (await operator.post("/api/misbehaviours", json=order)).json()["number"]
        assert (await charge_point.ask([2, "a", "Heartbeat", {}]))[2] == "GenericError"
        assert [o["number"] for o in (await operator.get("/api/misbehaviours")).json()] == [number]
        await operator.delete(f"/api/misbehaviours/{number}")
        await charge_point.silence_until_heartbeat()


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/charge-points/nobody", None, 404),
        ("POST", "/api/charge-points/nobody/calls", {"action": "Reset", "payload": {}}, 409),
        ("PATCH", "/api/charge-points/new", {"boot": "Maybe"}, 422),
        ("PUT", "/api/tokens/TAG", {"status": "Fine"}, 422),
        ("DELETE", "/api/tokens/nobody", None, 404),
        ("POST", "/api/misbehaviours", {"what": "explode"}, 422),
        ("POST", "/api/misbehaviours", ["what"], 422),
        ("DELETE", "/api/misbehaviours/99", None, 404),
        ("GET", "/api/actions/3.0", None, 404),
        ("GET", "/api/actions/2.1/Nonsense", None, 404),
        ("GET", "/api/actions/2.1/..%2F..%2Fv16%2Fschemas%2FReset", None, 404),
        ("GET", "/api/charge-points?limit=many", None, 422),
        ("GET", "/nowhere", None, 404),
        ("DELETE", "/api/charge-points/nobody", None, 404),
        ("POST", "/api/charge-points/nobody/operations/explode", {}, 404),
        ("POST", "/api/charge-points/nobody/operations/start", {}, 409),
        ("DELETE", "/api/misbehaviours/99999999999999999999999999", None, 404),
        ("DELETE", "/api/misbehaviours/" + "9" * 5000, None, 404),
        ("DELETE", "/api/misbehaviours/first", None, 404),
        ("POST", "/api/misbehaviours", {"what": []}, 422),
        ("PATCH", "/api/charge-points/", {}, 422),
        ("PATCH", "/api/charge-points/a%07b", {}, 422),
        ("PATCH", "/api/charge-points/" + "x" * 3000, {}, 422),
        ("PUT", "/api/tokens/", {}, 422),
        ("PUT", "/api/tokens/a%00b", {}, 422),
        ("PUT", "/api/tokens/" + "x" * 3000, {}, 422),
        ("PUT", "/api/status", None, 405),
    ],
)
async def test_a_request_that_makes_no_sense_says_why(
    csms: CentralSystem, operator: httpx.AsyncClient, method: str, path: str, body: Any, status: int
) -> None:
    """The answer says what is wrong, and nothing is stored."""
    answer = await operator.request(method, path, json=body)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert csms.store.rows("SELECT charge_point_id FROM charge_points UNION SELECT id_token FROM tokens") == []


async def test_a_fault_of_our_own_is_json_too(
    csms: CentralSystem, operator: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected exception becomes status 500 with an `error`, and the log has the traceback."""
    csms.store.close()
    answer = await operator.get("/api/tokens")
    assert (answer.status_code, answer.json()) == (500, {"error": "the CSMS failed; see its log"})
    assert "GET /api/tokens" in caplog.text and "Traceback" in caplog.text


async def test_a_charge_point_is_forgotten_with_all_it_told(csms: CentralSystem, operator: httpx.AsyncClient) -> None:
    """Only after it has disconnected; then all its rows and messages are gone, and other charge points keep theirs."""
    url = "/api/charge-points/CHARGER-001"
    start = {"connectorId": 1, "idTag": "TAG", "meterStart": 0, "timestamp": "2026-01-01T00:00:00Z"}
    async with connected(csms.address, "1.6", "OTHER") as other:
        await other.call("StartTransaction", start)
        async with connected(csms.address, "1.6") as charge_point:
            await charge_point.call("StartTransaction", start)
            await charge_point.call("DataTransfer", {"vendorId": "V"})
            assert (await operator.delete(url)).status_code == 409
            await operator.post(f"{url}/disconnect")
            await charge_point.websocket.wait_closed()
        async with asyncio.timeout(10):
            while (await operator.delete(url)).status_code != 204:
                await asyncio.sleep(0.02)
    tables = [name for name in schema.TABLES if name != "tokens"]
    held = {name: csms.store.rows(f"SELECT DISTINCT charge_point_id FROM {name}") for name in tables}
    assert {row["charge_point_id"] for rows in held.values() for row in rows} == {"OTHER"}
    assert held["transactions"] == [{"charge_point_id": "OTHER"}]
    await operator.patch(url, json={})
    assert (await operator.get(url)).json()["frames"] == []


async def test_bodies_are_bounded_and_must_be_json(operator: httpx.AsyncClient) -> None:
    huge = await operator.post("/api/misbehaviours", content=b'{"what":"' + b"x" * 2**20 + b'"}')
    broken = await operator.post("/api/misbehaviours", content=b"{")
    deep = await operator.post("/api/misbehaviours", content=b'{"what":' + b"[" * 300 + b"]" * 300 + b"}")
    assert (huge.status_code, broken.status_code) == (413, 422)
    assert deep.status_code == 422 and "nested deeper" in deep.json()["error"]


async def test_every_route_is_described(operator: httpx.AsyncClient) -> None:
    """OpenAPI names every path of the API, with the method that works there."""
    description = (await operator.get("/openapi.json")).json()
    assert description["openapi"].startswith("3.1")
    assert {"get", "patch"} <= set(description["paths"]["/api/charge-points/{id}"])
    identifiers = [entry["operationId"] for path in description["paths"].values() for entry in path.values()]
    assert len(identifiers) == len(set(identifiers)) == 24


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "csms.example:80"}, 421),
        ({"Host": "127.0.0.1.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Host": "["}, 421),
        ({"Host": "localhost:1"}, 200),
    ],
)
async def test_strangers_pages_do_not_get_in_by_the_operators_browser(
    operator: httpx.AsyncClient, headers: dict[str, str], status: int
) -> None:
    answer = await operator.get("/api/status", headers=headers)
    assert answer.status_code == status
    assert answer.headers["X-Frame-Options"] == "DENY"


async def test_elsewhere_than_on_loopback_a_token_is_needed(csms: CentralSystem) -> None:
    """The first URL contains the token, then an HttpOnly cookie has it; programs may send it as a bearer token."""
    async with serving(csms.context, csms.connections, PageAddress("0.0.0.0", 0)) as url:
        base, _, token = url.partition("/?token=")
        base = base.replace("0.0.0.0", "127.0.0.1")
        assert len(token) >= 32
        async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
            assert (await client.get("/")).status_code == 401
            assert (await client.get("/?token=wrong")).status_code == 401
            assert (await client.get("/api/status", headers={"Authorization": f"Bearer {token}"})).status_code == 200
            entered = await client.get(f"/?token={token}")
            assert (entered.status_code, entered.headers["Location"]) == (303, "/")
            assert "HttpOnly" in entered.headers["Set-Cookie"]
            linked = await client.get(f"/?token={token}&recordings=8001&simulator=8080")
            assert linked.headers["Location"] == "/?recordings=8001&simulator=8080"
            assert (await client.get("/api/status")).status_code == 200


@pytest.mark.parametrize("token", ["a b", "a&b#c+d", "a%41", "tökén €", 'q"x;y'])
async def test_a_token_of_any_characters_opens_the_page(csms: CentralSystem, token: str) -> None:
    """The printed URL, its cookie and a bearer token in UTF-8 all work."""
    async with serving(csms.context, csms.connections, PageAddress(port=0), token) as url:
        base = url.partition("/?token=")[0]
        async with httpx.AsyncClient(base_url=base, trust_env=False, follow_redirects=True) as client:
            bearer = [(b"Authorization", b"Bearer " + token.encode())]
            assert (await client.get("/api/status", headers=bearer)).status_code == 200
            assert (await client.get("/api/status")).status_code == 401
            assert url.isascii() and (await client.get(url)).status_code == 200
            assert (await client.get("/api/status")).status_code == 200


@pytest.mark.parametrize("token", ["", " ", "a\n", "\udcff"])
async def test_a_token_that_keeps_nobody_out_is_a_users_mistake(csms: CentralSystem, token: str) -> None:
    with pytest.raises(CsmsMistake, match="--page-token"):
        async with serving(csms.context, csms.connections, PageAddress(port=0), token):
            pass


async def test_the_page_asks_nothing_of_other_machines(operator: httpx.AsyncClient) -> None:
    """Everything comes from the CSMS itself, and a CSP makes the browser enforce that."""
    for path in ["", *sorted(str(path.relative_to(PAGE)) for path in PAGE.rglob("*.*"))]:
        answer = await operator.get(f"/{path}")
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "https://" not in answer.text and "innerHTML" not in answer.text


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
async def test_foreign_pages_do_not_reach_the_api(csms: CentralSystem, case: Case) -> None:
    """The API refuses the same requests as our other servers, with or without the token."""
    _, method, target, headers, foreign = case
    reached: list[str] = []

    async def application(scope: dict[str, Any], *_: object) -> None:
        reached.append(scope["path"])

    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in {"host": HOST, **headers}.items()],
    }
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await Guard(application, None)(scope, application, send)  # type: ignore[arg-type]
    assert bool(reached) is not foreign
    assert [message.get("status") for message in sent[:1]] == ([403] if foreign else [])


async def test_a_link_elsewhere_leads_to_the_page_and_not_into_the_api(operator: httpx.AsyncClient) -> None:
    assert (await operator.get("/", headers=VISIT)).status_code == 200
    assert (await operator.get("/api/status", headers=VISIT)).status_code == 403
    assert (await operator.get("/openapi.json", headers=VISIT)).status_code == 403
