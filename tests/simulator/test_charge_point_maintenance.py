"""Firmware, certificates and signed meter values."""

from __future__ import annotations

import base64
import json
from datetime import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from simulator.clock import timestamp
from tests.simulator.listening import VERSIONS, ListeningCsms
from tests.simulator.powered import TOKEN, PowerOn, charge, events


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_firmware_update_goes_through_its_steps_and_boots_into_the_new_version(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    await power_on(version)
    location = "https://firmware.example.com/cp-2.5.1.bin"
    request: dict[str, Any] = {"location": location, "retrieveDate": timestamp()}
    if version != "1.6":
        request = {"requestId": 4, "firmware": {"location": location, "retrieveDateTime": timestamp()}}
    await csms.ask("UpdateFirmware", request)
    await csms.until(lambda: [c for c in csms.calls("FirmwareStatusNotification") if c["status"] == "Installed"])
    steps = csms.calls("FirmwareStatusNotification")
    if version == "1.6":
        assert [step["status"] for step in steps] == ["Downloading", "Downloaded", "Installing", "Installed"]
        assert csms.calls("BootNotification")[1]["firmwareVersion"] == "2.5.1"
    else:
        assert [step["status"] for step in steps] == [
            *("Downloading", "Downloaded", "Installing", "InstallRebooting", "Installed")
        ]
        assert {step["requestId"] for step in steps} == {4}
        boot = csms.calls("BootNotification")[1]
        assert (boot["reason"], boot["chargingStation"]["firmwareVersion"]) == ("FirmwareUpdate", "2.5.1")
    actions = csms.actions()
    assert actions.index("BootNotification", 1) < len(actions) - 1 - actions[::-1].index("FirmwareStatusNotification")


async def test_firmware_that_cannot_be_fetched_fails(csms: ListeningCsms, power_on: PowerOn) -> None:
    await power_on("1.6")
    await csms.ask("UpdateFirmware", {"location": "gopher://example.com/x", "retrieveDate": timestamp()})
    await csms.until(lambda: len(csms.calls("FirmwareStatusNotification")) == 2)
    assert csms.calls("FirmwareStatusNotification")[1]["status"] == "DownloadFailed"


async def test_the_log_status_is_idle_as_soon_as_an_upload_has_ended(csms: ListeningCsms, power_on: PowerOn) -> None:
    await power_on("2.1", speed=60.0)
    log = {"remoteLocation": "https://logs.example.com/"}
    await csms.ask("GetLog", {"logType": "DiagnosticsLog", "requestId": 4, "log": log})
    await csms.until(lambda: len(csms.calls("LogStatusNotification")) == 2)
    await csms.ask("TriggerMessage", {"requestedMessage": "LogStatusNotification"})
    await csms.until(lambda: len(csms.calls("LogStatusNotification")) == 3)
    assert [each["status"] for each in csms.calls("LogStatusNotification")] == ["Uploading", "Uploaded", "Idle"]


def self_signed(name: str) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(datetime(2020, 1, 1)).not_valid_after(datetime(2040, 1, 1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("version", "use"), [("1.6", "CentralSystemRootCertificate"), ("2.0.1", "CSMSRootCertificate")]
)
async def test_certificates_are_installed_listed_and_deleted(
    csms: ListeningCsms, power_on: PowerOn, version: str, use: str
) -> None:
    await power_on(version)
    pem = self_signed("Root")
    question: dict[str, Any] = {"certificateType": use if version == "1.6" else [use]}
    assert (await csms.ask("GetInstalledCertificateIds", question))[2]["status"] == "NotFound"
    installed = await csms.ask("InstallCertificate", {"certificateType": use, "certificate": pem})
    assert installed[2]["status"] == "Accepted"
    rubbish = await csms.ask("InstallCertificate", {"certificateType": use, "certificate": "no certificate"})
    assert rubbish[2]["status"] == "Rejected"
    found = (await csms.ask("GetInstalledCertificateIds", question))[2]
    chain = found.get("certificateHashDataChain")
    data = chain[0]["certificateHashData"] if chain else found["certificateHashData"][0]
    assert int(data["serialNumber"], 16) == x509.load_pem_x509_certificate(pem.encode()).serial_number
    assert (await csms.ask("DeleteCertificate", {"certificateHashData": data}))[2]["status"] == "Accepted"
    assert (await csms.ask("DeleteCertificate", {"certificateHashData": data}))[2]["status"] == "NotFound"


async def test_only_a_certificate_of_its_own_key_is_taken(csms: ListeningCsms, power_on: PowerOn) -> None:
    """A02: a certificate that does not match the signing request is rejected and reported as a security event."""
    await power_on("2.0.1")
    await csms.ask("TriggerMessage", {"requestedMessage": "SignChargingStationCertificate"})
    await csms.until(lambda: csms.calls("SignCertificate"))
    request = x509.load_pem_x509_csr(csms.calls("SignCertificate")[0]["csr"].encode())
    assert request.is_signature_valid
    ca = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")])
    builder = x509.CertificateBuilder(issuer, request.subject, request.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(datetime(2020, 1, 1)).not_valid_after(datetime(2040, 1, 1))
    good = builder.sign(ca, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    assert (await csms.ask("CertificateSigned", {"certificateChain": good}))[2]["status"] == "Accepted"
    assert (await csms.ask("CertificateSigned", {"certificateChain": self_signed("CP")}))[2]["status"] == "Rejected"
    await csms.until(lambda: csms.calls("SecurityEventNotification"))
    assert csms.calls("SecurityEventNotification")[0]["type"] == "InvalidChargingStationCertificate"


async def test_signed_meter_values_can_be_checked(csms: ListeningCsms, power_on: PowerOn) -> None:
    station = await power_on("2.0.1", signed=True)
    await charge(station)
    await station.clock.sleep(60)
    await station.present(1, TOKEN)
    value = events(csms)[-1]["meterValue"][0]["sampledValue"][0]
    signed = value["signedMeterValue"]
    _, payload, signature = base64.b64decode(signed["signedMeterData"]).decode().split("|")
    assert json.loads(payload)["RD"][0]["RV"] == value["value"]
    key = serialization.load_der_public_key(base64.b64decode(signed["publicKey"]))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(bytes.fromhex(json.loads(signature)["SD"]), payload.encode(), ec.ECDSA(hashes.SHA256()))
