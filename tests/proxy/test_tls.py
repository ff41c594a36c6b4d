"""TLS as OCPP's security profiles require it: the right peers are accepted, others are refused with a reason."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from inspector.errors import UnusableFile, UserMistake
from inspector.proxy import tls
from inspector.proxy.addresses import Upstream, listening_socket
from inspector.proxy.certificates import Authority
from inspector.proxy.routing import Identity, Routing, UpstreamTls, read_identities
from inspector.records import OpenRecord
from inspector.websocket.frames import make_frame
from tests.proxy.conftest import RunningProxy, raw_charge_point, raw_csms

type Start = Callable[..., RunningProxy]

CALL = make_frame(0x81, b'[2,"1","Heartbeat",{}]', b"abcd")
HOSTS = ["localhost", "127.0.0.1"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def rogue(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("rogue"))


@pytest.fixture
def start_fast(start_proxy: Start) -> Start:
    """Start a proxy on the fast path, because only that has TLS listeners and client certificates."""
    return lambda upstream, **settings: start_proxy(upstream, **{**settings, "fast_path": True})


def listener(bench: Authority, client_ca: Authority | None = None) -> ssl.SSLContext:
    server = bench.server(HOSTS)
    return tls.listener_context(server.cert, server.key, client_ca.ca.cert if client_ca else None)


def charge_point(trusted: Authority, cert: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(trusted.ca.cert))
    if cert:
        context.load_cert_chain(cert, key)
    return context


@pytest.mark.parametrize("start_proxy", ["fast path"], indirect=True)
class TestListener:
    async def test_right_certificate_passes_and_the_facts_are_recorded(
        self, start_fast: Start, bench: Authority
    ) -> None:
        client = bench.client("CP1")
        async with raw_csms() as csms:
            proxy = start_fast(csms.url, listener_tls=listener(bench, bench))
            context = charge_point(bench, client.cert, client.key)
            one = await raw_charge_point(proxy.port, ssl=context, server_hostname="localhost")
            at_csms = await csms.peer()
            await one.send(CALL)
            assert await at_csms.receive(len(CALL)) == CALL
            back = make_frame(0x81, b"x" * 300_000)
            await at_csms.send(back)
            assert await one.receive(len(back)) == back
            assert next(iter(proxy.engine.recording.sessions.values())).taken_over
            one.writer.close()
            at_csms.writer.close()
            await proxy.recorder.closed()
        facts = proxy.recorder.of(OpenRecord)[0].facts
        assert facts["tls_version"] == "TLSv1.3"
        assert facts["tls_cipher"].startswith("TLS_")
        assert facts["tls_sni"] == "localhost"
        assert facts["client_cert_subject"] == "CN=CP1"

    @pytest.mark.parametrize(
        ("case", "reason"),
        [
            ("rogue", "its client certificate was not accepted"),
            ("expired", "expired"),
            ("none", "no client certificate"),
            ("plain", "plain ws://"),
            ("tls 1.1", "TLS version from 1.2"),
        ],
    )
    async def test_wrong_charge_point_is_refused_with_the_reason(
        self,
        start_fast: Start,
        bench: Authority,
        rogue: Authority,
        caplog: pytest.LogCaptureFixture,
        case: str,
        reason: str,
    ) -> None:
        context: ssl.SSLContext | None = charge_point(bench)
        if case == "rogue":
            other = rogue.client("CP1")
            context = charge_point(bench, other.cert, other.key)
        elif case == "expired":
            old = bench.client("CP-old", days=-1)
            context = charge_point(bench, old.cert, old.key)
        elif case == "plain":
            context = None
        elif case == "tls 1.1":
            assert context is not None
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.set_ciphers("ALL:@SECLEVEL=0")
        async with raw_csms() as csms:
            proxy = start_fast(csms.url, listener_tls=listener(bench, bench))
            with pytest.raises((OSError, asyncio.IncompleteReadError)):
                options: dict[str, Any] = {"ssl": context, "server_hostname": "localhost"} if context else {}
                await raw_charge_point(proxy.port, **options)
            (event,) = await proxy.recorder.seen(lambda: proxy.recorder.events("tls"))
            assert reason in event["reason"]
            assert any(reason in message for message in caplog.messages)
            assert csms.peers.empty()
            assert proxy.recorder.of(OpenRecord) == []

    async def test_certificates_made_with_openssl_are_understood(
        self, start_fast: Start, tmp_path: Path, bench: Authority
    ) -> None:
        def openssl(*args: str) -> None:
            subprocess.run(["openssl", *args], cwd=tmp_path, check=True, capture_output=True)

        openssl(
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-subj",
            "/CN=Old CA",
        )
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "s.key", "-out", "s.csr", "-subj", "/CN=csms")
        (tmp_path / "san").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
        openssl("x509", "-req", "-in", "s.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-out", "s.pem", "-extfile", "san")
        context = tls.listener_context(tmp_path / "s.pem", tmp_path / "s.key")
        upstream = UpstreamTls(tls.upstream_context(tmp_path / "ca.pem"))
        async with raw_csms(ssl=context) as csms:
            proxy = start_fast(csms.url, listener_tls=context, upstream_tls=upstream)
            client = tls.upstream_context(tmp_path / "ca.pem")
            one = await raw_charge_point(proxy.port, ssl=client, server_hostname="localhost")
            await one.send(CALL)
            assert await (await csms.peer()).receive(len(CALL)) == CALL

    async def test_tls_spoken_to_a_plain_port_is_refused_with_the_reason(
        self, start_fast: Start, bench: Authority
    ) -> None:
        async with raw_csms() as csms:
            proxy = start_fast(csms.url)
            with pytest.raises(OSError):
                await raw_charge_point(proxy.port, ssl=charge_point(bench), server_hostname="localhost")
            (event,) = await proxy.recorder.seen(lambda: proxy.recorder.events("fault"))
            assert "--tls-cert" in event["reason"]


class TestUpstream:
    @staticmethod
    def settings(bench: Authority, **more: Any) -> dict[str, Any]:
        return {"upstream_tls": UpstreamTls(tls.upstream_context(bench.ca.cert)), "upstream_ca": bench.ca.cert, **more}

    async def test_trusted_csms_passes_and_its_tls_version_is_recorded(
        self, start_proxy: Start, bench: Authority
    ) -> None:
        async with raw_csms(ssl=listener(bench), path="/ocpp") as csms:
            proxy = start_proxy(csms.url, **self.settings(bench))
            one = await raw_charge_point(proxy.port)
            at_csms = await csms.peer()
            assert at_csms.head.startswith(b"GET /ocpp/CP1 HTTP/1.1\r\nHost: csms.example\r\n")
            await one.send(CALL)
            assert await at_csms.receive(len(CALL)) == CALL
            await at_csms.send(b"\x89\x00")
            assert await one.receive(2) == b"\x89\x00"
            await proxy.recorder.seen(lambda: proxy.recorder.events("ping"))
            if proxy.fast:
                assert next(iter(proxy.engine.recording.sessions.values())).taken_over
            at_csms.writer.close()
            assert await one.rest() == b""
            one.writer.close()
            await proxy.recorder.closed()
        facts = proxy.recorder.of(OpenRecord)[0].facts
        assert facts["upstream_tls_version"] == "TLSv1.3"
        assert facts["upstream_url"] == f"{csms.url}/CP1"
        assert "tls_version" not in facts

    async def test_csms_of_another_authority_gives_502_and_the_reason(
        self, start_proxy: Start, bench: Authority, rogue: Authority
    ) -> None:
        async with raw_csms(ssl=listener(rogue)) as csms:
            proxy = start_proxy(csms.url, **self.settings(bench))
            assert (await raw_charge_point(proxy.port)).head.startswith(b"HTTP/1.1 502 ")
            (event,) = await proxy.recorder.seen(lambda: proxy.recorder.events("unreachable"))
        assert "certificate" in event["reason"].lower()

    async def test_insecure_takes_any_certificate(self, start_proxy: Start, rogue: Authority) -> None:
        async with raw_csms(ssl=listener(rogue)) as csms:
            context = UpstreamTls(tls.upstream_context(insecure=True))
            proxy = start_proxy(csms.url, upstream_tls=context, upstream_insecure=True)
            assert (await raw_charge_point(proxy.port)).head.startswith(b"HTTP/1.1 101 ")

    @pytest.mark.parametrize("start_proxy", ["fast path"], indirect=True)
    async def test_alert_of_the_csms_is_the_reason(self, start_fast: Start, bench: Authority) -> None:
        context = listener(bench, bench)

        def refuse(server: socket.socket) -> None:
            accepted = context.wrap_socket(server.accept()[0], server_side=True, do_handshake_on_connect=False)
            with suppress(ssl.SSLError):
                accepted.do_handshake()
            # Closing with the request unread would send a RST, which may overtake the alert.
            with socket.socket(fileno=accepted.detach()) as plain:
                while plain.recv(65536):
                    pass

        with listening_socket("127.0.0.1", 0) as server:
            refusing = asyncio.create_task(asyncio.to_thread(refuse, server))
            proxy = start_fast(f"wss://127.0.0.1:{server.getsockname()[1]}", **self.settings(bench))
            assert (await raw_charge_point(proxy.port)).head.startswith(b"HTTP/1.1 502 ")
            (event,) = await proxy.recorder.seen(lambda: proxy.recorder.events("unreachable"))
            await refusing
        assert event["reason"] == "TLS: the CSMS requires a client certificate (--upstream-cert)"

    @pytest.mark.parametrize("start_proxy", ["fast path"], indirect=True)
    async def test_charge_points_have_certificates_of_their_own_at_the_csms(
        self, start_fast: Start, bench: Authority
    ) -> None:
        certs = {name: bench.client(name) for name in ("CP1", "CP2")}
        own = {name: tls.upstream_context(bench.ca.cert, one.cert, one.key) for name, one in certs.items()}
        async with raw_csms(ssl=listener(bench, bench)) as csms:
            proxy = start_fast(csms.url, upstream_tls=UpstreamTls(tls.upstream_context(bench.ca.cert), own))
            for name in certs:
                assert (await raw_charge_point(proxy.port, f"/{name}")).head.startswith(b"HTTP/1.1 101 ")
                shown = (await csms.peer()).writer.get_extra_info("peercert")["subject"]
                assert shown == ((("commonName", name),),)
            assert (await raw_charge_point(proxy.port, "/CP3")).head.startswith(b"HTTP/1.1 502 ")
            (event,) = await proxy.recorder.seen(lambda: proxy.recorder.events("unreachable"))
        # In TLS 1.3 the CSMS refuses after its part of the handshake; its reset may overtake the alert with the reason.
        assert "client certificate" in event["reason"] or "reset by peer" in event["reason"]


async def test_password_of_the_identities_file_replaces_the_charge_points_own(
    start_proxy: Start, tmp_path: Path
) -> None:
    file = tmp_path / "identities.toml"
    file.write_text('["CP1"]\npassword = "hush"\n')
    async with raw_csms() as csms:
        routing = Routing(Upstream.parse(csms.url), identities=read_identities(file))
        proxy = start_proxy(csms.url, routing=routing)
        await raw_charge_point(proxy.port, "/CP1", "Authorization: Basic b2xkOm9sZA==", "X-A: b")
        assert b"\r\nAuthorization: Basic Q1AxOmh1c2g=\r\nX-A: b\r\n" in (await csms.peer()).head
        await raw_charge_point(proxy.port, "/CP2", "Authorization: Basic b2xkOm9sZA==")
        assert b"\r\nAuthorization: Basic b2xkOm9sZA==\r\n" in (await csms.peer()).head
    # The recorder gets secrets only to hide them in quotations; no other record may contain them.
    told = [opened.facts.pop("secrets") for opened in proxy.recorder.of(OpenRecord)]
    assert [bool(secrets) for secrets in told] == [True, True], told
    assert not any(secret in repr(proxy.recorder.records) for secret in ("hush", "Q1AxOmh1c2g", "b2xkOm9sZA"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("= 1", "not TOML"),
        ("CP1 = 1", "each a string"),
        ("[CP1]\nuser = 'x'", "neither password nor cert"),
        ("[CP1]\npasword = 'x'", "may have cert, key, password, user"),
        ("[CP1]\npassword = 'x'\nkey = 'a.key'", "has a key but no cert"),
        ("[CP1]\ncert = 'a.pem'\nuser = 'x'", "has a user but no password"),
    ],
)
def test_faulty_identities_file_is_a_users_mistake(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "identities.toml"
    file.write_text(text)
    with pytest.raises(UserMistake, match=why):
        read_identities(file)


def test_identities_file_names_certificates_relative_to_itself_and_hides_passwords(tmp_path: Path) -> None:
    file = tmp_path / "identities.toml"
    file.write_text('["CP 1"]\ncert = "a.pem"\nkey = "a.key"\n[CP2]\npassword = "hush"\nuser = "u"\n')
    identities = read_identities(file)
    assert identities["CP 1"] == Identity(None, tmp_path / "a.pem", tmp_path / "a.key")
    assert "hush" not in repr(identities) and "dTpodXNo" not in repr(identities)


@pytest.mark.parametrize("which", ["missing", "no pem", "other key", "no ca"])
def test_unusable_certificate_file_is_named(tmp_path: Path, bench: Authority, rogue: Authority, which: str) -> None:
    (tmp_path / "text.pem").write_text("hello")
    server = bench.server(HOSTS)
    arguments: dict[str, tuple[Path, Path | None, Path | None]] = {
        "missing": (tmp_path / "no.pem", None, None),
        "no pem": (tmp_path / "text.pem", None, None),
        "other key": (server.cert, rogue.client("x").key, None),
        "no ca": (server.cert, server.key, tmp_path / "text.pem"),
    }
    with pytest.raises(UnusableFile) as refused:
        tls.listener_context(*arguments[which])
    assert ".pem" in str(refused.value)


@pytest.mark.parametrize(
    ("code", "named"), [(18, True), (19, True), (20, True), (21, True), (10, False), (62, False)]
)  # codes of OpenSSL: 10 is expired, 62 is a host name mismatch
def test_a_csms_with_a_certificate_of_an_unknown_ca_leads_to_the_option_for_it(code: int, named: bool) -> None:
    failure = ssl.SSLCertVerificationError()
    failure.verify_code, failure.verify_message = code, "the reason"
    assert ("--upstream-ca" in tls.upstream_failure(failure)) is named
