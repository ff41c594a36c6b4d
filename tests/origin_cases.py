"""Requests that all our servers must answer or refuse in the same way, in all three packages.

Each case: (what it is, method, target, headers by lower-case name, whether it is foreign). The Host is HOST.
"""

from __future__ import annotations

HOST = "127.0.0.1:8001"
VISIT = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
FETCH = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "empty"}

type Case = tuple[str, str, str, dict[str, str], bool]

CASES: list[Case] = [
    ("a program", "GET", "/page?sql=select+1", {}, False),
    ("a program that posts", "POST", "/api/calls", {}, False),
    ("an address typed in", "GET", "/page?sql=select+1", {**VISIT, "sec-fetch-site": "none"}, False),
    ("our own page", "GET", "/page.json?sql=1", {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, False),
    ("our own page that posts", "POST", "/a", {"sec-fetch-site": "same-origin", "origin": f"http://{HOST}"}, False),
    ("our own form", "POST", "/a", {"sec-fetch-site": "same-origin", "origin": "null"}, False),
    ("an old browser's own page that posts", "POST", "/a", {"origin": f"http://{HOST}"}, False),
    ("a link elsewhere to a page", "GET", "/ocpp/sessions/3", VISIT, False),
    ("a link of another port to a page", "GET", "/", {**VISIT, "sec-fetch-site": "same-site"}, False),
    ("a link elsewhere with the token", "GET", "/?token=abc", VISIT, False),
    ("a link elsewhere with an empty query", "GET", "/page?", VISIT, False),
    ("a link elsewhere to a query", "GET", "/page?sql=select+1", VISIT, True),
    ("a link elsewhere to a filter", "GET", "/page?q=tag", VISIT, True),
    ("a link elsewhere to a parameter without a value", "GET", "/page?sql", VISIT, True),
    ("a link elsewhere with the token and a query", "GET", "/?token=abc&sql=1", VISIT, True),
    ("a link elsewhere with a query before the token", "GET", "/?sql=1&token=abc", VISIT, True),
    ("a link elsewhere to JSON", "GET", "/page.json", VISIT, True),
    ("a link elsewhere to CSV", "GET", "/page.csv", VISIT, True),
    ("a form elsewhere", "POST", "/page", {**VISIT, "origin": "http://evil.example"}, True),
    ("a form elsewhere without a referrer", "POST", "/page", {**VISIT, "origin": "null"}, True),
    ("an old browser's form elsewhere", "POST", "/page", {"origin": "http://evil.example"}, True),
    ("an old browser's form without a referrer", "POST", "/page", {"origin": "null"}, True),
    ("a frame elsewhere", "GET", "/page", {**VISIT, "sec-fetch-dest": "iframe"}, True),
    ("an object elsewhere", "GET", "/page", {**VISIT, "sec-fetch-dest": "object"}, True),
    ("a prefetch", "GET", "/page", {**VISIT, "sec-purpose": "prefetch"}, True),
    ("a prerender", "GET", "/page", {**VISIT, "sec-purpose": "prefetch;prerender"}, True),
    ("an old browser's prefetch", "GET", "/page", {**VISIT, "purpose": "prefetch"}, True),
    ("a fetch elsewhere", "GET", "/page", FETCH, True),
    ("a fetch of another port", "GET", "/page", {**FETCH, "sec-fetch-site": "same-site"}, True),
    ("a script elsewhere", "GET", "/page", {**FETCH, "sec-fetch-dest": "script"}, True),
    ("a picture elsewhere", "HEAD", "/page", {**FETCH, "sec-fetch-dest": "image"}, True),
    ("a preflight", "OPTIONS", "/page", {**FETCH, "sec-fetch-mode": "cors", "origin": "http://evil.example"}, True),
    ("a site of a future kind", "GET", "/page", {**FETCH, "sec-fetch-site": "sideways"}, True),
    ("an empty site", "GET", "/page", {**FETCH, "sec-fetch-site": ""}, True),
    ("two sites", "GET", "/page", {"sec-fetch-site": "same-origin, cross-site"}, True),
    ("an old browser's fetch", "GET", "/page", {"origin": "http://evil.example"}, True),
    ("another port", "GET", "/page", {"origin": "http://127.0.0.1:1"}, True),
    ("another name of this machine", "GET", "/page", {"origin": "http://localhost:8001"}, True),
    ("a sandboxed frame", "GET", "/page", {"origin": "null"}, True),
    ("a WebSocket elsewhere", "GET", "/page", {"origin": "http://evil.example", "upgrade": "websocket"}, True),
    ("an Origin that starts as ours", "GET", "/page", {"origin": f"http://{HOST}.evil.example"}, True),
    ("an Origin with our name as user", "GET", "/page", {"origin": f"http://{HOST}@evil.example"}, True),
    ("an Origin that is no address", "GET", "/page", {"origin": "http://["}, True),
    ("an Origin of another scheme", "GET", "/page", {"origin": f"ftp://{HOST}"}, True),
    (
        "an Origin that contradicts",
        "GET",
        "/page",
        {"sec-fetch-site": "none", "origin": "http://e.example"},
        True,
    ),
]
