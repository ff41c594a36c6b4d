"""What Open OCPP Trace has no member for, as our part of a record's `meta`: both ways, nothing else of the format.

`meta.chargesentinel` holds, each only where there is something to say: `ts_ns` and `mono_ns` (as strings: JSON
numbers of many readers end at 2^53), `session`, `opened`, `before`, `after`, `closed`. `before` and `after` are
events, and frames that a trace cannot hold (malformed, binary, SEND, CALLRESULTERROR). Any other `meta` is kept
as an event of kind `meta`.
"""

from __future__ import annotations

import base64
from typing import Any

from inspector.formats.captured import Meta, Unreadable
from inspector.recorder import records
from inspector.recorder.records import Record

OURS = "chargesentinel"
FOREIGN = "meta"
"""The kind of the event that keeps what other tools have put into `meta`."""


def read(meta: Any, ts_ns: int, source: str, line: int) -> dict[str, Any]:
    """The arguments of `Captured` that a record's `meta` tells: times, session and what stands around the frame.

    Raises:
        Unreadable: our part of it is not as we write it.
    """
    if not isinstance(meta, dict):
        return {"ts_ns": ts_ns}
    ours = meta.get(OURS) or {}
    foreign = {name: value for name, value in meta.items() if name != OURS}
    try:
        ts_ns = int(ours.get("ts_ns", ts_ns))
        mono_ns = int(ours["mono_ns"]) if "mono_ns" in ours else None
        after = [_record(item) for item in ours.get("after", ())]
        if foreign:
            after.insert(0, records.event(0, ts_ns, mono_ns or ts_ns, FOREIGN, foreign))
        told = Meta(
            opened=_opened(ours["opened"]) if "opened" in ours else None,
            before=tuple(_record(item) for item in ours.get("before", ())),
            after=tuple(after),
            closed=_closed(ours["closed"]) if "closed" in ours else None,
            placeholder=ours.get("placeholder") is True,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Unreadable(source, line, f"meta.{OURS} is not as this program writes it ({error!r})") from error
    return {"ts_ns": ts_ns, "mono_ns": mono_ns, "session": str(ours.get("session", "")), "meta": told}


def frame_stamps(record: Record) -> dict[str, str]:
    """The times of a frame as far as a timestamp in milliseconds does not tell them."""
    stamps = {}
    if record[2] % 1_000_000:
        stamps["ts_ns"] = str(record[2])
    if record[3] != record[2]:
        stamps["mono_ns"] = str(record[3])
    return stamps


def item(record: Record) -> dict[str, Any]:
    """An event or a frame for `before` or `after`."""
    stamps = {"ts_ns": str(record[2]), "mono_ns": str(record[3])}
    if record[0] == records.EVENT:
        return {"event": record[4], **stamps, "detail": record[5]}
    return {
        "frame": "cp-to-csms" if record[4] else "csms-to-cp",
        **stamps,
        "opcode": record[5],
        "base64": base64.b64encode(record[6]).decode(),
        **({"notes": record[7]} if record[7] else {}),
    }


def opening(record: Record) -> dict[str, Any]:
    """The OPEN record of a session."""
    return {"ts_ns": str(record[2]), "mono_ns": str(record[3]), "facts": record[4]}


def closing(record: Record) -> dict[str, Any]:
    """The CLOSE record of a session."""
    return {"ts_ns": str(record[2]), "mono_ns": str(record[3]), "facts": record[4]}


def _record(told: dict[str, Any]) -> Record:
    stamps = int(told["ts_ns"]), int(told["mono_ns"])
    if "event" in told:
        return records.event(0, *stamps, str(told["event"]), dict(told["detail"]))
    from_charge_point = {"cp-to-csms": True, "csms-to-cp": False}[told["frame"]]
    opcode = {1: records.TEXT, 2: records.BINARY}[told["opcode"]]
    payload = base64.b64decode(told["base64"], validate=True)
    return records.frame(0, *stamps, from_charge_point, opcode, payload, told.get("notes"))


_FACTS = {"opened": records.LinkFacts.__annotations__.keys(), "closed": records.CloseFacts.__annotations__.keys()}


def _opened(told: dict[str, Any]) -> Record:
    return records.opened(0, int(told["ts_ns"]), int(told["mono_ns"]), _known(told, "opened"))  # type: ignore[arg-type]


def _closed(told: dict[str, Any]) -> Record:
    return records.closed(0, int(told["ts_ns"]), int(told["mono_ns"]), _known(told, "closed"))  # type: ignore[arg-type]


def _known(told: dict[str, Any], place: str) -> dict[str, Any]:
    """The facts of ours only, each text, number, truth value or list of texts: a file is untrusted input."""
    facts = {}
    for name, value in told["facts"].items():
        texts = isinstance(value, list) and all(isinstance(text, str) for text in value)
        number = isinstance(value, int) and abs(value) < 2**62
        if name in _FACTS[place] and (value is None or isinstance(value, str) or number or texts):
            facts[name] = value
    return facts
