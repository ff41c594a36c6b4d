"""Judge failed attempts to connect: what was wrong with the request or the answer.

A failed attempt has no session. It is judged as an event of a session that never opens, one for each charge point.
"""

from __future__ import annotations

import re
from typing import Any

from inspector.protocol.vocabulary import SUBPROTOCOLS
from inspector.rules.context import Moment, SessionContext
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import OPENED, Faults, Topic, event, rule

OTHER_SUBPROTOCOLS = frozenset({"ocpp1.2", "ocpp1.5", "ocpp2.0"})
"""Registered subprotocols of OCPP versions that were never used with JSON, or were withdrawn."""
MEANINGS = {
    401: "it refuses the user name or password",
    403: "it refuses this charge point",
    404: "it does not know this path, or this charge point",
    426: "it wants a WebSocket handshake",
    429: "it is asked too often",
    502: "what stands before it cannot reach it",
    503: "it is overloaded or being started",
    504: "what stands before it waits in vain for it",
}
"""What an HTTP status in answer to a WebSocket handshake usually says about the server."""

_ABOUT_CREDENTIALS = frozenset({401, 403, 404, 429, 502, 503, 504})
"""HTTP statuses that are not about the subprotocol."""
_LETTERS = re.compile(r"[^a-z0-9]")
_BY_LETTERS = {_LETTERS.sub("", name): name for name in SUBPROTOCOLS}
_BY_LETTERS |= {f"{letters}j": name for letters, name in _BY_LETTERS.items()}
_DIGITS = re.compile(r"\d+")
_REJECTED = event("rejected-upgrade")


def _refused(status: int, *offered: str, without: str = "") -> str:
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "a"}
    headers |= {"Sec-WebSocket-Protocol": ", ".join(offered)}
    shown = ", ".join(f'["{name}", "{value}"]' for name, value in headers.items() if name != without)
    return f'refused {{"status": {status}, "request_headers": [{shown}]}}'


class Attempts(Topic):
    """The rules about failed handshakes and misspelt subprotocols."""

    @rule(
        "link.subprotocol-spelling",
        OPENED,
        _REJECTED,
        title="The charge point misspells the name of the subprotocol",
        severity=Severity.ERROR,
        side=Side.CHARGE_POINT,
        spec="OCPP-J 1.6 §3.1.2; OCPP 2.x part 4 §3.1.2; RFC 6455 §11.5",
        remedy="Write ocpp1.6, ocpp2.0.1 or ocpp2.1, all in lower case: the name is case-sensitive.",
        bad=_refused(400, "OCPP1.6"),
        good=_refused(401, "ocpp1.6").replace('"status": 401, ', ""),
    )
    def spelling(self, session: SessionContext, moment: Moment, detail: dict[str, Any] | None = None) -> Faults:
        offered = _offered(session.facts if detail is None else detail)
        wrong = {name: meant for name in offered if (meant := _meant(name)) is not None}
        if not wrong:
            return None
        name, meant = next(iter(wrong.items()))
        severity = Severity.INFO if any(one in SUBPROTOCOLS for one in offered) else None
        return Fault(f"the handshake offers {name[:60]!r}; it is spelled {meant}", severity=severity, key=name[:60])

    @rule(
        "link.no-common-subprotocol",
        _REJECTED,
        title="The charge point offers no subprotocol that the CSMS supports",
        severity=Severity.WARNING,
        side=Side.LINK,
        spec="OCPP-J 1.6 §3.1.2 and §3.2; OCPP 2.x part 4 §3.3",
        remedy="Offer a version that the CSMS supports: ocpp1.6, ocpp2.0.1 or ocpp2.1. OCPP 1.5 and older use SOAP.",
        bad=_refused(400, "ocpp1.5"),
        good=_refused(401, "ocpp1.5", "ocpp1.6").replace('"status": 401, ', ""),
    )
    def no_common(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> Faults:
        if not _is_about_subprotocol(detail) or any(_meant(name) for name in _offered(detail)):
            return None
        shown = ", ".join(_offered(detail))[:200]
        if any(name in SUBPROTOCOLS for name in _offered(detail)):
            text = f"the CSMS answered {detail.get('status')}: it speaks none of the subprotocols {shown}"
        else:
            text = f"the CSMS answered {detail.get('status')}, and no version of OCPP over JSON is called {shown}"
        return Fault(text, key=shown)

    @rule(
        "link.upgrade-headers",
        _REJECTED,
        title="The request of a charge point is not a WebSocket handshake",
        severity=Severity.ERROR,
        side=Side.CHARGE_POINT,
        spec="RFC 6455 §4.1",
        remedy="Send Connection: Upgrade, Upgrade: websocket, Sec-WebSocket-Version: 13 and a Sec-WebSocket-Key. A "
        "reverse proxy in between has to pass on the first two.",
        bad=_refused(426, "ocpp1.6", without="Connection"),
        good=_refused(401, "ocpp1.6").replace('"status": 401, ', ""),
    )
    def upgrade_headers(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> Faults:
        lacking = _lacking(detail)
        if not lacking or not _is_attempt(detail):
            return None
        text = f"the request lacks {' and '.join(lacking)}; the answer was {detail.get('status')}"
        return Fault(text, key=" ".join(lacking))

    @rule(
        "link.upgrade-required",
        _REJECTED,
        title="The CSMS answers 426 without saying which protocol it wants",
        severity=Severity.WARNING,
        side=Side.CSMS,
        spec="RFC 9110 §15.5.22 and §7.8",
        remedy="Send Connection: Upgrade and Upgrade: websocket with the status 426.",
        bad=_refused(426, "ocpp1.6", without="Connection")[:-1] + ', "response_headers": []}',
        good=_refused(426, "ocpp1.6", without="Connection")[:-1]
        + ', "response_headers": [["Connection", "Upgrade"], ["Upgrade", "websocket"]]}',
    )
    def upgrade_required(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> Faults:
        if detail.get("status") != 426 or "response_headers" not in detail:
            return None
        headers = _headers(detail, "response_headers")
        lacking = [name for name in ("Connection: Upgrade", "Upgrade") if not _names(headers, name)]
        return Fault(f"the answer 426 lacks {' and '.join(lacking)}", key=" ".join(lacking)) if lacking else None

    @rule(
        "link.failed-attempt",
        event("rejected-upgrade", "unreachable"),
        title="An attempt to connect failed",
        severity=Severity.WARNING,
        side=Side.LINK,
        spec="",
        remedy="Check what the status or reason points to: the address, the path, the password, the certificate, "
        "or whether the CSMS is running.",
        bad=_refused(401, "ocpp1.6"),
        good="open",
        heuristic=True,
    )
    def failed(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> Faults:
        status, reason = detail.get("status"), detail.get("reason")
        if type(status) is int:
            if not _is_attempt(detail) or _lacking(detail) or _is_about_subprotocol(detail):
                return None  # a browser has requested a page, or another rule explains the failure
            meaning = MEANINGS.get(status, "")
            return Fault(f"the CSMS answered {status}{f': {meaning}' if meaning else ''}", key=str(status))
        if not reason:
            return None
        return Fault(f"no CSMS could be reached: {str(reason)[:200]}", key=_DIGITS.sub("", str(reason)[:60]))


def what_failed(kind: str, detail: dict[str, Any]) -> str:
    """Return in a few words why an attempt to connect failed, without the name of the charge point."""
    status = detail.get("status")
    if kind == "rejected-upgrade" and type(status) is int:
        return f"the CSMS answered {status}"
    return f"no CSMS reached ({str(detail.get('reason') or 'unknown')[:80]})"


def _headers(detail: dict[str, Any], name: str) -> dict[str, str]:
    """Return the headers in the member `name` by their name in lower case; several with one name are joined.

    Anything that is not a header is ignored: the detail may come from a file.
    """
    found: dict[str, str] = {}
    told = detail.get(name)
    for entry in told if isinstance(told, list) else ():
        if isinstance(entry, list | tuple) and len(entry) == 2 and all(type(part) is str for part in entry):
            before = found.get(entry[0].lower())
            found[entry[0].lower()] = f"{before}, {entry[1]}" if before else entry[1]
    return found


def _offered(facts: dict[str, Any]) -> list[str]:
    """Return the subprotocols that a handshake offers."""
    told = facts.get("subprotocols_offered")
    if isinstance(told, list):
        return [str(name) for name in told]
    names = _headers(facts, "request_headers").get("sec-websocket-protocol", "").split(",")
    return [name.strip() for name in names if name.strip()]


def _meant(name: str) -> str | None:
    """Return the subprotocol that a misspelt name means; None if the name is right or does not resemble one."""
    if name in SUBPROTOCOLS or name in OTHER_SUBPROTOCOLS:
        return None
    return _BY_LETTERS.get(_LETTERS.sub("", name.lower()))


def _names(headers: dict[str, str], wanted: str) -> bool:
    name, _, value = wanted.partition(": ")
    return value.lower() in headers.get(name.lower(), "").lower() if value else bool(headers.get(name.lower()))


def _is_attempt(detail: dict[str, Any]) -> bool:
    """Return whether a request was meant as a WebSocket handshake."""
    headers = _headers(detail, "request_headers")
    return "upgrade" in headers or any(name.startswith("sec-websocket") for name in headers)


def _lacking(detail: dict[str, Any]) -> list[str]:
    headers = _headers(detail, "request_headers")
    wanted = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version", "Sec-WebSocket-Key")
    return [name for name in wanted if not _names(headers, name)] if headers else []


def _is_about_subprotocol(detail: dict[str, Any]) -> bool:
    """Return whether the CSMS has probably refused a handshake because of the offered subprotocols."""
    offered, status = _offered(detail), detail.get("status")
    if type(status) is not int or status in _ABOUT_CREDENTIALS or not 400 <= status < 600 or _lacking(detail):
        return False
    if not any(name in SUBPROTOCOLS for name in offered):
        return bool(offered)
    return "protocol" in str(detail.get("body", "")).lower()
