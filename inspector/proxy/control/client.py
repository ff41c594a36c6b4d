"""Ask a running proxy through its control API, and put what goes wrong into one sentence for the user."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from inspector.errors import UnusableAddress, UserMistake
from inspector.proxy.control import access
from inspector.proxy.control.access import Access

START = "start one with `chargesentinel proxy --control 0 …`"
SLACK_S = 15.0


class Client:
    """The control API of one proxy."""

    def __init__(self, where: Access, found_by: str) -> None:
        """`found_by` says how the address was found, for messages."""
        self._where, self._found_by = where, found_by
        self._place = urlsplit(where.url)
        if self._place.scheme != "http" or not self._place.hostname:
            raise UnusableAddress(where.url, "not the address of a control port", "write it as http://HOST:PORT")

    @classmethod
    def of(cls, recording: Path, url: str | None, token: str | None) -> Client:
        """Return the client of the proxy at `url`, or of the one that writes a recording. Raises UserMistake."""
        if url is not None:
            if not token:
                raise UserMistake(f"{url}: its token is missing; set {access.TOKEN_VARIABLE}")
            return cls(Access(url, token), url)
        left = access.read(recording)
        if left is None:
            file = access.file_beside(recording)
            raise UserMistake(
                f"no proxy with --control writes {recording} ({file.name} is missing); {START}, or name another"
                " recording with --db"
            )
        return cls(Access(left.url, token or left.token), f"{left.url} (from {access.file_beside(recording)})")

    def ask(self, method: str, path: tuple[str, ...], body: Any = None, seconds: float = 0.0) -> Any:
        """Return the JSON of an answer, None if it has no content.

        Args:
            method: the HTTP method.
            path: the segments after /api.
            body: what to send as JSON.
            seconds: how long the proxy may take, on top of a few seconds.

        Raises:
            UserMistake: the proxy refuses the request, or does not answer.
        """
        target = "/api/" + "/".join(quote(part, safe="") for part in path)
        connection = http.client.HTTPConnection(
            self._place.hostname or "", self._place.port or 80, timeout=seconds + SLACK_S
        )
        headers = {"Authorization": b"Bearer " + self._where.token.encode()}
        text = None
        if method != "GET":
            headers["Content-Type"] = b"application/json"
            text = json.dumps(body if body is not None else {}).encode()
        try:
            connection.request(method, target, text, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise UserMistake(f"no proxy answers at {self._found_by}: {_why(error)}; {START}") from None
        finally:
            connection.close()
        return self._read(answer.status, content)

    def _read(self, status: int, content: bytes) -> Any:
        try:
            found = json.loads(content) if content else None
        except ValueError:
            raise UserMistake(f"{self._found_by} is not the control port of a proxy: it answers no JSON") from None
        if status == 401:
            raise UserMistake(
                f"the proxy at {self._found_by} does not accept this token; give the one that the proxy printed at its"
                f" start in {access.TOKEN_VARIABLE}"
            )
        if status >= 400:
            why = found.get("error") if isinstance(found, dict) else None
            raise UserMistake(str(why or f"the proxy at {self._found_by} answers {status}"))
        return found


def _why(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, socket.gaierror):
        return "no host has this name"
    return str(error) or type(error).__name__
