"""Certificates and signed firmware: what a charge point accepts, and what it refuses and reports."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from simulator.clock import timestamp
from tests.simulator.listening import VERSIONS, ListeningCsms
from tests.simulator.powered import PowerOn

CSMS_ROOT = {"1.6": "CentralSystemRootCertificate", "2.0.1": "CSMSRootCertificate", "2.1": "CSMSRootCertificate"}
BAD_OWN = dict.fromkeys(VERSIONS, "InvalidChargingStationCertificate") | {"1.6": "InvalidChargePointCertificate"}
DAY = timedelta(days=1)


@dataclass
class Ca:
    """A certificate authority, with its key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return pem(self.certificate)


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def issue(
    name: str, key: Any, issuer: tuple[str, ec.EllipticCurvePrivateKey], ca: bool = False, starts: timedelta = -DAY
) -> x509.Certificate:
    """Issue a certificate that is valid for two days from `starts`."""
    begin = datetime.now(UTC) + starts
    subject, by = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, issuer[0]))
    builder = x509.CertificateBuilder(by, subject, key, x509.random_serial_number(), begin, begin + 2 * DAY)
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    return builder.sign(issuer[1], hashes.SHA256())


def authority(name: str, parent: Ca | None = None, starts: timedelta = -DAY) -> Ca:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = (name, key) if parent is None else ("Root", parent.key)
    return Ca(key, issue(name, key.public_key(), issuer, ca=True, starts=starts))


async def install(csms: ListeningCsms, use: str, certificate: str) -> str:
    asked = {"certificateType": use, "certificate": certificate}
    return str((await csms.ask("InstallCertificate", asked))[2]["status"])


async def signing_key(csms: ListeningCsms, version: str) -> Any:
    """Let the charge point send its certificate request; returns the key in it."""
    if version == "1.6":
        await csms.ask("ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"})
    else:
        await csms.ask("TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"})
    await csms.until(lambda: csms.calls("SignCertificate"))
    return x509.load_pem_x509_csr(csms.calls("SignCertificate")[0]["csr"].encode()).public_key()


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_certificate_that_is_expired_foreign_or_of_another_name_is_refused_and_reported(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    """A02.FR.06, A02.FR.07; each reason is in the security event."""
    await power_on(version)
    root, stranger = authority("Root"), authority("Root")
    key = await signing_key(csms, version)
    assert await install(csms, CSMS_ROOT[version], root.pem) == "Accepted"
    by = ("Root", root.key)
    wrong = {
        "another key": issue("CP-1", stranger.key.public_key(), by),
        "common name": issue("CP-2", key, by),
        "expired": issue("CP-1", key, by, starts=-5 * DAY),
        "not yet valid": issue("CP-1", key, by, starts=DAY),
        "no installed root": issue("CP-1", key, ("Root", stranger.key)),
    }
    for certificate in wrong.values():
        answer = await csms.ask("CertificateSigned", {"certificateChain": pem(certificate)})
        assert answer[2]["status"] == "Rejected"
    mixed = pem(issue("CP-1", key, by)) + stranger.pem
    assert (await csms.ask("CertificateSigned", {"certificateChain": mixed}))[2]["status"] == "Rejected"
    await csms.until(lambda: len(csms.calls("SecurityEventNotification")) == 6)
    told = csms.calls("SecurityEventNotification")
    assert {event["type"] for event in told} == {BAD_OWN[version]}
    for reason, event in zip([*wrong, "not issued by the next"], told, strict=True):
        assert reason in event["techInfo"]
    good = pem(issue("CP-1", key, by)) + root.pem
    assert (await csms.ask("CertificateSigned", {"certificateChain": good}))[2] == {"status": "Accepted"}


@pytest.mark.parametrize("version", VERSIONS)
async def test_only_a_valid_certificate_of_a_ca_becomes_a_root(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    """M05.FR.07: a certificate that is no CA's or has expired is refused."""
    await power_on(version)
    root, use = authority("Root"), CSMS_ROOT[version]
    leaf = issue("CP-1", ec.generate_private_key(ec.SECP256R1()).public_key(), ("Root", root.key))
    assert await install(csms, use, pem(leaf)) == "Rejected"
    assert await install(csms, use, authority("Root", starts=-5 * DAY).pem) == "Rejected"
    assert await install(csms, use, root.pem) == "Accepted"


async def test_the_issuer_key_hash_is_that_of_the_real_issuer(csms: ListeningCsms, power_on: PowerOn) -> None:
    """RFC 6960: issuerKeyHash is the hash of the installed issuer's key, not of the certificate's own key."""
    await power_on("2.0.1")
    root = authority("Root")
    under = authority("Sub", root)
    for certificate in (under, root):
        assert await install(csms, "V2GRootCertificate", certificate.pem) == "Accepted"
    found = (await csms.ask("GetInstalledCertificateIds", {}))[2]["certificateHashDataChain"]
    digests = [each["certificateHashData"]["issuerKeyHash"] for each in found]
    point = root.key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    digest = hashes.Hash(hashes.SHA256())
    digest.update(point)
    assert digests == [digest.finalize().hex()] * 2


def update(version: str, certificate: str, signature: str) -> tuple[str, dict[str, Any]]:
    firmware = {
        "location": "https://firmware.example.com/cp-2.5.1.bin",
        "retrieveDateTime": timestamp(),
        "signingCertificate": certificate,
        "signature": signature,
    }
    action = "SignedUpdateFirmware" if version == "1.6" else "UpdateFirmware"
    return action, {"requestId": 7, "firmware": firmware}


def statuses(csms: ListeningCsms, version: str) -> list[str]:
    action = "SignedFirmwareStatusNotification" if version == "1.6" else "FirmwareStatusNotification"
    return [each["status"] for each in csms.calls(action)]


SIGNATURE = base64.b64encode(b"signed by the manufacturer").decode()


@pytest.mark.parametrize("version", VERSIONS)
async def test_firmware_with_an_unusable_signing_certificate_is_refused_and_reported(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    """L01.FR.02."""
    await power_on(version)
    root, stranger = authority("Root"), authority("Root")
    assert await install(csms, "ManufacturerRootCertificate", root.pem) == "Accepted"
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    expired = issue("Signer", key, ("Root", root.key), starts=-5 * DAY)
    foreign = issue("Signer", key, ("Root", stranger.key))
    for certificate in ("no certificate", pem(expired), pem(foreign)):
        answer = await csms.ask(*update(version, certificate, SIGNATURE))
        assert answer[2] == {"status": "InvalidCertificate"}
    await csms.until(lambda: len(csms.calls("SecurityEventNotification")) == 3)
    told = csms.calls("SecurityEventNotification")
    assert {event["type"] for event in told} == {"InvalidFirmwareSigningCertificate"}
    assert statuses(csms, version) == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("scripted", [False, True])
async def test_firmware_with_a_wrong_signature_is_not_installed_and_reported(
    csms: ListeningCsms, power_on: PowerOn, version: str, scripted: bool
) -> None:
    """L01.FR.03; a scenario asks for it with the step `firmware-fault`."""
    station = await power_on(version)
    if scripted:
        station.firmware_fault = "InvalidSignature"
    signer = authority("Signer").pem
    answer = await csms.ask(*update(version, signer, SIGNATURE if scripted else "no base64!"))
    assert answer[2] == {"status": "Accepted"}
    await csms.until(lambda: csms.calls("SecurityEventNotification"))
    assert csms.calls("SecurityEventNotification")[0]["type"] == "InvalidFirmwareSignature"
    assert statuses(csms, version) == ["Downloading", "Downloaded", "InvalidSignature"]
    assert csms.actions().count("BootNotification") == 1


@pytest.mark.parametrize("version", VERSIONS)
async def test_installed_firmware_is_reported_as_a_security_event(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    """L01.FR.31."""
    await power_on(version)
    await csms.ask(*update(version, authority("Signer").pem, SIGNATURE))
    await csms.until(lambda: csms.calls("SecurityEventNotification"))
    assert csms.calls("SecurityEventNotification")[0]["type"] == "FirmwareUpdated"
    assert statuses(csms, version)[-4:] == ["SignatureVerified", "Installing", "InstallRebooting", "Installed"]


@pytest.mark.parametrize("version", VERSIONS[1:])
async def test_a_log_upload_that_a_newer_request_cancels_is_reported(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    """N01.FR.20."""
    await power_on(version, speed=60.0)
    log = {"remoteLocation": "https://logs.example.com/"}
    for number in (1, 2):
        await csms.ask("GetLog", {"logType": "DiagnosticsLog", "requestId": number, "log": log})
        await csms.until(
            lambda number=number: {"status": "Uploading", "requestId": number} in csms.calls("LogStatusNotification")
        )
    assert {"status": "AcceptedCanceled", "requestId": 1} in csms.calls("LogStatusNotification")
