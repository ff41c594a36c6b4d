"""Whether an installed certificate is listed, and whether a new root of the CSMS is signed by the one before."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.durations import duration
from inspector.rules.fields import elements, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import OPENED, V2X, Faults, Topic, call, event, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.observation import Observation
from inspector.rules.topics.certificate_requests import leaf, pem
from inspector.rules.topics.example_frames import BOOT_2X, Payload, csms, script, status_2x, variable_2x

_ROOT, _LIST = "CSMSRootCertificate", "certificateHashDataChain"
_OLD = pem(
    "MIIBAzCBq6ADAgECAgEaMAoGCCqGSM49BAMCMAwxCjAIBgNVBAMMAUEwHhcNMjUwMTAxMDAwMDAwWhcNNDUwMTAxMDAwMDAwWjAMMQow"
    "CAYDVQQDDAFBMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE4RvoruLmQZ0dTSIo1dxzhkPDZsEkyebOPB5pOhv3fKQoe/p2zjLPsrdn"
    "TlO4GkWEW5uqOVn0pzkH88wOz1SqhzAKBggqhkjOPQQDAgNHADBEAiBXREc9B1XhgGzae3SVf6LZhbYAikyE4vxUlJo7/6meUQIgLmlS"
    "92E9sGEKeB0HuCOkCGIk0xXIUP+Vl5IUY3x0dMs="
)
_SIGNED = pem(
    "MIIBBTCBq6ADAgECAgErMAoGCCqGSM49BAMCMAwxCjAIBgNVBAMMAUEwHhcNMjUwMTAxMDAwMDAwWhcNNDUwMTAxMDAwMDAwWjAMMQow"
    "CAYDVQQDDAFCMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEV6Z1/fcP8zaNOz60h5NL5SuzgaRdRDy4UmquC6Z9ZisVZoYQx+wW+KU2"
    "Q9W+Vb7SQCB3CCYAY/O9Ui1irpvfQjAKBggqhkjOPQQDAgNJADBGAiEAgNMk7rL2kBHP2pef8F5HoYpodc53MIXilBwot8m0zhECIQDO"
    "mkZaQu1U23tCiHq4+ZQmlD/VNIlHdExhneSjruoC6w=="
)
"""A root that the first one has signed."""
_OTHER = pem(
    "MIIBAzCBq6ADAgECAgE8MAoGCCqGSM49BAMCMAwxCjAIBgNVBAMMAUMwHhcNMjUwMTAxMDAwMDAwWhcNNDUwMTAxMDAwMDAwWjAMMQow"
    "CAYDVQQDDAFDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEcdaWm9POQ6Vohs2kCFTdqEdWY6j6q1aIQDNh2f0LFNOdOgnGEY1HhGBF"
    "CWULYqQ95DwZphhCpRI9YCmt25wbkzAKBggqhkjOPQQDAgNHADBEAiAeY1cp9aka7vVDdGg8cbzBpSnUvEtOLpAnkqXT0u8cTQIgPZXM"
    "JtqOfCHHpSsyhA1F88PQ7XAlzw5SeceBI9hyllg="
)
_EXPIRED = pem(
    "MIIBSDCB7qADAgECAgFNMAoGCCqGSM49BAMCMBsxCjAIBgNVBAMMAUQxDTALBgNVBAoMBEFjbWUwHhcNMjMwNDA3MTIwMDAwWhcNMjQx"
    "MTI3MTIwMDAwWjAbMQowCAYDVQQDDAFEMQ0wCwYDVQQKDARBY21lMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEG2wHaadSs1LfUM0F"
    "AU09Ol8pru+Ck/Q2G9cmWBhR9zae50/TX0LITiDInunmG+ZBZQArHFvqTo3+jJkgRPCYPaMjMCEwDwYDVR0TAQH/BAUwAwEB/zAOBgNV"
    "HQ8BAf8EBAMCAYYwCgYIKoZIzj0EAwIDSQAwRgIhAI+G1hiogLV2zwMzxjBmUKKdfcqawWUDUyuZrN50Nbn7AiEAxKzb0FYB4kIo010c"
    "dv+oBE10SC8BEw4gU1ZnhG4pnvU="
)
"""A root that was valid until 2024."""
DAY_S = 86400.0
_CHECK = variable_2x("SecurityCtrlr", "AdditionalRootCertificateCheck", "true")


def _install(text: str, status: str = "Accepted", kind: str = _ROOT) -> str:
    return csms("InstallCertificate", {"certificateType": kind, "certificate": text}, {"status": status})


def _listed(*serials: str, kind: str = "V2GRootCertificate") -> str:
    named = {"hashAlgorithm": "SHA256", "issuerNameHash": "aa", "issuerKeyHash": "bb"}
    chains = [{"certificateHashData": {**named, "serialNumber": serial}, "certificateType": kind} for serial in serials]
    return csms("GetInstalledCertificateIds", {"certificateType": [kind]}, {"status": "Accepted", _LIST: chains})


class RootCertificates(Topic):
    """Rules about certificates that can be read."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._installed: Known[str, str] = Known()  # the types of installed certificates, by serial number
        self._refused: Known[str, str] = Known()  # the answers to refused certificates, by serial number
        self._types: Known[str, set[str]] = Known()  # the serial numbers in the latest list of each type
        self._root: Any = None  # the latest root of the CSMS that was installed
        self._rooted = False  # whether the station has shown that it has a root of the CSMS
        self._configuration = self.station.topic(ConfigurationState)
        self._evidence = self.station.topic(Observation)

    def _checked(self) -> bool:
        told = self._configuration.variable("SecurityCtrlr", "AdditionalRootCertificateCheck")
        return (told or "").lower() == "true"

    @rule(
        "certificate.not-listed",
        result("GetInstalledCertificateIds"),
        title="A certificate was installed, but is not listed",
        severity=Severity.WARNING,
        spec="OCPP 2.x M03.FR.04, M05.FR.01, M05.FR.02, M05.FR.10",
        remedy="List every certificate that you have installed, with its serial number in hexadecimal.",
        bad=script(_install(_OLD, kind="V2GRootCertificate"), _listed("3C")),
        good=script(_install(_OLD, kind="V2GRootCertificate"), _listed("1A")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._installed,
    )
    def not_listed(self, frame: Frame) -> Faults:
        wanted = frame.request.get("certificateType")
        serials = {_serial(entry) for entry in elements(frame.payload, _LIST)}
        if frame.payload.get("status") != "Accepted" or not serials:
            return None
        for serial, kind in self._installed.items():
            if wanted and (type(wanted) is not list or kind not in wanted):
                continue
            if serial not in serials and str(int(serial or "0", 16)) not in serials:
                return Fault(f"the {kind} with serial number {serial[:40]} was installed", f"/2/{_LIST}", key=serial)
        return None

    @rule(
        "certificate.refused-listed",
        result("GetInstalledCertificateIds"),
        title="A certificate that the station refused is listed",
        severity=Severity.WARNING,
        spec="OCPP 2.x M05.FR.03, M05.FR.06, M05.FR.07",
        remedy="Answer Accepted if you install the certificate. Do not install it if you answer Failed or Rejected.",
        bad=script(_listed("1"), _install(_OLD, "Failed", "V2GRootCertificate"), _listed("1", "1A")),
        good=script(_listed("1"), _install(_OLD, "Failed", "V2GRootCertificate"), _listed("1")),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._refused,
    )
    def refused_listed(self, frame: Frame) -> Faults:
        for index, entry in enumerate(elements(frame.payload, _LIST)):
            status = self._refused.pop(_serial(entry), None)
            if status is not None:
                text = f"the installation of this certificate was answered with {status[:20]}"
                return Fault(text, f"/2/{_LIST}/{index}")
        return None

    @rule(
        "certificate.unsigned-root",
        result("InstallCertificate"),
        title="The answer to a new root certificate of the CSMS contradicts who has signed it",
        severity=Severity.ERROR,
        spec="OCPP 2.x M05.FR.10, M05.FR.11, M05.FR.12",
        remedy="With AdditionalRootCertificateCheck accept a new CSMSRootCertificate if the old one has signed it, and "
        "no other.",
        bad=script(_CHECK, _install(_OLD, "Rejected"), _listed("1A", kind=_ROOT), _install(_OTHER)),
        good=script(_CHECK, _install(_OLD, "Rejected"), _listed("1A", kind=_ROOT), _install(_SIGNED)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unsigned_root(self, frame: Frame) -> Faults:
        if frame.request.get("certificateType") != _ROOT or not self._checked():
            return None
        new, status = leaf(string(frame.request, "certificate") or ""), frame.payload.get("status")
        if new is None or not (self._rooted or self._root is not None) or new == self._root:
            return None
        if f"{new.serial_number:x}" in self._installed:
            return None  # it is installed again
        signed = _signed_by(new, self._root) if self._root is not None else None
        if status == "Accepted" and (signed is False or (signed is None and _signed_by(new, new))):
            return Fault("Accepted, but the old root has not signed this one", "/2/status", key="unsigned")
        if status == "Rejected" and signed:
            return Fault("Rejected, but the old root has signed this one", "/2/status", key="signed")
        return None

    @rule(
        "certificate.expired-installed",
        result("InstallCertificate"),
        title="A certificate is installed that is no longer valid, or not yet",
        severity=Severity.WARNING,
        spec="OCPP 2.x M05.FR.07",
        remedy="Answer Rejected to a certificate that is not valid now.",
        bad=script(BOOT_2X, status_2x("Available"), _install(_EXPIRED, kind="V2GRootCertificate")),
        good=script(BOOT_2X, status_2x("Available"), _install(_EXPIRED, "Rejected", "V2GRootCertificate")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def expired_installed(self, frame: Frame) -> Faults:
        one = leaf(string(frame.request, "certificate") or "")
        if one is None or frame.payload.get("status") != "Accepted" or not self._evidence.timed:
            return None
        now, ends, begins = frame.ts_ns / 1e9, one.not_valid_after_utc.timestamp(), one.not_valid_before_utc.timestamp()
        if ends + DAY_S < now:
            return Fault(f"the certificate has expired {duration(now - ends)} ago", "/2/status", key="expired")
        if begins - DAY_S > now:
            return Fault(f"the certificate is valid only in {duration(begins - now)}", "/2/status", key="early")
        return None

    @track(result("InstallCertificate"))
    def installed(self, frame: Frame) -> None:
        kind, one = string(frame.request, "certificateType"), leaf(string(frame.request, "certificate") or "")
        status = string(frame.payload, "status")
        serial = f"{one.serial_number:x}" if one is not None else None
        if kind is None or status is None:
            return
        if status != "Accepted":
            before = self._types.get(kind)
            # One that was there before must be replaced (M05.FR.17), but for the additional check.
            was_there = serial in before if before is not None else kind == _ROOT and self._checked()
            if serial is not None and not was_there:
                self._refused.note(serial, status)
            self.station.refresh_listeners()
            return
        if serial is not None:
            self._refused.pop(serial, None)
        if kind == _ROOT:
            for serial in [serial for serial, its in self._installed.items() if its == _ROOT]:
                del self._installed[serial]  # the new one replaces it
            self._root, self._rooted = one, True
        if serial is not None:
            self._installed.note(serial, kind)
        self.station.refresh_listeners()

    @track(result("GetInstalledCertificateIds"))
    def listed(self, frame: Frame) -> None:
        entries = elements(frame.payload, _LIST)
        if any(entry.get("certificateType") == _ROOT for entry in entries):
            self._rooted = True
        wanted = frame.request.get("certificateType")
        for kind in wanted if type(wanted) is list else ():
            if type(kind) is str:
                self._types.note(kind, {_serial(one) for one in entries if one.get("certificateType") == kind})

    @track(result("DeleteCertificate"))
    def deleted(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted":
            self._forget()

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._forget()  # new firmware may bring certificates or remove them

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            self._forget()

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        self._forget()

    def _forget(self) -> None:
        self._installed.clear()
        self._refused.clear()
        self._types.clear()
        self._root, self._rooted = None, False
        self.station.refresh_listeners()


def _serial(entry: Payload) -> str:
    """Return the serial number in an entry of a list, in one spelling."""
    return (string(member(entry, "certificateHashData"), "serialNumber") or "").lower().lstrip("0")


def _signed_by(one: Any, other: Any) -> bool | None:
    """Return whether another certificate has signed this one; None if that cannot be checked."""
    from cryptography.exceptions import InvalidSignature

    try:
        one.verify_directly_issued_by(other)
    except InvalidSignature:
        return False
    except ValueError:
        return False  # the names differ
    except TypeError:
        return None  # a key of another kind
    return True
