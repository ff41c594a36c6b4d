"""The answers of a 1.6 charge point to the core, remote trigger and reservation profiles."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from simulator.answers import answers
from simulator.charging.reservations import Reservation
from simulator.charging.tokens import when
from simulator.csms_requests import Requests
from simulator.maintenance import Maintenance
from simulator.station import Station
from simulator.wire.link import Payload, Reply

# A password by 1.6 whitepaper 2.4: 16 to 20 bytes, in hexadecimal.
HEXADECIMAL = re.compile(r"(?:[0-9A-Fa-f]{2}){16,20}")


class Core16:
    """Each method answers one action of the CSMS; `Requests` carries it out."""

    def __init__(self, station: Station, requests: Requests, maintenance: Maintenance) -> None:
        self.station, self.requests, self.maintenance = station, requests, maintenance

    # --- configuration -------------------------------------------------------------------------------------------

    @answers("GetConfiguration")
    def get_configuration(self, payload: Payload) -> Reply:
        settings = self.station.settings
        wanted = payload.get("key") or list(settings.by_key)
        answer: Payload = {
            "configurationKey": [
                {"key": row.key, "readonly": row.access == "ReadOnly"}
                | ({} if row.access == "WriteOnly" else {"value": row.value})
                for key in wanted
                if (row := settings.find_key(key)) is not None
            ]
        }
        if unknown := [key for key in wanted if settings.find_key(key) is None]:
            answer["unknownKey"] = unknown
        return Reply(answer)

    @answers("ChangeConfiguration")
    def change_configuration(self, payload: Payload) -> Reply:
        row = self.station.settings.find_key(payload["key"])
        if row is None:
            return Reply({"status": "NotSupported"})
        if row.access == "ReadOnly" or not row.takes(payload["value"]):
            return Reply({"status": "Rejected"})
        if row.key == "AuthorizationKey" and not HEXADECIMAL.fullmatch(payload["value"]):
            return Reply({"status": "Rejected"})
        row.value = payload["value"]
        self.station.setting_changed()
        return Reply({"status": "Accepted"})

    # --- remote control ------------------------------------------------------------------------------------------

    @answers("RemoteStartTransaction")
    def remote_start(self, payload: Payload) -> Reply:
        profile = payload.get("chargingProfile")
        return self.requests.start(payload.get("connectorId"), payload["idTag"], "Central", profile, None)

    @answers("RemoteStopTransaction")
    def remote_stop(self, payload: Payload) -> Reply:
        return self.requests.stop(payload["transactionId"])

    @answers("UnlockConnector")
    def unlock(self, payload: Payload) -> Reply:
        number = payload["connectorId"]
        if number not in self.station.connectors:
            return Reply({"status": "NotSupported"})
        return Reply({"status": "Unlocked"}, lambda: self.requests.unlock(number))

    @answers("ChangeAvailability")
    def change_availability(self, payload: Payload) -> Reply:
        return self.requests.change_availability(payload["connectorId"], payload["type"] == "Operative")

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

        async def status() -> None:
            if not number:
                await station.report_whole()
            for connector in chosen if number != 0 else []:
                await station.report(connector, always=True)

        async def meter_values() -> None:
            for connector in chosen:
                await station.sample(connector, "Trigger")

        csr = station.certificates.signing_request
        follow = {
            "BootNotification": self.requests.trigger_boot,
            "Heartbeat": lambda: station.attempt(station.heartbeat()),
            "StatusNotification": status,
            "MeterValues": meter_values,
            "FirmwareStatusNotification": self.maintenance.send_firmware_status,
            "DiagnosticsStatusNotification": lambda: station.send(
                ("DiagnosticsStatusNotification", {"status": self.maintenance.upload_status})
            ),
            "LogStatusNotification": self.maintenance.send_log_status,
            "SignChargePointCertificate": lambda: station.send(
                ("SignCertificate", {"csr": csr(station.settings.text("CpoName"))})
            ),
        }[payload["requestedMessage"]]
        return Reply({"status": "Accepted"}, follow)

    # --- reservations --------------------------------------------------------------------------------------------

    @answers("ReserveNow")
    def reserve(self, payload: Payload) -> Reply:
        expires = when(payload["expiryDate"]) or datetime.now(UTC)
        number, connector, token = payload["reservationId"], payload["connectorId"], payload["idTag"]
        return self.requests.reserve(Reservation(number, connector, token, payload.get("parentIdTag"), expires))
