"""Who reaches the control API: the same requests as on all our servers, and only with the token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inspector.errors import UserMistake
from inspector.proxy.control import access
from inspector.proxy.control.access import Access
from inspector.proxy.control.client import Client
from inspector.proxy.control.guard import Guard
from tests.origin_cases import CASES, HOST, Case


async def status_of(method: str, target: str, headers: dict[str, str]) -> int:
    """Return the status of an answer; 200 comes from the guarded application."""
    statuses: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    path, _, query = target.partition("?")
    sent = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": sent}
    await Guard(app, "abc", 8001)(scope, None, send)  # type: ignore[arg-type]
    return statuses[0]


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
async def test_foreign_pages_do_not_reach_the_api_even_with_the_token(case: Case) -> None:
    _, method, target, headers, foreign = case
    given = await status_of(method, target, {"host": HOST, "authorization": "Bearer abc", **headers})
    assert (given == 403) is foreign


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.0.2.1:8001", ""])
async def test_a_name_of_a_stranger_is_refused(host: str) -> None:
    assert await status_of("GET", "/api/held", {"host": host, "authorization": "Bearer abc"}) == 421


def test_the_file_beside_the_recording_is_for_its_user_alone_and_goes(tmp_path: Path) -> None:
    recording = tmp_path / "traffic.db"
    beside = access.file_beside(recording)
    beside.write_text("{}")
    beside.chmod(0o666)
    access.write(recording, Access("http://127.0.0.1:1", "secret"))
    assert beside.stat().st_mode & 0o777 == 0o600
    assert access.read(recording) == Access("http://127.0.0.1:1", "secret")
    access.remove(recording)
    assert not beside.exists() and access.read(recording) is None


@pytest.mark.parametrize("text", ["", " \n", "a\nb", "x" * 1001])
def test_an_unusable_token_is_refused_and_not_shown(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(UserMistake, match="1 to 1,000 printable characters"):
        access.token_from(file, None)
    with pytest.raises(UserMistake, match=access.TOKEN_VARIABLE):
        access.token_from(None, text)


def test_a_client_without_a_proxy_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(UserMistake, match=r"no proxy with --control writes .*proxy --control 0"):
        Client.of(tmp_path / "traffic.db", None, None)
    access.write(tmp_path / "traffic.db", Access("http://127.0.0.1:9", "secret"))
    with pytest.raises(UserMistake, match="connection refused") as refused:
        Client.of(tmp_path / "traffic.db", None, None).ask("GET", ("held",))
    assert "secret" not in str(refused.value)
