"""Judge whether certificate requests have new keys, and whether certificates name the station that uses them."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule, track
from inspector.rules.topics.certificate_requests import TYPES, VALID, pem, signed_2x
from inspector.rules.topics.certificate_use.properties import read
from inspector.rules.topics.example_frames import NOW, cp, csms, script

_URL = re.compile(r"[a-z]+://.*|www\..*", re.IGNORECASE)
_CN = re.compile(r"(?:^|,)CN=((?:\\.|[^,\\])*)")
_FIRST = (
    "MIHWMH4CAQAwHDEMMAoGA1UEAwwDU04xMQwwCgYDVQQKDANDUE8wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAR9U92bPjf4YGNQ"
    "h5H8i96qSWb/oqfHn6l7P/4axxOH3vS02M8Iuq5E9Y68V1dZJ/kdfvyOqbx+btDKvD8fqzJwoAAwCgYIKoZIzj0EAwIDSAAwRQIg"
    "V3dOuMBb0eDKcJg4NyIt2Z+kSOf0kJVWgRHKbouLBCgCIQCyv65Zf+lrKXUFhQkIESzaROsnz0+NhzAPH7qlaaPYXQ=="
)
_SECOND = (
    "MIHWMH4CAQAwHDEMMAoGA1UEAwwDU04xMQwwCgYDVQQKDANDUE8wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAT/u7YzcVP9h4B6"
    "MG1nsy9EcyG03EcmYg/GFdEp0TDG7COX3c6vVaho7J7HmTIpUfS9VOflkGxq3cbHzramEYBAoAAwCgYIKoZIzj0EAwIDSAAwRQIh"
    "ALHlG/YWJnjV+VN9494CSCYl64PW1rCNDbj0pKJLHOm4AiAERxicXQ3rNkwiuYssilRNiv4n7J/3BNvbtPpu0apLyA=="
)
_ADDRESS = (
    "MIHdMIGEAgEAMCIxEjAQBgNVBAMMCTE5Mi4wLjIuNzEMMAoGA1UECgwDQ1BPMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8H40"
    "RvVno4w1Wlr3Z9Dmhl6stxjwH02I0LCyCbtmIFjitP9nfEi82RJuJs1+gm8vJCLRAkIqm4infu0A+krBb6AAMAoGCCqGSM49BAMC"
    "A0gAMEUCICk2W5zy5WeSMe7nPTPkApehzsY+z2rZQIKqb75qBD1JAiEAiSofgsU9U/msLBC7aaIU0AAJpe9Wngd8dUZ02URgSaU="
)
_STATION = "ChargingStationCertificate"
_TRIGGER = csms("TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"})


def _sign(body: str, kind: str = "ChargingStationCertificate") -> str:
    csr = f"-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n"
    return cp("SignCertificate", {"csr": csr, "certificateType": kind}, {"status": "Accepted"})


def _installed(serial: str) -> str:
    one = {"hashAlgorithm": "SHA256", "issuerNameHash": "aa", "issuerKeyHash": "bb", "serialNumber": serial}
    chain = {"certificateHashData": one, "certificateType": "CSMSRootCertificate"}
    asked = {"certificateType": ["CSMSRootCertificate"]}
    return csms("GetInstalledCertificateIds", asked, {"status": "Accepted", "certificateHashDataChain": [chain]})


def _signed(kind: str) -> str:
    return csms("CertificateSigned", {"certificateChain": pem(VALID), "certificateType": kind})


def _boot(serial: str) -> str:
    station = {"model": "M", "vendorName": "V", "serialNumber": serial}
    told = {"status": "Accepted", "currentTime": NOW, "interval": 86400}
    return cp("BootNotification", {"reason": "PowerUp", "chargingStation": station}, told)


def _name(holder: Any) -> str | None:
    """Return the CN of a certificate or request; None if it has none."""
    from cryptography.x509.oid import NameOID

    try:
        given = holder.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        return None
    return str(given[0].value) if given else None


def _is_address(name: str) -> bool:
    """Return whether a name looks like a URL or an IP address. The MAC address of a station is neither."""
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return _URL.fullmatch(name) is not None
    return True


def _other(name: str, serial: str) -> bool:
    """Return whether a CN and a serial number certainly differ; one may be a part of the other."""
    one, two = name.strip().lower(), serial.strip().lower()
    return bool(one and two) and one not in two and two not in one


class CertificateMatches(Topic):
    """The rules about keys of requests and names in certificates."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._keys: Known[bytes, None] = Known()  # the public keys of earlier requests
        self._new = False  # whether a trigger has asked for a new key since the latest request
        self._signed: set[str] = set()  # the types whose certificate was accepted since its latest request
        self._serial: str | None = None  # the serial number in the latest boot
        self._type: str | None = None  # the type in the latest request

    @rule(
        "certificate.same-key",
        call("SignCertificate"),
        title="A request for a new certificate has the key of an earlier one",
        severity=Severity.WARNING,
        spec="OCPP 2.x A02.FR.02, A03.FR.02",
        remedy="Generate a new pair of keys for each new certificate, also without a TriggerMessage. Only a request "
        "that is repeated because no certificate came may have the same key.",
        bad=script(_sign(_FIRST), signed_2x(VALID, "Accepted"), _TRIGGER, _sign(_FIRST)),
        good=script(_sign(_FIRST), signed_2x(VALID, "Accepted"), _TRIGGER, _sign(_SECOND)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def same_key(self, frame: Frame) -> Faults:
        wanted, self._new = self._new, False
        self._type = string(frame.payload, "certificateType")
        request = read(frame)
        if request is None:
            return None
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        try:
            key = request.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        except Exception:  # a key of an unknown kind
            return None
        of_type = (self._type or _STATION).encode() + key
        renewed = of_type in self._keys and (self._type or _STATION) in self._signed
        known = key in self._keys
        self._keys.note(key, None)
        self._keys.note(of_type, None)
        self._signed.discard(self._type or _STATION)
        return Fault("the request has the key of an earlier one", "/3/csr") if known and (wanted or renewed) else None

    @track(result("CertificateSigned"))
    def signed(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted":
            self._signed.add((string(frame.request, "certificateType") or _STATION)[:40])

    @rule(
        "certificate.common-name",
        call("SignCertificate", "CertificateSigned"),
        title="The name in a charge point's certificate is not its serial number",
        severity=Severity.WARNING,
        spec="OCPP 2.x A00.FR.405, A00.FR.511",
        remedy="Give the serial number that BootNotification reports as CN, neither a URL nor an IP address.",
        bad=script(_sign(_ADDRESS)),
        good=script(_boot("SN1"), _sign(_FIRST)),
        versions=V2X,
    )
    def common_name(self, frame: Frame) -> Faults:
        if (string(frame.payload, "certificateType") or "").startswith("V2G"):
            return None
        holder = read(frame)
        name = _name(holder) if holder is not None else None
        if name is None:
            return None
        at = "/3/csr" if frame.action == "SignCertificate" else "/3/certificateChain"
        if _is_address(name.strip()):
            return Fault(f"the CN is {name[:40]!r}; a URL or an IP address is not allowed", at, key="address")
        if self._serial is not None and _other(name, self._serial):
            return Fault(f"the CN is {name[:40]!r}; the serial number is {self._serial[:40]!r}", at, key="serial")
        return None

    @rule(
        "boot.serial-number",
        result("BootNotification"),
        title="The CSMS accepts a station whose client certificate has another serial number",
        severity=Severity.WARNING,
        spec="OCPP 2.x A00.FR.405, B01.FR.11, B01.FR.12",
        remedy="Compare serialNumber in BootNotification with the CN of the client certificate, and close the "
        "connection where they differ.",
        bad='open {"client_cert_subject":"CN=SN1,O=CPO"}\n' + script(_boot("SN2")),
        good='open {"client_cert_subject":"CN=SN1,O=CPO"}\n' + script(_boot("SN1")),
        versions=V2X,
        side=Side.CSMS,
    )
    def serial_number(self, frame: Frame) -> Faults:
        serial = string(member(frame.request, "chargingStation"), "serialNumber")
        subject = _CN.search(str(self.session.facts.get("client_cert_subject") or ""))
        if frame.payload.get("status") != "Accepted" or serial is None or subject is None:
            return None
        if not _other(subject[1], serial):
            return None
        return Fault(f"serialNumber is {serial[:40]!r}; the certificate is for {subject[1][:40]!r}", "/2/status")

    @rule(
        "certificate.other-type",
        call("CertificateSigned"),
        title="A signed certificate has another type than was requested",
        severity=Severity.INFO,
        spec="OCPP 2.x A02.FR.14, A03.FR.14",
        remedy="Repeat the certificateType of SignCertificate in CertificateSigned.",
        bad=script(_sign("MIHY", "V2GCertificate"), _signed("ChargingStationCertificate")),
        good=script(_sign("MIHY", "V2GCertificate"), _signed("V2GCertificate")),
        versions=V2X,
        side=Side.CSMS,
    )
    def other_type(self, frame: Frame) -> Faults:
        given = string(frame.payload, "certificateType")
        if self._type is None or given is None or given == self._type:
            return None
        return Fault(f"certificateType is {given[:30]}; {self._type[:30]} was requested", "/3/certificateType")

    @rule(
        "certificate.no-serial-number",
        result("GetInstalledCertificateIds"),
        title="A certificate without a serial number is installed",
        severity=Severity.WARNING,
        spec="OCPP 2.x A00.FR.508",
        remedy="Use only certificates with a serial number, and report it.",
        bad=script(_installed("")),
        good=script(_installed("1")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def no_serial(self, frame: Frame) -> Faults:
        for index, chain in enumerate(elements(frame.payload, "certificateHashDataChain")):
            for one in [member(chain, "certificateHashData"), *elements(chain, "childCertificateHashData")]:
                serial = string(one, "serialNumber")
                if serial is not None and not serial.strip():
                    return Fault("serialNumber is empty", f"/2/certificateHashDataChain/{index}")
        return None

    @track(result("TriggerMessage"))
    def triggered(self, frame: Frame) -> None:
        if string(frame.request, "requestedMessage") in TYPES and frame.payload.get("status") == "Accepted":
            self._new = True

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._serial = string(member(frame.payload, "chargingStation"), "serialNumber")
