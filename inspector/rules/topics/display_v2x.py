"""Judge display messages: their transaction must exist, and the station must know the messages it has accepted."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, ongoing
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import BOOT_2X, csms, script, started

SOON_S = 5.0
"""So long after the end of a transaction the CSMS may not know of it."""


def _shown(**more: str) -> str:
    text = {"format": "UTF8", "content": "Hello"}
    return csms("SetDisplayMessage", {"message": {"id": 1, "priority": "NormalCycle", "message": text, **more}})


class DisplayMessages(Topic):
    """The rules about SetDisplayMessage and ClearDisplayMessage."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._kept: Known[int, None] = Known()  # ids of accepted messages that stay until they are cleared
        self._cleared: Known[int, None] = Known()
        self._reports: Known[int, set[int]] = Known()  # reports of all messages: the ids that have come, by requestId
        self._all: set[int] | None = None  # the ids in the last report of all messages, if none was set since
        self._empty = False  # whether the station has said that it has no message at all, and has got none since

    @rule(
        "display.unknown-transaction",
        result("SetDisplayMessage"),
        title="The answer to a display message contradicts whether its transaction is active",
        severity=Severity.WARNING,
        spec="OCPP 2.x O02.FR.01",
        remedy="Answer UnknownTransaction where no such transaction is active.",
        bad=script(BOOT_2X, _shown(transactionId="t1")),
        good=script(BOOT_2X, started(), _shown(transactionId="t1")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unknown_transaction(self, frame: Frame) -> Faults:
        name = string(member(frame.request, "message"), "transactionId")
        status, runs = string(frame.payload, "status"), ongoing(self, name) if name is not None else None
        if name is None or runs is None:
            return None
        if runs:
            text = f"UnknownTransaction, but transaction {name[:36]!r} is active"
            return Fault(text, "/2/status", key=name[:36]) if status == "UnknownTransaction" else None
        if status == "Rejected":
            text = f"Rejected; expected UnknownTransaction, as transaction {name[:36]!r} is not active"
            return Fault(text, "/2/status", key=name[:36])
        if status != "Accepted":
            return None
        return Fault(
            f"a message is accepted for transaction {name[:36]!r}, which is not active", "/2/status", key=name[:36]
        )

    @rule(
        "display.stale-transaction",
        call("SetDisplayMessage"),
        title="A display message names a transaction that is not active",
        severity=Severity.INFO,
        spec="OCPP 2.x O01.FR.04",
        remedy="Leave transactionId out of a message that belongs to no active transaction.",
        bad=script(BOOT_2X, _shown(transactionId="t1").replace("Accepted", "UnknownTransaction")),
        good=script(BOOT_2X, _shown()),
        versions=V2X,
        side=Side.CSMS,
    )
    def stale_transaction(self, frame: Frame) -> Faults:
        name = string(member(frame.payload, "message"), "transactionId")
        if name is None or ongoing(self, name) is not False:
            return None
        known = self.station.topic(Transactions2x).by_id.get(name)
        since = (frame.mono_ns - known.ended_ns) / 1e9 if known is not None and known.ended_ns is not None else 0.0
        severity = Severity.WARNING if since > SOON_S else Severity.INFO  # the end may just have come
        text = f"transaction {name[:36]!r} is not active"
        return Fault(text, "/3/message/transactionId", key=name[:36], severity=severity)

    @rule(
        "display.clear-unknown",
        result("ClearDisplayMessage"),
        title="The answer to ClearDisplayMessage contradicts which messages there are",
        severity=Severity.WARNING,
        spec="OCPP 2.x O05.FR.01, O05.FR.02, O01.FR.10, O02.FR.10",
        remedy="Remove the message with the requested id and answer Accepted; answer Unknown where there is none.",
        bad=script(_shown(), csms("ClearDisplayMessage", {"id": 1}, {"status": "Unknown"})),
        good=script(_shown(), csms("ClearDisplayMessage", {"id": 1})),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def clear_unknown(self, frame: Frame) -> Faults:
        number = integer(frame.request, "id")
        if frame.payload.get("status") == "Accepted" and number in self._cleared:
            return Fault(f"message {number} is cleared again, although it does not exist", "/2/status", key=str(number))
        if frame.payload.get("status") == "Accepted" and self._empty:
            self._empty = False
            text = f"message {number} is cleared, although GetDisplayMessages has just found none"
            return Fault(text, "/2/status", key=str(number))
        if frame.payload.get("status") == "Accepted" and self._all is not None and number not in self._all:
            text = f"message {number} is cleared, but the last full report does not list it"
            return Fault(text, "/2/status", key=str(number))
        if frame.payload.get("status") != "Unknown" or number not in self._kept:
            return None
        return Fault(f"message {number} is called unknown, though it was accepted", "/2/status", key=str(number))

    @track(result("GetDisplayMessages"))
    def listed(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Unknown" and frame.request.keys() <= {"requestId"}:
            self._empty = True
        number = integer(frame.request, "requestId")
        if number is not None and frame.payload.get("status") == "Accepted" and frame.request.keys() <= {"requestId"}:
            self._reports.note(number, set())

    @track(call("NotifyDisplayMessages"))
    def reported(self, frame: Frame) -> None:
        number = integer(frame.payload, "requestId")
        told = self._reports.get(number) if number is not None else None
        for one in elements(frame.payload, "messageInfo"):
            own = integer(one, "id")
            if own is None:
                continue
            if told is not None:
                told.add(own)
            if not {"endDateTime", "transactionId"} & one.keys():
                self._kept.note(own, None)
        if told is not None and number is not None and frame.payload.get("tbc") is not True:
            self._all = self._reports.pop(number)

    @track(call("SetDisplayMessage"))
    def setting(self, frame: Frame) -> None:
        self._empty, self._all = False, None
        self._reports.clear()

    @track(result("SetDisplayMessage", "ClearDisplayMessage"))
    def answered(self, frame: Frame) -> None:
        message = member(frame.request, "message")
        number = integer(message if frame.action == "SetDisplayMessage" else frame.request, "id")
        if number is None or frame.payload.get("status") not in ("Accepted", "Unknown"):
            return
        self._kept.pop(number, None)
        self._cleared.pop(number, None)
        if frame.action == "ClearDisplayMessage":
            self._cleared.note(number, None)
        if frame.action == "SetDisplayMessage" and message.get("priority") == "AlwaysFront":
            self._kept.clear()  # it may have taken the place of another one
        lasts = frame.action == "SetDisplayMessage" and not {"endDateTime", "transactionId"} & message.keys()
        if lasts and frame.payload.get("status") == "Accepted":
            self._kept.note(number, None)

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._cleared.clear()
        self._empty, self._all = False, None
