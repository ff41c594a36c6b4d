"""Make the reference CSMS send CALLs, through its operator API."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import quote, urlsplit

from inspector.errors import UnusableAddress

TIMEOUT_S = 30.0


class Operator:
    """A client of the operator API, which makes the CSMS send the CALLs of the recording."""

    def __init__(self, url: str) -> None:
        """Use the API at `url`, `http://HOST:PORT`.

        Raises:
            UnusableAddress: `url` has another form.
        """
        place = url.partition("?")[0]
        if not url.startswith(("http://", "https://")) or "@" in place or not _has_host(place):
            raise UnusableAddress(place, "not an address of an operator API", "write http://HOST:PORT")
        self._url = url.rstrip("/")

    async def __call__(self, charge_point_id: str, action: str, payload: Any) -> None:
        """Make the CSMS send a CALL, and wait for the answer. If it refuses, the replay reports the CALL as missing."""
        request = urllib.request.Request(
            f"{self._url}/api/charge-points/{quote(charge_point_id, safe='')}/calls",
            data=json.dumps({"action": action, "payload": payload, "checked": False}).encode(),
            headers={"Content-Type": "application/json"},
        )
        await asyncio.to_thread(_ask, request)


def _ask(request: urllib.request.Request) -> None:
    # Ignore HTTP proxies in the environment: the CSMS usually runs on this machine.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(request, timeout=TIMEOUT_S) as answer:
            answer.read()
    except (OSError, HTTPException, ValueError):  # the server may send any answer or redirect
        return


def _has_host(url: str) -> bool:
    """Return whether the address has a valid host, and a valid port if it has one."""
    try:
        parts = urlsplit(url)
        return parts.port != 0 and bool((parts.hostname or "").encode("idna"))
    except ValueError:
        return False
