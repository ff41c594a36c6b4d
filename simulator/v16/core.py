"""What a 1.6 charge point answers: core, remote trigger, local list, reservation."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from simulator.answers import answers
from simulator.link import Payload, Reply
from simulator.profiles import Profile, objection
from simulator.reservations import Reservation
from simulator.tokens import Verdict, when

if TYPE_CHECKING:
    from simulator.v16.charge_point import ChargePoint16

# 1.6 whitepaper 2.4: a password of 16 to 20 bytes, written in hexadecimal.
HEXADECIMAL = re.compile(r"(?:[0-9A-Fa-f]{2}){16,20}")


class Core16:
    """Each method answers one action of the CSMS; see `Requests` for what follows."""

    def __init__(self, station: ChargePoint16) -> None:
        self.station, self.requests = station, station.requests

    # --- configuration -------------------------------------------------------------------------------------------

    @answers("GetConfiguration")
    def get_configuration(self, payload: Payload) -> Reply:
        rows = self.station.settings.by_key
        wanted = payload.get("key") or list(rows)
        answer: Payload = {
            "configurationKey": [
                {"key": row.key, "readonly": row.access == "ReadOnly"}
                | ({} if row.access == "WriteOnly" else {"value": row.value})
                for key in wanted
                if (row := rows.get(key)) is not None
            ]
        }
        if unknown := [key for key in wanted if key not in rows]:
            answer["unknownKey"] = unknown
        return Reply(answer)

    @answers("ChangeConfiguration")
    def change_configuration(self, payload: Payload) -> Reply:
        row = self.station.settings.by_key.get(payload["key"])
        if row is None:
            return Reply({"status": "NotSupported"})
        if row.access == "ReadOnly" or not row.takes(payload["value"]):
            return Reply({"status": "Rejected"})
        if row.key == "AuthorizationKey" and not HEXADECIMAL.fullmatch(payload["value"]):
            return Reply({"status": "Rejected"})
        row.value = payload["value"]
        return Reply({"status": "Accepted"})

    @answers("DataTransfer")
    def data_transfer(self, payload: Payload) -> Reply:
        if payload["vendorId"] != self.station.identity.vendor:
            return Reply({"status": "UnknownVendorId"})
        if payload.get("messageId") != "Echo":
            return Reply({"status": "UnknownMessageId"})
        return Reply({"status": "Accepted", "data": payload.get("data", "")})

    # --- remote control ------------------------------------------------------------------------------------------

    @answers("RemoteStartTransaction")
    def remote_start(self, payload: Payload) -> Reply:
        token = payload["idTag"]
        connector = self.requests.free_connector(payload.get("connectorId"), token)
        raw = payload.get("chargingProfile")
        if connector is None or self.station.registration != "Accepted":
            return Reply({"status": "Rejected"})
        if raw is not None:
            wrong = objection(raw, connector.number, len(self.station.connectors), charging=True, strict=False)
            if wrong or raw["chargingProfilePurpose"] != "TxProfile" or "transactionId" in raw:
                return Reply({"status": "Rejected"})

        async def follow() -> None:
            if raw is not None:
                self.station.profiles.install(profile(self.station, raw, connector.number))
            await self.requests.remote_start(connector, token, "Central", None)

        return Reply({"status": "Accepted"}, follow)

    @answers("RemoteStopTransaction")
    def remote_stop(self, payload: Payload) -> Reply:
        connector = self.station.connector_of(payload["transactionId"])
        if connector is None:
            return Reply({"status": "Rejected"})
        return Reply({"status": "Accepted"}, lambda: self.station.stop(connector.number, "Remote"))

    @answers("UnlockConnector")
    def unlock(self, payload: Payload) -> Reply:
        number = payload["connectorId"]
        if not self.requests.unlock(number):
            return Reply({"status": "NotSupported"})
        return Reply({"status": "Unlocked"}, lambda: self.requests.unlocked(number))

    @answers("ChangeAvailability")
    def change_availability(self, payload: Payload) -> Reply:
        number = payload["connectorId"]
        status = self.requests.change_availability(number, payload["type"] == "Operative")
        if status == "Rejected":
            return Reply({"status": status})
        return Reply({"status": status}, lambda: self.requests.show_availability(number))

    @answers("Reset")
    def reset(self, payload: Payload) -> Reply:
        return Reply({"status": "Accepted"}, lambda: self.requests.reset(f"{payload['type']}Reset", "RemoteReset"))

    @answers("TriggerMessage", "ExtendedTriggerMessage")
    def trigger(self, payload: Payload) -> Reply:
        number = payload.get("connectorId")
        if number is not None and number and number not in self.station.connectors:
            return Reply({"status": "Rejected"})
        station = self.station
        if payload["requestedMessage"] == "BootNotification" and station.registration == "Accepted":
            return Reply({"status": "Rejected"})
        chosen = [station.connectors[number]] if number else list(station.connectors.values())

        async def boot() -> None:
            station.boot_now()

        async def status() -> None:
            if not number:
                await station.told(station.say_whole_status())
            for connector in chosen if number != 0 else []:
                await station.report(connector, always=True)

        async def meter_values() -> None:
            for connector in chosen:
                await station.sample(connector, "Trigger")

        async def call(action: str, **members: object) -> None:
            await station.told(station.call(action, dict(members)))

        maintenance = station.maintenance
        follow = {
            "BootNotification": boot,
            "Heartbeat": lambda: station.told(station.heartbeat()),
            "StatusNotification": status,
            "MeterValues": meter_values,
            "FirmwareStatusNotification": lambda: station.told(station.say_firmware_status()),
            "DiagnosticsStatusNotification": lambda: call(
                "DiagnosticsStatusNotification", status=maintenance.upload_status
            ),
            "LogStatusNotification": lambda: station.told(station.say_log_status()),
            "SignChargePointCertificate": lambda: call(
                "SignCertificate", csr=station.certificates.signing_request(station.settings.text("CpoName"))
            ),
        }[payload["requestedMessage"]]
        return Reply({"status": "Accepted"}, follow)

    # --- local list, cache and reservations ----------------------------------------------------------------------

    @answers("ClearCache")
    def clear_cache(self, payload: Payload) -> Reply:
        if not self.station.settings.flag("AuthorizationCacheEnabled"):
            return Reply({"status": "Rejected"})
        self.station.tokens.cached.clear()
        return Reply({"status": "Accepted"})

    @answers("GetLocalListVersion")
    def local_list_version(self, payload: Payload) -> Reply:
        enabled = self.station.settings.flag("LocalAuthListEnabled")
        return Reply({"listVersion": self.station.tokens.version if enabled else -1})

    @answers("SendLocalList")
    def send_local_list(self, payload: Payload) -> Reply:
        if not self.station.settings.flag("LocalAuthListEnabled"):
            return Reply({"status": "NotSupported"})
        entries = payload.get("localAuthorizationList", [])
        status = self.station.tokens.update(
            payload["listVersion"],
            payload["updateType"] == "Full",
            [(entry["idTag"], verdict(entry["idTagInfo"]) if "idTagInfo" in entry else None) for entry in entries],
        )
        return Reply({"status": status})

    @answers("ReserveNow")
    def reserve(self, payload: Payload) -> Reply:
        number = payload["reservationId"]
        expires = when(payload["expiryDate"]) or datetime.now(UTC)
        status = self.requests.reserve(
            Reservation(number, payload["connectorId"], payload["idTag"], payload.get("parentIdTag"), expires)
        )
        if status != "Accepted":
            return Reply({"status": status})
        return Reply({"status": status}, lambda: self.requests.show_reservation(number))

    @answers("CancelReservation")
    def cancel_reservation(self, payload: Payload) -> Reply:
        held = self.station.reservations.held.pop(payload["reservationId"], None)
        if held is None:
            return Reply({"status": "Rejected"})
        return Reply({"status": "Accepted"}, lambda: self.requests.release(held, None))


def profile(station: ChargePoint16, raw: Payload, place: int) -> Profile:
    """Return a profile of 1.6 as it is kept."""
    return Profile(
        id=raw["chargingProfileId"],
        place=place,
        stack_level=raw["stackLevel"],
        purpose=raw["chargingProfilePurpose"],
        kind=raw["chargingProfileKind"],
        raw=raw,
        received=datetime.now(UTC),
        received_s=station.clock.simulated(),
    )


def verdict(info: Payload) -> Verdict:
    """Read an IdTagInfo."""
    return Verdict(str(info["status"]), when(info.get("expiryDate")), info.get("parentIdTag"))
