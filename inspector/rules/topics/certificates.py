"""Judge whether messages about certificates agree with each other. The certificates themselves are not read."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.context import AtClose
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise, needs
from inspector.rules.rule import ALL, V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.topics.example_frames import NOW, cp, csms, script

_HASH = {"hashAlgorithm": "SHA256", "issuerNameHash": "aa", "issuerKeyHash": "bb", "serialNumber": "1"}
_OTHER_HASH = {**_HASH, "hashAlgorithm": "SHA512"}
_CHAIN = [{"certificateHashData": _HASH, "certificateType": "CSMSRootCertificate"}]
_INSTALLED = ("GetInstalledCertificateIds", {"certificateType": ["CSMSRootCertificate"]})
_INSTALLED_16 = ("GetInstalledCertificateIds", {"certificateType": "CentralSystemRootCertificate"})
_SIGNED = csms("CertificateSigned", {"certificateChain": "-----BEGIN CERTIFICATE-----"}, {"status": "Rejected"})
_WEEK_S = 7 * 86400.0
_EVENTS = frozenset({"InvalidChargingStationCertificate", "InvalidChargePointCertificate"})
_REQUESTED = ("SignChargingStationCertificate", "SignV2GCertificate", "SignV2G20Certificate", "SignCombinedCertificate")


_LISTED_16 = {"status": "Accepted", "certificateHashData": [_HASH]}
_LISTED = {"status": "Accepted", "certificateHashDataChain": _CHAIN}


def _signing(request: int) -> str:
    return cp("SignCertificate", {"csr": "x", "requestId": request}, {"status": "Accepted"})


def _certificate(request: int, status: str) -> str:
    return csms("CertificateSigned", {"certificateChain": "x", "requestId": request}, {"status": status})


def _event(kind: str) -> str:
    return cp("SecurityEventNotification", {"type": kind, "timestamp": NOW})


def _status(status: str | None) -> str:
    ocsp = {"ocspRequestData": {**_HASH, "responderURL": "http://ocsp.example"}}
    return cp("GetCertificateStatus", ocsp, {"status": "Accepted", **({"ocspResult": status} if status else {})})


def _chain_status(*hashes: dict[str, str], until: str = NOW) -> str:
    asked = [{"certificateHashData": _HASH, "source": "OCSP", "urls": ["http://ocsp.example"]}]
    told = [{"certificateHashData": one, "source": "OCSP", "status": "Good", "nextUpdate": until} for one in hashes]
    return cp("GetCertificateChainStatus", {"certificateStatusRequests": asked}, {"certificateStatus": told})


class Certificates(Topic):
    """The rules about certificates."""

    scope = "station"

    def setup(self) -> None:
        self._algorithms: Known[tuple[str, str], str] = Known()  # hash algorithm by issuer and serial number
        self._until: Known[Any, tuple[float, float]] = Known()  # nextUpdate of each status, and when it came
        self._deleted: Known[tuple[str | None, ...], None] = Known()
        self._requested: Known[int, None] = Known()  # the requestIds of SignCertificate
        self._rejected = False  # whether the last signed certificate was rejected and no trigger has come since

    @rule(
        "certificate.hash-missing",
        result("GetInstalledCertificateIds"),
        title="The list of installed certificates contradicts its status",
        severity=Severity.WARNING,
        spec="M03.FR.02, M03.FR.03, M03.FR.04 (1.6 security whitepaper, 2.x part 2)",
        remedy="Answer Accepted with the hash data of each matching certificate, or NotFound without any.",
        bad={"1.6": script(csms(*_INSTALLED_16)), "2x": script(csms(*_INSTALLED))},
        good={
            "1.6": script(csms(*_INSTALLED_16, {"status": "Accepted", "certificateHashData": [_HASH]})),
            "2x": script(csms(*_INSTALLED, {"status": "Accepted", "certificateHashDataChain": _CHAIN})),
        },
        side=Side.CHARGE_POINT,
    )
    def hash_missing(self, frame: Frame) -> Faults:
        old, status = self.session.version is OcppVersion.V16, string(frame.payload, "status")
        name = "certificateHashData" if old else "certificateHashDataChain"
        given = elements(frame.payload, name)
        if status == "Accepted" and not given:
            return Fault(f"the status is Accepted, but {name} is missing", "/2", key="missing")
        if status == "NotFound" and given:
            return Fault(f"the status is NotFound, but {name} is given", f"/2/{name}", key="given")
        return None

    @rule(
        "certificate.ocsp-missing",
        result("GetCertificateStatus"),
        title="The status of a certificate is answered without the OCSP response",
        severity=Severity.ERROR,
        spec="OCPP 2.x M06.FR.03",
        remedy="Give ocspResult with the status Accepted, or answer Failed.",
        bad=script(_status(None)),
        good=script(_status("MAMKAQY=")),
        versions=V2X,
        side=Side.CSMS,
    )
    def ocsp_missing(self, frame: Frame) -> Faults:
        return needs("ocspResult", status="Accepted")(self, frame)

    @rule(
        "certificate.chain-status",
        result("GetCertificateChainStatus"),
        title="The status of a certificate in a chain is not answered",
        severity=Severity.ERROR,
        spec="OCPP 2.1 M07.FR.08",
        remedy="Answer with one certificateStatus for each requested certificate, under its own certificateHashData.",
        bad=script(_chain_status(_OTHER_HASH)),
        good=script(_chain_status(_HASH)),
        versions=V21,
        side=Side.CSMS,
    )
    def chain_status(self, frame: Frame) -> Faults:
        told = {_hash(entry) for entry in elements(frame.payload, "certificateStatus")}
        for index, entry in enumerate(elements(frame.request, "certificateStatusRequests")):
            if _hash(entry) not in told:
                return Fault(f"no status of requested certificate {index + 1}", "/2/certificateStatus", key=str(index))
        wanted = {_hash(entry) for entry in elements(frame.request, "certificateStatusRequests")}
        for index, entry in enumerate(elements(frame.payload, "certificateStatus")):
            if _hash(entry) not in wanted:
                return Fault("the status of a certificate that was not requested", f"/2/certificateStatus/{index}")
        return None

    @rule(
        "certificate.chain-status-again",
        call("GetCertificateChainStatus"),
        title="The status of a certificate is requested again although the last one is still valid",
        severity=Severity.INFO,
        spec="OCPP 2.1 M07.FR.09, M07.FR.10",
        remedy="Keep the status of a certificate until nextUpdate, but for a week at most. Only then request it again.",
        bad=script(_chain_status(_HASH, until="2026-01-02T12:00:00Z"), "+ 1h", _chain_status(_HASH)),
        good=script(_chain_status(_HASH), "+ 1h", _chain_status(_HASH)),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._until,
    )
    def chain_status_again(self, frame: Frame) -> Faults:
        asked = elements(frame.payload, "certificateStatusRequests")
        if not asked or not self.station.topic(Observation).timed:
            return None
        for entry in asked:
            known = self._until.get(_hash(entry))
            end = min(known[0], known[1] + _WEEK_S) if known is not None else 0
            if frame.ts_ns / 1e9 + self.settings.clock_skew_s >= end:
                return None
        return Fault("each of these certificates has a status whose nextUpdate has not come", "/3")

    @track(result("GetCertificateChainStatus"), versions=V21)
    def chain_told(self, frame: Frame) -> None:
        for entry in elements(frame.payload, "certificateStatus"):
            until = seconds(string(entry, "nextUpdate"))
            if until is not None and entry.get("status") == "Good":
                self._until.note(_hash(entry), (until, frame.ts_ns / 1e9))
        self.station.refresh_listeners()

    @track(call("BootNotification"), versions=V21)
    def restarted(self, frame: Frame) -> None:
        self._until.clear()  # they may be kept in memory only

    @rule(
        "certificate.delete-algorithm",
        call("DeleteCertificate", "CustomerInformation"),
        title="A certificate is named with another hash algorithm than the station uses for it",
        severity=Severity.WARNING,
        spec="M04.FR.07 (1.6 security whitepaper, 2.x part 2); 2.x N09.FR.08, N10.FR.09",
        remedy="Repeat the certificateHashData that GetInstalledCertificateIds reported.",
        bad={
            "1.6": script(
                csms(*_INSTALLED_16, {"status": "Accepted", "certificateHashData": [_HASH]}),
                csms("DeleteCertificate", {"certificateHashData": _OTHER_HASH}),
            ),
            "2x": script(
                csms(*_INSTALLED, {"status": "Accepted", "certificateHashDataChain": _CHAIN}),
                csms("DeleteCertificate", {"certificateHashData": _OTHER_HASH}),
            ),
        },
        good={
            "1.6": script(
                csms(*_INSTALLED_16, {"status": "Accepted", "certificateHashData": [_HASH]}),
                csms("DeleteCertificate", {"certificateHashData": _HASH}),
            ),
            "2x": script(
                csms(*_INSTALLED, {"status": "Accepted", "certificateHashDataChain": _CHAIN}),
                csms("DeleteCertificate", {"certificateHashData": _HASH}),
            ),
        },
        side=Side.CSMS,
    )
    def delete_algorithm(self, frame: Frame) -> Faults:
        name = "certificateHashData" if frame.action == "DeleteCertificate" else "customerCertificate"
        given = member(frame.payload, name)
        serial, algorithm = string(given, "serialNumber"), string(given, "hashAlgorithm")
        told = {known for (number, _), known in self._algorithms.items() if number == (serial or "").lower()}
        if not told or algorithm is None or algorithm in told:
            return None
        text = f"hashAlgorithm is {algorithm[:9]}; the charge point has reported this certificate with {min(told)}"
        return Fault(text, f"/3/{name}/hashAlgorithm")

    @rule(
        "certificate.still-installed",
        result("GetInstalledCertificateIds"),
        title="A certificate is still installed although its deletion was accepted",
        severity=Severity.ERROR,
        spec="M04.FR.02 (1.6 security whitepaper, 2.x part 2)",
        remedy="Delete the certificate before you answer DeleteCertificate with Accepted, or answer Failed.",
        bad={
            "1.6": script(csms("DeleteCertificate", {"certificateHashData": _HASH}), csms(*_INSTALLED_16, _LISTED_16)),
            "2x": script(csms("DeleteCertificate", {"certificateHashData": _HASH}), csms(*_INSTALLED, _LISTED)),
        },
        good={
            "1.6": script(csms(*_INSTALLED_16, _LISTED_16), csms("DeleteCertificate", {"certificateHashData": _HASH})),
            "2x": script(csms(*_INSTALLED, _LISTED), csms("DeleteCertificate", {"certificateHashData": _HASH})),
        },
        side=Side.CHARGE_POINT,
    )
    def still_installed(self, frame: Frame) -> Faults:
        chains = elements(frame.payload, "certificateHashDataChain")
        for one in [*chains, *({"certificateHashData": one} for one in elements(frame.payload, "certificateHashData"))]:
            if self._deleted and _hash(one) in self._deleted:
                serial = string(member(one, "certificateHashData"), "serialNumber") or ""
                return Fault(
                    f"certificate {serial[:40]} is listed, but its deletion was accepted", "/2", key=serial[:40]
                )
        return None

    @track(result("DeleteCertificate"))
    def deleted(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted":
            self._deleted.note(_hash(frame.request), None)

    @track(result("InstallCertificate", "CertificateSigned"))
    def added(self, frame: Frame) -> None:
        self._deleted.clear()  # a deleted certificate may have been installed again

    @rule(
        "certificate.request-id",
        call("CertificateSigned"),
        result("CertificateSigned"),
        title="A signed certificate does not have the requestId of its request",
        severity=Severity.WARNING,
        spec="OCPP 2.1 A02.FR.25, A02.FR.26, A03.FR.21, A03.FR.22",
        remedy="Repeat the requestId of SignCertificate in CertificateSigned. The charging station answers "
        "Rejected where it "
        "is another one.",
        bad=script(_signing(7), _certificate(8, "Rejected")),
        good=script(_signing(7), _certificate(7, "Accepted")),
        versions=V21,
    )
    def request_id(self, frame: Frame) -> Faults:
        answer = frame.call is not None
        number = integer(frame.request if answer else frame.payload, "requestId")
        if not self._requested or number in self._requested:
            return None
        if answer:
            accepted = frame.payload.get("status") == "Accepted" and number is not None
            return (
                Fault(f"a certificate with the unknown requestId {number} is accepted", "/2/status")
                if accepted
                else None
            )
        said = "has no requestId" if number is None else f"has requestId {number}"
        wanted = next(reversed(self._requested))
        return Fault(f"the certificate {said}; expected {wanted}", "/3/requestId" if number is not None else "/3")

    @track(call("SignCertificate"), versions=V21)
    def requested(self, frame: Frame) -> None:
        number = integer(frame.payload, "requestId")
        if number is not None:
            self._requested.note(number, None)

    @track(result("GetInstalledCertificateIds"))
    def installed(self, frame: Frame) -> None:
        chains = elements(frame.payload, "certificateHashDataChain")
        told = [member(chain, "certificateHashData") for chain in chains]
        told += [child for chain in chains for child in elements(chain, "childCertificateHashData")]
        for one in [*told, *elements(frame.payload, "certificateHashData")]:
            serial, algorithm = string(one, "serialNumber"), string(one, "hashAlgorithm")
            if serial is not None and algorithm is not None:
                self._algorithms.note((serial.lower(), algorithm), algorithm)

    rejected_silently = Promise(
        "certificate.rejected-silently",
        "CertificateSigned",
        promised=lambda topic, frame: "event" if frame.payload.get("status") == "Rejected" else None,
        kept_by=call("SecurityEventNotification"),
        keeps=lambda topic, frame: "event" if string(frame.payload, "type") in _EVENTS else None,
        at_close=AtClose.LATE,
        text="a signed certificate was rejected, but no security event followed within {wait}",
        title="A signed certificate is rejected without a security event",
        severity=Severity.WARNING,
        spec="A02.FR.07, A03.FR.07 (1.6 security whitepaper, 2.x part 2); 2.x A04.FR.01",
        remedy="Send SecurityEventNotification with the type InvalidChargingStationCertificate, in 1.6 "
        "InvalidChargePointCertificate.",
        bad={"1.6": script(_SIGNED, "+ 5m"), "2x": script(_SIGNED, "+ 5m")},
        good={
            "1.6": script(_SIGNED, _event("InvalidChargePointCertificate"), "+ 5m"),
            "2x": script(_SIGNED, _event("InvalidChargingStationCertificate"), "+ 5m"),
        },
        versions=ALL,
        side=Side.CHARGE_POINT,
    )

    @rule(
        "certificate.sign-again",
        call("SignCertificate"),
        title="A certificate is requested again after the signed one was rejected, without a trigger",
        severity=Severity.WARNING,
        spec="OCPP 2.x A02.FR.20",
        remedy="After rejecting a signed certificate, send SignCertificate only when TriggerMessage asks for it.",
        bad=script(
            _SIGNED,
            _event("InvalidChargingStationCertificate"),
            cp("SignCertificate", {"csr": "x"}, {"status": "Accepted"}),
        ),
        good=script(
            _SIGNED,
            _event("InvalidChargingStationCertificate"),
            csms("TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"}),
            cp("SignCertificate", {"csr": "x"}, {"status": "Accepted"}),
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def sign_again(self, frame: Frame) -> Faults:
        if not self._rejected:
            return None
        return Fault("SignCertificate follows a rejected certificate, and no trigger has asked for it")

    @track(result("CertificateSigned"))
    def signed(self, frame: Frame) -> None:
        self._rejected = frame.payload.get("status") == "Rejected"

    @track(call("TriggerMessage"))
    def triggered(self, frame: Frame) -> None:
        if frame.payload.get("requestedMessage") in _REQUESTED:
            self._rejected = False


def _hash(entry: dict[str, Any]) -> tuple[str | None, ...]:
    """Return the members that identify a certificate, in a form that can be compared."""
    one = member(entry, "certificateHashData")
    names = ("hashAlgorithm", "issuerNameHash", "issuerKeyHash", "serialNumber")
    return tuple((string(one, name) or "").lower() for name in names)
