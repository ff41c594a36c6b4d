"""Who may use the server, and what its pages may do."""

from __future__ import annotations

import re
import sqlite3
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from inspector.browse.security import Policy, guard
from inspector.browse.server import embed
from tests.browse.conftest import Get, client
from tests.origin_cases import CASES, HOST, VISIT, Case

PAGES = ("/", "/ocpp", "/ocpp/frames", "/ocpp/sessions", "/ocpp/frames.json", "/-/static/app.css", "/nothing")


@pytest.mark.parametrize("address", PAGES)
async def test_a_foreign_host_is_refused(get: Get, address: str) -> None:
    """A foreign host name that resolves to this machine (DNS rebinding) gets nothing."""
    for host in ("evil.example", "evil.example:8001", "127.0.0.1.evil.example", "", "localhost.evil.example"):
        answer = await get(address, headers={"Host": host})
        assert answer.status_code == 421, host
        assert "MeterValues" not in answer.text


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8001", "127.0.0.1:1", "[::1]:8001", "localhost."])
async def test_loopback_names_are_admitted(get: Get, host: str) -> None:
    """All names that a browser may use for this machine work."""
    assert (await get("/ocpp/sessions", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
async def test_foreign_pages_do_not_reach_datasette(case: Case) -> None:
    """A request from another origin is refused before any lookup, so its duration reveals nothing."""
    _, method, target, headers, foreign = case
    reached: list[str] = []

    async def app(scope: dict[str, Any], *_: object) -> None:
        reached.append(scope["path"])

    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in {"host": HOST, **headers}.items()],
    }
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await guard(app, Policy())(scope, app, send)  # type: ignore[arg-type]
    if foreign:
        assert sent[0]["status"] == 403
    assert bool(reached) is (not foreign and method == "GET")


async def test_a_link_elsewhere_to_a_query_waits_for_a_click(get: Get) -> None:
    """The query does not run; the page shows it with a link that runs it."""
    address = "/ocpp?sql=select+'<b>'||charge_point_id+from+sessions"
    answer = await get(address, headers=VISIT)
    assert answer.status_code == 403
    assert "CP-" not in answer.text
    assert "select &#x27;&lt;b&gt;&#x27;||charge_point_id from sessions" in answer.text
    link = re.search('<a href="([^"]+)">', answer.text)
    assert link
    opened = await get(unescape(link[1]), headers={**VISIT, "sec-fetch-site": "same-origin"})
    assert opened.status_code == 200


async def test_no_websocket_is_taken(recording: Path) -> None:
    """Datasette would answer a WebSocket like a page, without our checks of host and token."""
    ds, _ = embed(recording, Policy(token="right-token"))
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=ds.app()), base_url="http://127.0.0.1") as http:
        assert (await http.get("/ocpp/-/live.json")).status_code == 401  # started
    scope = {
        "type": "websocket",
        "path": "/ocpp/-/live.json",
        "query_string": b"",
        "headers": [(b"host", b"evil.example")],
    }
    await ds.app()(scope, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_an_allowed_name_is_admitted(recording: Path) -> None:
    """--allow-host adds a host name."""
    get = client(recording, Policy(hosts=frozenset({"bench.local"}), any_address=False))
    assert (await get("/ocpp", headers={"Host": "Bench.Local:8001"})).status_code == 200
    assert (await get("/ocpp", headers={"Host": "192.0.2.7"})).status_code == 421


@pytest.mark.parametrize("address", [*PAGES, "/ocpp/latency-by-action"])
async def test_every_answer_carries_the_headers(get: Get, address: str) -> None:
    """Headers forbid framing, sniffing, and all inline scripts except Datasette's own."""
    headers = (await get(address)).headers
    policy = headers["content-security-policy"]
    scripts = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert scripts.startswith("script-src 'self' 'sha256-")
    assert "unsafe" not in scripts
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_methods_that_write_are_refused(get: Get, method: str) -> None:
    """The server never changes anything, so it accepts only reading methods."""
    for address in ("/ocpp/frames", "/ocpp", "/-/messages"):
        assert (await get(address, method)).status_code == 405


@pytest.mark.parametrize(
    "sql", ["delete from frames", "insert into frames(id) values (1)", "drop table frames", "attach ':memory:' as x"]
)
async def test_sql_that_writes_is_refused(get: Get, recording: Path, sql: str) -> None:
    """The SQL page runs only statements that read."""
    before = recording.stat().st_mtime_ns
    answer = await get("/ocpp.json", params={"sql": sql})
    assert answer.status_code == 400
    assert recording.stat().st_mtime_ns == before


def test_no_connection_can_write(recording: Path) -> None:
    """Even without Datasette's checks: the file is opened read-only."""
    _, database = embed(recording, Policy())
    connection = database.connect()
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM frames")
    with pytest.raises(PermissionError):
        database.connect(write=True)
    connection.close()


async def test_without_the_token_nothing_is_readable(recording: Path) -> None:
    """Without the token there is no page, no JSON and no file; a wrong token is treated like a missing one."""
    get = client(recording, Policy(any_address=False, token="right-token"))
    for address in PAGES:
        assert (await get(address)).status_code == 401
        assert (await get(address, headers={"Authorization": "Bearer wrong"})).status_code == 401
        assert (await get(f"{address}?token=wrong")).status_code == 401
        assert (await get(address, headers={"Cookie": "chargesentinel_token=wrong"})).status_code == 401
    assert (await get("/ocpp", headers={"Authorization": "Bearer right-token"})).status_code == 200


async def test_the_token_moves_into_a_cookie(recording: Path) -> None:
    """The address with the token answers with a cookie no script can read, and an address without it."""
    get = client(recording, Policy(any_address=False, token="right-token"))
    answer = await get("/ocpp/frames?_size=2&token=right-token")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/ocpp/frames?_size=2"
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=Strict" in answer.headers["set-cookie"]
    cookie = answer.headers["set-cookie"].partition(";")[0]
    assert (await get("/ocpp/frames?_size=2", headers={"Cookie": cookie})).status_code == 200


async def test_a_token_of_any_characters_lets_in(recording: Path) -> None:
    """Semicolons, spaces and non-ASCII letters work in the cookie and in the address."""
    token = 'a;b c&d=é"x,%41'
    get = client(recording, Policy(any_address=False, token=token))
    answer = await get("/ocpp", params={"token": token})
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"].partition(";")[0]
    assert (await get("/ocpp", headers={"Cookie": cookie})).status_code == 200
    bearer = {b"Authorization": f"Bearer {token}".encode()}
    assert (await get("/ocpp", headers=bearer)).status_code == 200


@pytest.mark.parametrize("path", ["//evil.example/", "/\\evil.example/", "/\\/evil.example/"])
async def test_a_redirect_stays_here(path: str) -> None:
    """A path of slashes, or of characters that browsers treat as slashes, does not lead to another machine."""
    sent: list[dict[str, object]] = []

    async def app(*_: object) -> None:
        pytest.fail("the token has not moved into its cookie yet")

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"token=t",
        "headers": [(b"host", b"localhost")],
    }
    await guard(app, Policy(token="t"))(scope, app, send)  # type: ignore[arg-type]
    (location,) = [value for name, value in sent[0]["headers"] if name == b"location"]  # type: ignore[attr-defined]
    assert location == b"/evil.example/"


@pytest.mark.parametrize(("address", "status"), [("/nothing", 404), ("/ocpp.db", 403), ("/ocpp?sql=drop", 400)])
async def test_an_error_page_leads_back(get: Get, address: str, status: int) -> None:
    """Datasette's errors appear on a page with our top bar and a link back."""
    answer = await get(address)
    assert answer.status_code == status
    assert 'href="/ocpp/-/home"' in answer.text
    assert "tables.css" in answer.text


async def test_a_refusal_gives_nothing_away(recording: Path) -> None:
    """A stranger's page names neither the file nor anything in it, and escapes what was asked."""
    get = client(recording, Policy(any_address=False, token="t"))
    for headers, status in ({"Host": "<b>evil</b>"}, 421), ({}, 401):
        answer = await get("/ocpp/frames", headers=headers)
        assert answer.status_code == status
        assert recording.name not in answer.text
        assert "<b>evil" not in answer.text


async def test_the_file_cannot_be_downloaded(get: Get) -> None:
    """Datasette's download of the whole database is switched off."""
    assert (await get("/ocpp.db")).status_code == 403
