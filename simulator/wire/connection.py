"""Connect to a CSMS: address, password, TLS, and a message for each kind of failure."""

from __future__ import annotations

import base64
import os
import ssl
from dataclasses import dataclass
from socket import gaierror
from typing import Any
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from simulator.wire.link import SUBPROTOCOLS


class Unreachable(Exception):
    """The charge point cannot connect to the CSMS; `str()` returns the message for the user."""

    def __init__(self, url: str, why: str) -> None:
        self.url, self.why = url, why
        super().__init__(url, why)

    def __str__(self) -> str:
        return f"{self.url}: {self.why}"


@dataclass(frozen=True, slots=True)
class Identity:
    """The options of a charge point.

    Attributes:
        url: the ws:// or wss:// address of the CSMS, without the charge point's id.
        connectors: the number of connectors; in 2.x each is an EVSE with one connector.
        speed: simulated seconds of charging per real second.
        timeout: seconds to wait for an answer.
        tls: the context for wss:// addresses; None trusts the system's certificate authorities.
        password: for HTTP Basic authentication (security profiles 1 and 2).
        seed: makes random delays and choices repeatable; message and transaction ids are unique anyway.
        direct_current: whether to charge with up to 50 kW DC, less as the battery fills, instead of 7.4 kW AC.
        signed: whether to add signed meter values.
        batteries: the number of slots of a battery swap station that hold a battery (2.1).
        client_certificate: whether `tls` has a client certificate, which means security profile 3.
    """

    url: str
    id: str
    connectors: int = 1
    speed: float = 60.0
    timeout: float = 30.0
    password: str | None = None
    tls: ssl.SSLContext | None = None
    seed: int | None = None
    direct_current: bool = False
    signed: bool = False
    client_certificate: bool = False
    batteries: int = 0
    vendor: str = "ChargeSentinel"
    model: str = "Simulated"
    firmware: str = "1.0.0"

    @property
    def security_profile(self) -> int:
        """The security profile that follows from these options (2.0.1 A00, 1.6 whitepaper 2)."""
        if self.url.startswith("wss:"):
            return 3 if self.client_certificate else 2
        return 0 if self.password is None else 1

    @property
    def connector_type(self) -> str:
        """The ConnectorEnumType of every connector, for 2.x."""
        return "cCCS2" if self.direct_current else "sType2"

    @property
    def secret(self) -> bytes | None:
        """The password in bytes."""
        return None if self.password is None else self.password.encode()

    @property
    def address(self) -> str:
        """The URL to connect to: the id is the last part of the path (OCPP-J, 3.1.1)."""
        return f"{self.url.rstrip('/')}/{quote(self.id, safe='')}"


async def open_socket(identity: Identity, version: str, ping: float | None, password: bytes | None) -> ClientConnection:
    """Open a WebSocket with the subprotocol of a version.

    Args:
        identity: the options of the charge point.
        version: the OCPP version.
        ping: seconds between WebSocket pings; None sends none.
        password: the password for HTTP Basic: the CSMS may have changed the one of `identity`.

    Raises:
        Unreachable: no server answers, the server refuses OCPP, or TLS fails.
    """
    headers = {}
    if password is not None:
        words = f"{identity.id}:".encode() + password
        headers["Authorization"] = f"Basic {base64.b64encode(words).decode()}"
    tls: dict[str, Any] = {} if identity.tls is None else {"ssl": identity.tls}
    wanted = SUBPROTOCOLS[version]
    address = identity.address
    try:
        socket = await connect(
            address,
            subprotocols=[Subprotocol(wanted)],
            additional_headers=headers,
            user_agent_header=None,
            open_timeout=identity.timeout,
            close_timeout=2,
            compression=None,
            ping_interval=ping,
            proxy=None,
            **tls,
        )
    except InvalidURI as error:
        raise Unreachable(address, error.msg) from None
    except InvalidStatus as error:
        raise Unreachable(address, _status(error)) from None
    except InvalidHandshake as error:
        raise Unreachable(address, _refusal(error, address.startswith("wss:"))) from None
    except TimeoutError:
        raise Unreachable(address, f"no answer within {identity.timeout:g} s") from None
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", None) or error.reason or str(error)
        # --ca helps against an unknown issuer, not against a wrong name or an expired certificate.
        hint = "; name its CA with --ca FILE" if getattr(error, "verify_code", 0) in UNKNOWN_ISSUER else ""
        raise Unreachable(address, f"no TLS connection: {reason}{hint}") from None
    except (ConnectionResetError, EOFError) as error:
        if address.startswith("wss:"):
            why = "the CSMS ends the connection during the TLS handshake; if that port has no TLS, write ws://"
            raise Unreachable(address, why) from None
        raise Unreachable(address, f"cannot connect: {error or 'the connection was reset'}") from None
    except OSError as error:
        # asyncio adds the address to strerror, but the message already has it.
        known = error.errno and not isinstance(error, gaierror)
        reason = os.strerror(error.errno or 0).lower() if known else error.strerror or str(error)
        raise Unreachable(address, f"cannot connect: {reason}") from None
    except (ValueError, OverflowError):
        if tls and not address.startswith("wss:"):
            raise  # a bug of the caller: the command line checks addresses first
        raise Unreachable(address, "the CSMS redirects to an invalid address") from None
    if socket.subprotocol != wanted:
        await socket.close(1002, "no common subprotocol")
        raise Unreachable(address, f"the CSMS does not speak {wanted}")
    return socket


UNKNOWN_ISSUER = (2, 18, 19, 20, 21)
"""OpenSSL's codes for a certificate that was not issued by a known CA (`openssl verify`)."""

HINTS = {
    401: "give the right --password; the user name is the id",
    403: "is the client certificate issued to this id?",
    404: "is the path right, and does the CSMS know the id?",
}


def _status(error: InvalidStatus) -> str:
    """Describe the HTTP answer that refused the WebSocket: status, first line of text, and a hint."""
    response = error.response
    said = bytes(response.body or b"").decode("utf-8", "replace").strip().partition("\n")[0]
    line = f" ({said[:150]})" if said and said.isprintable() and not said.startswith("<") else ""
    hint = HINTS.get(response.status_code)
    return f"the CSMS answers HTTP {response.status_code}{line}" + (f"; {hint}" if hint else "")


def _refusal(error: InvalidHandshake, tls: bool) -> str:
    """Return why a handshake failed. In TLS 1.3 a missing client certificate only shows after the TLS handshake."""
    if tls and isinstance(error, InvalidMessage):
        return "the CSMS closes the TLS connection without an answer; does it want a client certificate?"
    return f"the CSMS refuses the connection: {error}"
