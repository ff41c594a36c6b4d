"""Each symptom of a failing first contact is reproduced, and docs/troubleshooting.md quotes what the proxy prints."""

from __future__ import annotations

import asyncio
import base64
import http
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from websockets.asyncio import server as websocket_server
from websockets.exceptions import WebSocketException
from websockets.http11 import Request, Response
from websockets.sync.client import connect

from inspector.proxy.certificates import Authority, Issued
from inspector.proxy.console import NOBODY_YET
from tests.processes import Program
from tests.proxy.conftest import upgrade_request
from tests.test_repository import ROOT

pytestmark = [pytest.mark.system, pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1:DeprecationWarning")]

PAGE = ROOT / "docs" / "troubleshooting.md"
HERE = ["localhost", "127.0.0.1"]
PASSWORD = "0123456789abcdef"
type Visit = Callable[[int, str, Bench], None]
"""Play a charge point: gets the port of the proxy, the id of the charge point, and the bench."""


class Csms:
    """A CSMS made with the package `websockets`, in a thread, that knows /ocpp/<id> only."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.ports: dict[str, int] = {}

    def listen(self, name: str, **options: Any) -> int:
        """Listen for one kind of charge points, and return the port."""

        async def start() -> int:
            settings: dict[str, Any] = {"subprotocols": ["ocpp1.6"], "process_request": self._admit, **options}
            running = await websocket_server.serve(self._serve, "127.0.0.1", 0, **settings)
            return int(next(iter(running.sockets)).getsockname()[1])

        self.ports[name] = asyncio.run_coroutine_threadsafe(start(), self.loop).result(10)
        return self.ports[name]

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)

    @staticmethod
    def _admit(session: websocket_server.ServerConnection, request: Request) -> Response | None:
        charge_point = request.path.rpartition("/")[2]
        if request.path != f"/ocpp/{charge_point}" or not charge_point or charge_point.startswith("STRANGER"):
            return session.respond(http.HTTPStatus.NOT_FOUND, "unknown\n")
        wanted = "Basic " + base64.b64encode(f"{charge_point}:{PASSWORD}".encode()).decode()
        if charge_point.startswith("LOCKED") and request.headers.get("Authorization") != wanted:
            return session.respond(http.HTTPStatus.UNAUTHORIZED, "")
        return None

    @staticmethod
    async def _serve(session: websocket_server.ServerConnection) -> None:
        assert session.request is not None
        if session.request.path.endswith("IDLE"):
            await session.recv()
            session.transport.abort()
        with suppress(WebSocketException):
            await session.wait_closed()


class Bench:
    """The proxies and the CSMSs that all cases share."""

    def __init__(self, folder: Path) -> None:
        self.csms = Csms()
        self.authority = Authority(folder / "bench")
        rogue = Authority(folder / "rogue")
        self.server = self.authority.server(HERE)
        self.old = Authority(folder / "bench", days=-1).server(HERE, "old")
        self.charge_point = self.authority.client("CP001")
        self.rogue = rogue.client("CP001")
        plain = self.csms.listen("plain")
        silent = socket.create_server(("127.0.0.1", 0))
        away = silent.getsockname()[1]
        silent.close()
        self.csms.ports["away"] = away
        self.csms.listen("chosen", select_subprotocol=lambda _, offered: "ocpp1.6" if "ocpp1.6" in offered else None)
        self.csms.listen("pinging", ping_interval=0.3, ping_timeout=0.3)
        self.csms.listen("tls", ssl=server_context(self.server))
        self.csms.listen("elsewhere", ssl=server_context(self.authority.server(["elsewhere.example"], "elsewhere")))
        self.csms.listen("foreign", ssl=server_context(rogue.server(HERE)))
        self.csms.listen("old", ssl=server_context(self.old))
        demanding = server_context(self.server)
        demanding.load_verify_locations(self.authority.ca.cert)
        demanding.verify_mode = ssl.CERT_REQUIRED
        self.csms.listen("demanding", ssl=demanding)
        routes = {
            "AWAY": f"ws://127.0.0.1:{away}",
            "NAMELESS": "ws://csms.invalid:9000",
            "EASY*": f"ws://127.0.0.1:{self.csms.ports['chosen']}",
            "DEAF": f"ws://127.0.0.1:{self.csms.ports['pinging']}",
            "PLAIN-TO-TLS": f"ws://127.0.0.1:{self.csms.ports['tls']}",
            "TLS-TO-PLAIN": f"wss://127.0.0.1:{plain}",
            "ELSEWHERE": f"wss://127.0.0.1:{self.csms.ports['elsewhere']}",
            "FOREIGN": f"wss://127.0.0.1:{self.csms.ports['foreign']}",
            "OLD": f"wss://127.0.0.1:{self.csms.ports['old']}",
            "DEMANDING": f"wss://127.0.0.1:{self.csms.ports['demanding']}",
        }
        ports = [("--route", f"{name}={url}/ocpp") for name, url in routes.items()]
        options = [one for pair in ports for one in pair]
        self.proxies = {
            "ws": Program(
                *("proxy", "--upstream", f"ws://127.0.0.1:{plain}/ocpp", "--listen", "127.0.0.1:0"),
                *("--db", folder / "ws.db", "--upstream-ca", self.authority.ca.cert, *options),
            )
        }
        for name, issued, more in (
            ("wss", self.server, ()),
            ("old", self.old, ()),
            ("profile 3", self.server, ("--client-ca", self.authority.ca.cert)),
        ):
            self.proxies[name] = Program(
                *("proxy", "--upstream", f"ws://127.0.0.1:{plain}/ocpp", "--listen", "127.0.0.1:0"),
                *("--db", folder / f"{name}.db", "--tls-cert", issued.cert, "--tls-key", issued.key, *more),
            )
        self.listening = {name: int(p.wait_for(r"listening on \S+:(\d+)")[1]) for name, p in self.proxies.items()}
        for proxy in self.proxies.values():
            proxy.wait_for("relaying to")

    def normal(self, line: str, charge_point: str) -> str:
        """Return a line of a proxy with the addresses, times and the id of the page in place of this run's."""
        for port in self.csms.ports.values():
            line = line.replace(f"127.0.0.1:{port}", "csms.example:9000")
        for port in self.listening.values():
            line = line.replace(f"0.0.0.0:{port}", "0.0.0.0:9100")
        line = line.replace("csms.invalid:", "csms.example:").replace("'127.0.0.1'", "'csms.example'")
        line = line.replace("IP address mismatch", "Hostname mismatch")
        line = re.sub(r"127\.0\.0\.1:\d+", "192.168.1.50:51324", line)
        line = re.sub(r"after [\d.]+ s\b", "after 1 min 0 s", line)
        line = re.sub(r"not found \(.*?\)", "not found (Name or service not known)", line)
        return line.replace(charge_point, "CP001") if charge_point else line


def server_context(issued: Issued) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.cert, issued.key)
    return context


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("first-contact"))
    yield bench
    for proxy in bench.proxies.values():
        proxy.__exit__(None, None, None)
    bench.csms.stop()


def opens(path: str = "/{id}", *subprotocols: str, speak: bool = False, **options: Any) -> Visit:
    """Connect with the package `websockets`, on which most CSMSs and chargers in Python are built."""

    def visit(port: int, charge_point: str, bench: Bench) -> None:
        url = f"ws://127.0.0.1:{port}{path.format(id=charge_point)}"
        offered: Any = None if subprotocols == ("none",) else subprotocols or ("ocpp1.6",)
        with (
            suppress(WebSocketException, OSError, EOFError),
            connect(url, subprotocols=offered, open_timeout=10, **options) as session,
        ):
            session.send('[2,"1","Heartbeat",{}]')
            if speak:
                session.recv(timeout=10)

    return visit


def sends(request: bytes) -> Visit:
    """Send bytes over TCP, and read until the other side ends the connection."""

    def visit(port: int, charge_point: str, bench: Bench) -> None:
        with socket.create_connection(("127.0.0.1", port), 10) as raw, suppress(ConnectionError):
            raw.sendall(request.replace(b"{id}", charge_point.encode()))
            while raw.recv(4096):
                pass

    return visit


def greets(name: str = "localhost", *, trusts: bool = True, old: bool = False, shows: str = "") -> Visit:
    """Begin a TLS handshake; `old` allows TLS 1.0 only, `shows` is the client certificate to present."""

    def visit(port: int, charge_point: str, bench: Bench) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if trusts:
            context.load_verify_locations(bench.authority.ca.cert)
        if shows:
            issued: Issued = getattr(bench, shows)
            context.load_cert_chain(issued.cert, issued.key)
        if old:
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1
            context.set_ciphers("ALL:@SECLEVEL=0")
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", port), 10) as raw,
            context.wrap_socket(raw, server_hostname=name) as secure,
        ):
            secure.recv(1)

    return visit


def basic(password: str, user: str = "LOCKED") -> dict[str, dict[str, str]]:
    return {
        "additional_headers": {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
    }


BROWSER = b"GET /{id} HTTP/1.1\r\nHost: proxy\r\nConnection: close\r\n\r\n"
CASES: dict[str, tuple[str, str, Visit]] = {
    "wrong path": ("ws", "STRANGER", opens()),
    "doubled path": ("ws", "CP-TWICE", opens("/ocpp/{id}")),
    "slash at the end": ("ws", "CP-SLASH", opens("/{id}/")),
    "slash in between": ("ws", "CP-SLASHES", opens("//{id}")),
    "no id": ("ws", "", opens("/")),
    "no password": ("ws", "LOCKED", opens()),
    "wrong password": ("ws", "LOCKED", opens(**basic("wrong"))),
    "wrong user": ("ws", "LOCKED", opens(**basic(PASSWORD, "admin"))),
    "not a WebSocket": ("ws", "CP-BROWSER", sends(BROWSER)),
    "not HTTP": ("ws", "", sends(b"hello\r\n\r\n")),
    "no subprotocol, refused": ("ws", "CP-NONE", opens("/{id}", "none")),
    "other subprotocol, refused": ("ws", "CP-OTHER", opens("/{id}", "ocpp2.0.1")),
    "no subprotocol, accepted": ("ws", "EASY-1", opens("/{id}", "none")),
    "misspelled subprotocol": ("ws", "EASY-2", opens("/{id}", "ocpp16")),
    "wss at a ws port": ("ws", "", greets()),
    "ws at a wss port": ("wss", "", sends(BROWSER)),
    "unknown CA": ("wss", "", greets(trusts=False)),
    "wrong name": ("wss", "", greets("csms.example")),
    "expired": ("old", "", greets()),
    "TLS 1.0": ("wss", "", greets(old=True)),
    "no client certificate": ("profile 3", "", greets()),
    "client certificate of another CA": ("profile 3", "", greets(shows="rogue")),
    "idle": ("ws", "CP-IDLE", opens(speak=True)),
    "pings without answer": ("ws", "DEAF", sends(upgrade_request("/{id}"))),
    "CSMS away": ("ws", "AWAY", opens()),
    "name of the CSMS unknown": ("ws", "NAMELESS", opens()),
    "CSMS wants wss": ("ws", "PLAIN-TO-TLS", opens()),
    "CSMS speaks ws": ("ws", "TLS-TO-PLAIN", opens()),
    "CSMS of an unknown CA": ("ws", "FOREIGN", opens()),
    "CSMS with another name": ("ws", "ELSEWHERE", opens()),
    "CSMS with an expired certificate": ("ws", "OLD", opens()),
    "CSMS wants a client certificate": ("ws", "DEMANDING", opens()),
}
"""The proxy, the charge point's id and what it does, by the name of the block in the page."""

MARK = re.compile(r"^<!-- printed: (.+?) -->\n```text\n(.*?)^```", re.M | re.S)
QUOTED = {name: lines.splitlines() for name, lines in MARK.findall(PAGE.read_text())}


@pytest.mark.parametrize("name", CASES)
def test_the_page_quotes_what_the_proxy_prints(bench: Bench, name: str) -> None:
    where, charge_point, visit = CASES[name]
    proxy = bench.proxies[where]
    sleep(0.15)  # a case prints up to three lines, and the proxy prints no more than 20 in a second
    before = len(proxy.out)
    visit(bench.listening[where], charge_point, bench)
    deadline = monotonic() + 10
    while missing := set(QUOTED[name]) - {bench.normal(line, charge_point) for line in proxy.out[before:]}:
        assert monotonic() < deadline, (missing, proxy.out[before:], proxy.err)
        sleep(0.02)
    assert not proxy.err, "a refusal is printed twice"


def test_a_proxy_on_loopback_says_that_no_charger_can_reach_it(bench: Bench) -> None:
    printed = [bench.normal(line, "") for line in bench.proxies["ws"].out]
    assert set(QUOTED["only loopback"]) <= set(printed)


def test_every_block_of_the_page_is_reproduced() -> None:
    assert PAGE.read_text().count("```text") == len(QUOTED)
    assert {*CASES, "only loopback", "nobody yet"} == set(QUOTED)
    assert QUOTED["nobody yet"] == [NOBODY_YET]  # printed after a minute, see the tests of the console
    assert all(QUOTED.values())
