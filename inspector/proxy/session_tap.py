"""Turn the bytes of one session into records for the recorder. Knows nothing of mitmproxy."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from time import monotonic_ns, time_ns
from typing import Any, NamedTuple

from inspector import records
from inspector.interventions.edited_session import EditedSession
from inspector.proxy.counters import INTERNAL_FAULT, Counts
from inspector.proxy.safe_log import safe
from inspector.recorder.recorder import Recorder
from inspector.records import CloseFacts, SessionFacts
from inspector.websocket.frames import make_frame
from inspector.websocket.messages import CLOSE, FAULT, GAP, PING, TEXT, Message, MessageAssembler
from inspector.websocket.permessage_deflate import inflaters

logger = logging.getLogger(__name__)

DIRECTIONS = {True: "cp-to-csms", False: "csms-to-cp"}
SIDES = {True: "charge-point", False: "csms"}
_new_tuple = tuple.__new__


class Handover(NamedTuple):
    """What the fast path leaves to another relay; True means the charge point's side.

    Attributes:
        transports: The two connections.
        rest: Bytes that have arrived from a side and were not relayed yet.
        full: Sides that accept no more data for now.
        on_closed: Called when both connections are gone.
    """

    transports: dict[bool, asyncio.Transport]
    rest: dict[bool, bytes]
    full: set[bool]
    on_closed: Callable[[], None]


class SessionTap:
    """Watch both directions of one session and send records to the recorder.

    The relay calls `feed` with every chunk that it forwards. No method may raise an error into the relay: an internal
    error is logged and ends the recording of this session, and relaying continues.
    """

    def __init__(
        self, number: int, facts: SessionFacts, recorder: Recorder, max_frame_size: int, counts: Counts | None = None
    ) -> None:
        self.number = number
        self.facts = facts
        self.closed = False
        self.broken = False
        self.taken_over = False
        """Whether pipes relay the session: they then report its end, in more detail than mitmproxy's hooks."""
        self._put = recorder.put
        self.counts = counts or Counts()
        self._frames, self._bytes = self.counts.frames, self.counts.bytes
        from_charge_point, from_csms = inflaters(facts.get("extensions"), max_frame_size)
        self.readers = {
            True: MessageAssembler(max_frame_size, True, from_charge_point),
            False: MessageAssembler(max_frame_size, False, from_csms),
        }
        self.close_sent: dict[bool, tuple[int | None, str | None] | None] = {True: None, False: None}
        self.closed_by: str | None = None
        self.write: Callable[[bool, bytes], None] | None = None
        """Set by the relay: writes bytes to the charge point (True) or to the CSMS (False)."""
        self.shut: set[bool] = set()
        """Directions (True: from the charge point) in which the proxy has sent a close frame and relays no more."""
        self.pause_reading: Callable[[bool], None] | None = None
        """Set by the fast path: pauses or resumes reading from both peers."""
        self.held: frozenset[str] = frozenset()
        """Why both peers are paused; empty if they are not."""
        self.drop: Callable[[], None] = lambda: None
        """Set by the fast path: ends both connections at once."""
        self.edited: EditedSession | None = None
        """Applies interventions to the session's messages; None for a session that is only watched."""
        self.early: list[tuple[bool, bytes]] = []
        """Chunks of a session with interventions that came before the fast path took the sockets over."""
        self.hand_over: Callable[[], Handover | None] = lambda: None
        """Set by the fast path: stops its relaying, and returns what another relay needs; None if it is ending."""
        self.flush: Callable[[], None] = lambda: None
        """Set by the relay of a session with interventions: writes what is due now."""
        self.may_insert: Callable[[bool], bool] = self._at_border
        """Whether a frame of the proxy may be written in a direction now, after a whole frame of the sender."""
        self.mirror: Callable[[bool, bytes], None] | None = None
        """Set for a session with shadows: gets each text message that reaches its receiver, and who sent it."""
        self._goodbye: bytes | None = None
        self._ended: set[bool] = set()

    def __str__(self) -> str:
        return f"{safe(self.facts.get('charge_point_id') or '?')[0]} (session {self.number})"

    def opened(self) -> None:
        """Record that the CSMS has answered 101 and the session is open."""
        self._put(records.OpenRecord(self.number, time_ns(), monotonic_ns(), self.facts))

    def event(self, kind: str, detail: dict[str, Any]) -> None:
        """Record an event of the session, such as a ping or a gap."""
        self._put(records.EventRecord(self.number, time_ns(), monotonic_ns(), kind, detail))

    def feed(self, from_charge_point: bool, data: bytes, forwarded: bool = True) -> None:
        """Record the messages that end in a chunk, with the current time."""
        self._bytes[from_charge_point] += len(data)
        if self.broken:
            return
        try:
            self.record(from_charge_point, self.readers[from_charge_point].feed(data), forwarded)
        except Exception:
            self.broken = True
            logger.exception("%s: an internal error stopped the recording of this session; relaying continues", self)
            self.counts.gaps[INTERNAL_FAULT] += 1
            reason = "internal fault, recording of this session stopped"
            self.event("gap", {"reason": reason, "cause": INTERNAL_FAULT})
        if self._goodbye is not None:
            self._say_goodbye(self._goodbye)

    def record(self, from_charge_point: bool, messages: Iterable[Message], forwarded: bool = True) -> None:
        """Record messages and control frames with the current time."""
        ts_ns, mono_ns = time_ns(), monotonic_ns()
        for opcode, payload, found in messages:
            if 0 < opcode < CLOSE:
                self._frames[from_charge_point] += 1
                notes = found if forwarded else {**(found or {}), "forwarded": False}
                # This runs once per frame, and FrameRecord's own constructor takes twice as long.
                fields = (self.number, ts_ns, mono_ns, from_charge_point, opcode, payload, notes)
                self._put(_new_tuple(records.FrameRecord, fields))
                if (
                    self.mirror is not None
                    and opcode == TEXT
                    and (notes is None or notes.get("forwarded") is not False)
                ):
                    self.mirror(from_charge_point, payload)
            else:
                self._other(ts_ns, mono_ns, from_charge_point, opcode, payload, found)

    def _other(
        self, ts_ns: int, mono_ns: int, from_cp: bool, opcode: int, payload: bytes, notes: dict[str, Any] | None
    ) -> None:
        detail: dict[str, Any] = {"direction": DIRECTIONS[from_cp]}
        if opcode == CLOSE:
            code, reason = parse_close(payload)
            if self.close_sent[from_cp] is None:
                self.close_sent[from_cp] = code, reason
            self.closed_by = self.closed_by or SIDES[from_cp]
            kind, detail = "close", {**detail, "code": code, "reason": reason}
        elif opcode in (FAULT, GAP):
            kind, detail = ("fault" if opcode == FAULT else "gap"), {**detail, **(notes or {})}
            if opcode == GAP:
                self.counts.gaps[detail["cause"]] += 1
        else:
            kind = "ping" if opcode == PING else "pong"
            detail["payload"] = payload.hex()
        self._put(records.EventRecord(self.number, ts_ns, mono_ns, kind, detail))

    def ended(self, from_charge_point: bool, how: str) -> None:
        """Record that one side's TCP or TLS stream ended: `how` is "fin", "reset" or a reason in words.

        A FIN after a close frame is normal (RFC 6455) and is not recorded.
        """
        if from_charge_point in self._ended or self.closed:
            return
        self._ended.add(from_charge_point)
        consequence = how == "fin" and (self.close_sent[from_charge_point] is not None or len(self._ended) > 1)
        if not (consequence or self._closing_handshake_done):
            self.closed_by = self.closed_by or SIDES[from_charge_point]
            self.event("close", {"direction": DIRECTIONS[from_charge_point], "code": None, "tcp": how})
        if self.readers[from_charge_point].unfinished:
            self.event(
                "fault",
                {"direction": DIRECTIONS[from_charge_point], "reason": "the stream ended within a message"},
            )

    def vanished(self) -> None:
        """Record that the session ended; mitmproxy's public hooks do not report which side ended it."""
        if not (self.closed or self._ended or self._closing_handshake_done):
            self.event("close", {"code": None, "tcp": "ended without a closing handshake"})

    @property
    def _closing_handshake_done(self) -> bool:
        return all(sent is not None for sent in self.close_sent.values())

    def hold(self, reason: str, held: bool) -> None:
        """Add a reason to pause both peers, or with `held` False remove it. Without a reason they resume.

        This needs the fast path.
        """
        if held is (reason in self.held) or self.pause_reading is None:
            return
        before, self.held = self.held, self.held ^ {reason}
        if bool(before) is not bool(self.held):
            self.pause_reading(held)

    def go_away(self, code: int, reason: str) -> bool:
        """Send a close frame to both peers, each after the frame that is being relayed to that peer.

        Frames that a peer sends afterwards are stored as not forwarded. The caller has to end the connections if the
        peers do not. Returns False if the session is already ending.
        """
        if self.closed or self._goodbye is not None or self.write is None:
            return False
        self._goodbye = code.to_bytes(2, "big") + reason.encode()
        if self.closed_by is None:
            self.closed_by = "proxy"
            self.event("close", {"from": "proxy", "code": code, "reason": reason})
        self._say_goodbye(self._goodbye)
        return True

    def _at_border(self, from_charge_point: bool) -> bool:
        return self.readers[from_charge_point].splitter.at_boundary or self.broken

    def _say_goodbye(self, payload: bytes) -> None:
        for direction in self.readers:
            over = direction in self.shut or self.close_sent[direction] is not None
            if over or self.write is None or not self.may_insert(direction):
                continue
            self.shut.add(direction)
            # The proxy is a client to the CSMS, so frames in the charge point's direction are masked.
            self.write(not direction, make_frame(0x88, payload, os.urandom(4) if direction else None))

    @property
    def said_goodbye(self) -> bool:
        """Return whether both peers have sent a close frame."""
        return self.closed or self._closing_handshake_done

    def finish(self) -> None:
        """Record that both connections have ended; later calls do nothing."""
        if self.closed:
            return
        self.closed = True
        self._put(records.CloseRecord(self.number, time_ns(), monotonic_ns(), self.closing))

    @property
    def closing(self) -> CloseFacts:
        """The known facts about the end of the session."""
        cp, csms = self.close_sent[True] or (None, None), self.close_sent[False] or (None, None)
        return {
            "cp_close_code": cp[0],
            "cp_close_reason": cp[1],
            "csms_close_code": csms[0],
            "csms_close_reason": csms[1],
            "closed_by": self.closed_by or "unknown",
        }


def parse_close(payload: bytes) -> tuple[int, str | None]:
    """Return code and reason from the payload of a close frame; 1005 if it is empty (RFC 6455 section 7.1.5)."""
    if len(payload) < 2:
        return 1005, None
    return int.from_bytes(payload[:2], "big"), payload[2:].decode("utf-8", "replace") or None


__all__ = ["DIRECTIONS", "TEXT", "SessionTap", "parse_close"]
