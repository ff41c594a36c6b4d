"""Contract certificates over real sockets: Authorize with them, their OCSP status, and their installation."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import ocsp

from csms.central_system import CentralSystem
from csms.configuration import PageAddress, Settings
from csms.operator_api.web import serving
from tests.csms.certificates import request as certificate_request
from tests.csms.contract_bench import ContractCa, pem
from tests.csms.peer import Peer, connected
from tests.csms.test_security import running

EMAID = "DE8AACA2B3C4D5"
TWO = pytest.mark.parametrize("version", ["2.0.1", "2.1"])
NOWHERE = "http://127.0.0.1:9/ocsp"


@pytest.fixture
def provider(tmp_path: Path) -> ContractCa:
    return ContractCa(tmp_path)


@pytest.fixture
def responder(provider: ContractCa) -> Iterator[str]:
    with provider.listening() as url:
        yield url


async def authorized(peer: Peer, **contract: Any) -> tuple[str | None, str]:
    answer = await peer.call("Authorize", {"idToken": {"idToken": EMAID, "type": "eMAID"}, **contract})
    return answer.get("certificateStatus"), answer["idTokenInfo"]["status"]


@TWO
async def test_authorize_answers_the_status_of_a_contract_certificate(
    provider: ContractCa, responder: str, tmp_path: Path, version: str
) -> None:
    """C07.FR.13 to C07.FR.17, with the certificate and with its hash data."""
    stranger = ContractCa(tmp_path, "Stranger CA")
    good, old = provider.issue(url=responder), provider.issue(days=-1, url=responder)
    revoked, elsewhere = provider.issue(url=responder), provider.issue(url=NOWHERE)
    provider.revoked.add(revoked.serial_number)

    def entry(certificate: x509.Certificate, url: str = responder, ca: ContractCa = provider) -> dict[str, Any]:
        return {"iso15118CertificateHashData": [ca.hash_data(certificate) | {"responderURL": url}]}

    broken = ("CertChainError", "Invalid")
    async with (
        running(Settings(contract_ca=provider.path)) as csms,
        connected(csms.address, version) as peer,
    ):
        for contract, expected in (
            ({}, (None, "Accepted")),
            ({"certificate": pem(good)}, ("Accepted", "Accepted")),
            ({"certificate": pem(good, provider.certificate)}, ("Accepted", "Accepted")),
            (entry(good), ("Accepted", "Accepted")),
            ({"certificate": pem(good), **entry(good)}, ("Accepted", "Accepted")),
            ({"certificate": pem(old)}, ("CertificateExpired", "Expired")),
            ({"certificate": pem(revoked)}, ("CertificateRevoked", "Invalid")),
            (entry(revoked), ("CertificateRevoked", "Invalid")),
            ({"certificate": pem(stranger.issue())}, broken),
            ({"certificate": pem(good, stranger.certificate)}, broken),
            ({"certificate": "no certificate"}, broken),
            ({"certificate": pem(elsewhere)}, broken),
            (entry(good, NOWHERE), broken),
            (entry(stranger.issue(), ca=stranger), broken),
            ({"certificate": pem(good), **entry(revoked)}, ("CertificateRevoked", "Invalid")),
        ):
            assert await authorized(peer, **contract) == expected, contract  # type: ignore[arg-type]
        for status, certificate_status in (("Blocked", "ContractCancelled"), ("Expired", "ContractCancelled")):
            csms.store.set_token(EMAID, status)
            assert await authorized(peer, **entry(good)) == (certificate_status, status)
        csms.store.set_token(EMAID, "Accepted")
        provider.signer = stranger.key
        assert await authorized(peer, **entry(good)) == broken


@TWO
async def test_the_csms_issues_revokes_and_answers_for_its_own_contracts(version: str) -> None:
    """A station gets the status of a contract of the CSMS's own CA, from the hash data and from its OCSP responder."""
    csms = CentralSystem()
    async with (
        csms.listening("127.0.0.1", 0),
        serving(csms.context, csms.connections, PageAddress(port=0), "secret") as page,
        httpx.AsyncClient(base_url=page.partition("/?")[0], trust_env=False) as operator,
        connected(csms.address, version) as peer,
    ):
        operator.headers["Authorization"] = "Bearer secret"
        made = (await operator.post("/api/contracts", json={"emaid": EMAID})).json()
        old = (await operator.post("/api/contracts", json={"emaid": EMAID, "valid_days": -1})).json()
        refused = await operator.post("/api/contracts", json={"emaid": EMAID, "days": 3})
        assert refused.status_code == 422 and "valid_days" in refused.json()["error"]
        assert made["key"].startswith("-----BEGIN PRIVATE KEY")
        data = {"iso15118CertificateHashData": made["iso15118CertificateHashData"]}
        assert await authorized(peer, **data) == ("Accepted", "Accepted")
        assert await authorized(peer, certificate=made["certificate"]) == ("Accepted", "Accepted")
        assert await authorized(peer, certificate=old["certificate"]) == ("CertificateExpired", "Expired")
        old_data = old["iso15118CertificateHashData"]
        assert await authorized(peer, iso15118CertificateHashData=old_data) == ("CertificateExpired", "Expired")
        del operator.headers["Authorization"]
        asked = made["iso15118CertificateHashData"][0]
        status = await peer.call("GetCertificateStatus", {"ocspRequestData": asked})
        response = ocsp.load_der_ocsp_response(base64.b64decode(status["ocspResult"]))
        assert (status["status"], response.certificate_status) == ("Accepted", ocsp.OCSPCertStatus.GOOD)
        chain = x509.load_pem_x509_certificates(made["certificate"].encode())
        build = ocsp.OCSPRequestBuilder().add_certificate(*chain, response.hash_algorithm).build()
        got = await operator.get("/ocsp/" + base64.b64encode(build.public_bytes(serialization.Encoding.DER)).decode())
        assert ocsp.load_der_ocsp_response(got.content).certificate_status is ocsp.OCSPCertStatus.GOOD
        assert (await operator.get("/api/contracts")).status_code == 401
        operator.headers["Authorization"] = "Bearer secret"
        assert (await operator.delete(f"/api/contracts/{asked['serialNumber']}")).status_code == 204
        assert (await operator.delete("/api/contracts/abc")).status_code == 404
        assert await authorized(peer, **data) == ("CertificateRevoked", "Invalid")
        assert [row["revoked"] is None for row in (await operator.get("/api/contracts")).json()] == [False, True]
        garbage = await operator.post("/ocsp", content=b"no request")
        answer = ocsp.load_der_ocsp_response(garbage.content)
        assert answer.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    csms.close()


async def test_a_chain_status_comes_from_the_responder_or_the_list_and_else_is_failed(
    provider: ContractCa, responder: str
) -> None:
    """M07.FR.01 to M07.FR.08; the second URL is asked when the first one fails."""
    good, revoked = provider.issue(), provider.issue()
    provider.revoked.add(revoked.serial_number)
    cases = [
        (good, "OCSP", [responder], "Good"),
        (revoked, "OCSP", [NOWHERE, responder], "Revoked"),
        (good, "OCSP", [NOWHERE], "Failed"),
        (good, "CRL", [responder], "Good"),
        (revoked, "CRL", [responder], "Revoked"),
        (good, "CRL", [NOWHERE], "Failed"),
        (good, "OCSP", ["ftp://127.0.0.1/"], "Failed"),
    ]
    async with running(Settings()) as csms, connected(csms.address, "2.1") as peer:
        for certificate, source, urls, expected in cases:
            asked = {"source": source, "urls": urls, "certificateHashData": provider.hash_data(certificate)}
            answer = await peer.call("GetCertificateChainStatus", {"certificateStatusRequests": [asked]})
            (found,) = answer["certificateStatus"]
            assert (found["status"], found["source"]) == (expected, source)
            assert found["certificateHashData"] == asked["certificateHashData"]


@TWO
async def test_an_unreachable_responder_gives_no_certificate_status(provider: ContractCa, version: str) -> None:
    """M06.FR.04"""
    asked = provider.hash_data(provider.issue()) | {"responderURL": NOWHERE}
    async with running(Settings()) as csms, connected(csms.address, version) as peer:
        answer = await peer.call("GetCertificateStatus", {"ocspRequestData": asked})
        assert answer["status"] == "Failed" and "ocspResult" not in answer


async def test_other_frames_are_answered_while_a_responder_is_slow(provider: ContractCa) -> None:
    """The CSMS reads the answers to its own CALLs while it waits for a responder."""
    certificate = provider.issue()
    listening, asked = asyncio.Event(), asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listening.set()
        await asked.wait()
        writer.close()

    server = await asyncio.start_server(slow, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with running(Settings()) as csms, connected(csms.address, "2.1") as peer:
        request = {"source": "OCSP", "urls": [url], "certificateHashData": provider.hash_data(certificate)}
        await peer.send([2, "slow", "GetCertificateChainStatus", {"certificateStatusRequests": [request]}])
        await listening.wait()
        sending = asyncio.create_task(csms.connections["CHARGER-001"].send_call("GetLocalListVersion", {}))
        call = await peer.receive()
        await peer.send([3, call[1], {"versionNumber": 0}])
        assert (await sending).kind == "CALLRESULT"
        asked.set()
        assert (await peer.receive())[2]["certificateStatus"][0]["status"] == "Failed"
    server.close()


@TWO
async def test_a_vehicle_gets_its_contract_certificate(version: str) -> None:
    """M01: the chain in the answer authorizes afterwards; a request that cannot be read fails."""
    exi = base64.b64encode(certificate_request(EMAID).encode()).decode()
    ask = {"iso15118SchemaVersion": "urn:iso:15118:2:2013:MsgDef", "action": "Install"}
    async with running(Settings()) as csms, connected(csms.address, version) as peer:
        answer = await peer.call("Get15118EVCertificate", ask | {"exiRequest": exi})
        assert answer["status"] == "Accepted"
        chain = base64.b64decode(answer["exiResponse"]).decode()
        assert await authorized(peer, certificate=chain) == ("Accepted", "Accepted")
        for wrong in ("%%%", base64.b64encode(b"no request").decode()):
            assert (await peer.call("Get15118EVCertificate", ask | {"exiRequest": wrong}))["status"] == "Failed"
