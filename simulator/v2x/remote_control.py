"""The answers of a 2.x charging station about remote control, availability, triggers, customers, reservations."""

from __future__ import annotations

from datetime import UTC, datetime

from simulator.answers import answers
from simulator.charging.reservations import Reservation
from simulator.charging.tokens import when
from simulator.clock import timestamp
from simulator.csms_requests import Requests
from simulator.maintenance import Maintenance
from simulator.station import Station
from simulator.wire.link import Payload, Reply

UNTRIGGERABLE = ("SignV2GCertificate", "SignV2G20Certificate", "SignCombinedCertificate", "CustomTrigger")


class RemoteControl:
    """Each method answers one action of the CSMS; `Requests` carries it out."""

    def __init__(self, station: Station, requests: Requests, maintenance: Maintenance) -> None:
        self.station, self.requests, self.maintenance = station, requests, maintenance

    @answers("RequestStartTransaction")
    def request_start(self, payload: Payload) -> Reply:
        token, profile = payload["idToken"], payload.get("chargingProfile")
        return self.requests.start(
            payload.get("evseId"), token["idToken"], token["type"], profile, payload["remoteStartId"]
        )

    @answers("RequestStopTransaction")
    def request_stop(self, payload: Payload) -> Reply:
        return self.requests.stop(payload["transactionId"])

    @answers("GetTransactionStatus")
    def transaction_status(self, payload: Payload) -> Reply:
        waiting = len(self.station.outbox) > 0
        if "transactionId" not in payload:
            return Reply({"messagesInQueue": waiting})
        ongoing = self.station.connector_of(payload["transactionId"]) is not None
        return Reply({"ongoingIndicator": ongoing, "messagesInQueue": waiting})

    @answers("UnlockConnector")
    def unlock(self, payload: Payload) -> Reply:
        number = payload["evseId"]
        if number not in self.station.connectors or payload["connectorId"] != 1:
            return Reply({"status": "UnknownConnector"})
        if self.station.connectors[number].transaction is not None:
            return Reply({"status": "OngoingAuthorizedTransaction"})
        return Reply({"status": "Unlocked"}, lambda: self.requests.unlock(number))

    @answers("ChangeAvailability")
    def change_availability(self, payload: Payload) -> Reply:
        evse = payload.get("evse", {"id": 0})
        if evse.get("connectorId", 1) != 1:
            return Reply({"status": "Rejected"})
        return self.requests.change_availability(evse["id"], payload["operationalStatus"] == "Operative")

    @answers("TriggerMessage")
    def trigger(self, payload: Payload) -> Reply:
        station, wanted = self.station, payload["requestedMessage"]
        number = payload.get("evse", {}).get("id")
        if wanted in UNTRIGGERABLE:
            return Reply({"status": "NotImplemented"})
        if number is not None and number not in station.connectors:
            return Reply({"status": "Rejected"})
        if payload.get("evse", {}).get("connectorId", 1) != 1:
            return Reply({"status": "Rejected"})
        chosen = [station.connectors[number]] if number else list(station.connectors.values())
        charging = [connector for connector in chosen if connector.transaction is not None]
        if (wanted == "BootNotification" and station.registration == "Accepted") or (
            wanted == "TransactionEvent" and not charging
        ):
            return Reply({"status": "Rejected"})

        async def status() -> None:
            for connector in chosen:
                await station.report(connector, always=True)

        async def meter_values() -> None:
            for connector in chosen:
                reading = station.measure(connector)
                await station.send(station.dialect.meter_values(connector, reading, "Trigger"))

        async def transaction_event() -> None:
            for connector in charging:
                await station.sample(connector, "Trigger")

        csr = station.certificates.signing_request
        follow = {
            "BootNotification": self.requests.trigger_boot,
            "Heartbeat": lambda: station.attempt(station.heartbeat()),
            "StatusNotification": status,
            "MeterValues": meter_values,
            "TransactionEvent": transaction_event,
            "FirmwareStatusNotification": self.maintenance.send_firmware_status,
            "LogStatusNotification": self.maintenance.send_log_status,
            "PublishFirmwareStatusNotification": lambda: station.send(
                ("PublishFirmwareStatusNotification", {"status": "Idle"})
            ),
            "SignChargingStationCertificate": lambda: station.send(
                (
                    "SignCertificate",
                    {
                        "csr": csr(station.settings.text("CpoName")),
                        "certificateType": "ChargingStationCertificate",
                    },
                )
            ),
        }[wanted]
        return Reply({"status": "Accepted"}, follow)

    # --- customers -----------------------------------------------------------------------------------------------

    @answers("CustomerInformation")
    def customer_information(self, payload: Payload) -> Reply:
        token = payload.get("idToken", {}).get("idToken")
        known = [payload.get(key) for key in ("idToken", "customerIdentifier", "customerCertificate")]
        if sum(found is not None for found in known) != 1:
            return Reply({"status": "Invalid"})
        tokens = self.station.tokens
        held = token is not None and (token in tokens.cached or token in tokens.listed)
        data = f"token {token} is in the local list or the cache" if held else "no data about this customer"
        if payload["clear"] and token is not None:
            tokens.cached.pop(token, None)
            tokens.listed.pop(token, None)

        async def follow() -> None:
            message = {"requestId": payload["requestId"], "generatedAt": timestamp(), "seqNo": 0, "tbc": False}
            text = data if payload["report"] else "cleared"
            await self.station.send(("NotifyCustomerInformation", message | {"data": text}))

        return Reply({"status": "Accepted"}, follow)

    # --- reservations --------------------------------------------------------------------------------------------

    @answers("ReserveNow")
    def reserve(self, payload: Payload) -> Reply:
        connector_type = self.station.identity.connector_type
        if payload.get("connectorType", connector_type) != connector_type:
            return Reply({"status": "Rejected"})
        return self.requests.reserve(
            Reservation(
                payload["id"],
                payload.get("evseId", 0),
                payload["idToken"]["idToken"],
                payload.get("groupIdToken", {}).get("idToken"),
                when(payload["expiryDateTime"]) or datetime.now(UTC),
            )
        )
