"""The answers of a 2.x charging station about display messages (O) and the running cost (I02)."""

from __future__ import annotations

from simulator.answers import answers
from simulator.station import Station
from simulator.wire.link import Payload, Reply


class Display:
    """The messages on the display, by id."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self.messages: dict[int, Payload] = {}

    @answers("SetDisplayMessage")
    def show(self, payload: Payload) -> Reply:
        message = payload["message"]
        transaction = message.get("transactionId")
        if transaction is not None and self.station.connector_of(transaction) is None:
            return Reply({"status": "UnknownTransaction"})
        if message["priority"] == "AlwaysFront":  # O01.FR.16: it replaces the one before
            self.messages = {n: one for n, one in self.messages.items() if one["priority"] != "AlwaysFront"}
        self.messages[message["id"]] = message
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
        return Reply({"status": "Unknown" if found is None else "Accepted"})

    @answers("CostUpdated")
    def cost(self, payload: Payload) -> Reply:
        self.station.log(f"cost so far {payload['totalCost']}")
        return Reply({})
