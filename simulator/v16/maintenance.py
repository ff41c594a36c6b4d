"""What a 1.6 charge point answers: firmware, diagnostics, logs and certificates (security whitepaper edition 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.answers import answers
from simulator.clock import timestamp
from simulator.link import Payload, Reply
from simulator.tokens import when

if TYPE_CHECKING:
    from simulator.v16.charge_point import ChargePoint16


class Security16:
    """Each method answers one action of the CSMS; see `Maintenance` for what follows."""

    def __init__(self, station: ChargePoint16) -> None:
        self.station, self.maintenance = station, station.maintenance

    @answers("UpdateFirmware")
    def update_firmware(self, payload: Payload) -> Reply:
        self.maintenance.update_id = None
        at = when(payload["retrieveDate"])

        async def follow() -> None:
            await self.maintenance.update(
                lambda status: self.station.call("FirmwareStatusNotification", {"status": status}),
                payload["location"],
                at,
                None,
                signed=False,
                modern=False,
            )

        return Reply({}, follow)

    @answers("SignedUpdateFirmware")
    def signed_update_firmware(self, payload: Payload) -> Reply:
        firmware, number = payload["firmware"], payload["requestId"]
        if "BEGIN CERTIFICATE" not in firmware["signingCertificate"]:
            return Reply({"status": "InvalidCertificate"})
        again = self.maintenance.updating
        self.maintenance.update_id = number

        async def follow() -> None:
            await self.maintenance.update(
                lambda status: self.station.call(
                    "SignedFirmwareStatusNotification", {"status": status, "requestId": number}
                ),
                firmware["location"],
                when(firmware["retrieveDateTime"]),
                when(firmware.get("installDateTime")),
                signed=True,
                modern=True,
            )

        return Reply({"status": "AcceptedCanceled" if again else "Accepted"}, follow)

    @answers("GetDiagnostics")
    def get_diagnostics(self, payload: Payload) -> Reply:
        async def follow() -> None:
            await self.maintenance.upload(
                lambda status: self.station.call("DiagnosticsStatusNotification", {"status": status}),
                payload["location"],
            )

        return Reply({"fileName": f"diagnostics-{timestamp()[:10]}.log"}, follow)

    @answers("GetLog")
    def get_log(self, payload: Payload) -> Reply:
        again = self.maintenance.uploading
        self.maintenance.upload_id = number = payload["requestId"]

        async def follow() -> None:
            await self.maintenance.upload(
                lambda status: self.station.call(
                    "LogStatusNotification",
                    {"status": "UploadFailure" if status == "UploadFailed" else status, "requestId": number},
                ),
                payload["log"]["remoteLocation"],
            )

        status = "AcceptedCanceled" if again else "Accepted"
        return Reply({"status": status, "filename": f"{payload['logType']}-{timestamp()[:10]}.log"}, follow)

    @answers("CertificateSigned")
    def certificate_signed(self, payload: Payload) -> Reply:
        taken = self.station.certificates.take_own(payload["certificateChain"])
        if taken:
            return Reply({"status": "Accepted"})
        return Reply(
            {"status": "Rejected"},
            lambda: self.station.told(self.station.say_security_event("InvalidChargePointCertificate", None)),
        )

    @answers("InstallCertificate")
    def install(self, payload: Payload) -> Reply:
        status = self.station.certificates.install(payload["certificateType"], payload["certificate"])
        return Reply({"status": status})

    @answers("DeleteCertificate")
    def delete(self, payload: Payload) -> Reply:
        return Reply({"status": self.station.certificates.delete(payload["certificateHashData"])})

    @answers("GetInstalledCertificateIds")
    def listed(self, payload: Payload) -> Reply:
        found = self.station.certificates.listed([payload["certificateType"]])
        if not found:
            return Reply({"status": "NotFound"})
        return Reply({"status": "Accepted", "certificateHashData": [data for _, data in found]})
