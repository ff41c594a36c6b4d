"""Rules for remote control, triggers, reservations, local lists, logs, firmware, customers and battery swaps."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

from csms import timestamps
from csms.call_rules.rule import EVERY, V2X, V16, V21, Facts, Rule
from csms.schemas import Payload

NOW_S = 60
MD5 = re.compile(r"[0-9A-Fa-f]{32}")
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")
TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


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


def _no_such_transaction(payload: Payload, facts: Facts) -> bool:
    return facts.transactions is not None and str(payload["transactionId"]) not in facts.transactions


def _finished_transaction(payload: Payload, facts: Facts) -> bool:
    wanted = payload["message"].get("transactionId")
    return wanted is not None and facts.transactions is not None and wanted not in facts.transactions


def _stale(payload: Payload, facts: Facts) -> bool:
    moment = timestamps.parse(payload["timestamp"])
    return moment is not None and abs((datetime.now(UTC) - moment).total_seconds()) > NOW_S


def _languages(payload: Payload, facts: Facts) -> bool:
    message = payload["message"]
    texts = [message["message"], *message.get("messageExtra", [])]
    return any("language" in text and not LANGUAGE.fullmatch(text["language"]) for text in texts)


def _tariff_times(payload: Payload, facts: Facts) -> bool:
    elements = [value for value in payload["tariff"].values() if isinstance(value, dict)]
    conditions = [price.get("conditions", {}) for each in elements for price in each.get("prices", [])]
    times = [each[name] for each in conditions for name in ("startTimeOfDay", "endTimeOfDay") if name in each]
    return any(not TIME_OF_DAY.fullmatch(time) for time in times)


def _no_rate(payload: Payload, facts: Facts) -> bool:
    return not {"interval", "values"} & set(payload["params"])


def _stream_without_rate(payload: Payload, facts: Facts) -> bool:
    streams = [entry["periodicEventStream"] for entry in payload["setMonitoringData"] if "periodicEventStream" in entry]
    return any(not {"interval", "values"} & set(stream) for stream in streams)


RULES: tuple[Rule, ...] = (
    Rule("RemoteStopTransaction", V16, "1.6, 5.12", "this transaction is not open", _no_such_transaction),
    Rule("RequestStopTransaction", V2X, "F03.FR.01", "this transaction is not open", _no_such_transaction),
    Rule("SetDisplayMessage", V2X, "O01.FR.04", "this transaction is not open", _finished_transaction),
    Rule("SetDisplayMessage", V2X, "O01.FR.17", "language must be a tag such as en-US", _languages),
    Rule("AFRRSignal", V21, "Q08.FR.12", "timestamp must be the current time", _stale),
    *(
        Rule(action, V21, "I07.FR.17", "times of day in a tariff are written hh:mm", _tariff_times)
        for action in ("SetDefaultTariff", "ChangeTransactionTariff")
    ),
    Rule("AdjustPeriodicEventStream", V21, "N14.FR.01", "params needs interval or values", _no_rate),
    Rule(
        "SetVariableMonitoring", V21, "N11.FR.09", "periodicEventStream needs interval or values",
        _stream_without_rate,
    ),
    *(
        Rule(
            action, V2X, "L03.FR.02", "checksum must be an MD5 checksum: 32 hexadecimal digits",
            lambda payload, facts: not MD5.fullmatch(payload["checksum"]),
        )
        for action in ("PublishFirmware", "UnpublishFirmware")
    ),
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
