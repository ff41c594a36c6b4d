"""A web page of another origin, in a real Chromium, can read nothing from our servers and start nothing there."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Response

from tests.browse import charging
from tests.processes import Program

pytestmark = pytest.mark.system

LONG = "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n"
"""A query that runs until the time limit: the CPU time of the server shows whether it has run."""
LONG_S = 2.0

ATTEMPTS = """async (target) => {
  const outcome = {};
  const settle = (name, start) => new Promise((done) => {
    const timer = setTimeout(() => { outcome[name] = "nothing"; done(); }, 4000);
    start((what) => { clearTimeout(timer); outcome[name] = what; done(); });
  });
  const element = (name, tag, properties, read) => settle(name, (end) => {
    const one = Object.assign(document.createElement(tag), properties);
    one.onload = () => end(read ? read(one) : "loaded");
    one.onerror = () => end("refused");
    document.body.append(one);
  });
  const request = (name, options) => settle(name, (end) => fetch(target, options).then(
    (answer) => answer.text().then((text) => end(`${answer.type} ${text.length}`)), () => end("refused")));
  const socket = (name) => settle(name, (end) => {
    const one = new WebSocket(target.replace("http", "ws"), ["ocpp1.6"]);
    one.onopen = () => end("open");
    one.onerror = () => end("refused");
  });
  const form = (name, method, into) => settle(name, (end) => {
    const frame = Object.assign(document.createElement("iframe"), { name: into });
    const one = Object.assign(document.createElement("form"), { method, action: target, target: into });
    const order = { name: "{\\"what\\":\\"no-answer\\",\\"x", value: "\\":1}" };
    one.append(Object.assign(document.createElement("input"), order));
    one.enctype = "text/plain";
    document.body.append(frame, one);
    frame.onload = () => end(frame.contentDocument === null ? "unreadable" : "blank");
    one.submit();
  });
  const visit = (name) => settle(name, (end) => {
    const opened = window.open(target);
    const look = setInterval(() => {
      try { opened.location.href; } catch { clearInterval(look); end("unreadable"); }
      if (opened.closed) { clearInterval(look); end("severed"); }
    }, 20);
  });
  await Promise.all([
    request("no-cors", { mode: "no-cors", credentials: "include" }),
    request("cors", { mode: "cors" }),
    request("post", { method: "POST", mode: "no-cors", body: "{\\"what\\": \\"no-answer\\"}" }),
    element("script", "script", { src: target }),
    element("image", "img", { src: target }),
    element("style", "link", { rel: "stylesheet", href: target }),
    element("prefetch", "link", { rel: "prefetch", href: target }),
    element("frame", "iframe", { src: target }, (one) => one.contentDocument === null ? "unreadable" : "read"),
    element("object", "object", { data: target }),
    form("form", "POST", "posted"),
    socket("socket"),
    visit("visit"),
  ]);
  navigator.sendBeacon(target, "{}");
  return outcome;
}"""


SOCKET = """(target) => new Promise((done) => {
  const one = new WebSocket(target, ["ocpp1.6"]);
  one.onopen = () => done("open");
  one.onerror = () => done("refused");
})"""


@dataclass(frozen=True)
class Bench:
    """The addresses of our servers, and the port of a foreign page."""

    browse: str
    browse_pid: int
    metrics: str
    control: str
    csms: str
    operator: str
    simulator: str
    foreign: str


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("foreign")
    recording = charging.example(folder / "traffic.db")
    stranger = ThreadingHTTPServer(("127.0.0.1", 0), _Stranger)
    threading.Thread(target=stranger.serve_forever, daemon=True).start()
    with (
        Program("browse", recording, "--listen", "0") as browse,
        Program("csms", "--listen", "0", "--page", "0") as csms,
        Program("simulator", "--listen", "0") as simulator,
        Program(*_proxy(folder)) as proxy,
    ):
        yield Bench(
            browse.wait_for(r"browse at (\S+)")[1],
            browse.process.pid,
            proxy.wait_for(r"metrics at (http://\S+),")[1],
            proxy.wait_for(r"control at (http://\S+)/\?token=")[1],
            csms.wait_for(r"csms at (\S+)")[1],
            csms.wait_for(r"operator page at (\S+)")[1],
            simulator.wait_for(r"simulator at (\S+)")[1],
            str(stranger.server_port),
        )
    stranger.shutdown()
    stranger.server_close()


def _proxy(folder: Path) -> list[object]:
    upstream = "ws://127.0.0.1:9"
    ports = ("--listen", "0", "--metrics", "0", "--control", "0")
    return ["proxy", "--upstream", upstream, *ports, "--db", folder / "proxy.db"]


class _Stranger(BaseHTTPRequestHandler):
    """A foreign web server with an empty page."""

    def do_GET(self) -> None:
        body = b"<!doctype html><title>elsewhere</title><body>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def attempt(browser: Browser, page_at: str, target: str) -> tuple[dict[str, str], list[int]]:
    """Try every way in which a page can make a request; return what the page saw, and the HTTP statuses."""
    context = browser.new_context()
    statuses: list[int] = []

    def answered(response: Response) -> None:
        if urlsplit(response.url).netloc == urlsplit(target).netloc:
            statuses.append(response.status)

    context.on("response", answered)
    page = context.new_page()
    page.goto(page_at)
    outcome: dict[str, Any] = page.evaluate(ATTEMPTS, target)
    context.close()
    return outcome, statuses


NAMES = ["foreign.localhost", "localhost", "127.0.0.1"]
QUERIES = [
    f"/ocpp.json?sql={quote(LONG)}",
    f"/ocpp?sql={quote(LONG)}",
    f"/ocpp/frames.csv?_stream=on&_where=({quote(LONG)})",
    "/ocpp/latency-by-action?frames=900000",
    "/ocpp/-/live?q=04A2B3C4",
]


def refused(browser: Browser, page_at: str, target: str) -> None:
    outcome, statuses = attempt(browser, page_at, target)
    assert set(statuses) == {403}, (target, statuses)
    assert set(outcome.values()) <= {"refused", "unreadable", "severed", "nothing"}, (target, outcome)


def test_no_query_runs_for_a_foreign_page(browser: Browser, bench: Bench) -> None:
    """No SQL, no condition, no named query and no search: a page cannot even measure how long they take."""
    before = cpu_seconds(bench.browse_pid)
    for name, query in [(name, QUERIES[0]) for name in NAMES] + [(NAMES[0], query) for query in QUERIES[1:]]:
        refused(browser, f"http://{name}:{bench.foreign}/", bench.browse + query)
    spent = cpu_seconds(bench.browse_pid) - before
    assert spent < LONG_S, f"{spent:.2f} s of CPU time"


def test_no_foreign_page_reaches_the_control_port(browser: Browser, bench: Bench) -> None:
    """No form, no fetch and no frame of another site gets further than a refusal; a visit lacks the token."""
    for name in NAMES:
        outcome, statuses = attempt(browser, f"http://{name}:{bench.foreign}/", f"{bench.control}/api/rules")
        assert 403 in statuses and set(statuses) <= {401, 403}, statuses
        assert set(outcome.values()) <= {"refused", "unreadable", "severed", "nothing"}, outcome


def test_the_query_runs_for_our_own_page(browser: Browser, bench: Bench) -> None:
    """The query is one that runs, so the other tests could have seen it."""
    page = browser.new_page()
    page.goto(f"{bench.browse}/ocpp")
    status = page.evaluate("(address) => fetch(address).then((answer) => answer.status)", QUERIES[0])
    page.context.close()
    assert status == 400  # the query was stopped


def test_a_link_elsewhere_opens_a_page_at_once_and_a_query_after_a_click(browser: Browser, bench: Bench) -> None:
    page = browser.new_page()
    page.goto(f"http://foreign.localhost:{bench.foreign}/")
    page.evaluate("(address) => { location.href = address; }", f"{bench.browse}/ocpp/sessions/1")
    page.wait_for_url("**/ocpp/sessions/1")
    assert page.locator(".ladder, #ladder, svg").count()
    page.goto(f"http://foreign.localhost:{bench.foreign}/")
    query = f"{bench.browse}/ocpp?sql=select+count(*)+as+frames_here+from+frames"
    page.evaluate("(address) => { location.href = address; }", query)
    page.wait_for_url("**/ocpp?sql=*")
    assert "A link from another site" in page.content()
    assert page.locator("th").count() == 0
    page.locator("main a").click()
    page.locator("th", has_text="frames_here").wait_for()
    page.context.close()


def test_no_other_server_serves_a_foreign_page(browser: Browser, bench: Bench) -> None:
    """Not the metrics, not the CSMS's API and page, not the simulator's page with settings that start a session."""
    for name, target in (
        ("foreign.localhost", f"{bench.metrics}?x=1"),
        ("127.0.0.1", f"{bench.operator}/api/misbehaviours"),
        ("localhost", f"{bench.operator}/api/charge-points?search=C"),
        ("127.0.0.1", f"{bench.simulator}/?autostart=full"),
    ):
        refused(browser, f"http://{name}:{bench.foreign}/", target)
    assert httpx.get(f"{bench.operator}/api/misbehaviours").json() == []


def test_only_pages_of_this_machine_are_charge_points(browser: Browser, bench: Bench) -> None:
    """On the OCPP port the host name of the page's origin decides; its port does not matter."""
    opened = {}
    page = browser.new_page()
    for name in NAMES:
        page.goto(f"http://{name}:{bench.foreign}/")
        opened[name] = page.evaluate(SOCKET, f"{bench.csms}/CHARGER-001")
    page.context.close()
    assert opened == {"localhost": "open", "127.0.0.1": "open", "foreign.localhost": "refused"}
