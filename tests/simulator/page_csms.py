"""A CSMS in a thread, for tests of the page: sends the answers that a test chooses, hostile texts too."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Self

from playwright.sync_api import Page, expect
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

SUBPROTOCOLS = [Subprotocol(f"ocpp{version}") for version in ("1.6", "2.0.1", "2.1")]


def message_of(text: str) -> list[Any]:
    """Parse a frame; the type is 0 if it is not an OCPP message."""
    try:
        frame = json.loads(text)
    except ValueError:
        return [0, ""]
    return frame if isinstance(frame, list) else [0, ""]


class PageCsms:
    """`frames` holds ("cp-to-csms" | "csms-to-cp", text) in order; `answers` overrides what an action is answered.

    While `admits` is cleared whoever connects is kept waiting.
    """

    def __init__(self) -> None:
        self.frames: list[tuple[str, str]] = []
        self.answers: dict[str, dict[str, Any] | Callable[[dict[str, Any]], dict[str, Any] | None]] = {}
        self.connections: list[ServerConnection] = []
        self.headers: list[dict[str, str]] = []
        self.server: Server | None = None
        self.url = ""
        self.asks_for_password = False
        self.admits = threading.Event()
        self.admits.set()
        self.sending = threading.Lock()

    def start(self, port: int = 0) -> None:
        self.server = serve(self._serve, "127.0.0.1", port, subprotocols=SUBPROTOCOLS, process_request=self._admit)
        self.url = f"ws://127.0.0.1:{self.server.socket.getsockname()[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self.admits.set()
        if self.server:
            self.server.shutdown()
        for connection in self.connections:
            connection.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.admits.wait()
        if not self.asks_for_password or "Authorization" in request.headers:
            return None
        refusal = connection.respond(HTTPStatus.UNAUTHORIZED, "a password, please\n")
        refusal.headers["WWW-Authenticate"] = 'Basic realm="OCPP"'
        return refusal

    def _serve(self, connection: ServerConnection) -> None:
        assert connection.request
        self.headers.append(dict(connection.request.headers.raw_items()))
        self.connections.append(connection)
        for message in connection:
            assert isinstance(message, str)
            self.frames.append(("cp-to-csms", message))
            frame = message_of(message)
            if frame[0] == 2 and len(frame) == 4 and (answer := self._answer(frame[2], frame[3])) is not None:
                self.send(json.dumps([3, frame[1], answer]), connection)

    def _answer(self, action: str, payload: dict[str, Any]) -> dict[str, Any] | None:
        wished = self.answers.get(action)
        if callable(wished):
            return wished(payload)
        if wished is not None:
            return wished
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        accepted = {"status": "Accepted"}
        usual: dict[str, dict[str, Any]] = {
            "BootNotification": {"currentTime": now, "interval": 300, **accepted},
            "Heartbeat": {"currentTime": now},
            "Authorize": {"idTokenInfo": accepted}
            if isinstance(payload.get("idToken"), dict)
            else {"idTagInfo": accepted},
            "StartTransaction": {"transactionId": 4711, "idTagInfo": accepted},
        }
        return usual.get(action, {})

    def send(self, text: str, connection: ServerConnection | None = None) -> None:
        # Two threads send, one answers and one calls; the lock keeps `frames` in the order of sending.
        with self.sending:
            self.frames.append(("csms-to-cp", text))
            (connection or self.connections[-1]).send(text)

    def ask(self, action: str, payload: dict[str, Any], seconds: float = 10) -> list[Any]:
        """Send a CALL to the charge point that connected last; return its parsed answer."""
        message_id = str(uuid.uuid4())
        self.send(json.dumps([2, message_id, action, payload]))
        answer: list[Any] = self.wait(lambda frame: frame[0] in (3, 4) and frame[1] == message_id, seconds)
        return answer

    def wait(self, matches: Callable[[list[Any]], bool], seconds: float = 10) -> list[Any]:
        """Return the first frame of the charge point that matches, waiting for it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for direction, text in list(self.frames):
                if direction == "cp-to-csms" and matches(frame := message_of(text)):
                    return frame
            time.sleep(0.02)
        raise AssertionError(f"no such frame; the last ones: {self.frames[-5:]}")

    def calls(self, action: str) -> list[dict[str, Any]]:
        """Return the payloads of the CALLs of one action, in order."""
        frames = [message_of(text) for direction, text in list(self.frames) if direction == "cp-to-csms"]
        return [frame[3] for frame in frames if frame[0] == 2 and frame[2] == action]


def connect(page: Page, address: str, csms: PageCsms, version: str = "1.6", **settings: str) -> None:
    """Open the page so that it connects at once."""
    more = "".join(f"&{name}={value}" for name, value in settings.items())
    page.goto(f"{address}?url={csms.url}/CP-1&version={version}&lang=en&sampleInterval=1&autostart=1{more}")
    expect(page.locator("#state-text")).to_have_text("Connected")
