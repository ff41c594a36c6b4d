"""One WebSocket life as the tap sees it: knows how bytes become records, not mitmproxy nor where records go."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from time import monotonic_ns, time_ns
from typing import Any

from inspector import records
from inspector.proxy.counters import INTERNAL_FAULT, Counts
from inspector.proxy.safe_log import logged
from inspector.recorder.recorder import Recorder
from inspector.records import CloseFacts, SessionFacts
from inspector.websocket.frames import make_frame
from inspector.websocket.messages import CLOSE, FAULT, GAP, PING, TEXT, MessageAssembler
from inspector.websocket.permessage_deflate import inflaters

logger = logging.getLogger(__name__)

DIRECTIONS = {True: "cp-to-csms", False: "csms-to-cp"}
SIDES = {True: "charge-point", False: "csms"}
_new_tuple = tuple.__new__


class SessionTap:
    """Watches both directions of one WebSocket and puts what happens into the recorder.

    `feed` is called with chunks exactly as they were forwarded. Nothing here may raise into the relay: a fault
    of ours ends the recording of this link, loudly, and the bytes go on.
    """

    def __init__(
        self, number: int, facts: SessionFacts, recorder: Recorder, max_frame_size: int, counts: Counts | None = None
    ) -> None:
        self.number = number
        self.facts = facts
        self.closed = False
        self.broken = False
        self.taken_over = False
        """True when pipes carry the link: they see its end better than mitmproxy's hooks."""
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
        """Set by whoever relays: puts bytes of our own on the stream to the charge point (True) or the CSMS."""
        self.shut: set[bool] = set()
        """Directions (True: from the charge point) that end with our own close frame: nothing follows it."""
        self.pause_reading: Callable[[bool], None] | None = None
        """Set by whoever relays and can: stops or resumes reading from both peers."""
        self.held: frozenset[str] = frozenset()
        """Why both peers wait now; empty while they go on."""
        self.drop: Callable[[], None] = lambda: None
        """Set by whoever relays and can: ends both connections, whatever the peers do."""
        self._goodbye: bytes | None = None
        self._ended: set[bool] = set()

    def __str__(self) -> str:
        return f"{logged(self.facts.get('charge_point_id') or '?')[0]} (link {self.number})"

    def opened(self) -> None:
        """Record that the 101 has passed."""
        self._put(records.OpenRecord(self.number, time_ns(), monotonic_ns(), self.facts))

    def event(self, kind: str, detail: dict[str, Any]) -> None:
        """Record anything that is no data frame."""
        self._put(records.EventRecord(self.number, time_ns(), monotonic_ns(), kind, detail))

    def feed(self, from_charge_point: bool, data: bytes, forwarded: bool = True) -> None:
        """Take one chunk, already stamped by being here now, and record the messages that end in it."""
        self._bytes[from_charge_point] += len(data)
        if self.broken:
            return
        ts_ns, mono_ns = time_ns(), monotonic_ns()
        try:
            for opcode, payload, told in self.readers[from_charge_point].feed(data):
                if 0 < opcode < CLOSE:
                    self._frames[from_charge_point] += 1
                    notes = told if forwarded else {**(told or {}), "forwarded": False}
                    # Not through FrameRecord's own constructor, which takes twice as long: this line runs once a frame.
                    fields = (self.number, ts_ns, mono_ns, from_charge_point, opcode, payload, notes)
                    self._put(_new_tuple(records.FrameRecord, fields))
                else:
                    self._other(ts_ns, mono_ns, from_charge_point, opcode, payload, told)
        except Exception:
            self.broken = True
            logger.exception("%s: recording stopped by a fault of ours; relaying goes on", self)
            self.counts.gaps[INTERNAL_FAULT] += 1
            reason = "internal fault, recording of this session stopped"
            self.event("gap", {"reason": reason, "cause": INTERNAL_FAULT})
        if self._goodbye is not None:
            self._say_goodbye(self._goodbye)

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

        After a close frame a FIN is what RFC 6455 wants and needs no mention.
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
        """Record an end of which is not known who began it, as mitmproxy's public hooks tell it."""
        if not (self.closed or self._ended or self._closing_handshake_done):
            self.event("close", {"code": None, "tcp": "ended without a closing handshake"})

    @property
    def _closing_handshake_done(self) -> bool:
        return all(sent is not None for sent in self.close_sent.values())

    def hold(self, reason: str, held: bool) -> None:
        """Make both peers wait, or go on once no reason is left; does nothing where the relay cannot."""
        if held is (reason in self.held) or self.pause_reading is None:
            return
        before, self.held = self.held, self.held ^ {reason}
        if bool(before) is not bool(self.held):
            self.pause_reading(held)

    def go_away(self, code: int, reason: str) -> bool:
        """End the session ourselves: tell both peers with a close frame, each as soon as it can take one.

        A frame that is half across is let through first; what a peer sends afterwards is stored as not forwarded.
        Returns whether that was news; the caller sees to it that the connections end if the peers do not.
        """
        if self.closed or self._goodbye is not None or self.write is None:
            return False
        self._goodbye = code.to_bytes(2, "big") + reason.encode()
        if self.closed_by is None:
            self.closed_by = "proxy"
            self.event("close", {"from": "proxy", "code": code, "reason": reason})
        self._say_goodbye(self._goodbye)
        return True

    def _say_goodbye(self, payload: bytes) -> None:
        for direction, reader in self.readers.items():
            over = direction in self.shut or self.close_sent[direction] is not None
            if over or self.write is None or not (reader.splitter.at_boundary or self.broken):
                continue
            self.shut.add(direction)
            # What goes on in the charge point's direction goes to the CSMS, as from a client: masked.
            self.write(not direction, make_frame(0x88, payload, os.urandom(4) if direction else None))

    @property
    def said_goodbye(self) -> bool:
        """Tell whether both peers have closed, on their own or in answer to ours."""
        return self.closed or self._closing_handshake_done

    def finish(self) -> None:
        """Record that both sockets are gone; later calls do nothing."""
        if self.closed:
            return
        self.closed = True
        self._put(records.CloseRecord(self.number, time_ns(), monotonic_ns(), self.closing))

    @property
    def closing(self) -> CloseFacts:
        """How it has ended, as far as that is known by now."""
        cp, csms = self.close_sent[True] or (None, None), self.close_sent[False] or (None, None)
        return {
            "cp_close_code": cp[0],
            "cp_close_reason": cp[1],
            "csms_close_code": csms[0],
            "csms_close_reason": csms[1],
            "closed_by": self.closed_by or "unknown",
        }


def parse_close(payload: bytes) -> tuple[int, str | None]:
    """Return (code, reason) of a close frame's payload; an empty one is 1005 (RFC 6455 section 7.1.5)."""
    if len(payload) < 2:
        return 1005, None
    return int.from_bytes(payload[:2], "big"), payload[2:].decode("utf-8", "replace") or None


__all__ = ["DIRECTIONS", "TEXT", "SessionTap", "parse_close"]
