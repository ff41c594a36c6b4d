"""Puts frames together to messages, inflated for the record: knows RFC 6455 and 7692, no socket and no clock."""

from __future__ import annotations

import zlib
from typing import Any

from inspector.proxy.splitter import Frame, Splitter

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
FAULT, GAP = -1, -2

type Message = tuple[int, bytes, dict[str, Any] | None]
"""(opcode, payload as its receiver gets it, notes); FAULT and GAP carry their detail in the notes."""

_END_OF_BLOCK = b"\x00\x00\xff\xff"


class Inflater:
    """Undoes permessage-deflate of one direction (RFC 7692 section 7.2.2), never beyond `limit` bytes a message."""

    def __init__(self, limit: int, context_takeover: bool) -> None:
        self.limit, self.context_takeover = limit, context_takeover
        self._stream = zlib.decompressobj(-zlib.MAX_WBITS)

    def inflate(self, payload: bytes) -> bytes:
        """Return the message; raises ValueError with the reason when it cannot be had."""
        if not self.context_takeover:
            self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = self._stream.decompress(payload + _END_OF_BLOCK, self.limit + 1)
        except zlib.error as error:
            raise ValueError(f"permessage-deflate data does not inflate: {error}") from None
        if len(data) > self.limit:
            raise ValueError(f"permessage-deflate message inflates to more than {self.limit} bytes")
        return data


class MessageReader:
    """One direction of a WebSocket: chunks in, whole messages and control frames out."""

    __slots__ = (
        "_compressed",
        "_count",
        "_deflated",
        "_inflater",
        "_masked",
        "_opcode",
        "_parts",
        "_reported",
        "_wire",
        "splitter",
    )

    def __init__(self, limit: int, masked: bool, inflater: Inflater | None = None) -> None:
        self.splitter = Splitter(limit)
        self._masked = masked
        self._inflater = inflater
        self._deflated = inflater is not None
        self._reported: set[str] = set()
        self._opcode = 0
        self._parts: list[bytes] | None = []
        self._count = self._wire = 0
        self._compressed = False

    @property
    def unfinished(self) -> bool:
        """Tell whether the bytes so far end within a frame or a fragmented message."""
        return bool(self._opcode) or not (self.splitter.at_boundary or self.splitter.fault)

    def feed(self, data: bytes) -> list[Message]:
        """Return what ends within `data`, in order; never raises on what a peer sent."""
        splitter = self.splitter
        had_fault = splitter.fault
        messages: list[Message] = []
        for frame in splitter.feed(data):
            first, masked, payload, _ = frame
            if first == 0x81 and masked is self._masked and payload is not None and not self._opcode:
                messages.append((TEXT, payload, None))  # nearly every OCPP frame
            else:
                self._frame(frame, messages)
        if splitter.fault and not had_fault:
            messages.append((FAULT, b"", {"reason": splitter.fault, "recording": "stopped in this direction"}))
        return messages

    def _fault(self, messages: list[Message], reason: str) -> None:
        """Report each kind of fault once a direction: a broken peer must not fill the file."""
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
            self._opcode, self._parts, self._count, self._wire = opcode, [], 0, 0
            self._compressed = rsv1 and self._deflated
        self._count += 1
        self._wire += wire
        if payload is None or self._wire > self.splitter.limit + 14 * self._count:
            self._parts = None
        elif self._parts is not None:
            self._parts.append(payload)
        if final:
            self._finish(messages)

    def _finish(self, messages: list[Message]) -> None:
        opcode, parts, count, wire = self._opcode, self._parts, self._count, self._wire
        self._opcode = 0
        if parts is None:
            if self._compressed and self._inflater and self._inflater.context_takeover:
                self._inflater = None
            reason = f"message longer than {self.splitter.limit} bytes was relayed but not stored"
            messages.append((GAP, b"", {"reason": reason, "frames": 1, "size": wire}))
            return
        payload = parts[0] if count == 1 else b"".join(parts)
        notes: dict[str, Any] = {}
        if count > 1:
            notes["fragments"] = count
        if self._compressed:
            notes["compressed"] = len(payload)
            try:
                if self._inflater is None:
                    raise ValueError("permessage-deflate context was lost with an earlier message")
                payload = self._inflater.inflate(payload)
            except ValueError as error:
                # The context is gone with it: what follows could only be guessed.
                if self._inflater and self._inflater.context_takeover:
                    self._inflater = None
                messages.append((GAP, b"", {"reason": str(error), "frames": 1, "size": wire}))
                return
        messages.append((opcode, payload, notes or None))


def inflaters(extensions: str | None, limit: int) -> tuple[Inflater | None, Inflater | None]:
    """Return what undoes the agreed extensions from the charge point and from the CSMS.

    `extensions` is the Sec-WebSocket-Extensions header of the 101; unknown ones are left alone.
    """
    for extension in (extensions or "").split(","):
        name, *parameters = (part.strip().lower() for part in extension.split(";"))
        if name == "permessage-deflate":
            return (
                Inflater(limit, "client_no_context_takeover" not in parameters),
                Inflater(limit, "server_no_context_takeover" not in parameters),
            )
    return None, None
