"""Read the WebSockets in HAR files of browsers, mitmproxy and this program.

A WebSocket is an entry whose `_webSocketMessages` hold its messages: {type: "send" | "receive", time: seconds since
1970, opcode, data}, binary data in Base64. A browser is the client, so its messages count as the charge point's. The
file is read twice instead of being held in memory: browsers write an entry's messages before its request.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import chain, groupby
from typing import Any, BinaryIO

from inspector import records
from inspector.errors import UserMistake
from inspector.formats.captured import LARGEST_NS, Captured, Meta, nanoseconds
from inspector.formats.connections import Connection, is_ocpp, session
from inspector.formats.har import members as har_members
from inspector.formats.reading import Reading, Unreadable
from inspector.formats.trace import meta as trace_meta
from inspector.protocol.vocabulary import Direction
from inspector.redaction.handshake import Headers

OURS = "_chargesentinel"
"""The member of entries and messages for facts that HAR cannot express."""

MESSAGES = "_webSocketMessages"
_HEAD = frozenset({"request", "response", "startedDateTime", "_resourceType", OURS})
_DIRECTIONS = {"send": Direction.FROM_CHARGE_POINT, "receive": Direction.FROM_CSMS}
_EVENTS = {8: "close", 9: "ping", 10: "pong"}


def read(file: BinaryIO, reading: Reading) -> Iterator[Captured]:
    """Yield the frames of every OCPP WebSocket in a HAR file, one WebSocket after the other.

    Args:
        file: seekable.
        reading: counts malformed messages, and entries without OCPP.

    Raises:
        Unreadable: it is not a HAR file, or it is incomplete.
        UnusableFile: a single value in it is too large.
    """
    try:
        entries = _entries(file, reading)
        file.seek(0)
        messages = har_members.members(file, reading.source, frozenset(), MESSAGES)
        for index, group in groupby(messages, key=lambda member: member[0]):
            entry = entries.pop(index, None)
            if entry is not None:
                yield from _session(index, entry, (value for _, _, value in group), reading)
        for index, entry in entries.items():  # opened, but no message was sent
            yield from _session(index, entry, (), reading)
    except UserMistake:
        raise
    except Exception as error:  # a parser may raise anything on a hostile file
        why = " ".join(str(error).split("\n")[0].split())[:100] or type(error).__name__
        raise Unreadable(reading.source, None, f"not a whole HAR file ({why})") from error


def _entries(file: BinaryIO, reading: Reading) -> dict[int, dict[str, Any]]:
    """Return the WebSockets among the entries, without their messages."""
    found: dict[int, dict[str, Any]] = {}
    members = har_members.members(file, reading.source, _HEAD, None)
    for index, group in groupby(members, key=lambda member: member[0]):
        entry = {name: value for _, name, value in group}
        request = entry.get("request")
        url = request.get("url") if isinstance(request, dict) else None
        if isinstance(url, str) and (
            entry.get("_resourceType") == "websocket" or url.lower().startswith(("ws:", "wss:")) or OURS in entry
        ):
            found[index] = entry
        else:
            reading.passed_over += 1
    return found


def _session(index: int, entry: dict[str, Any], messages: Iterable[Any], reading: Reading) -> Iterator[Captured]:
    connection = _connection(index, entry)
    captured = _messages(index + 1, messages, reading)
    first = next(captured, None)
    if not is_ocpp(connection, first.raw if first else None) and OURS not in entry:
        reading.passed_over += 1
        return
    steps = session(connection, chain([first], captured) if first else ())
    if OURS not in entry:
        yield from steps
        return
    try:
        ours = entry[OURS]
        opened, closed = ours.get("opened"), ours.get("closed")
        told = Meta(
            opened=trace_meta.opened(opened) if opened else None,
            after=tuple(trace_meta.record(item) for item in ours.get("after", ())),
            closed=trace_meta.closed(closed) if closed else None,
        )
        held: Captured | None = None
        for step in _restored(steps, told):
            if held is not None:
                yield held
            held = step
        if held is not None:
            meta = held.meta or Meta()
            yield held._replace(meta=meta._replace(after=told.after, closed=told.closed))
    except trace_meta.NOT_OURS as error:
        reading.miss(index + 1, f"{OURS} is not as this program writes it ({error!r})")


def _restored(steps: Iterable[Captured], told: Meta) -> Iterator[Captured]:
    """Yield the messages, the first with the opening and the handshake from the file's `_chargesentinel` members."""
    for number, step in enumerate(steps):
        meta = step.meta or Meta()
        if number == 0 and told.opened is not None:
            facts = told.opened.facts
            version = facts.get("ocpp_version")
            meta = meta._replace(opened=told.opened, before=meta.before[1:])
            step = step._replace(charge_point_id=facts.get("charge_point_id") or "")  # noqa: PLW2901
            if version is None and facts.get("subprotocol") is None:
                step = step._replace(ocpp_version=None)  # noqa: PLW2901
        elif told.opened is not None:
            step = step._replace(charge_point_id=told.opened.facts.get("charge_point_id") or "")  # noqa: PLW2901
        yield step._replace(meta=meta)


def _connection(index: int, entry: dict[str, Any]) -> Connection:
    request, response = entry["request"], entry.get("response")
    response = response if isinstance(response, dict) else {}
    status = response.get("status")
    started = entry.get("startedDateTime")
    try:
        at = nanoseconds(started) if isinstance(started, str) else None
    except ValueError:
        at = None
    return Connection(
        session=str(index + 1),
        url=request["url"],
        method=str(request.get("method") or "GET"),
        request=_headers(request),
        status=status if type(status) is int else None,
        response=_headers(response),
        opened_ns=at,
    )


def _headers(head: dict[str, Any]) -> Headers:
    """Return the headers of a request or response: pairs in files of Slack, objects with name and value in others."""
    found = []
    for header in head.get("headers") or ():
        pair = (header.get("name"), header.get("value")) if isinstance(header, dict) else header
        if len(pair) == 2 and isinstance(pair[0], str) and isinstance(pair[1], str):
            found.append((pair[0].encode(), pair[1].encode()))
    return tuple(found)


def _messages(entry: int, messages: Iterable[Any], reading: Reading) -> Iterator[Captured]:
    """Yield the frames among an entry's messages; pings, closes and errors become events before the next frame."""
    waiting: list[records.Record] = []
    last = Captured(b"", ts_ns=0)
    for number, message in enumerate(messages, 1):
        try:
            captured = _message(message, waiting)
        except (AttributeError, KeyError, TypeError, ValueError, binascii.Error) as error:
            reading.miss(entry, f"message {number} is none as browsers write them ({error!r})"[:200])
            continue
        if captured is not None:
            waiting = []
            last = captured
            yield captured
    if waiting:  # events after the last frame need a placeholder
        yield last._replace(raw=b"", binary=False, meta=Meta(before=tuple(waiting), placeholder=True))


def _message(message: dict[str, Any], waiting: list[records.Record]) -> Captured | None:
    ours = message.get(OURS) or {}
    ts_ns = trace_meta.number(ours["ts_ns"]) if "ts_ns" in ours else _seconds(message["time"])
    mono_ns = trace_meta.number(ours["mono_ns"]) if "mono_ns" in ours else None
    waiting += [trace_meta.record(item) for item in ours.get("before", ())]
    kind, opcode, data = message["type"], message.get("opcode", 1), message.get("data", "")
    if kind not in _DIRECTIONS or opcode not in (1, 2):
        name = _EVENTS.get(opcode, "fault")
        detail = {"direction": _DIRECTIONS[kind].value} if kind in _DIRECTIONS else {"what": str(kind)[:100]}
        waiting.append(records.EventRecord(0, ts_ns, mono_ns or ts_ns, name, {**detail, "data": str(data)[:1000]}))
        return None
    binary = opcode == 2
    if "base64" in ours:
        raw = base64.b64decode(ours["base64"], validate=True)
    else:
        raw = base64.b64decode(data, validate=True) if binary else data.encode()
    return Captured(
        raw=raw,
        direction=_DIRECTIONS[kind],
        ts_ns=ts_ns,
        mono_ns=mono_ns,
        binary=binary,
        notes=trace_meta.notes(ours.get("notes")),
        meta=Meta(before=tuple(waiting)),
    )


def _seconds(time: Any) -> int:
    """Return seconds since 1970 as nanoseconds, keeping every digit of the file."""
    exact = Decimal(time)
    if not exact.is_finite() or exact.adjusted() > 10 or abs(at := int(exact * 1_000_000_000)) > LARGEST_NS:
        raise ValueError("a time that is none")
    return at
