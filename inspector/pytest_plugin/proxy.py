"""A recording proxy in front of a CSMS under test, with interventions."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspector.child_lifetime import end_with_parent, environment_without_settings

if TYPE_CHECKING:
    from inspector.proxy.control.client import Client

START_TIMEOUT_S = 60.0
"""How long a proxy may take to start."""
PROXY = (sys.executable, "-P", "-m", "inspector", "proxy")


LOOK_EVERY_S = 0.02
"""How often to look for a frame that a test waits for."""


class HeldFrame:
    """A frame that the proxy holds until the test releases it, or for the time that `RecordingProxy.hold` was given.

    Attributes:
        text: the whole frame.
        payload: its payload, None if it has none.
        charge_point: the charge point of its session.
    """

    def __init__(self, client: Client, facts: dict[str, Any]) -> None:
        self._client, self._id = client, facts["id"]
        self.text, self.payload = facts["text"], facts["payload"]
        self.charge_point, self.action = facts["charge_point"], facts["action"]

    def release(
        self, *, edit: Sequence[dict[str, Any]] | None = None, payload: Any = None, text: str | None = None
    ) -> None:
        """Send it on, unchanged or changed: `edit=[{"pointer": "/idTag", "value": "TAG-2"}]`, a payload or a text."""
        given = {"edit": edit, "payload": payload, "text": text}
        self._ask("release", {name: value for name, value in given.items() if value is not None})

    def drop(self) -> None:
        """Do not send it."""
        self._ask("drop", {})

    def answer(self, payload: dict[str, Any]) -> None:
        """Answer the CALL in place of its receiver, which never sees it."""
        self._ask("answer", {"payload": payload})

    def error(self, code: str, description: str = "") -> None:
        """Answer the CALL with a CALLERROR in place of its receiver, which never sees it."""
        self._ask("answer", {"error": {"code": code, "description": description}})

    def _ask(self, what: str, body: dict[str, Any]) -> None:
        self._client.ask("POST", ("held", self._id, what), body)


class Hold:
    """A rule that holds the next frame that it matches; `wait` returns the frame."""

    def __init__(self, client: Client, rule: str) -> None:
        self._client, self.rule = client, rule

    def wait(self, timeout: float = 10.0) -> HeldFrame:
        """Wait until the proxy holds a frame, and return it. Raises AssertionError after `timeout` seconds."""
        return until(timeout, self._find, f"no frame was held by the rule {self.rule!r}")

    def _find(self) -> HeldFrame | None:
        held = [one for one in self._client.ask("GET", ("held",)) if one["rule"] == self.rule]
        return HeldFrame(self._client, held[0]) if held else None


def until[T](timeout: float, find: Callable[[], T | None], missing: str) -> T:
    """Return what `find` returns as soon as it is not None. Raises AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while (found := find()) is None:
        if time.monotonic() > deadline:
            raise AssertionError(f"{missing} within {timeout:g} s")
        time.sleep(LOOK_EVERY_S)
    return found


class RecordingProxy:
    """A recording proxy in front of a CSMS under test.

    Attributes:
        url: the address for charge points.
        db: the recording.
    """

    def __init__(self, csms: str, db: Path, interventions: Sequence[str | Path | dict[str, Any]] = ()) -> None:
        """Start the proxy with rules: names or paths of rules files, or rules as dicts. Raises UserMistake."""
        self.db = db
        self._returned: dict[tuple[Any, ...], int] = {}
        self._rules = count(1)
        texts = [_text_of(one) for one in interventions if not isinstance(one, dict)]
        self._process = subprocess.Popen(
            [*PROXY, "--upstream", csms, "--listen", "127.0.0.1:0", "--db", str(db), "--control", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment_without_settings(),
            preexec_fn=end_with_parent(),  # noqa: PLW1509 - it takes no lock
        )
        assert self._process.stdout is not None
        timer = threading.Timer(START_TIMEOUT_S, self._process.kill)
        timer.start()
        for line in self._process.stdout:
            if found := re.search(r"listening on (ws://\S+)", line):
                self.url = found[1]
                break
        timer.cancel()
        if not hasattr(self, "url"):
            _, said = self._process.communicate()
            raise RuntimeError(f"the proxy did not start: {said.strip()}")

        from inspector.proxy.control.client import Client

        self._client = Client.of(db, None, None)
        try:
            for text in texts:
                self._client.ask("POST", ("rules",), {"toml": text})
            for one in interventions:
                if isinstance(one, dict):
                    self.intervene(**one)
        except BaseException:
            self.stop()
            raise

    def intervene(self, *, do: dict[str, Any], match: dict[str, Any] | None = None, name: str | None = None) -> str:
        """Add a rule as in a rules file, from the next frame on; return its name."""
        name = name or f"rule-{next(self._rules)}"
        self._client.ask("POST", ("rules",), {"name": name, "match": match or {}, "do": do})
        return name

    def hold(self, *, seconds: float = 20.0, times: int = 1, **match: Any) -> Hold:
        """Hold the next frame that matches, at most so many seconds: `proxy.hold(action="Authorize", type="CALL")`.

        `match` has the conditions of a rules file; `sender="csms"` replaces its `from`.
        """
        if "sender" in match:
            match["from"] = match.pop("sender")
        held = {"hold": f"{seconds:.3f}s"}
        return Hold(self._client, self.intervene(match={**match, "times": times}, do=held))

    def send(
        self,
        charge_point: str,
        action: str,
        payload: dict[str, Any] | None = None,
        *,
        sender: str = "csms",
        timeout: float = 10.0,
    ) -> dict[str, Any]:
        """Send a CALL that seems to come from one of the peers, and return the other peer's answer.

        The answer has `kind` (CALLRESULT, CALLERROR, timeout or closed), `payload`, `error_code` and
        `error_description`. It does not reach the peer that the CALL seems to come from.
        """
        body = {"as": sender, "action": action, "payload": payload or {}, "seconds": timeout}
        found: dict[str, Any] = self._client.ask("POST", ("sessions", charge_point, "calls"), body, timeout)
        return found

    def wait_for(
        self, action: str, *, type: str = "CALL", charge_point: str | None = None, timeout: float = 10.0
    ) -> dict[str, Any]:
        """Wait until a frame is recorded, and return it: its row of the table `frames` with the payload parsed.

        Each call returns the next frame; frames that came before the first call count too. Raises AssertionError after
        `timeout` seconds.
        """
        from inspector.protocol.vocabulary import MessageType
        from inspector.store.files.connection import open_recording

        number = MessageType[type].value
        key = action, number, charge_point
        sql = """SELECT f.*, s.charge_point_id FROM frames f JOIN sessions s ON s.id = f.session_id WHERE f.action = ?
            AND f.msg_type = ? AND f.id > ? AND coalesce(s.charge_point_id = ?, 1) ORDER BY f.id LIMIT 1"""

        def find() -> dict[str, Any] | None:
            connection.row_factory = sqlite3.Row
            row = connection.execute(sql, (action, number, self._returned.get(key, 0), charge_point)).fetchone()
            return dict(row) if row else None

        with contextlib.closing(open_recording(self.db)) as connection:
            found = until(timeout, find, f"no {action} {type} was recorded")
        self._returned[key] = found["id"]
        found["payload"] = json.loads(found["payload"]) if found["payload"] else None
        return found

    def stop(self) -> None:
        """End the proxy; afterwards all frames are in `db`."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.communicate(timeout=15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.communicate()

    def findings(self, at_least: str = "info") -> list[dict[str, Any]]:
        """Return the stored findings as rows of the table `findings`; call `stop` first to get all of them."""
        from inspector.rules.finding import Severity
        from inspector.store.files.connection import open_recording

        with contextlib.closing(open_recording(self.db)) as connection:
            connection.row_factory = sqlite3.Row
            rows = [dict(row) for row in connection.execute("SELECT * FROM findings ORDER BY id")]
        return [row for row in rows if Severity(row["severity"]).rank >= Severity(at_least).rank]


def _text_of(rules: str | Path) -> str:
    from inspector.interventions import shipped

    return shipped.find(str(rules)).read_text(encoding="utf-8")
