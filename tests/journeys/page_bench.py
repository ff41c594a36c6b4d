"""A test bench for the simulator page: a real Chromium, the proxy, the CSMS, and the frames between them."""

from __future__ import annotations

import json
import sqlite3
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests import chromium as chromiums
from tests.processes import Program

NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextmanager
def browsing(chromium: Path) -> Iterator[Browser]:
    """Start a headless Chromium with a new profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=list(chromiums.FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def watched(page: Page) -> list[str]:
    """Return a list that collects the page's errors: exceptions, violations of its CSP, errors on the console."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    return errors


@dataclass
class Api:
    """The operator API of the CSMS."""

    url: str
    charge_point_id: str

    def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """Let the CSMS send a CALL to the charge point; return the payload of the answer."""
        body = json.dumps({"action": action, "payload": payload}).encode()
        request = urllib.request.Request(
            f"{self.url}/api/charge-points/{self.charge_point_id}/calls", body, {"Content-Type": "application/json"}
        )
        with NO_PROXY.open(request, timeout=40) as answer:
            result = json.load(answer)
        assert result["kind"] == "CALLRESULT", result
        payload = result["payload"]
        assert isinstance(payload, dict)
        return payload


class RestartableCsms:
    """The reference CSMS as a process that can be restarted on the same ports and the same store."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.listen = self.page = "127.0.0.1:0"
        self.start()

    def start(self) -> None:
        # A page opened from a file has the origin "null".
        places = ("--listen", self.listen, "--page", self.page, "--db", self.store, "--allow-origin", "null")
        self.program = Program("csms", *places)
        self.url = self.program.wait_for(r"csms at (ws://\S+)")[1]
        self.operator = self.program.wait_for(r"(http://127\S+)")[1].rstrip("/")
        self.listen, self.page = self.url.removeprefix("ws://"), self.operator.removeprefix("http://")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.program.__exit__(kind, value, trace)


@dataclass
class Bench:
    """The test bench of one charge point.

    Attributes:
        logged: frames that the page logged; `keep_log` adds them, because a reload clears the page's log.
        dropped: for each connection but the last, the index of its last frame from the CSMS.
    """

    version: str
    page: Page
    page_url: str
    proxy: Program
    proxy_url: str
    csms: RestartableCsms
    api: Api
    database: Path
    errors: list[str]
    logged: list[list[str]] = field(default_factory=list)
    dropped: list[int] = field(default_factory=list)

    @property
    def is16(self) -> bool:
        return self.version == "1.6"

    def open(self, **settings: str) -> None:
        link = {"url": f"{self.proxy_url}/{self.api.charge_point_id}", "version": self.version, "sampleInterval": "1"}
        self.page.goto(f"{self.page_url}?{urlencode(link | {'lang': 'en'} | settings)}")

    def status(self, text: str, seconds: float = 10) -> None:
        """Wait until the page shows a status."""
        expect(self.page.locator("#status")).to_have_text(text, timeout=seconds * 1000)

    def click(self, selector: str) -> None:
        self.page.click(selector)

    def until(self, expression: str, seconds: float = 10) -> Any:
        """Wait until a JavaScript expression is true; return its value."""
        for _ in range(int(seconds * 20)):
            if value := self.page.evaluate(expression):
                return value
            self.page.wait_for_timeout(50)
        raise AssertionError(f"{expression} did not become true; log: {self.page.evaluate(LOGGED)[-6:]}")

    def quiet(self) -> None:
        """Wait until the page has nothing left to send."""
        self.until("!station.outbox.pending && !station.outbox.queue.length")

    def restart_csms(self, seconds: float) -> None:
        """Stop the CSMS, and start it again after some seconds."""
        self.csms.program.stop()
        self.until("!station.online()", 15)
        self.page.wait_for_timeout(seconds * 1000)
        self.csms.start()

    def keep_log(self) -> None:
        self.logged += self.page.evaluate(LOGGED)

    def crossed(self) -> tuple[list[list[str]], list[tuple[Any, ...]]]:
        """Stop the proxy; return the frames it stored, in the form of the page's log, and the findings above info."""
        assert self.proxy.stop() == 0
        with closing(sqlite3.connect(self.database)) as db:
            rows = db.execute("select direction, raw, session_id from frames order by id").fetchall()
            findings = db.execute(
                "select f.severity, f.rule_id, f.message, r.raw, f.side from findings f "
                "left join frames r on r.id = f.frame_id where f.severity != 'info'"
            ).fetchall()
        last = {session: place for place, (direction, _, session) in enumerate(rows) if direction == "csms-to-cp"}
        self.dropped = sorted(last.values())[:-1]
        return [[direction, raw] for direction, raw, _ in rows], findings

    def heard(self, frames: list[list[str]]) -> list[list[str]]:
        """Leave out the frames that cannot have reached the page, because it had just dropped their connection."""
        logged = each_way(self.logged)[1]
        heard, received = [], 0
        for place, frame in enumerate(frames):
            if frame[0] == "csms-to-cp":
                if place in self.dropped and logged[received : received + 1] != [frame[1]]:
                    continue
                received += 1
            heard.append(frame)
        return heard


def each_way(frames: list[list[str]]) -> tuple[list[str], list[str]]:
    """Return the frames of each side in order: where two cross on the wire, each end sees another order of both."""
    sent = [raw for direction, raw in frames if direction == "cp-to-csms"]
    return sent, [raw for direction, raw in frames if direction == "csms-to-cp"]


LOGGED = "log.entries.filter((e) => e.direction !== 'event').map((e) => [e.direction, e.raw])"


@contextmanager
def bench_for(version: str, browser: Browser, folder: Path) -> Iterator[Bench]:
    """Start everything from the browser to the CSMS; fail at the end if the page reported an error."""
    database = folder / "traffic.db"
    with (
        # These start while the others wait for each other.
        Program("simulator", "--listen", "127.0.0.1:0") as simulator,
        RestartableCsms(folder / "csms.db") as csms,
        Program("proxy", "--upstream", csms.url, "--listen", "127.0.0.1:0", "--db", database) as proxy,
        browser.new_context(viewport={"width": 1440, "height": 900}) as context,
    ):
        url = proxy.wait_for(r"listening on (ws://\S+)")[1]
        page_url = simulator.wait_for(r"simulator at (http://\S+)")[1]
        page = context.new_page()
        errors = watched(page)
        yield Bench(version, page, page_url, proxy, url, csms, Api(csms.operator, "CP-7"), database, errors)
        # That the CSMS was away is not an error of the page.
        assert [error for error in errors if "ERR_CONNECTION_REFUSED" not in error and "502" not in error] == []
