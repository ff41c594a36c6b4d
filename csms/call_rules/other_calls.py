"""Rules for remote control, triggers, reservations, local lists, logs, firmware, customers and battery swaps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from csms import timestamps
from csms.call_rules.rule import EVERY, V2X, V16, V21, Facts, Rule
from csms.schemas import Payload


def _expired(member: str) -> Callable[[Payload, Facts], bool]:
    def broken(payload: Payload, facts: Facts) -> bool:
        moment = timestamps.parse(payload[member])
        return moment is not None and moment <= datetime.now(UTC)

    return broken


def _tokens(payload: Payload) -> list[str]:
    entries = payload.get("localAuthorizationList", [])
    return [(entry["idTag"] if "idTag" in entry else entry["idToken"]["idToken"]).casefold() for entry in entries]


def _list_twice(payload: Payload, facts: Facts) -> bool:
    return len(set(_tokens(payload))) < len(_tokens(payload))


def _full_without_status(payload: Payload, facts: Facts) -> bool:
    entries = payload.get("localAuthorizationList", [])
    return payload["updateType"] == "Full" and any(not {"idTagInfo", "idTokenInfo"} & set(entry) for entry in entries)


def _customers(payload: Payload, facts: Facts) -> bool:
    names = ("idToken", "customerIdentifier", "customerCertificate")
    return sum(name in payload for name in names) != 1


def _unsigned(payload: Payload, facts: Facts) -> bool:
    firmware = payload["firmware"]
    return "signature" in firmware and "signingCertificate" not in firmware


def _location(payload: Payload) -> str:
    return str(payload["log"]["remoteLocation"])


def _query_slash(payload: Payload, facts: Facts) -> bool:
    try:
        return urlsplit(_location(payload)).query.endswith("/")
    except ValueError:
        return False


def _reverse_times(payload: Payload, facts: Facts) -> bool:
    message = payload["message"]
    start, end = timestamps.parse(message.get("startDateTime")), timestamps.parse(message.get("endDateTime"))
    return start is not None and end is not None and end <= start


def _insecure(payload: Payload, facts: Facts) -> bool:
    now = facts.variable("SecurityCtrlr", "SecurityProfile") or ""
    return now.isdigit() and payload["connectionData"]["securityProfile"] < int(now)


def _address_differs(payload: Payload, facts: Facts) -> bool:
    """Return whether TLS is wanted for ws://, or no TLS for wss://."""
    profile = payload["connectionData"]
    url = str(profile["ocppCsmsUrl"]).lower()
    return url.startswith("ws://" if profile["securityProfile"] >= 2 else "wss://")


RULES: tuple[Rule, ...] = (
    Rule(
        "RemoteStartTransaction", V16, "1.6, 6.33", "connectorId must be above 0",
        lambda payload, facts: payload.get("connectorId") == 0,
    ),
    Rule(
        "RequestStartTransaction", V2X, "F01", "evseId must be above 0",
        lambda payload, facts: payload.get("evseId") == 0,
    ),
    Rule(
        "UnlockConnector", V16, "1.6, 6.53", "connectorId must be above 0",
        lambda payload, facts: payload["connectorId"] == 0,
    ),
    Rule(
        "UnlockConnector", V2X, "F05", "evseId and connectorId must be above 0",
        lambda payload, facts: 0 in (payload["evseId"], payload["connectorId"]),
    ),
    *(
        Rule(
            action, V16, "1.6, 6.51", "connectorId must be above 0",
            lambda payload, facts: payload.get("connectorId") == 0,
        )
        for action in ("TriggerMessage", "ExtendedTriggerMessage")
    ),
    Rule(
        "TriggerMessage", V2X, "F06.FR.13", "a trigger of StatusNotification needs evse.connectorId",
        lambda payload, facts: payload["requestedMessage"] == "StatusNotification"
        and "connectorId" not in payload.get("evse", {}),
    ),
    Rule(
        "TriggerMessage", V21, "F06", "a CustomTrigger needs customTrigger, which no other trigger has",
        lambda payload, facts: (payload["requestedMessage"] == "CustomTrigger") != ("customTrigger" in payload),
    ),
    Rule("ReserveNow", V16, "1.6, 5.13", "expiryDate must be in the future", _expired("expiryDate")),
    Rule("ReserveNow", V2X, "H01", "expiryDateTime must be in the future", _expired("expiryDateTime")),
    Rule(
        "ReserveNow", V2X, "H01", "evseId must be above 0", lambda payload, facts: payload.get("evseId") == 0,
    ),
    Rule(
        "SendLocalList", V16, "1.6, 5.15", "listVersion must be above 0",
        lambda payload, facts: payload["listVersion"] <= 0,
    ),
    Rule(
        "SendLocalList", V2X, "D01.FR.18", "versionNumber must be above 0",
        lambda payload, facts: payload["versionNumber"] <= 0,
    ),
    Rule("SendLocalList", V16, "1.6, 5.15", "a token may be in the list only once", _list_twice),
    Rule("SendLocalList", V2X, "D01.FR.06", "a token may be in the list only once", _list_twice),
    Rule(
        "SendLocalList", EVERY, "1.6, 5.15; 2.x, D01", "in a Full update every token needs its status",
        _full_without_status,
    ),
    Rule(
        "CustomerInformation", V2X, "N09.FR.04",
        "exactly one of idToken, customerIdentifier and customerCertificate must be given", _customers,
    ),
    Rule(
        "CustomerInformation", V2X, "N09.FR.01", "report or clear must be true",
        lambda payload, facts: not (payload["report"] or payload["clear"]),
    ),
    Rule(
        "UpdateFirmware", V2X, "L01.FR.11", "a signature needs the signingCertificate", _unsigned,
    ),
    Rule(
        "GetLog", V21, "N01.FR.27", "remoteLocation cannot have a fragment",
        lambda payload, facts: "#" in _location(payload),
    ),
    Rule("GetLog", V21, "N01.FR.28", "the query of remoteLocation cannot end with a slash", _query_slash),
    Rule(
        "SetNetworkProfile", V2X, "B09", "OCPP 2.x has no SOAP",
        lambda payload, facts: payload["connectionData"]["ocppTransport"] == "SOAP",
    ),
    Rule("SetNetworkProfile", V2X, "A05.FR.07", "the security profile may not become lower", _insecure),
    Rule(
        "SetNetworkProfile", V2X, "A00", "security profiles 2 and 3 need wss://, the others ws://", _address_differs,
    ),
    Rule("SetDisplayMessage", V2X, "O01", "endDateTime must be after startDateTime", _reverse_times),
    Rule(
        "RequestBatterySwap", V21, "S02.FR.03", "the id token of a battery swap must be Accepted",
        lambda payload, facts: facts.token_status(payload["idToken"]["idToken"]) != "Accepted",
    ),
)  # fmt: skip
