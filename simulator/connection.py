"""How a charge point gets to its CSMS: knows addresses, passwords, TLS and what goes wrong; sends no frame."""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus, InvalidURI
from websockets.typing import Subprotocol

from simulator.link import SUBPROTOCOLS


class Unreachable(Exception):
    """The CSMS cannot be connected to; `str()` is a sentence for the user."""

    def __init__(self, url: str, why: str) -> None:
        self.url, self.why = url, why
        super().__init__(url, why)

    def __str__(self) -> str:
        return f"{self.url}: {self.why}"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the charge point is and how it behaves.

    Attributes:
        url: ws:// or wss:// address of the CSMS without the charge point's id.
        connectors: how many outlets; 2.x shows each as an EVSE with one connector.
        speed: simulated seconds of charging per second.
        timeout: seconds to wait for an answer.
        tls: for wss:// addresses; None takes the system's certificate authorities.
        password: for HTTP Basic authentication (security profiles 1 and 2).
        seed: makes jitter and chance repeatable; message and transaction ids stay unique all the same.
        direct_current: a DC outlet with a tapering curve instead of AC 7.4 kW.
        signed: add signed meter values.
        client_certificate: `tls` shows one, which is security profile 3.
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
    vendor: str = "ChargeSentinel"
    model: str = "Simulated"
    firmware: str = "1.0.0"

    @property
    def security_profile(self) -> int:
        """The security profile that this way of connecting is (2.0.1 A00, 1.6 whitepaper 2)."""
        if self.url.startswith("wss:"):
            return 3 if self.client_certificate else 2
        return 0 if self.password is None else 1

    @property
    def secret(self) -> bytes | None:
        """The password as it goes over the wire."""
        return None if self.password is None else self.password.encode()

    @property
    def address(self) -> str:
        """The URL to connect to: the id is the last part of the path (OCPP-J, 3.1.1)."""
        return f"{self.url.rstrip('/')}/{quote(self.id, safe='')}"


async def open_socket(identity: Identity, version: str, ping: float | None, password: bytes | None) -> ClientConnection:
    """Open a WebSocket with the subprotocol of a version.

    Args:
        ping: seconds between WebSocket pings, None for none.
        password: for HTTP Basic; the CSMS may have changed it since the identity was made.

    Raises:
        Unreachable: nobody answers, OCPP is refused there, or TLS fails.
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
        raise Unreachable(address, f"no TLS connection: {reason}") from None
    except (ConnectionResetError, EOFError) as error:
        if address.startswith("wss:"):
            why = "the CSMS ends the connection during the TLS handshake; does it speak TLS there? else write ws://"
            raise Unreachable(address, why) from None
        raise Unreachable(address, f"cannot connect: {error or 'the connection was reset'}") from None
    except OSError as error:
        raise Unreachable(address, f"cannot connect: {error.strerror or error}") from None
    except (ValueError, OverflowError):
        if tls and not address.startswith("wss:"):
            raise  # by a caller in Python; other addresses of our own have been looked at before
        raise Unreachable(address, "the CSMS redirects to what is no address") from None
    if socket.subprotocol != wanted:
        await socket.close(1002, "no common subprotocol")
        raise Unreachable(address, f"the CSMS does not speak {wanted}")
    return socket


HINTS = {
    401: "give the password it wants; the user name is the id",
    403: "is the client certificate issued to this id?",
    404: "is the path right, and the id known there?",
}


def _status(error: InvalidStatus) -> str:
    """Say what HTTP answer came instead of a WebSocket: its status, its own first line, and what may help."""
    response = error.response
    said = bytes(response.body or b"").decode("utf-8", "replace").strip().partition("\n")[0]
    line = f" ({said[:150]})" if said and said.isprintable() and not said.startswith("<") else ""
    hint = HINTS.get(response.status_code)
    return f"the CSMS answers HTTP {response.status_code}{line}" + (f"; {hint}" if hint else "")


def _refusal(error: InvalidHandshake, tls: bool) -> str:
    """Say why a handshake failed: TLS 1.3 drops who shows no client certificate only after its own handshake."""
    if tls and isinstance(error, InvalidMessage):
        return "the CSMS drops the TLS connection without an answer; does it want a client certificate?"
    return f"the CSMS refuses the connection: {error}"
