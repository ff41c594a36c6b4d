"""What a 2.x charging station answers: remote control, availability, triggers, local list, cache, reservation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from simulator.answers import answers
from simulator.clock import timestamp
from simulator.link import Payload, Reply
from simulator.reservations import Reservation
from simulator.tokens import Verdict, when

if TYPE_CHECKING:
    from simulator.v2x.charge_point import ChargePoint201

UNTRIGGERABLE = ("SignV2GCertificate", "SignV2G20Certificate", "SignCombinedCertificate", "CustomTrigger")


class Remote201:
    """Each method answers one action of the CSMS; see `Requests` for what follows."""

    def __init__(self, station: ChargePoint201) -> None:
        self.station, self.requests = station, station.requests

    @answers("RequestStartTransaction")
    def request_start(self, payload: Payload) -> Reply:
        station = self.station
        token, kind = payload["idToken"]["idToken"], payload["idToken"]["type"]
        connector = self.requests.free_connector(payload.get("evseId"), token)
        raw = payload.get("chargingProfile")
        if connector is None or station.registration != "Accepted":
            return Reply({"status": "Rejected"})
        if raw is not None:
            wrong = station.profile_answers.objection(raw, connector.number, charging=True)
            if wrong or raw["chargingProfilePurpose"] != "TxProfile" or "transactionId" in raw:
                return Reply({"status": "Rejected"})

        async def follow() -> None:
            if raw is not None:
                station.profile_answers.install(raw, connector.number)
            await self.requests.remote_start(connector, token, kind, payload["remoteStartId"])

        return Reply({"status": "Accepted"}, follow)

    @answers("RequestStopTransaction")
    def request_stop(self, payload: Payload) -> Reply:
        connector = self.station.connector_of(payload["transactionId"])
        if connector is None:
            return Reply({"status": "Rejected"})
        return Reply({"status": "Accepted"}, lambda: self.station.stop(connector.number, "Remote"))

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
        if not self.requests.unlock(number) or payload["connectorId"] != 1:
            return Reply({"status": "UnknownConnector"})
        if self.station.connectors[number].transaction is not None:
            return Reply({"status": "OngoingAuthorizedTransaction"})
        return Reply({"status": "Unlocked"}, lambda: self.requests.unlocked(number))

    @answers("ChangeAvailability")
    def change_availability(self, payload: Payload) -> Reply:
        evse = payload.get("evse", {"id": 0})
        if evse.get("connectorId", 1) != 1:
            return Reply({"status": "Rejected"})
        status = self.requests.change_availability(evse["id"], payload["operationalStatus"] == "Operative")
        if status == "Rejected":
            return Reply({"status": status})
        return Reply({"status": status}, lambda: self.requests.show_availability(evse["id"]))

    @answers("TriggerMessage")
    def trigger(self, payload: Payload) -> Reply:
        station, wanted = self.station, payload["requestedMessage"]
        number = payload.get("evse", {}).get("id")
        if wanted in UNTRIGGERABLE:
            return Reply({"status": "NotImplemented"})
        if number is not None and number not in station.connectors:
            return Reply({"status": "Rejected"})
        chosen = [station.connectors[number]] if number else list(station.connectors.values())
        charging = [connector for connector in chosen if connector.transaction is not None]
        if (wanted == "BootNotification" and station.registration == "Accepted") or (
            wanted == "TransactionEvent" and not charging
        ):
            return Reply({"status": "Rejected"})

        async def boot() -> None:
            station.boot_now()

        async def status() -> None:
            for connector in chosen:
                await station.report(connector, always=True)

        async def meter_values() -> None:
            for connector in chosen:
                reading = station.measure(connector)
                await station.told(station.say_meter_values(connector, reading, "Trigger"))

        async def transaction_event() -> None:
            for connector in charging:
                await station.sample(connector, "Trigger")

        async def call(action: str, **members: object) -> None:
            await station.told(station.call(action, dict(members)))

        follow = {
            "BootNotification": boot,
            "Heartbeat": lambda: station.told(station.heartbeat()),
            "StatusNotification": status,
            "MeterValues": meter_values,
            "TransactionEvent": transaction_event,
            "FirmwareStatusNotification": lambda: station.told(station.say_firmware_status()),
            "LogStatusNotification": lambda: station.told(station.say_log_status()),
            "PublishFirmwareStatusNotification": lambda: call("PublishFirmwareStatusNotification", status="Idle"),
            "SignChargingStationCertificate": lambda: call(
                "SignCertificate",
                csr=station.certificates.signing_request(station.settings.text("CpoName")),
                certificateType="ChargingStationCertificate",
            ),
        }[wanted]
        return Reply({"status": "Accepted"}, follow)

    # --- local list, cache, customers ----------------------------------------------------------------------------

    @answers("ClearCache")
    def clear_cache(self, payload: Payload) -> Reply:
        if not self.station.settings.flag("AuthorizationCacheEnabled"):
            return Reply({"status": "Rejected"})
        self.station.tokens.cached.clear()
        return Reply({"status": "Accepted"})

    @answers("GetLocalListVersion")
    def local_list_version(self, payload: Payload) -> Reply:
        return Reply({"versionNumber": self.station.tokens.version})

    @answers("SendLocalList")
    def send_local_list(self, payload: Payload) -> Reply:
        tokens = self.station.tokens
        status = tokens.update(
            payload["versionNumber"],
            payload["updateType"] == "Full",
            [
                (
                    entry["idToken"]["idToken"],
                    verdict(entry["idTokenInfo"]) if "idTokenInfo" in entry else None,
                )
                for entry in payload.get("localAuthorizationList", [])
            ],
        )
        rows = self.station.settings.by_variable
        rows["LocalAuthListCtrlr", "Entries"].value = str(len(tokens.listed))
        return Reply({"status": status})

    @answers("CustomerInformation")
    def customer_information(self, payload: Payload) -> Reply:
        token = payload.get("idToken", {}).get("idToken")
        known = [payload.get(key) for key in ("idToken", "customerIdentifier", "customerCertificate")]
        if sum(found is not None for found in known) != 1:
            return Reply({"status": "Invalid"})
        tokens = self.station.tokens
        held = token is not None and (token in tokens.cached or token in tokens.listed)
        data = f"token {token}: known here" if held else "nothing is kept about this customer"
        if payload["clear"] and token is not None:
            tokens.cached.pop(token, None)
            tokens.listed.pop(token, None)

        async def follow() -> None:
            message = {"requestId": payload["requestId"], "generatedAt": timestamp(), "seqNo": 0, "tbc": False}
            text = data if payload["report"] else "cleared"
            await self.station.told(self.station.call("NotifyCustomerInformation", message | {"data": text}))

        return Reply({"status": "Accepted"}, follow)

    # --- reservations --------------------------------------------------------------------------------------------

    @answers("ReserveNow")
    def reserve(self, payload: Payload) -> Reply:
        if payload.get("connectorType", self.station.connector_type) != self.station.connector_type:
            return Reply({"status": "Rejected"})
        number = payload["id"]
        reservation = Reservation(
            number,
            payload.get("evseId", 0),
            payload["idToken"]["idToken"],
            payload.get("groupIdToken", {}).get("idToken"),
            when(payload["expiryDateTime"]) or datetime.now(UTC),
        )
        status = self.requests.reserve(reservation)
        if status != "Accepted":
            return Reply({"status": status})
        return Reply({"status": status}, lambda: self.requests.show_reservation(number))

    @answers("CancelReservation")
    def cancel_reservation(self, payload: Payload) -> Reply:
        held = self.station.reservations.held.pop(payload["reservationId"], None)
        if held is None:
            return Reply({"status": "Rejected"})
        return Reply({"status": "Accepted"}, lambda: self.requests.release(held, None))


def verdict(info: Payload) -> Verdict:
    """Read an IdTokenInfoType."""
    return Verdict(
        str(info["status"]), when(info.get("cacheExpiryDateTime")), info.get("groupIdToken", {}).get("idToken")
    )
