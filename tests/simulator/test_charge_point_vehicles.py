"""A vehicle with ISO 15118 at a headless charge point of 2.x, against a raw CSMS: certificate, needs, schedule."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from simulator.station import Station
from simulator.v2x.iso15118 import Failed, SmartVehicles
from tests.simulator.listening import ListeningCsms
from tests.simulator.powered import PowerOn, events

EMAID = "DE8AACA2B3C4D5"
TWO = pytest.mark.parametrize("version", ["2.0.1", "2.1"])


def sign(request: str) -> str:
    """Return a chain for a request in base64, as a provider of contracts would."""
    csr = x509.load_pem_x509_csr(base64.b64decode(request))
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    root = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Provider")])

    def certificate(name: x509.Name, public: Any, ca: bool) -> bytes:
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(root).public_key(public)
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now)
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        made = builder.not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM)

    chain = certificate(csr.subject, csr.public_key(), False) + certificate(root, key.public_key(), True)
    return base64.b64encode(chain).decode()


def vehicles(station: Station) -> SmartVehicles:
    found = station.part(SmartVehicles)
    assert found is not None
    return found


@TWO
async def test_a_contract_is_installed_and_authorizes_with_its_hash_data(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    """M01.FR.01, C07.FR.01, C07.FR.02, C07.FR.06: the transaction starts with the eMAID."""
    station = await power_on(version)
    csms.answers["Get15118EVCertificate"] = lambda payload: {
        "status": "Accepted", "exiResponse": sign(payload["exiRequest"])
    }  # fmt: skip
    await station.plug_in(1)
    await vehicles(station).install(EMAID)
    assert csms.calls("Get15118EVCertificate")[0]["action"] == "Install"
    csms.answers["Authorize"] = lambda payload: {
        "idTokenInfo": {"status": "Accepted"}, "certificateStatus": "Accepted"
    }  # fmt: skip
    assert await vehicles(station).plug_and_charge(1, EMAID) == ("Accepted", "Accepted")
    (asked,) = csms.calls("Authorize")
    assert asked["idToken"] == {"idToken": EMAID, "type": "eMAID"}
    leaf, root = x509.load_pem_x509_certificates(asked["certificate"].encode())
    leaf.verify_directly_issued_by(root)
    (data,) = asked["iso15118CertificateHashData"]
    assert data["serialNumber"] == f"{leaf.serial_number:x}" and data["responderURL"]
    assert events(csms)[0]["idToken"] == {"idToken": EMAID, "type": "eMAID"}


@TWO
@pytest.mark.parametrize(
    ("status", "certificate"),
    [("Invalid", "CertChainError"), ("Invalid", "CertificateRevoked"), ("Blocked", "ContractCancelled")],
)
async def test_a_refused_contract_starts_no_transaction(
    csms: ListeningCsms, power_on: PowerOn, version: str, status: str, certificate: str
) -> None:
    station = await power_on(version)
    csms.answers["Authorize"] = lambda payload: {"idTokenInfo": {"status": status}, "certificateStatus": certificate}
    await station.plug_in(1)
    assert await vehicles(station).plug_and_charge(1, EMAID) == (status, certificate)
    assert not events(csms)


@TWO
async def test_a_certificate_that_cannot_be_read_is_a_failure_in_words(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    station = await power_on(version)
    for answer, words in (
        ({"status": "Failed", "exiResponse": ""}, "installs no contract"),
        ({"status": "Accepted", "exiResponse": "gAA="}, "EXI"),
    ):
        csms.answers["Get15118EVCertificate"] = lambda payload, made=answer: made  # type: ignore[misc]
        with pytest.raises(Failed, match=words):
            await vehicles(station).install(EMAID)


def plan(station: Station, limit: float = 16.0) -> dict[str, Any]:
    tx = station.connectors[1].transaction
    assert tx is not None
    schedule = {
        "id": 1, "chargingRateUnit": "A", "duration": 3600,
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit, "numberPhases": 1}],
    }  # fmt: skip
    profile = {
        "id": 9, "stackLevel": 0, "chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Relative",
        "transactionId": tx.id, "chargingSchedule": [schedule],
    }  # fmt: skip
    return {"evseId": 1, "chargingProfile": profile}


@TWO
async def test_needs_lead_to_a_profile_and_the_schedule_follows_it(
    csms: ListeningCsms, power_on: PowerOn, version: str
) -> None:
    """K15.FR.01, K15.FR.06, K15.FR.10, K15.FR.19."""
    station = await power_on(version)
    await station.plug_in(1)
    await station.start(1, EMAID, "eMAID")
    with pytest.raises(Failed, match="no TxProfile"):
        await vehicles(station).schedule(1)
    needing = asyncio.create_task(vehicles(station).needs(1, 60, 10_000))
    await csms.until(lambda: csms.calls("NotifyEVChargingNeeds"))
    assert (await csms.ask("SetChargingProfile", plan(station)))[2] == {"status": "Accepted"}
    assert await needing == "Accepted"
    needs = csms.calls("NotifyEVChargingNeeds")[0]["chargingNeeds"]
    assert needs["acChargingParameters"]["evMaxCurrent"] == 32 and "dcChargingParameters" not in needs
    csms.answers["NotifyEVChargingSchedule"] = lambda payload: {"status": "Rejected"}
    assert await vehicles(station).schedule(1, 2.0) == "Rejected"
    (sent,) = csms.calls("NotifyEVChargingSchedule")
    assert sent["chargingSchedule"]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 32.0, "numberPhases": 1}]
    assert sent.get("selectedChargingScheduleId") == (1 if version == "2.1" else None)


async def test_a_refused_transfer_of_iso_15118_20_ends_the_transaction(csms: ListeningCsms, power_on: PowerOn) -> None:
    """K18.FR.06, K18.FR.22, K18.FR.23; NoChargingProfile lets it charge on."""
    station = await power_on("2.1")
    await station.plug_in(1)
    await station.start(1, EMAID, "eMAID")
    answers = [{"status": "NoChargingProfile"}, {"status": "Rejected"}]
    csms.answers["NotifyEVChargingNeeds"] = lambda payload: answers.pop(0)
    assert await vehicles(station).needs(1, 60, 10_000, modern=True) == "NoChargingProfile"
    assert station.connectors[1].transaction is not None
    assert await vehicles(station).needs(1, 60, 10_000, modern=True) == "Rejected"
    needs = csms.calls("NotifyEVChargingNeeds")[0]["chargingNeeds"]
    assert needs["controlMode"] == "ScheduledControl" and "v2xChargingParameters" in needs
    end = events(csms)[-1]
    assert (end["eventType"], end["triggerReason"]) == ("Ended", "AbnormalCondition")
    assert end["transactionInfo"]["stoppedReason"] == "ReqEnergyTransferRejected"
