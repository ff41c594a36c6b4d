"""Say in one line why a CSMS has probably refused a charge point, from what the charge point asked for.

The CSMS only answers a status. The request often shows the mistake: a path that is in the address twice, a slash at
its end, no password.
"""

from __future__ import annotations

from typing import Any

_MEANINGS = {
    401: "it does not accept the user name or password",
    403: "it does not let this charge point in",
    404: "it does not know this path, or this charge point",
    503: "it is overloaded or being started",
}
_ABOUT_PATHS = frozenset({400, 403, 404})
_ABOUT_REQUESTS = frozenset({400, 426})


def told(detail: dict[str, Any]) -> str:
    """Return what the CSMS answered, to which URL, and the probable cause.

    `detail` is that of an event of kind `rejected-upgrade`, without secrets. It may come from a file of somebody else.
    """
    status, url = detail.get("status"), str(detail.get("upstream_url") or "")
    if "upstream_url" not in detail:
        return f"the CSMS answered {status}"  # the proxy itself has answered, as an intervention wanted
    cause = _cause(detail, url)
    return f"the CSMS answered {status} to {url}{f': {cause}' if cause else ''}"


def _cause(detail: dict[str, Any], url: str) -> str:
    status = detail.get("status")
    if not isinstance(status, int):
        return ""
    given = detail.get("request_headers")
    pairs = [one for one in given if isinstance(one, list) and len(one) == 2] if isinstance(given, list) else []
    headers = {str(name).lower(): str(value) for name, value in pairs}
    if status in _ABOUT_REQUESTS and (cause := _in_request(headers)):
        return cause
    if status in _ABOUT_PATHS and (cause := _in_path(str(detail.get("path") or ""), url)):
        return cause
    if status == 401 and "authorization" not in headers:
        return "the charge point sent no password"
    if status == 401 and detail.get("user_is_id") is False:
        return "the user name is not the charge point id"
    return _MEANINGS.get(status, "")


def _in_request(headers: dict[str, str]) -> str:
    """Return what is wrong with the headers of an upgrade request."""
    if "websocket" not in headers.get("upgrade", "").lower() or "upgrade" not in headers.get("connection", "").lower():
        return "the request does not ask for a WebSocket (Upgrade and Connection)"
    if (version := headers.get("sec-websocket-version")) != "13":
        return f"the request has the WebSocket version {version or 'none'}, not 13"
    offered = headers.get("sec-websocket-protocol")
    return f"the charge point offers the subprotocol {offered}" if offered else "the charge point offers no subprotocol"


def _in_path(path: str, url: str) -> str:
    """Return what is wrong with the path of the charge point, or with the one that the CSMS was asked for."""
    own, requested = path.partition("?")[0], f"/{url.partition('://')[2].partition('/')[2].partition('?')[0]}"
    base = requested.removesuffix(own)
    if not own.strip("/"):
        return "the charge point's URL has no charge point id"
    if "//" in requested:
        return "the path has // in it: leave the slash out at the end of the charge point's URL"
    if own.endswith("/"):
        return "the path ends with a slash: leave it out in the charge point"
    if base.strip("/") and own.startswith(base + "/"):
        return f"{base} is in it twice: leave it out of the charge point's URL, or of --upstream"
    return ""
