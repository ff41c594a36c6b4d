"""The answers that are the same in all versions: local list, cache, certificates, logs, data transfer."""

from __future__ import annotations

from simulator.answers import answers
from simulator.clock import timestamp
from simulator.csms_requests import Requests
from simulator.maintenance import Maintenance
from simulator.station import Station
from simulator.wire.link import Payload, Reply


class SharedAnswers:
    """Each method answers one action of the CSMS. Names that differ between versions come from the dialect."""

    def __init__(self, station: Station, requests: Requests, maintenance: Maintenance) -> None:
        self.station, self.requests, self.maintenance = station, requests, maintenance

    @answers("DataTransfer")
    def data_transfer(self, payload: Payload) -> Reply:
        if payload["vendorId"] != self.station.identity.vendor:
            return Reply({"status": "UnknownVendorId"})
        if payload.get("messageId") != "Echo":
            return Reply({"status": "UnknownMessageId"})
        return Reply({"status": "Accepted"} | ({"data": payload["data"]} if payload.get("data") else {}))

    # --- tokens and reservations ---------------------------------------------------------------------------------

    @answers("ClearCache")
    def clear_cache(self, payload: Payload) -> Reply:
        if not self.station.settings.flag("AuthorizationCacheEnabled"):
            return Reply({"status": "Rejected"})
        self.station.tokens.cached.clear()
        return Reply({"status": "Accepted"})

    @answers("GetLocalListVersion")
    def local_list_version(self, payload: Payload) -> Reply:
        dialect, tokens = self.station.dialect, self.station.tokens
        enabled = self.station.settings.flag("LocalAuthListEnabled")
        return Reply({dialect.list_version_member: tokens.version if enabled else dialect.list_off[1]})

    @answers("SendLocalList")
    def send_local_list(self, payload: Payload) -> Reply:
        dialect, tokens = self.station.dialect, self.station.tokens
        if not self.station.settings.flag("LocalAuthListEnabled"):
            return Reply({"status": dialect.list_off[0]})
        status = tokens.update(
            payload[dialect.list_version_member],
            payload["updateType"] == "Full",
            [dialect.list_entry(entry) for entry in payload.get("localAuthorizationList", [])],
        )
        self.station.settings.by_variable["LocalAuthListCtrlr", "Entries"].value = str(len(tokens.listed))
        return Reply({"status": status})

    @answers("CancelReservation")
    def cancel_reservation(self, payload: Payload) -> Reply:
        return self.requests.cancel(payload["reservationId"])

    # --- logs and certificates -----------------------------------------------------------------------------------

    @answers("GetLog")
    def get_log(self, payload: Payload) -> Reply:
        again, canceled = self.maintenance.uploading, self.maintenance.upload_id
        self.maintenance.upload_id = number = payload["requestId"]

        async def follow() -> None:
            if again:
                # N01.FR.20
                await self.station.send(self.station.dialect.log_canceled(canceled))
            location = payload["log"]["remoteLocation"]
            self.maintenance.upload(lambda status: self.station.dialect.log_status(status, number), location)

        status = "AcceptedCanceled" if again else "Accepted"
        return Reply({"status": status, "filename": f"{payload['logType']}-{timestamp()[:10]}.log"}, follow)

    @answers("CertificateSigned")
    def certificate_signed(self, payload: Payload) -> Reply:
        why = self.station.certificates.take_own(payload["certificateChain"])
        if why is None:
            return Reply({"status": "Accepted"})
        self.station.log(f"certificate rejected: {why}")
        dialect = self.station.dialect
        event = dialect.security_event(dialect.bad_certificate_event, why)
        return Reply(dialect.rejected("InvalidCertificate"), lambda: self.station.send(event))

    @answers("InstallCertificate")
    def install(self, payload: Payload) -> Reply:
        return Reply({"status": self.station.certificates.install(payload["certificateType"], payload["certificate"])})

    @answers("DeleteCertificate")
    def delete(self, payload: Payload) -> Reply:
        return Reply({"status": self.station.certificates.delete(payload["certificateHashData"])})
