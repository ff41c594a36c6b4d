"""Join WebSocket frames into messages and inflate them (RFC 6455, RFC 7692). Uses no socket and no clock."""

from __future__ import annotations

from typing import Any

from inspector.websocket.frames import Frame, FrameParser
from inspector.websocket.permessage_deflate import MOST_TO_ONE, Inflater

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FAULT, GAP = -1, -2

type Message = tuple[int, bytes, dict[str, Any] | None]
"""(opcode, payload as the receiver sees it, notes). The opcodes FAULT and GAP are ours; their notes give the reason."""

TOO_LONG, NOT_INFLATED = "too-long", "not-inflated"
"""The causes for which a message could be relayed but not stored."""


class MessageAssembler:
    """Assembles the messages and control frames of one direction from chunks of bytes."""

    __slots__ = (
        "_compressed",
        "_count",
        "_deflated",
        "_inflated",
        "_inflater",
        "_masked",
        "_opcode",
        "_payload",
        "_reported",
        "_reported_fault",
        "_wire",
        "splitter",
    )

    def __init__(self, limit: int, masked: bool, inflater: Inflater | None = None) -> None:
        self.splitter = FrameParser(limit)
        self._masked = masked
        self._inflater = inflater
        self._deflated = inflater is not None
        self._reported: set[str] = set()
        self._opcode = 0
        # Fragments are joined at once. A list of them could grow without limit, as fragments may be empty.
        self._payload: bytes | bytearray | None = b""
        self._count = self._wire = 0
        self._compressed = False
        self._inflated = 0  # size of the messages inflated from the current chunk
        self._reported_fault = False

    @property
    def unfinished(self) -> bool:
        """Whether the bytes so far end in the middle of a frame or of a fragmented message."""
        return bool(self._opcode) or not (self.splitter.at_boundary or self.splitter.fault)

    @property
    def lost(self) -> str | None:
        """Why later messages cannot be read; None if they can."""
        if self.splitter.fault is not None:
            return self.splitter.fault
        if self._deflated and self._inflater is None:
            return "an earlier compressed message could not be inflated, and later ones refer to it"
        return None

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages and control frames that end within `data`, in order. Never raises on its input."""
        splitter = self.splitter
        if self._inflated:
            self._inflated = 0
        messages: list[Message] = []
        for frame in splitter.feed(data):
            first, masked, payload, _ = frame
            if first == 0x81 and masked is self._masked and payload is not None and not self._opcode:
                messages.append((TEXT, payload, None))  # nearly every OCPP frame
            else:
                self._frame(frame, messages)
        if splitter.fault and not self._reported_fault:
            self._reported_fault = True
            messages.append((FAULT, b"", {"reason": splitter.fault, "recording": "stopped in this direction"}))
        return messages

    def _fault(self, messages: list[Message], reason: str) -> None:
        """Append a fault to the messages, but each reason only once: a broken peer must not fill the recording."""
        if reason not in self._reported:
            self._reported.add(reason)
            messages.append((FAULT, b"", {"reason": reason}))

    def _frame(self, frame: Frame, messages: list[Message]) -> None:
        first, masked, payload, wire = frame
        opcode, final = first & 0x0F, first & 0x80 != 0
        if masked is not self._masked:
            which = "unmasked frame from the charge point" if self._masked else "masked frame from the CSMS"
            self._fault(messages, f"{which} (RFC 6455 section 5.1)")
        if first & (0x30 if self._deflated else 0x70):
            self._fault(messages, "reserved bits set without an extension (RFC 6455 section 5.2)")
        if opcode >= CLOSE:
            self._control(opcode, final, payload, wire, messages)
        elif opcode > BINARY:
            self._fault(messages, f"reserved opcode {opcode} (RFC 6455 section 5.2)")
        else:
            self._data(opcode, final, first & 0x40 != 0, payload, wire, messages)

    def _control(self, opcode: int, final: bool, payload: bytes | None, wire: int, messages: list[Message]) -> None:
        if opcode > PONG:
            self._fault(messages, f"reserved opcode {opcode} (RFC 6455 section 5.2)")
            return
        if not final or wire > 131:
            self._fault(messages, "control frame fragmented or longer than 125 bytes (RFC 6455 section 5.5)")
        messages.append((opcode, payload or b"", None))

    def _data(
        self, opcode: int, final: bool, rsv1: bool, payload: bytes | None, wire: int, messages: list[Message]
    ) -> None:
        if opcode == CONTINUATION:
            if not self._opcode:
                self._fault(messages, "continuation frame without a message to continue (RFC 6455 section 5.4)")
                opcode = BINARY
        elif self._opcode:
            self._fault(messages, "new message before the end of a fragmented one (RFC 6455 section 5.4)")
            self._finish(messages)
        if opcode != CONTINUATION:
            self._opcode, self._payload, self._count, self._wire = opcode, payload, 1, wire
            self._compressed = rsv1 and self._deflated
        else:
            self._count += 1
            self._wire += wire
            self._continue(payload)
        if final:
            self._finish(messages)

    def _continue(self, more: bytes | None) -> None:
        """Add a fragment to the message. If the message gets too long, drop all of it."""
        payload = self._payload
        if payload is None or more is None or len(payload) + len(more) > self.splitter.limit:
            self._payload = None
        elif isinstance(payload, bytearray):
            payload += more
        else:
            self._payload = bytearray(payload + more)

    def _finish(self, messages: list[Message]) -> None:
        opcode, whole, count = self._opcode, self._payload, self._count
        self._opcode, self._payload = 0, b""
        if whole is None:
            reason = f"message longer than {self.splitter.limit} bytes was relayed but not stored"
            self._gap(messages, TOO_LONG, reason)
            return
        payload = whole if isinstance(whole, bytes) else bytes(whole)
        notes: dict[str, Any] = {}
        if count > 1:
            notes["fragments"] = count
        if self._compressed:
            notes["compressed"] = len(payload)
            try:
                payload = self._inflate(payload, messages)
            except ValueError as error:
                self._gap(messages, NOT_INFLATED, str(error))
                return
        messages.append((opcode, payload, notes or None))

    def _inflate(self, payload: bytes, messages: list[Message]) -> bytes:
        """Return the inflated message; raise ValueError with the reason if that is not possible."""
        if self._inflater is None:
            raise ValueError("cannot inflate: it refers to an earlier message that was not inflated")
        if not payload:
            # An empty message violates section 7.2.3.6. zlib must not get it: it would fail on later messages.
            self._fault(messages, "compressed message without any data (RFC 7692 section 7.2.3.6)")
            return payload
        before = self._inflated
        # If inflating fails midway, it has taken time all the same: count the largest size that it can have reached.
        self._inflated = before + min(self._inflater.limit, MOST_TO_ONE * len(payload))
        data = self._inflater.inflate(payload, before)
        self._inflated = before + len(data)
        return data

    def _gap(self, messages: list[Message], cause: str, reason: str) -> None:
        if self._compressed and self._inflater and self._inflater.context_takeover:
            self._inflater = None  # later messages need the data of this one and cannot be inflated either
        messages.append((GAP, b"", {"reason": reason, "cause": cause, "frames": 1, "size": self._wire}))
