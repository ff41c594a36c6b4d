"""Read the charge point's identity and OCPP version from an upgrade request, or refuse the request."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from websockets.datastructures import Headers

from csms.schemas import SUBPROTOCOLS

LONGEST_IDENTITY = 255
# 2.0.1 part 4, 3.1.1: an identity has at most 48 characters, and no colon, which would split Basic credentials.
LONGEST_IDENTITY_2X = 48
BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class NotOcpp:
    """The HTTP answer to a request that is refused; `reason` is one line of text."""

    status: HTTPStatus
    reason: str


def is_identity(name: str) -> bool:
    """Return whether a name can be the identity of a charge point in at least one version."""
    return name.isprintable() and bool(name.strip()) and len(name) <= LONGEST_IDENTITY


def identity(path: str) -> str | NotOcpp:
    """Return the charge point's identity: the last part of the path, percent-decoded."""
    segments = [segment for segment in path.partition("?")[0].split("/") if segment]
    if not segments:
        return NotOcpp(
            HTTPStatus.NOT_FOUND,
            "the path must end with the charge point's identity, as in ws://HOST:PORT/CHARGER-001",
        )
    try:
        if BAD_ESCAPE.search(segments[-1]):
            raise ValueError
        name = unquote_to_bytes(segments[-1]).decode()
    except ValueError:
        return NotOcpp(HTTPStatus.NOT_FOUND, "the identity in the path is not percent-encoded UTF-8")
    if not is_identity(name):
        return NotOcpp(
            HTTPStatus.NOT_FOUND,
            f"the identity in the path must be 1 to {LONGEST_IDENTITY} printable characters",
        )
    return name


def examine(path: str, headers: Headers) -> tuple[str, str | None] | NotOcpp:
    """Check an upgrade request.

    Returns:
        The identity and the subprotocol to select (None if the CSMS supports none of the offered ones), or a refusal.
    """
    # Headers may be repeated here; `websockets` refuses such requests later.
    if "websocket" not in ",".join(headers.get_all("Upgrade")).lower():
        return NotOcpp(
            HTTPStatus.UPGRADE_REQUIRED,
            "this is an OCPP CSMS; connect with WebSocket, as in ws://HOST:PORT/CHARGER-001",
        )
    name = identity(path)
    if isinstance(name, NotOcpp):
        return name
    offered = [p.strip() for line in headers.get_all("Sec-WebSocket-Protocol") for p in line.split(",")]
    # 2.0.1 part 4, 3.1.2: the charge point offers subprotocols in its order of preference.
    selected = next((protocol for protocol in offered if protocol in SUBPROTOCOLS), None)
    if selected not in (None, "ocpp1.6") and (len(name) > LONGEST_IDENTITY_2X or ":" in name):
        return NotOcpp(
            HTTPStatus.NOT_FOUND,
            f"an OCPP 2.x identity has at most {LONGEST_IDENTITY_2X} characters and no colon",
        )
    return name, selected
