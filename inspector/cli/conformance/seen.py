"""Keep every frame that crosses between the charge point and the CSMS, for the cases and for the recording."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

from inspector.records import TEXT, CloseRecord, EventRecord, FrameRecord, OpenRecord, Record

SUBPROTOCOL = "ocpp{}"


@dataclass(frozen=True, slots=True)
class Seen:
    """One frame; an answer has the action of its CALL. `kind` is the message type, 0 if it is no OCPP message."""

    number: int
    at: float
    from_charge_point: bool
    text: str
    kind: int = 0
    message_id: str = ""
    action: str = ""
    payload: Any = None


class Frames:
    """The frames of one charge point since the case began, and the records of them.

    A case is stored as a session of its own, or as several if the charge point reconnects.
    """

    def __init__(self, charge_point_id: str) -> None:
        self.charge_point_id = charge_point_id
        self.version: str | None = None
        self.seen: list[Seen] = []
        self.records: list[Record] = []
        self.sessions = 0
        self._open = False
        self._asked: dict[tuple[bool, str], str] = {}
        self._changed = asyncio.Event()

    def begin(self) -> int:
        """Begin a case in the middle of the connection; return the number of its first session."""
        self.seen, self.records = [], []
        self._open = False
        return self.sessions + 1

    def end(self, name: str, verdict: str) -> None:
        """End a case: note its verdict in the recording."""
        now = time.time_ns(), time.monotonic_ns()
        if not self._open:
            self._session(from_start=False)
        self.records.append(EventRecord(self.sessions, *now, "conformance", {"case": name, "verdict": verdict}))
        self._close()

    def connected(self, version: str) -> None:
        """Note a new connection."""
        self.version = version
        self._close()
        self._session(from_start=True)

    def disconnected(self) -> None:
        """Note the end of the connection."""
        self._close()
        self._tell()

    def add(self, from_charge_point: bool, message: str | bytes) -> None:
        """Keep a frame."""
        if not self._open:
            self._session(from_start=False)
        payload = message.encode() if isinstance(message, str) else message
        now = time.time_ns(), time.monotonic_ns()
        self.records.append(FrameRecord(self.sessions, *now, from_charge_point, TEXT, payload))
        self.seen.append(self._parsed(from_charge_point, payload.decode("utf-8", "replace")))
        self._tell()

    async def more(self, until: float) -> bool:
        """Wait for the next frame, connect or disconnect; return False if none came before the loop's time `until`."""
        self._changed.clear()
        try:
            await asyncio.wait_for(self._changed.wait(), max(until - asyncio.get_running_loop().time(), 0))
        except TimeoutError:
            return False
        return True

    def _tell(self) -> None:
        self._changed.set()

    def _session(self, *, from_start: bool) -> None:
        self.sessions += 1
        self._open = True
        name = SUBPROTOCOL.format(self.version)
        self.records.append(
            OpenRecord(
                self.sessions,
                time.time_ns(),
                time.monotonic_ns(),
                {
                    "charge_point_id": self.charge_point_id,
                    "request_path": f"/{self.charge_point_id}",
                    "subprotocol": name,
                    "subprotocols_offered": [name],
                    "from_start": from_start,
                },
            )
        )
        self._tell()

    def _close(self) -> None:
        if self._open:
            self._open = False
            now = time.time_ns(), time.monotonic_ns()
            self.records.append(CloseRecord(self.sessions, *now, {"closed_by": "unknown"}))

    def _parsed(self, from_charge_point: bool, text: str) -> Seen:
        number, at = len(self.seen), asyncio.get_running_loop().time()
        try:
            parts = json.loads(text)
            kind, message_id = int(parts[0]), str(parts[1])
        except (ValueError, TypeError, IndexError, KeyError, RecursionError):
            return Seen(number, at, from_charge_point, text)
        if kind in (2, 6) and len(parts) > 3:
            self._asked[from_charge_point, message_id] = action = str(parts[2])
            return Seen(number, at, from_charge_point, text, kind, message_id, action, parts[3])
        action = self._asked.get((not from_charge_point, message_id), "")
        payload = parts[2] if kind == 3 and len(parts) > 2 else None
        return Seen(number, at, from_charge_point, text, kind, message_id, action, payload)
