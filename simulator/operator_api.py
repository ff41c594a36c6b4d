"""Ask the reference CSMS to send a CALL, through its operator API."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

# The API is on this machine or in this network, so ignore web proxies in the environment.
OPEN = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class NotOperated(Exception):
    """The CSMS did not send the CALL; `str()` returns the reason."""


def operate(operator: str, charge_point_id: str, action: str, payload: dict[str, Any]) -> dict[str, Any]:
    """Ask the CSMS to send a CALL, and return its report about the answer.

    Args:
        operator: the address of the operator's page as the CSMS prints it, with `?token=` if it has a token.
        charge_point_id, action, payload: the CALL.

    Raises:
        NotOperated: there is no operator API at the address, or it refuses.
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
        raise NotOperated(f"the CSMS refuses to send {action}: {_reason(error)}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise NotOperated(f"{place}: no operator API at this address ({error})") from None


def _reason(error: urllib.error.HTTPError) -> str:
    text = error.read().decode(errors="replace")
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code} {text[:200]}"
