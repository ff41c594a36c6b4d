"""Write recorded sessions as a HAR file, one entry per WebSocket, as Chromium's DevTools do; streams, never sorts.

A message's `time` is a float of seconds, as in browsers. The nanoseconds, and other facts that HAR cannot express, go
into `_chargesentinel` of the message or the entry, in the form of `trace/meta.py`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from typing import Any, cast
from urllib.parse import parse_qsl, quote, urlsplit

import orjson

from inspector.formats.har.reader import MESSAGES, OURS
from inspector.formats.stored import Stored
from inspector.formats.trace import meta as trace_meta
from inspector.formats.trace.spelling import SPELLING, timestamp
from inspector.records import BINARY, CloseFacts, EventRecord, FrameRecord, OpenRecord
from inspector.redaction import handshake

_NOT_MEASURED = {"blocked": -1, "dns": -1, "connect": -1, "ssl": -1, "send": 0, "wait": 0, "receive": 0}


def write(sessions: Iterable[Iterable[Stored]]) -> Iterator[bytes]:
    """Yield the HAR file in pieces of at most one message.

    Args:
        sessions: the steps of each session, from `stored`.
    """
    creator = {"name": "ChargeSentinel", "version": version("chargesentinel")}
    yield b'{"log":{"version":"1.2","creator":' + orjson.dumps(creator) + b',"pages":[],"entries":['
    for number, steps in enumerate(sessions):
        yield b",\n" if number else b"\n"
        yield from _entry(steps)
    yield b"\n]}}\n"


def _entry(steps: Iterable[Stored]) -> Iterator[bytes]:
    ours: dict[str, Any] = {}
    began = ended = 0
    for number, step in enumerate(steps):
        if number == 0:
            assert step.opened is not None
            began = ended = step.opened.ts_ns
            ours["opened"] = trace_meta.opening(step.opened)
            head = _head(step.opened, (*step.before, *step.after))
            yield orjson.dumps(head)[:-1] + f',"{MESSAGES}":['.encode()
        if step.frame is not None:
            yield (b",\n" if number else b"\n") + orjson.dumps(_message(step.frame, step.before))
            ended = max(ended, step.frame.ts_ns)
        if step.last:
            ours["after"] = [trace_meta.item(event) for event in step.after if event.kind != SPELLING]
            if step.closed is not None:
                known = {name: value for name, value in step.closed.facts.items() if value is not None}
                ours["closed"] = trace_meta.closing(step.closed._replace(facts=cast(CloseFacts, known)))
                ended = max(ended, step.closed.ts_ns)
    yield b"]," + orjson.dumps({"time": (ended - began) / 1_000_000, OURS: ours})[1:]


def _message(frame: FrameRecord, before: tuple[EventRecord, ...]) -> dict[str, Any]:
    _, ts_ns, mono_ns, from_charge_point, opcode, payload, notes = frame
    ours: dict[str, Any] = {"ts_ns": str(ts_ns)}
    if mono_ns != ts_ns:
        ours["mono_ns"] = str(mono_ns)
    if notes:
        ours["notes"] = notes
    if around := [trace_meta.item(event) for event in before if event.kind != SPELLING]:
        ours["before"] = around
    if opcode == BINARY:
        data = base64.b64encode(payload).decode()
    else:
        try:
            data = payload.decode()
        except UnicodeDecodeError:
            data = payload.decode(errors="replace")
            ours["base64"] = base64.b64encode(payload).decode()
    kind = "send" if from_charge_point else "receive"
    return {"type": kind, "time": ts_ns / 1_000_000_000, "opcode": opcode, "data": data, OURS: ours}


def _head(opened: OpenRecord, events: Iterable[EventRecord]) -> dict[str, Any]:
    """Return an entry without its messages, its duration and its `_chargesentinel` member."""
    facts: dict[str, Any] = dict(opened.facts)
    shaken: dict[str, Any] = next((event.detail for event in events if event.kind == "handshake"), {})
    request = _headers(shaken.get("request_headers"))
    response = _headers(shaken.get("response_headers"))
    if not shaken:  # an import without a handshake: use the facts of the session
        offered = ", ".join(facts.get("subprotocols_offered") or ())
        request = [{"name": "Sec-WebSocket-Protocol", "value": offered}] if offered else []
        agreed = facts.get("subprotocol")
        response = [{"name": "Sec-WebSocket-Protocol", "value": agreed}] if agreed else []
    url = _url(facts, request)
    query = [{"name": name, "value": value} for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True)]
    none = {"cookies": [], "headersSize": -1, "bodySize": 0}
    return {
        "_resourceType": "websocket",
        "startedDateTime": timestamp(opened.ts_ns),
        "request": {
            "method": shaken.get("method", "GET"),
            "url": url,
            "httpVersion": "HTTP/1.1",
            "headers": request,
            "queryString": query,
            **none,
        },
        "response": {
            "status": shaken.get("status", 101),
            "statusText": "Switching Protocols",
            "httpVersion": "HTTP/1.1",
            "headers": response,
            "content": {"size": 0, "mimeType": "x-unknown"},
            "redirectURL": "",
            **none,
        },
        "cache": {},
        "timings": _NOT_MEASURED,
    }


def _url(facts: dict[str, Any], request: list[dict[str, str]]) -> str:
    """Return the address that the charge point asked for; if unknown, the address of the CSMS."""
    path = facts.get("request_path")
    host = next((header["value"] for header in request if header["name"].lower() == "host"), None)
    if path and host:
        return f"{'wss' if facts.get('tls_version') else 'ws'}://{host}{path}"
    charge_point = quote(facts.get("charge_point_id") or "", safe="")
    return facts.get("upstream_url") or f"ws://unknown.invalid{path or f'/{charge_point}'}"


def _headers(stored: list[list[str]] | None) -> list[dict[str, str]]:
    """Return the headers for HAR without secrets, which a database of another program may still hold."""
    pairs = tuple((name.encode(), value.encode()) for name, value in stored or ())
    shown, _ = handshake.safe_headers(pairs)
    return [{"name": name, "value": value} for name, value in shown]
