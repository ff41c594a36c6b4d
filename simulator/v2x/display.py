"""The answers of a 2.x charging station about display messages (O) and the running cost (I02)."""

from __future__ import annotations

from datetime import UTC, datetime

from simulator.answers import answers
from simulator.charging.tokens import when
from simulator.settings import RO, Setting
from simulator.station import Station
from simulator.wire.link import Payload, Reply

MOST = 20
FORMATS = "ASCII,UTF8"
PRIORITIES = "AlwaysFront,InFront,NormalCycle"
STATES = "Charging,Faulted,Idle,Unavailable"


class Display:
    """The messages on the display, by id."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self._messages: dict[int, Payload] = {}
        self._count = Setting(None, "DisplayMessageCtrlr", "DisplayMessages", "0", "integer", RO)
        station.settings.add(self._count)
        for name, values in (
            ("SupportedFormats", FORMATS), ("SupportedPriorities", PRIORITIES), ("SupportedStates", STATES)
        ):  # fmt: skip
            setting = Setting(None, "DisplayMessageCtrlr", name, values, values.replace(",", "|"), RO)
            station.settings.add(setting)

    @property
    def messages(self) -> dict[int, Payload]:
        """The messages without those whose time or transaction is over (O01.FR.07, O02)."""
        now = datetime.now(UTC)
        self._messages = {
            number: message
            for number, message in self._messages.items()
            if (when(message.get("endDateTime")) or now) >= now
            and ("transactionId" not in message or self.station.connector_of(message["transactionId"]) is not None)
        }
        return self._messages

    def _objection(self, message: Payload) -> str | None:
        """Return the status for a message that cannot be shown (O01.FR.01 to O01.FR.03, O01.FR.11, O01.FR.19)."""
        transaction = message.get("transactionId")
        if transaction is not None and self.station.connector_of(transaction) is None:
            return "UnknownTransaction"
        if message["priority"] not in PRIORITIES.split(","):
            return "NotSupportedPriority"
        if message.get("state", "Idle") not in STATES.split(","):
            return "NotSupportedState"
        if message["message"]["format"] not in FORMATS.split(","):
            return "NotSupportedMessageFormat"
        full = len(self.messages) >= MOST and message["id"] not in self.messages
        return "Rejected" if full or "messageExtra" in message else None

    @answers("SetDisplayMessage")
    def show(self, payload: Payload) -> Reply:
        message = payload["message"]
        if (status := self._objection(message)) is not None:
            return Reply({"status": status})
        if message["priority"] == "AlwaysFront":  # O01.FR.16: it replaces the one before
            self._messages = {n: one for n, one in self.messages.items() if one["priority"] != "AlwaysFront"}
        self._messages[message["id"]] = message
        self._count.value = str(len(self._messages))
        return Reply({"status": "Accepted"})

    @answers("GetDisplayMessages")
    def listed(self, payload: Payload) -> Reply:
        chosen = [
            message
            for number, message in self.messages.items()
            if number in payload.get("id", [number])
            and payload.get("priority", message["priority"]) == message["priority"]
            and payload.get("state", message.get("state")) == message.get("state")
        ]
        if not chosen:
            return Reply({"status": "Unknown"})

        async def follow() -> None:
            report = {"requestId": payload["requestId"], "messageInfo": chosen, "tbc": False}
            await self.station.send(("NotifyDisplayMessages", report))

        return Reply({"status": "Accepted"}, follow)

    @answers("ClearDisplayMessage")
    def clear(self, payload: Payload) -> Reply:
        found = self.messages.pop(payload["id"], None)
        self._count.value = str(len(self._messages))
        return Reply({"status": "Unknown" if found is None else "Accepted"})

    @answers("CostUpdated")
    def cost(self, payload: Payload) -> Reply:
        self.station.log(f"cost so far {payload['totalCost']}")
        return Reply({})
