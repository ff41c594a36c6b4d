"""TLS contexts for OCPP's security profiles 2 and 3, and readable reasons for failed TLS handshakes."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from weakref import WeakKeyDictionary

from mitmproxy import certs
from mitmproxy.connection import Client, Connection

from inspector.errors import UnusableFile, is_of_unknown_ca

_server_names: WeakKeyDictionary[ssl.SSLObject | ssl.SSLSocket, str] = WeakKeyDictionary()


def listener_context(cert: Path, key: Path | None = None, client_ca: Path | None = None) -> ssl.SSLContext:
    """Return the context of a wss:// listener, for TLS 1.2 or newer.

    With `client_ca`, clients need a certificate of that CA. `key` may be omitted if `cert` contains the private key
    too. Raises UnusableFile.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_identity(context, cert, key)
    if client_ca is not None:
        _load_ca(context, client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    context.sni_callback = _remember_server_name
    return context


def upstream_context(
    ca: Path | None = None, cert: Path | None = None, key: Path | None = None, *, insecure: bool = False
) -> ssl.SSLContext:
    """Return the context for connections to a wss:// CSMS. Without `ca` it trusts the system's authorities.

    `ssl.create_default_context` is not used: its strict X.509 checks refuse private authorities without a key usage
    extension, which are common. Raises UnusableFile.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca is not None:
        _load_ca(context, ca)
    else:
        context.load_default_certs()
    if cert is not None:
        _load_identity(context, cert, key)
    return context


def server_name(tls: ssl.SSLObject) -> str | None:
    """Return the host name (SNI) that a charge point sent, None if it sent none."""
    return _server_names.get(tls)


def refusal(failure: BaseException) -> str:
    """Return, for the log, why a charge point's TLS handshake failed."""
    if isinstance(failure, TimeoutError | ConnectionAbortedError):
        return "the TLS handshake was not finished in time"
    if isinstance(failure, ConnectionError):
        return "it ended the TLS handshake; it may not trust the proxy's certificate"
    if not isinstance(failure, ssl.SSLError):
        return str(failure) or type(failure).__name__
    known = {
        "HTTP_REQUEST": "it spoke plain ws://, but this is a wss:// port",
        "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it sent no client certificate, which --client-ca requires",
        "UNSUPPORTED_PROTOCOL": "it supports no TLS version from 1.2 on, and the proxy accepts no older one",
        "NO_SHARED_CIPHER": "no cipher in common",
        "WRONG_VERSION_NUMBER": "it does not speak TLS",
        "TLSV1_ALERT_UNKNOWN_CA": "it does not trust the proxy's certificate; install its CA in the charge point",
        "SSLV3_ALERT_BAD_CERTIFICATE": "it does not accept the proxy's certificate; the host name in the charge "
        "point's URL may not be in it",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED": "it says that the proxy's certificate has expired",
    }
    if isinstance(failure, ssl.SSLCertVerificationError):
        remedy = "; it is not from the CA of --client-ca" if is_of_unknown_ca(failure) else ""
        return f"its client certificate was not accepted: {failure.verify_message}{remedy}"
    reason = failure.reason or str(failure)
    return known.get(reason, reason)


def upstream_failure(failure: BaseException, timeout: float = 0.0, *, in_handshake: bool = False) -> str:
    """Return, for the log, why connecting to the CSMS failed; `timeout` is the time limit in seconds.

    `in_handshake` is whether the connection was to use TLS and was not open yet.
    """
    if isinstance(failure, asyncio.CancelledError):
        return "the charge point disconnected while the proxy connected to the CSMS"
    if isinstance(failure, ssl.SSLCertVerificationError):
        remedy = "; name its CA with --upstream-ca" if is_of_unknown_ca(failure) else ""
        return f"TLS: the CSMS's certificate was not accepted: {failure.verify_message}{remedy}"
    if isinstance(failure, ssl.SSLError):
        reason = failure.reason or str(failure)
        known = {
            "WRONG_VERSION_NUMBER": "the CSMS does not speak TLS on this port",
            "TLSV13_ALERT_CERTIFICATE_REQUIRED": "the CSMS requires a client certificate (--upstream-cert)",
            "TLSV1_ALERT_UNKNOWN_CA": "the CSMS does not trust the proxy's client certificate",
            "SSLV3_ALERT_HANDSHAKE_FAILURE": "the CSMS refused; it may require a client certificate (--upstream-cert)",
        }
        return f"TLS: {known.get(reason, reason)}"
    if isinstance(failure, socket.gaierror):
        return f"the host name was not found ({failure.strerror})"
    if isinstance(failure, ConnectionResetError | ConnectionAbortedError):
        in_tls = "the CSMS ended the TLS handshake; it may not speak TLS 1.2 or newer on this port"
        return in_tls if in_handshake else "the CSMS reset the connection"
    if isinstance(failure, TimeoutError) and not failure.errno:
        return f"no connection within {timeout:g} s"
    return getattr(failure, "strerror", None) or str(failure) or type(failure).__name__


def note(peer: Connection, writer: asyncio.StreamWriter) -> None:
    """Copy the result of asyncio's TLS handshake to the fields that mitmproxy fills after its own handshakes."""
    spoken: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    if spoken is None:
        return
    peer.tls_version = spoken.version()  # type: ignore[assignment]
    cipher = spoken.cipher()
    peer.cipher = cipher[0] if cipher else None
    if isinstance(peer, Client):
        peer.sni = server_name(spoken)
    if certificate := spoken.getpeercert(binary_form=True):
        peer.certificate_list = [certs.Cert.from_pem(ssl.DER_cert_to_PEM_cert(certificate).encode())]


def _remember_server_name(tls: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: ssl.SSLContext) -> None:
    if name:
        _server_names[tls] = name


def _load_identity(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    for path in (cert, key):
        if path is not None and not path.is_file():
            raise UnusableFile(path, "there is no such file", "`chargesentinel certificates DIR` makes some")

    def no_password() -> str:
        raise UnusableFile(
            key or cert, "the private key is encrypted", "decrypt it: the proxy cannot ask for its password"
        )

    try:
        context.load_cert_chain(cert, key, password=no_password)
    except ssl.SSLError as error:
        why = {
            "KEY_VALUES_MISMATCH": f"the private key in {key or cert} does not belong to this certificate",
            "NO_START_LINE": "it contains no PEM certificate",
            "EE_KEY_TOO_SMALL": "its key is too short",
        }.get(error.reason or "", f"not a PEM file with a certificate and its private key ({error.reason or error})")
        raise UnusableFile(cert, why, None if key else "is --tls-key or --upstream-key missing?") from None


def _load_ca(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(ca)
    except FileNotFoundError:
        raise UnusableFile(ca, "there is no such file", "`chargesentinel certificates DIR` makes one") from None
    except (ssl.SSLError, OSError) as error:
        raise UnusableFile(ca, f"it contains no PEM certificates of an authority ({error})") from None
