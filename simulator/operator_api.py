"""Has the reference CSMS send a CALL, by its operator API over HTTP; knows nothing of what the CALL means."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

# The API is on this machine or in this network: what the environment says of web proxies is not meant for it.
OPEN = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class NotOperated(Exception):
    """The CSMS did not send it; `str()` says why."""


def operate(operator: str, charge_point_id: str, action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Ask the CSMS to send a CALL; returns the answer as it tells it.

    Args:
        operator: the page's address as the CSMS prints it, with `?token=` where it needs one.

    Raises:
        NotOperated: there is no such API, or it refuses.
    """
    parts = urlsplit(operator)
    headers = {"Content-Type": "application/json"}
    if token := parse_qs(parts.query).get("token"):
        headers["Authorization"] = f"Bearer {token[0]}"
    place = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
    try:
        request = urllib.request.Request(
            f"{place}/api/charge-points/{quote(charge_point_id, safe='')}/calls",
            data=json.dumps({"action": action, "payload": payload}).encode(),
            headers=headers,
        )
        with OPEN.open(request, timeout=60) as response:
            found: dict[str, Any] = json.load(response)
            return found
    except urllib.error.HTTPError as error:
        raise NotOperated(f"the CSMS does not send {action}: {_said(error)}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise NotOperated(f"{place}: no operator API there ({error})") from None


def _said(error: urllib.error.HTTPError) -> str:
    text = error.read().decode(errors="replace")
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code} {text[:200]}"
