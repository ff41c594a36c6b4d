"""Fixtures of the browse tests: an example recording, and Datasette that shows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, Response

from inspector.browse.security import Policy
from inspector.browse.server import embed
from tests.browse import charging
from tests.processes import Program

type Get = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording that nobody writes to."""
    return charging.example(tmp_path_factory.mktemp("browse") / "traffic.db")


def client(path: Path, policy: Policy | None = None) -> Get:
    """Return a function that asks an embedded Datasette for pages, without a socket."""
    ds, _ = embed(path, policy or Policy(any_address=False))
    transport = httpx.ASGITransport(app=ds.app())

    async def ask(address: str, method: str = "GET", **keywords: object) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8001") as http:
            return await http.request(method, address, **keywords)  # type: ignore[arg-type]

    return ask


@pytest.fixture(scope="session")
def get(recording: Path) -> Get:
    """Ask for a page of the example recording; all tests share one Datasette, like the users of a server."""
    return client(recording)


@pytest.fixture(scope="session")
def address(recording: Path) -> Iterator[str]:
    """Return the address of the real command, which shows the example recording."""
    with Program("browse", recording, "--listen", "0") as browse:
        yield browse.wait_for(r"browse at (\S+)")[1]


def failed(got: Response) -> bool:
    """Return whether a response is an error for something that the page loads by itself."""
    return got.status >= 400 and got.request.resource_type != "document"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A browser page; the test fails if it logs errors, violates its CSP or sends requests to another host."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(10_000)
    complaints: list[str] = []
    opened.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    # Chromium logs every HTTP error. Some tests open an error page on purpose, so only errors of its resources count.
    opened.on("response", lambda got: complaints.append(f"{got.status} {got.url}") if failed(got) else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda asked: None if "//127.0.0.1:" in asked.url else complaints.append(asked.url))
    opened.add_init_script(
        "addEventListener('securitypolicyviolation', (v) => console.error('CSP', v.violatedDirective, v.blockedURI))"
    )
    yield opened
    context.close()
    assert [each for each in complaints if not each.startswith("Failed to load resource")] == []
