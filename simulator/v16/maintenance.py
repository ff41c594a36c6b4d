"""The answers of a 1.6 charge point about firmware, diagnostics and certificates (security whitepaper edition 3)."""

from __future__ import annotations

from simulator.answers import answers
from simulator.charging.tokens import when
from simulator.clock import timestamp
from simulator.maintenance import Maintenance
from simulator.station import Station
from simulator.wire.link import Payload, Reply


class Maintenance16:
    """Each method answers one action of the CSMS; `Maintenance` carries it out."""

    def __init__(self, station: Station, maintenance: Maintenance) -> None:
        self.station, self.maintenance = station, maintenance

    @answers("UpdateFirmware")
    def update_firmware(self, payload: Payload) -> Reply:
        at = when(payload["retrieveDate"])

        async def follow() -> None:
            self.maintenance.update(None, payload["location"], at, None, signature=None, modern=False)

        return Reply({}, follow)

    @answers("SignedUpdateFirmware")
    def signed_update_firmware(self, payload: Payload) -> Reply:
        return self.maintenance.answer_update(payload)

    @answers("GetDiagnostics")
    def get_diagnostics(self, payload: Payload) -> Reply:
        async def follow() -> None:
            self.maintenance.upload(
                lambda status: ("DiagnosticsStatusNotification", {"status": status}), payload["location"]
            )

        return Reply({"fileName": f"diagnostics-{timestamp()[:10]}.log"}, follow)

    @answers("GetInstalledCertificateIds")
    def listed(self, payload: Payload) -> Reply:
        found = self.station.certificates.listed([payload["certificateType"]])
        if not found:
            return Reply({"status": "NotFound"})
        return Reply({"status": "Accepted", "certificateHashData": [data for _, data in found]})
