"""Whether the lists of installed certificates agree with how the station answered installations and deletions."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import OPENED, V2X, Faults, Topic, call, event, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.device_model import DeviceModel
from inspector.rules.topics.certificate_use.installed_v2x import name_of_certificate
from inspector.rules.topics.example_frames import Payload, csms, inventory_2x, script

_LIST = "certificateHashDataChain"
_KIND = "V2GRootCertificate"
_HASH: Payload = {"hashAlgorithm": "SHA256", "issuerNameHash": "aa", "issuerKeyHash": "bb", "serialNumber": "1"}


def _listed(count: int) -> str:
    chains = [{"certificateHashData": _HASH, "certificateType": _KIND}] * count
    told = {"status": "Accepted", _LIST: chains} if chains else {"status": "NotFound"}
    return csms("GetInstalledCertificateIds", {"certificateType": [_KIND]}, told)


def _install(status: str = "Accepted", text: str = "-----BEGIN CERTIFICATE-----") -> str:
    return csms("InstallCertificate", {"certificateType": _KIND, "certificate": text}, {"status": status})


def _delete(status: str) -> str:
    return csms("DeleteCertificate", {"certificateHashData": _HASH}, {"status": status})


def _entries(count: int) -> str:
    return inventory_2x(
        {
            "component": {"name": "SecurityCtrlr"},
            "variable": {"name": "CertificateEntries"},
            "variableAttribute": [{"value": str(count), "mutability": "ReadOnly"}],
            "variableCharacteristics": {"dataType": "integer", "maxLimit": 3, "supportsMonitoring": False},
        }
    )


class ContradictedCertificates(Topic):
    """Rules about what a list of certificates shows of earlier answers."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._device = self.station.topic(DeviceModel)
        self._configuration = self.station.topic(ConfigurationState)
        self._forget()

    def _forget(self) -> None:
        self._kept: Known[str, None] = Known()  # types of which one was installed, and none was deleted since
        self._none: Known[str, None] = Known()  # types of which the latest list has none
        self._refused: Known[str, str] = Known()  # types of which the only one was refused, with the status
        self._present: Known[tuple[str, ...], str] = Known()  # the types of the certificates in the latest lists
        self._left: Known[tuple[str, ...], str] = Known()  # those whose deletion failed
        self._texts: Known[str, int] = Known()  # when (monotonic) each certificate was installed first
        self._deleted_ns = -1

    @rule(
        "certificate.not-kept",
        result("GetInstalledCertificateIds"),
        title="A certificate was installed, but none of its type is listed",
        severity=Severity.WARNING,
        spec="OCPP 2.x M05.FR.01, M05.FR.02",
        remedy="Answer Accepted only after the certificate is installed, and list it from then on.",
        bad=script(_install(), _listed(0)),
        good=script(_install("Failed"), _listed(0)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_kept(self, frame: Frame) -> Faults:
        told = {string(entry, "certificateType") for entry in elements(frame.payload, _LIST)}
        for kind in self._kept:
            if kind not in told and _asks(frame, kind) and frame.payload.get("status") in ("Accepted", "NotFound"):
                return Fault(f"a {kind[:40]} was installed before, but none is listed", "/2", key=kind)
        return None

    @rule(
        "certificate.kept-after-all",
        result("GetInstalledCertificateIds"),
        title="A certificate was refused, but one of its type is listed afterwards",
        severity=Severity.WARNING,
        spec="OCPP 2.x M05.FR.03, M05.FR.07",
        remedy="Answer Accepted if you install the certificate. Do not install it if you answer Failed or Rejected.",
        bad=script(_listed(0), _install("Failed"), _listed(1)),
        good=script(_listed(0), _install(), _listed(1)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def kept_after_all(self, frame: Frame) -> Faults:
        for index, entry in enumerate(elements(frame.payload, _LIST)):
            kind = string(entry, "certificateType") or ""
            status = self._refused.get(kind)
            if status is not None:
                text = f"the station had no {kind[:40]} and answered {status[:20]} to its installation, but lists one"
                return Fault(text, f"/2/{_LIST}/{index}", key=kind)
        return None

    @rule(
        "certificate.deleted-after-all",
        result("GetInstalledCertificateIds"),
        title="A certificate is gone although its deletion failed",
        severity=Severity.WARNING,
        spec="OCPP 2.x M04.FR.03",
        remedy="Answer Accepted where you delete the certificate; keep it where you answer Failed.",
        bad=script(_listed(1), _delete("Failed"), _listed(0)),
        good=script(_listed(1), _delete("Accepted"), _listed(0)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def deleted_after_all(self, frame: Frame) -> Faults:
        told = {name_of_certificate(member(entry, "certificateHashData")) for entry in elements(frame.payload, _LIST)}
        for name, kind in list(self._left.items()):
            if name not in told and _asks(frame, kind) and frame.payload.get("status") in ("Accepted", "NotFound"):
                del self._left[name]
                return Fault(f"the deletion of a {kind[:40]} failed, but it is no longer listed", "/2", key=kind)
        return None

    @rule(
        "certificate.too-many",
        result("InstallCertificate"),
        title="A certificate is installed beyond the number of certificates that the station can keep",
        severity=Severity.WARNING,
        spec="OCPP 2.x M05.FR.06",
        remedy="Answer Rejected where another certificate would exceed maxLimit of SecurityCtrlr.CertificateEntries.",
        bad=script(_entries(3), _install()),
        good=script(_entries(3), _install("Rejected")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def too_many(self, frame: Frame) -> Faults:
        text, kind = _digest(frame), string(frame.request, "certificateType") or ""
        accepted = frame.payload.get("status") == "Accepted"
        if frame.payload.get("status") not in ("Accepted", "Failed") or text in self._texts:
            return None
        if accepted:
            self._texts.note(text, frame.mono_ns)
        known = self._device.get("SecurityCtrlr", "CertificateEntries")
        most = integer(known.characteristics or {}, "maxLimit") if known is not None else None
        if known is None or most is None or not (known.value or "").isdigit() or len(known.value or "") > 6:
            return None
        if self._deleted_ns >= known.seen_ns or (kind == "CSMSRootCertificate" and self._replaces()):
            return None
        count = int(known.value or "") + sum(at_ns > known.seen_ns for at_ns in self._texts.values())
        count += not accepted
        if count <= most:
            return None
        if not accepted:
            return Fault(f"Failed; expected Rejected, as maxLimit is {most}", "/2/status", key="failed")
        return Fault(f"with this one {count} certificates are installed; maxLimit is {most}", "/2/status")

    def _replaces(self) -> bool:
        return self._configuration.variable("SecurityCtrlr", "AdditionalRootCertificateCheck") != "false"

    @track(result("InstallCertificate"))
    def installed(self, frame: Frame) -> None:
        kind, status = string(frame.request, "certificateType"), string(frame.payload, "status")
        if kind is None or status is None:
            return
        if status == "Accepted":
            self._kept.note(kind, None)
            self._refused.pop(kind, None)
            self._none.pop(kind, None)
        elif kind in self._none:
            self._refused.note(kind, status)

    @track(result("GetInstalledCertificateIds"))
    def listed(self, frame: Frame) -> None:
        entries = elements(frame.payload, _LIST)
        told = {string(entry, "certificateType") or "" for entry in entries}
        for kind in list(self._none):
            if _asks(frame, kind) and kind in told:
                self._none.pop(kind)
                self._refused.pop(kind, None)
        wanted = frame.request.get("certificateType")
        for kind in wanted if type(wanted) is list else ():
            if type(kind) is str and kind not in told and frame.payload.get("status") in ("Accepted", "NotFound"):
                self._none.note(kind, None)
        for entry in entries:
            name = name_of_certificate(member(entry, "certificateHashData"))
            self._present.note(name, string(entry, "certificateType") or "")

    @track(result("DeleteCertificate"))
    def deleted(self, frame: Frame) -> None:
        name, status = name_of_certificate(member(frame.request, "certificateHashData")), frame.payload.get("status")
        if status == "Failed" and name in self._present:
            self._left.note(name, self._present[name])
        elif status == "Accepted":
            self._changed(frame)

    @track(result("CertificateSigned"))
    def signed(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted":
            self._changed(frame)  # it may have taken the place of another one

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._changed(frame)  # new firmware may bring certificates or remove them

    def _changed(self, frame: Frame) -> None:
        self._deleted_ns = frame.mono_ns
        for known in (self._kept, self._none, self._refused, self._left, self._texts):
            known.clear()

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            self._forget()

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        self._forget()


def _asks(frame: Frame, kind: str) -> bool:
    """Whether a GetInstalledCertificateIds asks for certificates of this type."""
    wanted = frame.request.get("certificateType")
    return not wanted or (type(wanted) is list and kind in wanted)


def _digest(frame: Frame) -> str:
    text = string(frame.request, "certificate") or ""
    return sha256("".join(text.split()).encode(errors="replace")).hexdigest()
