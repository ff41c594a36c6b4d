"""A vehicle with ISO 15118 at a 2.x charging station: contract certificate, Plug & Charge, needs and schedule.

The messages to the CSMS are real. The vehicle's own messages are EXI, which this simulator does not have: exiRequest is
a certificate request in PEM, in base64, and exiResponse must be a certificate chain in the same form.
"""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from simulator.certificates import hash_data
from simulator.clock import timestamp
from simulator.station import Station
from simulator.wire.link import Payload

SCHEMA = {"2.0.1": "urn:iso:15118:2:2013:MsgDef", "2.1": "urn:iso:15118:2:2013:MsgDef"}
PROFILE_WAIT_S = 60.0
"""Real seconds that the vehicle waits for a schedule (K15.FR.08)."""
NO_RESPONDER = "http://127.0.0.1:9/ocsp"
"""The address in the hash data of a certificate that names no OCSP responder."""


@dataclass(slots=True)
class Contract:
    """The contract of a vehicle: its key, and the certificate chain after it was installed."""

    emaid: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    chain: list[x509.Certificate] = field(default_factory=list)

    def request(self) -> str:
        """Return the certificate request of the vehicle, in base64."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.emaid)])
        made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(self.key, hashes.SHA256())
        return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()

    def take(self, text: str) -> None:
        """Take the chain from exiResponse. Raises ValueError if there is none."""
        self.chain = x509.load_pem_x509_certificates(base64.b64decode(text, validate=True))

    def for_authorize(self) -> Payload:
        """Return the members of Authorize for this contract: the chain and its hash data (C07.FR.02, C07.FR.06)."""
        pem = "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in self.chain)
        below_root = [each for each in self.chain if each.issuer != each.subject]
        data = [
            hash_data(each, "SHA256", self.chain) | {"responderURL": _responder(each) or NO_RESPONDER}
            for each in below_root[:4]
        ]
        return {"certificate": pem} | ({"iso15118CertificateHashData": data} if data else {})


def _responder(certificate: x509.Certificate) -> str | None:
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return None
    places = [each.access_location for each in access if each.access_method == AuthorityInformationAccessOID.OCSP]
    return str(places[0].value) if places else None


class Failed(Exception):
    """The CSMS answered otherwise than the vehicle needs; `str()` returns the message."""


class SmartVehicles:
    """The vehicles with ISO 15118 at a station, each with its contract."""

    def __init__(self, station: Station) -> None:
        self.station = station
        self.contracts: dict[str, Contract] = {}
        station.parts.append(self)

    async def install(self, emaid: str, action: str = "Install") -> None:
        """Get a contract certificate with Get15118EVCertificate (M01, M02).

        Raises:
            Failed: the CSMS gives none, or one that the vehicle cannot read.
        """
        contract = self.contracts.setdefault(emaid, Contract(emaid))
        request = {
            "iso15118SchemaVersion": SCHEMA[self.station.version],
            "action": action,
            "exiRequest": contract.request(),
        }
        answer = await self.station.call("Get15118EVCertificate", request)
        if answer["status"] != "Accepted":
            raise Failed(f"the CSMS installs no contract certificate for {emaid}")
        try:
            contract.take(answer["exiResponse"])
        except ValueError:
            raise Failed("exiResponse is not a certificate chain in PEM, in base64: other content needs EXI") from None
        self.station.log(f"contract certificate for {emaid} installed")

    async def plug_and_charge(self, number: int, emaid: str) -> tuple[str, str | None]:
        """Authorize by the contract certificate, and start a transaction if it is accepted (C07).

        Returns:
            The status of the token, and certificateStatus.
        """
        contract = self.contracts.get(emaid)
        action, payload = self.station.dialect.authorize(emaid, "eMAID")
        answer = await self.station.call(action, payload | (contract.for_authorize() if contract else {}))
        status, certificate = str(answer["idTokenInfo"]["status"]), answer.get("certificateStatus")
        self.station.log(f"contract {emaid} {status}, certificate {certificate}")
        if status == "Accepted" and certificate in (None, "Accepted"):
            await self.station.start(number, emaid, "eMAID")
        return status, certificate

    async def needs(self, number: int, minutes: float, energy_wh: int, modern: bool = False) -> str:
        """Send the charging needs of the vehicle; if they are accepted, wait for the profile (K15, K18).

        Args:
            number: the EVSE.
            minutes: the real minutes until its departure.
            energy_wh: the energy that it wants.
            modern: whether it speaks ISO 15118-20 instead of 15118-2 (2.1 only).

        Raises:
            Failed: no profile comes within `PROFILE_WAIT_S`.
        """
        connector, station = self.station.connectors[number], self.station
        power = connector.vehicle.max_power_w if connector.vehicle else station.outlet_w
        direct = station.identity.direct_current
        needs: dict[str, Any] = {"requestedEnergyTransfer": "DC" if direct else "AC_single_phase"}
        if modern:
            v2x = {"maxChargePower": round(power), "minChargePower": 0, "evTargetEnergyRequest": energy_wh}
            needs |= {"controlMode": "ScheduledControl", "v2xChargingParameters": v2x}
        elif direct:
            limits = {"evMaxCurrent": round(power / 400), "evMaxVoltage": 400, "evMaxPower": round(power)}
            needs["dcChargingParameters"] = limits | {"energyAmount": energy_wh}
        else:
            limits = {"evMinCurrent": 6, "evMaxCurrent": round(power / 230), "evMaxVoltage": 230}
            needs["acChargingParameters"] = {"energyAmount": energy_wh, **limits}
        needs["departureTime"] = timestamp(datetime.now(UTC) + timedelta(minutes=minutes))
        message = {"evseId": number, "maxScheduleTuples": 3, "chargingNeeds": needs}
        before = len(station.answering.served)
        status = str((await station.call("NotifyEVChargingNeeds", message))["status"])
        station.log(f"charging needs {status}")
        if status == "Accepted":
            try:
                await asyncio.wait_for(station.answering.until_served("SetChargingProfile", before), PROFILE_WAIT_S)
            except TimeoutError:
                raise Failed(f"no SetChargingProfile came within {PROFILE_WAIT_S:g} s (K15.FR.08)") from None
        elif modern and status == "Rejected":
            await station.stop(number, "ReqEnergyTransferRejected")  # K18.FR.23
        return status

    async def schedule(self, number: int, factor: float = 1.0) -> str:
        """Send the schedule that the vehicle chose: that of the profile, times a factor (K15.FR.10).

        Raises:
            Failed: the EVSE has no TxProfile.
        """
        held = [each for each in self.station.profiles.profiles if (each.place, each.purpose) == (number, "TxProfile")]
        if not held:
            raise Failed(f"EVSE {number} has no TxProfile")
        offered = max(held, key=lambda each: each.stack_level).schedule
        periods = [
            {"startPeriod": each["startPeriod"], "limit": round(float(each.get("limit", 0)) * factor, 1)}
            for each in offered["chargingSchedulePeriod"]
        ]
        schedule = {"id": offered["id"], "chargingRateUnit": offered["chargingRateUnit"]}
        for name in ("duration",):
            schedule |= {name: offered[name]} if name in offered else {}
        if phases := offered["chargingSchedulePeriod"][0].get("numberPhases"):
            for each in periods:
                each["numberPhases"] = phases
        message: Payload = {
            "timeBase": timestamp(), "evseId": number,
            "chargingSchedule": schedule | {"chargingSchedulePeriod": periods},
        }  # fmt: skip
        if self.station.version == "2.1":
            message["selectedChargingScheduleId"] = offered["id"]
        status = str((await self.station.call("NotifyEVChargingSchedule", message))["status"])
        self.station.log(f"charging schedule {status}")
        return status
