"""Shadows with wss:// addresses: the proxy checks their certificates, and a rejected one is a plain reason."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import ssl
from contextlib import closing
from pathlib import Path

import pytest

from inspector.proxy.certificates import Authority
from tests.processes import Program
from tests.shadow.shadow_bench import CHARGED, Csms, charge_point, eventually, listening, proxy

pytestmark = pytest.mark.system


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def of_server(authority: Authority) -> ssl.SSLContext:
    issued = authority.server(["localhost", "127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.cert, issued.key)
    return context


async def test_a_shadow_with_a_trusted_certificate_is_mirrored_to(tmp_path: Path, authority: Authority) -> None:
    primary, shadow, db = Csms(7), Csms(5001), tmp_path / "t.db"
    async with listening(primary) as upstream, listening(shadow, ssl=of_server(authority)) as candidate:
        url = candidate.replace("ws://127.0.0.1", "wss://localhost")
        options = ("--shadow", f"*={url}", "--shadow-ca", authority.ca.cert)
        async with proxy(upstream, db, *options) as (_, listens), charge_point(listens) as one:
            await one.charge()
            await eventually(lambda: len(shadow.heard) == len(CHARGED))
    with closing(sqlite3.connect(db)) as connection:
        found = connection.execute("SELECT upstream_tls_version FROM sessions ORDER BY id").fetchall()
    assert found == [(None,), ("TLSv1.3",)]


async def test_a_shadow_with_a_certificate_of_an_unknown_authority_gets_nothing(
    tmp_path: Path, authority: Authority
) -> None:
    primary, shadow, db = Csms(7), Csms(5001), tmp_path / "t.db"
    async with listening(primary) as upstream, listening(shadow, ssl=of_server(authority)) as candidate:
        url = candidate.replace("ws://", "wss://")
        async with proxy(upstream, db, "--shadow", f"*={url}") as (program, listens), charge_point(listens) as one:
            await one.charge()
            await asyncio.to_thread(program.wait_for, "cannot reach its shadow")
    assert shadow.heard == [] and len(primary.heard) == len(CHARGED)
    with closing(sqlite3.connect(db)) as connection:
        (detail,) = connection.execute("SELECT detail FROM events WHERE kind = 'shadow'").fetchone()
    assert "name its CA with --shadow-ca" in json.loads(detail)["reason"]


def test_a_ca_without_a_secure_shadow_is_a_mistake(tmp_path: Path, authority: Authority) -> None:
    options = ("--shadow", "*=ws://127.0.0.1:9", "--shadow-ca", authority.ca.cert)
    with Program("proxy", "--upstream", "ws://127.0.0.1:9", "--listen", "0", *options) as program:
        assert program.finish() == 2
    assert "--shadow-ca needs a shadow with a wss:// address" in program.report()
