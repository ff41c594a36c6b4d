"""The answers of a 2.x charging station about firmware (L) and installed certificates (M)."""

from __future__ import annotations

from urllib.parse import urlsplit

from simulator.answers import answers
from simulator.maintenance import SCHEMES, STEP_S, Maintenance
from simulator.station import Station
from simulator.wire.link import Payload, Reply


class Maintenance2x:
    """Each method answers one action of the CSMS; `Maintenance` carries it out."""

    def __init__(self, station: Station, maintenance: Maintenance) -> None:
        self.station, self.maintenance = station, maintenance
        self._published: set[str] = set()
        self._publishing: set[str] = set()

    @answers("UpdateFirmware")
    def update_firmware(self, payload: Payload) -> Reply:
        return self.maintenance.answer_update(payload)

    @answers("PublishFirmware")
    def publish(self, payload: Payload) -> Reply:
        location, checksum, number = payload["location"], payload["checksum"], payload["requestId"]

        async def step(status: str, **members: object) -> None:
            message = {"status": status, "requestId": number, **members}
            await self.station.send(("PublishFirmwareStatusNotification", message))
            await self.station.clock.sleep(STEP_S)

        async def follow() -> None:
            self._publishing.add(checksum)
            await step("Downloading")
            self._publishing.discard(checksum)
            if urlsplit(location).scheme not in SCHEMES:
                await step("DownloadFailed")
                return
            await step("Downloaded")
            await step("ChecksumVerified")
            self._published.add(checksum)
            await step("Published", location=[location])

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

    @answers("GetInstalledCertificateIds")
    def listed(self, payload: Payload) -> Reply:
        found = self.station.certificates.listed(payload.get("certificateType"))
        if not found:
            return Reply({"status": "NotFound"})
        chains = [{"certificateType": use, "certificateHashData": data} for use, data in found]
        return Reply({"status": "Accepted", "certificateHashDataChain": chains})
