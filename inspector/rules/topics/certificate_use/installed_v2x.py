"""Which certificates a charging station says it has, and how it answers when they are installed or deleted."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import elements, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import OPENED, V2X, Faults, Topic, call, event, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.topics.certificate_requests import leaf
from inspector.rules.topics.example_frames import Payload, cp, csms, script

_ROOT, _CHAIN = "CSMSRootCertificate", "V2GCertificateChain"
_LIST = "certificateHashDataChain"
_ROOTS = 2
"""So many roots of the CSMS may be installed with AdditionalRootCertificateCheck: one, and one to fall back on."""


def _hash(serial: str) -> Payload:
    return {"hashAlgorithm": "SHA256", "issuerNameHash": "aa", "issuerKeyHash": "bb", "serialNumber": serial}


def _listed(*serials: str, kind: str = _ROOT, children: tuple[str, ...] = ()) -> str:
    below = {"childCertificateHashData": [_hash(serial) for serial in children]} if children else {}
    chains = [{"certificateHashData": _hash(serial), "certificateType": kind, **below} for serial in serials]
    return csms("GetInstalledCertificateIds", {"certificateType": [kind]}, {"status": "Accepted", _LIST: chains})


def _installed(status: str) -> str:
    asked = {"certificateType": "V2GRootCertificate", "certificate": "-----BEGIN CERTIFICATE-----"}
    return csms("InstallCertificate", asked, {"status": status})


def _deleted(status: str) -> str:
    return csms("DeleteCertificate", {"certificateHashData": _hash("1")}, {"status": status})


_CHECK = cp(
    "NotifyReport",
    {
        "requestId": 1,
        "generatedAt": "2026-01-01T12:00:00Z",
        "seqNo": 0,
        "reportData": [
            {
                "component": {"name": "SecurityCtrlr"},
                "variable": {"name": "AdditionalRootCertificateCheck"},
                "variableAttribute": [{"value": "true"}],
                "variableCharacteristics": {"dataType": "boolean", "supportsMonitoring": False},
            }
        ],
    },
)


class InstalledCertificates(Topic):
    """Rules about installed certificates."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._accepted: Known[tuple[str, str], None] = Known()  # type and digest of certificates that are installed
        self._present: Known[tuple[str, ...], None] = Known()  # as the latest lists say
        self._serials: Known[str, None] = Known()  # of certificates that were installed, and none was deleted since
        self._gone: Known[tuple[str, ...], None] = Known()  # deleted, and nothing was installed since
        self._whole: set[tuple[str, ...]] | None = None  # all certificates, if nothing was installed since that list
        self._configuration = self.station.topic(ConfigurationState)

    def _checked(self) -> str | None:
        return self._configuration.variable("SecurityCtrlr", "AdditionalRootCertificateCheck")

    @rule(
        "certificate.v2g-children",
        result("GetInstalledCertificateIds"),
        title="A V2G certificate is listed without the certificates that it depends on",
        severity=Severity.WARNING,
        spec="OCPP 2.x M03.FR.05",
        remedy="List the sub-CA certificates of a V2G chain in childCertificateHashData of its leaf certificate.",
        bad=script(_listed("1", "2", "3", kind=_CHAIN)),
        good=script(_listed("1", kind=_CHAIN, children=("2", "3"))),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def children(self, frame: Frame) -> Faults:
        for index, entry in enumerate(elements(frame.payload, _LIST)):
            if entry.get("certificateType") == _CHAIN and not entry.get("childCertificateHashData"):
                return Fault("a V2G chain without childCertificateHashData", f"/2/{_LIST}/{index}")
        return None

    @rule(
        "certificate.not-asked",
        result("GetInstalledCertificateIds"),
        title="A certificate of another type than was requested is listed",
        severity=Severity.WARNING,
        spec="OCPP 2.x M03.FR.02, M03.FR.04",
        remedy="List only certificates of the types in certificateType; NotFound where there is none.",
        bad=script(_listed("1").replace(f'["{_ROOT}"]', '["MORootCertificate"]')),
        good=script(_listed("1")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_asked(self, frame: Frame) -> Faults:
        wanted = frame.request.get("certificateType")
        if type(wanted) is not list or not wanted:
            return None
        for index, entry in enumerate(elements(frame.payload, _LIST)):
            kind = string(entry, "certificateType")
            if kind is not None and kind not in wanted:
                return Fault(f"a {kind} is listed, but was not requested", f"/2/{_LIST}/{index}", key=kind)
        return None

    @rule(
        "certificate.several-roots",
        result("GetInstalledCertificateIds"),
        title="More root certificates of the CSMS are installed than the additional check allows",
        severity=Severity.WARNING,
        spec="OCPP 2.x M05.FR.09, M05.FR.10",
        remedy="With AdditionalRootCertificateCheck keep one CSMSRootCertificate, and one to fall back on for a while.",
        bad=script(_CHECK, _listed("1", "2", "3")),
        good=script(_CHECK, _listed("1", "2")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def several_roots(self, frame: Frame) -> Faults:
        count = sum(entry.get("certificateType") == _ROOT for entry in elements(frame.payload, _LIST))
        if count <= _ROOTS or self._checked() != "true":
            return None
        return Fault(f"{count} certificates of type {_ROOT} are installed; at most {_ROOTS} are allowed", f"/2/{_LIST}")

    @rule(
        "certificate.reinstall",
        result("InstallCertificate"),
        title="A certificate that is installed already is refused",
        severity=Severity.WARNING,
        spec="OCPP 2.x M05.FR.17",
        remedy="Replace a certificate that is present, and answer Accepted.",
        bad=script(_installed("Accepted"), _installed("Rejected")),
        good=script(_installed("Accepted"), _installed("Accepted")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def reinstall(self, frame: Frame) -> Faults:
        kind, text = string(frame.request, "certificateType"), string(frame.request, "certificate")
        if kind is None or text is None:
            return None
        one, status = (
            (kind, sha256("".join(text.split()).encode(errors="replace")).hexdigest()),
            frame.payload.get("status"),
        )
        if status == "Accepted":
            self._accepted.note(one, None)
            certificate = leaf(text)
            if certificate is not None:
                self._serials.note(f"{certificate.serial_number:x}", None)
            self._gone.clear()
            self._whole = None
            return None
        if one not in self._accepted or (kind == _ROOT and self._checked() != "false"):
            return None
        return Fault(f"the status is {str(status)[:20]}, but this {kind} was accepted before", "/2/status", key=kind)

    @rule(
        "certificate.delete-status",
        result("DeleteCertificate"),
        title="The answer to DeleteCertificate contradicts which certificates are installed",
        severity=Severity.WARNING,
        spec="OCPP 2.x M04.FR.02, M04.FR.04, M04.FR.06",
        remedy="Answer NotFound for a certificate that is not installed, Accepted or Failed for one that is.",
        bad=script(_listed("1"), _deleted("NotFound")),
        good=script(_listed("1"), _deleted("Failed")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def delete_status(self, frame: Frame) -> Faults:
        one, status = name_of_certificate(member(frame.request, "certificateHashData")), frame.payload.get("status")
        if status == "NotFound" and self._present.pop(one, "") is None:
            return Fault("NotFound, but this certificate was listed as installed", "/2/status", key="listed")
        serial = one[-1].lstrip("0")
        if status == "NotFound" and serial in self._serials:
            del self._serials[serial]
            return Fault("NotFound, but a certificate with this serial number was installed", "/2/status", key="serial")
        if status != "Accepted":
            return None
        self._serials.clear()
        if self._whole is not None and one not in self._whole and one not in self._gone:
            self._whole = None
            text = "Accepted, but the list of all certificates does not have this one"
            return Fault(text, "/2/status", key="not listed")
        again = one in self._gone
        self._accepted.clear()  # which of them it was is not known
        self._present.clear()  # the certificates below it may be deleted too
        self._gone.note(one, None)
        return Fault("Accepted, but this certificate was deleted before", "/2/status", key="gone") if again else None

    @track(result("GetInstalledCertificateIds"))
    def listed(self, frame: Frame) -> None:
        whole = set()
        for entry in elements(frame.payload, _LIST):
            name = name_of_certificate(member(entry, "certificateHashData"))
            self._present.note(name, None)
            whole.add(name)
            below = elements(entry, "childCertificateHashData")
            whole.update(name_of_certificate(one) for one in below)
        if not frame.request.get("certificateType") and frame.payload.get("status") in ("Accepted", "NotFound"):
            self._whole = whole

    @track(result("CertificateSigned"))
    def signed(self, frame: Frame) -> None:
        self._gone.clear()
        self._serials.clear()
        self._whole = None
        self._present.clear()  # it may have taken the place of another one

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._whole = None  # new firmware may bring certificates
        self._serials.clear()

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            self._forget()

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        self._forget()

    def _forget(self) -> None:
        self._accepted.clear()
        self._serials.clear()
        self._present.clear()
        self._gone.clear()
        self._whole = None


def name_of_certificate(entry: Payload) -> tuple[str, ...]:
    """Return what names a certificate, in one spelling."""
    names = ("hashAlgorithm", "issuerNameHash", "issuerKeyHash", "serialNumber")
    return tuple((string(entry, name) or "").lower() for name in names)
