"""Security profiles 0 to 3 over real sockets: who is accepted, and what strangers learn."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from websockets.exceptions import InvalidMessage, InvalidStatus

from csms.central_system import CentralSystem
from csms.configuration import Settings
from csms.errors import CsmsMistake
from csms.operator_api import overview
from csms.security import PasswordCheck, Security, credentials, hash_password
from tests.csms.certificates import Authority, request
from tests.csms.peer import connected

PASSWORD = "0123456789abcdef"


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[CentralSystem]:
    csms = CentralSystem(settings)
    async with csms.listening("127.0.0.1", 0):
        yield csms
    csms.close()


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


async def test_profile_1_wants_the_password_of_the_identity() -> None:
    """The right password lets in; a wrong one, another's name, none, or an unknown identity get 401."""
    async with running(Settings(security=Security(1))) as csms:
        csms.store.set_charge_point("CHARGER-001", password_hash=hash_password(PASSWORD.encode()))
        async with connected(csms.address, "1.6", additional_headers=basic("CHARGER-001", PASSWORD)):
            pass
        for identity, headers in [
            ("CHARGER-001", basic("CHARGER-001", "wrong")),
            ("CHARGER-001", basic("OTHER", PASSWORD)),
            ("CHARGER-001", {"Authorization": "Basic nonsense"}),
            ("CHARGER-001", {"Authorization": "Bearer " + PASSWORD}),
            ("CHARGER-001", {}),
            ("CHARGER-001", [*basic("CHARGER-001", PASSWORD).items()] * 2),
            ("UNKNOWN", basic("UNKNOWN", PASSWORD)),
        ]:
            with pytest.raises(InvalidStatus) as refused:
                async with connected(csms.address, "1.6", identity, additional_headers=headers):
                    pass
            assert refused.value.response.status_code == 401
            assert refused.value.response.headers["WWW-Authenticate"].startswith("Basic")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_profile_2_speaks_tls_only(authority: Authority) -> None:
    certificate = authority.issue("csms")
    trust = ssl.create_default_context(cafile=authority.path)
    async with running(Settings(security=Security(2, certificate))) as csms:
        csms.store.set_charge_point("CHARGER-001", password_hash=hash_password(PASSWORD.encode()))
        assert csms.address.startswith("wss://")
        async with connected(csms.address, "2.0.1", ssl=trust, additional_headers=basic("CHARGER-001", PASSWORD)):
            pass
        with pytest.raises(InvalidStatus):
            async with connected(csms.address, "2.0.1", ssl=trust):
                pass
        with pytest.raises((InvalidMessage, ConnectionError)):
            async with connected(csms.address.replace("wss", "ws"), "2.0.1"):
                pass
        old = ssl.create_default_context(cafile=authority.path)
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            async with connected(csms.address, "2.0.1", ssl=old):
                pass


async def test_profile_3_wants_the_charge_points_own_certificate(authority: Authority, tmp_path: Path) -> None:
    """Only a certificate of the CA that names the identity gives access."""
    security = Security(3, authority.issue("csms"), client_ca=authority.path)
    stranger = Authority(tmp_path / "stranger", "Stranger CA")

    def presenting(certificate: Path | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=authority.path)
        if certificate is not None:
            context.load_cert_chain(certificate)
        return context

    async with running(Settings(security=security)) as csms:
        own = presenting(authority.issue("CHARGER-001"))
        async with connected(csms.address, "2.1", ssl=own):
            pass
        csms.store.seen("CHARGER-002", "2.1")
        csms.store.booted("CHARGER-002", "Accepted", dict.fromkeys(("vendor", "model", "firmware")) | {"serial": "S-2"})
        with pytest.raises(InvalidStatus) as refused:
            async with connected(csms.address, "2.1", "CHARGER-002", ssl=own):
                pass
        assert refused.value.response.status_code == 403
        for context in (presenting(None), presenting(stranger.issue("CHARGER-001"))):
            with pytest.raises((ssl.SSLError, ConnectionError, InvalidMessage)):
                async with connected(csms.address, "2.1", ssl=context):
                    pass


def boot_with_serial(version: str, serial: str | None) -> dict[str, Any]:
    named = {} if serial is None else {"serialNumber": serial}
    if version == "1.6":
        named = {} if serial is None else {"chargePointSerialNumber": serial}
        return {"chargePointVendor": "Vendor", "chargePointModel": "Model", **named}
    return {"reason": "PowerUp", "chargingStation": {"vendorName": "Vendor", "model": "Model", **named}}


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
async def test_profile_3_checks_the_serial_number_in_the_certificate_at_boot(
    authority: Authority, version: str
) -> None:
    """A00.FR.405, B01.FR.11, B01.FR.12: nothing is answered before the boot; another serial number ends the session."""
    security = Security(3, authority.issue("csms"), client_ca=authority.path)
    trust = ssl.create_default_context(cafile=authority.path)
    trust.load_cert_chain(authority.issue("SERIAL-7"))
    long = ssl.create_default_context(cafile=authority.path)
    long.load_cert_chain(authority.issue("SERIAL-NUMBER-THAT-IS-TOO-LONG"))
    async with running(Settings(security=security)) as csms:

        def login(identity: str, context: ssl.SSLContext = trust) -> Any:
            return connected(csms.address, version, identity, boot=False, ssl=context)

        async with login("CHARGER-001") as charge_point:
            early = await charge_point.ask([2, "early", "Heartbeat", {}])
            assert early[2] == "SecurityError"
            await charge_point.call("BootNotification", boot_with_serial(version, "SERIAL-7"))
            await charge_point.call("Heartbeat", {})
        async with login("CHARGER-001") as charge_point:
            await charge_point.call("Heartbeat", {})
        for identity, serial in (("CHARGER-002", "SERIAL-8"), ("CHARGER-003", None), ("SERIAL-7", "SERIAL-8")):
            async with login(identity) as charge_point:
                answer = await charge_point.ask([2, "boot", "BootNotification", boot_with_serial(version, serial)])
                assert answer[2] == "SecurityError"
                await asyncio.wait_for(charge_point.websocket.wait_closed(), 5)
                assert charge_point.websocket.close_code == 1008
        async with login("CHARGER-004", long) as charge_point:
            await charge_point.call("BootNotification", boot_with_serial(version, "SERIAL-NUMBER-THAT-IS-TOO"))


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
async def test_a_signing_request_is_answered_and_the_certificate_follows(authority: Authority, version: str) -> None:
    """CertificateSigned comes after the answer, with a chain that the CA's own certificate verifies."""
    kind = {} if version == "1.6" else {"certificateType": "ChargingStationCertificate"}
    if version == "2.1":
        kind["requestId"] = 7  # type: ignore[assignment]
    async with (
        running(Settings(sign_with=authority.with_key())) as csms,
        connected(csms.address, version) as charge_point,
    ):
        answer = await charge_point.call("SignCertificate", {"csr": request("CHARGER-001"), **kind})
        assert answer == {"status": "Accepted"}
        call = await charge_point.receive()
        await charge_point.send([3, call[1], {"status": "Accepted"}])
        for csr in (request("SOMEBODY-ELSE"), "no request"):
            refused = await charge_point.call("SignCertificate", {"csr": csr})
            assert refused["status"] == "Rejected"
            assert version == "1.6" or refused["statusInfo"] == {"reasonCode": "InvalidCSR"}
    assert (call[0], call[2]) == (2, "CertificateSigned")
    chain = x509.load_pem_x509_certificates(call[3].pop("certificateChain").encode())
    assert call[3] == kind
    chain[0].verify_directly_issued_by(chain[1])
    assert chain[1] == x509.load_pem_x509_certificate(authority.path.read_bytes())


NEW = "new-password-0123"


@pytest.mark.system
@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
async def test_the_old_password_is_valid_until_the_charge_point_connects_with_the_new_one(
    tmp_path: Path, version: str
) -> None:
    """A01.FR.04; also after a restart of the CSMS. A new password from the operator replaces both at once."""
    action: str = "ChangeConfiguration"
    payload: dict[str, Any] = {"key": "AuthorizationKey", "value": NEW.encode().hex()}
    place = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    answer: dict[str, Any] = {"status": "Accepted"}
    if version != "1.6":
        action, payload = "SetVariables", {"setVariableData": [place | {"attributeValue": NEW}]}
        answer = {"setVariableResult": [place | {"attributeStatus": "Accepted"}]}
    settings = Settings(db=tmp_path / "csms.db", security=Security(1))

    def login(password: str) -> Any:
        return connected(csms.address, version, additional_headers=basic("CHARGER-001", password))

    async with running(settings) as csms:
        csms.store.set_charge_point("CHARGER-001", password_hash=hash_password(PASSWORD.encode()))
        async with login(PASSWORD) as charge_point:
            sending = asyncio.create_task(csms.connections["CHARGER-001"].send_call(action, payload))
            call = await charge_point.receive()
            await charge_point.send([3, call[1], answer])
            assert (await sending).kind == "CALLRESULT"
    async with running(settings) as csms:
        async with login(PASSWORD), login(NEW):
            pass
        with pytest.raises(InvalidStatus):
            async with login(PASSWORD):
                pass
        shown = overview.charge_point(csms.context, csms.connections, "CHARGER-001")
        assert "scrypt" not in str(shown)
        csms.store.change_password("CHARGER-001", hash_password(b"newest"))
        csms.store.set_charge_point("CHARGER-001", password_hash=hash_password(b"operator's"))
        for password in (NEW, "newest"):
            with pytest.raises(InvalidStatus):
                async with login(password):
                    pass
        async with login("operator's"):
            pass


async def test_unknown_identities_are_refused_when_asked_to() -> None:
    async with running(Settings(unknown_charge_points=False)) as csms:
        csms.store.set_charge_point("CHARGER-001")
        async with connected(csms.address, "1.6"):
            pass
        with pytest.raises(InvalidStatus) as refused:
            async with connected(csms.address, "1.6", "STRANGER"):
                pass
    assert refused.value.response.status_code == 404


@pytest.mark.parametrize(
    ("security", "named"),
    [
        (Security(2), "--tls-cert"),
        (Security(3, Path("cert.pem")), "--client-ca"),
        (Security(2, Path("missing.pem")), "missing.pem"),
    ],
)
async def test_a_profile_without_its_files_is_a_users_mistake(security: Security, named: str) -> None:
    csms = CentralSystem(Settings(security=security))
    with pytest.raises(CsmsMistake, match=named):
        async with csms.listening("127.0.0.1", 0):
            pass


async def test_reconnects_do_not_cost_a_slow_hash_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password that was right once is not hashed again; a wrong one is hashed every time."""
    hashed: list[bytes] = []
    scrypt = hashlib.scrypt

    def counting(password: bytes, **parameters: Any) -> bytes:
        hashed.append(password)
        return scrypt(password, **parameters)

    check, stored = PasswordCheck(), hash_password(PASSWORD.encode())
    monkeypatch.setattr(hashlib, "scrypt", counting)
    for _ in range(5):
        assert await check.right(PASSWORD.encode(), stored)
        assert not await check.right(b"wrong", stored)
    assert (hashed.count(PASSWORD.encode()), hashed.count(b"wrong")) == (1, 5)


def test_a_password_may_hold_colons_and_any_bytes() -> None:
    blob = base64.b64encode(b"CP:a:b\xff").decode()
    assert credentials(f"Basic {blob}") == ("CP", b"a:b\xff")
    assert credentials("Basic " + base64.b64encode(b"no colon").decode()) is None


def test_hashes_of_one_password_differ() -> None:
    """Every hash has a salt of its own."""
    assert hash_password(b"same") != hash_password(b"same")
