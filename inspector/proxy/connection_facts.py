"""Describe the connections of mitmproxy: addresses, TLS, and messages about bad requests without secrets."""

from __future__ import annotations

import re
from typing import Any

from mitmproxy import connection

from inspector.proxy.addresses import bracketed
from inspector.records import SessionFacts

REASON_SHOWN = 1000
"""Characters of a reason that are stored."""


def without_quotes(reason: str) -> str:
    """Return mitmproxy's message about a bad HTTP head without the quoted bytes, which may be secret."""
    said, quoted, rest = reason.partition(": b")
    if said == "Bad HTTP request line" and re.match(r"['\"][A-Z]+ /[^@]*$", rest):
        return said + quoted + re.split(r"[?#;=]", rest)[0][:REASON_SHOWN]
    return said


def address(peername: tuple[Any, ...] | None) -> str:
    """Return HOST:PORT of a socket address."""
    return f"{bracketed(str(peername[0]))}:{peername[1]}" if peername else "unknown"


def tls_facts(client: connection.Client, server: connection.Server) -> SessionFacts:
    """Return the facts about the TLS handshakes with both peers; {} without TLS."""
    facts: SessionFacts = {}
    if client.tls_version:
        facts["tls_version"], facts["tls_cipher"], facts["tls_sni"] = client.tls_version, client.cipher, client.sni
        if client.certificate_list:
            subject = client.certificate_list[0].to_cryptography().subject
            facts["client_cert_subject"] = subject.rfc4514_string()
    if server.tls_version:
        facts["upstream_tls_version"] = server.tls_version
    return facts
