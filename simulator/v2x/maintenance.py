"""What a 2.x charging station answers: firmware (L), logs (N01) and certificates (M)."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from simulator.answers import answers
from simulator.clock import timestamp
from simulator.link import Payload, Reply
from simulator.maintenance import SCHEMES, STEP_S
from simulator.tokens import when

if TYPE_CHECKING:
    from simulator.v2x.charge_point import ChargePoint201


class Maintenance201:
    """Each method answers one action of the CSMS; see `Maintenance` for what follows."""

    def __init__(self, station: ChargePoint201) -> None:
        self.station, self.maintenance = station, station.maintenance
        self._published: set[str] = set()
        self._publishing: set[str] = set()

    @answers("UpdateFirmware")
    def update_firmware(self, payload: Payload) -> Reply:
        firmware, number = payload["firmware"], payload["requestId"]
        certificate = firmware.get("signingCertificate")
        if certificate is not None and "BEGIN CERTIFICATE" not in certificate:
            return Reply({"status": "InvalidCertificate"})
        again = self.maintenance.updating
        self.maintenance.update_id = number

        async def follow() -> None:
            await self.maintenance.update(
                lambda status: self.station.call("FirmwareStatusNotification", {"status": status, "requestId": number}),
                firmware["location"],
                when(firmware["retrieveDateTime"]),
                when(firmware.get("installDateTime")),
                signed=certificate is not None,
                modern=True,
            )

        return Reply({"status": "AcceptedCanceled" if again else "Accepted"}, follow)

    @answers("PublishFirmware")
    def publish(self, payload: Payload) -> Reply:
        location, checksum, number = payload["location"], payload["checksum"], payload["requestId"]

        async def follow() -> None:
            async def tell(status: str, **members: object) -> None:
                message = {"status": status, "requestId": number, **members}
                await self.station.told(self.station.call("PublishFirmwareStatusNotification", message))
                await self.station.clock.sleep(STEP_S)

            self._publishing.add(checksum)
            await tell("Downloading")
            self._publishing.discard(checksum)
            if urlsplit(location).scheme not in SCHEMES:
                await tell("DownloadFailed")
                return
            await tell("Downloaded")
            await tell("ChecksumVerified")
            self._published.add(checksum)
            await tell("Published", location=[location])

        return Reply({"status": "Accepted"}, follow)

    @answers("UnpublishFirmware")
    def unpublish(self, payload: Payload) -> Reply:
        checksum = payload["checksum"]
        if checksum in self._publishing:
            return Reply({"status": "DownloadOngoing"})
        if checksum not in self._published:
            return Reply({"status": "NoFirmware"})
        self._published.discard(checksum)
        return Reply({"status": "Unpublished"})

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
        if self.station.certificates.take_own(payload["certificateChain"]):
            return Reply({"status": "Accepted"})
        return Reply(
            {"status": "Rejected", "statusInfo": {"reasonCode": "InvalidCertificate"}},
            lambda: self.station.told(self.station.say_security_event("InvalidChargingStationCertificate", None)),
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
        found = self.station.certificates.listed(payload.get("certificateType"))
        if not found:
            return Reply({"status": "NotFound"})
        chains = [{"certificateType": use, "certificateHashData": data} for use, data in found]
        return Reply({"status": "Accepted", "certificateHashDataChain": chains})
