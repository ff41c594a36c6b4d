"""Send messages to webhooks and commands; try again until they arrive."""

from __future__ import annotations

import http.client
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

from inspector.escaping import visible
from inspector.watch.alerts import OVER, Message, iso
from inspector.watch.alerts_file import Target

TIMEOUT_S = 10.0
RETRY_AFTER_S = (1, 5, 30, 120, 600)
"""How long to wait after the first, second, … failure in a row; the last value repeats."""
MOST_WAITING = 1000
"""So many messages wait for a target that does not work; beyond that, the oldest are dropped."""
_SHOWN = 20
"""A text for people lists so many charge points."""
_LONGEST = 300


FAILURES = (OSError, subprocess.SubprocessError, ValueError, http.client.HTTPException)
"""The exceptions of a message that did not arrive."""


class Delivery:
    """The messages that wait for their targets."""

    def __init__(
        self,
        targets: dict[str, Target],
        saved: dict[str, Any] | None = None,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Begin empty, or with saved messages; `report` gets a line about each failure."""
        self._targets, self._report = targets, report
        self.waiting: dict[str, list[Message]] = {
            name: list(messages) for name, messages in (saved or {}).items() if name in targets
        }
        self._failures: dict[str, int] = {}
        self._retry_at: dict[str, int] = {}

    def add(self, target: str, message: Message) -> None:
        """Add a message for a target."""
        queue = self.waiting.setdefault(target, [])
        queue.append(message)
        if len(queue) > MOST_WAITING:
            self._report(f"{target}: too many messages wait; dropping the oldest")
            del queue[0]

    def send(self, now_ns: int, saved: Callable[[], None] = lambda: None) -> int:
        """Send the messages that are due; `saved` is called after each one. Return how many arrived."""
        arrived = 0
        for name, queue in self.waiting.items():
            while queue and now_ns >= self._retry_at.get(name, 0):
                try:
                    deliver(self._targets[name], queue[0])
                except FAILURES as error:
                    failures = self._failures[name] = self._failures.get(name, 0) + 1
                    wait = RETRY_AFTER_S[min(failures, len(RETRY_AFTER_S)) - 1]
                    self._retry_at[name] = now_ns + wait * 1_000_000_000
                    self._report(f"{name}: {_why(error)}; trying again in {wait} s")
                    break
                self._failures.pop(name, None)
                del queue[0]
                arrived += 1
                saved()
        return arrived


def deliver(target: Target, message: Message) -> None:
    """Send one message.

    Raises:
        one of FAILURES: it did not arrive.
    """
    if target.command:
        document = f"{json.dumps(message, ensure_ascii=False)}\n"
        subprocess.run(target.command, input=document, text=True, timeout=TIMEOUT_S, check=True, capture_output=True)
        return
    headers = {"User-Agent": "chargesentinel"}
    if target.style == "ntfy":
        body = in_words(message).encode()
        title = _title(message).encode("ascii", "replace").decode()
        over = message["status"] == OVER
        headers |= {"Title": title, "Priority": "default" if over else "high", "Tags": "ok" if over else "warning"}
    else:
        slack = target.style == "slack"
        content: dict[str, Any] = (
            {"text": _for_slack(f"*{_title(message)}*\n{in_words(message)}")} if slack else message
        )
        body = json.dumps(content, ensure_ascii=False).encode()
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(target.webhook, body, headers, method="POST")
    with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # raises an OSError for an HTTP error too
        pass


def send_test(target: Target, now_ns: int) -> str | None:
    """Send a test message; return why it did not arrive, or None."""
    at = iso(now_ns)
    item = {"charge_point": None, "since": at, "text": "alerts of ChargeSentinel arrive here"}
    message = {"id": "test", "status": "test", "alert": "Test", "at": at, "items": [item]}
    try:
        deliver(target, message)
    except FAILURES as error:
        return _why(error)
    return None


def in_words(message: Message) -> str:
    """Return the items of a message as lines for people. Texts from the wire cannot break out of their line."""
    lines = []
    for item in message["items"][:_SHOWN]:
        text = visible(str(item["text"]))
        text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
        name = visible(item["charge_point"] or "")
        when = f"{item['since']} to {item['over']}" if "over" in item else f"since {item['since']}"
        lines.append(f"{f'{name}: ' if name else ''}{text} ({when})")
    more = len(message["items"]) - _SHOWN
    return "\n".join([*lines, *([f"and {more} more"] if more > 0 else [])])


def _title(message: Message) -> str:
    return visible(f"{'Over: ' if message['status'] == OVER else ''}{message['alert']}")


def _for_slack(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _why(error: Exception) -> str:
    """Return a reason without the address, which may hold a password."""
    if isinstance(error, urllib.error.HTTPError):
        return f"answered {error.code}"
    if isinstance(error, urllib.error.URLError):
        reason = error.reason
        return visible(str(getattr(reason, "strerror", None) or reason)).lower()
    if isinstance(error, subprocess.CalledProcessError):
        return f"the command ended with exit code {error.returncode}"
    if isinstance(error, subprocess.TimeoutExpired | TimeoutError):
        return f"no end within {TIMEOUT_S:g} s"
    if isinstance(error, OSError) and error.filename:
        return visible(f"cannot start {error.filename}: {(error.strerror or str(error)).lower()}")
    return visible(getattr(error, "strerror", None) or str(error)).lower()
