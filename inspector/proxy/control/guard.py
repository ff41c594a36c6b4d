"""Let only the operator's requests through: the right Host, no foreign page, and the token."""

from __future__ import annotations

import hmac
from collections.abc import Collection
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, quote, unquote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inspector.web_requests import admits_host, is_foreign

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Guard:
    """An ASGI application that answers strangers itself, and passes the operator's requests on.

    The token is needed on loopback too: other users of the machine can reach the port.
    """

    def __init__(
        self, application: ASGIApp, token: str, port: int, hosts: Collection[str] = (), *, any_address: bool = False
    ) -> None:
        """Guard an application.

        Args:
            application: gets the requests that are let through.
            token: what a request must show.
            port: the port, which is part of the cookie's name: cookies are shared by all ports of a machine.
            hosts: allowed names in a request's Host besides loopback names; "*" allows every name.
            any_address: whether every IP address is allowed as Host.
        """
        self._application, self._token = application, token
        self._cookie = f"chargesentinel_control_{port}"
        self._hosts, self._any_address = frozenset(hosts), any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._application)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        joined = {name: ", ".join(headers.getlist(name)) for name in headers}
        query = scope["query_string"].decode("latin-1")
        target = scope["path"] + (f"?{query}" if query else "")
        host = joined.get("host", "")
        if not admits_host(host, self._hosts, any_address=self._any_address):
            return _refuse(421, f"not served under the name {host[:200]!r}; allow it with --allow-host")
        if is_foreign(scope["method"], target, joined):
            return _refuse(403, "not served to pages of other sites")
        given = parse_qsl(query, keep_blank_values=True)
        if scope["path"] == "/" and self._is_token(dict(given).get("token", "")):
            others = urlencode([(name, value) for name, value in given if name != "token"])
            response = RedirectResponse("/" + (f"?{others}" if others else ""), 303)
            # Scripts cannot read this cookie, and the address bar does not show the token any more.
            response.set_cookie(self._cookie, quote(self._token, safe=""), httponly=True, samesite="strict")
            return response
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._is_token(bearer.strip().encode("latin-1").decode("utf-8", "replace")):
            return None
        if self._is_token(self._in_cookie(headers)):
            return None
        return _refuse(401, "send the token as `Authorization: Bearer TOKEN`, or open /?token=TOKEN")

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode())

    def _in_cookie(self, headers: Headers) -> str:
        try:
            kept = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return ""
        return unquote(kept.value) if kept else ""


def _refuse(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status)
