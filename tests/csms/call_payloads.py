"""Payloads of CALLs that a CSMS sends, made from the few members that a test is about."""

from __future__ import annotations

from typing import Any

PAST, FUTURE = "2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
TOKEN = {"idToken": "TAG", "type": "Central"}


def schedule(*starts: int, **period: Any) -> dict[str, Any]:
    periods = [{"startPeriod": start, "limit": 10.0} | period for start in starts or (0,)]
    return {"chargingRateUnit": "W", "startSchedule": FUTURE, "chargingSchedulePeriod": periods}


def profile16(purpose: str = "TxDefaultProfile", *starts: int, **more: Any) -> dict[str, Any]:
    return {
        "chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute", "chargingSchedule": schedule(*starts),
    } | more  # fmt: skip


def profile(purpose: str = "TxDefaultProfile", *starts: int, **more: Any) -> dict[str, Any]:
    return {
        "id": 1, "stackLevel": 0, "chargingProfilePurpose": purpose, "chargingProfileKind": "Absolute",
        "chargingSchedule": [{"id": 1} | schedule(*starts)],
    } | more  # fmt: skip


def set16(place: int, *arguments: Any, **more: Any) -> dict[str, Any]:
    return {"connectorId": place, "csChargingProfiles": profile16(*arguments, **more)}


def set2(place: int, *arguments: Any, **more: Any) -> dict[str, Any]:
    return {"evseId": place, "chargingProfile": profile(*arguments, **more)}


def start2(**more: Any) -> dict[str, Any]:
    return {"remoteStartId": 1, "idToken": TOKEN, "evseId": 1} | more


def trigger(**evse: Any) -> dict[str, Any]:
    return {"requestedMessage": "StatusNotification", "evse": {"id": 1} | evse}


def password(value: str) -> dict[str, Any]:
    place = {"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}}
    return {"setVariableData": [place | {"attributeValue": value}]}


def list16(version: int, *entries: tuple[str, bool], kind: str = "Full") -> dict[str, Any]:
    listed = [{"idTag": tag} | ({"idTagInfo": {"status": "Accepted"}} if known else {}) for tag, known in entries]
    return {"listVersion": version, "updateType": kind, "localAuthorizationList": listed}


def list2(version: int, *entries: tuple[str, bool], kind: str = "Full") -> dict[str, Any]:
    listed = [
        {"idToken": {"idToken": tag, "type": "Central"}} | ({"idTokenInfo": {"status": "Accepted"}} if known else {})
        for tag, known in entries
    ]
    return {"versionNumber": version, "updateType": kind} | ({"localAuthorizationList": listed} if listed else {})


def reserve2(expiry: str) -> dict[str, Any]:
    return {"id": 1, "expiryDateTime": expiry, "idToken": TOKEN, "evseId": 1}


def reserve16(expiry: str) -> dict[str, Any]:
    return {"connectorId": 1, "expiryDate": expiry, "idTag": "TAG", "reservationId": 1}


def setpoint(**period: Any) -> dict[str, Any]:
    periods = [{"startPeriod": 0, "operationMode": "CentralSetpoint"} | period]
    return with_periods(*periods)


def with_periods(*periods: dict[str, Any], unit: str = "W", **more: Any) -> dict[str, Any]:
    schedules = [{"id": 1, "chargingRateUnit": unit, "startSchedule": FUTURE, "chargingSchedulePeriod": list(periods)}]
    return {"evseId": 1, "chargingProfile": profile(**more) | {"chargingSchedule": schedules}}


def in_mode(mode: str, unit: str = "W", **period: Any) -> dict[str, Any]:
    return with_periods({"startPeriod": 0, "operationMode": mode} | period, unit=unit)


CURVE = {"v2xBaseline": 1.0, "v2xFreqWattCurve": [{"frequency": 49, "power": 1}, {"frequency": 51, "power": 0}]}


def kind(name: str, start: bool, *, count: int = 1, **more: Any) -> dict[str, Any]:
    """A SetChargingProfile with a chargingProfileKind, with or without startSchedule."""
    offered = {"id": 1, "chargingRateUnit": "W"} | ({"startSchedule": FUTURE} if start else {})
    offered["chargingSchedulePeriod"] = [{"startPeriod": at, "limit": 1.0} for at in range(count)]
    return {"evseId": 1, "chargingProfile": profile(chargingProfileKind=name, **more) | {"chargingSchedule": [offered]}}


def schedules(count: int) -> dict[str, Any]:
    offered = [schedule() | {"id": number} for number in range(count)]
    return {"evseId": 1, "chargingProfile": profile() | {"chargingSchedule": offered}}


def variables(*entries: tuple[str, str]) -> dict[str, Any]:
    data = [
        {"component": {"name": component}, "variable": {"name": name}, "attributeValue": "1"}
        for component, name in entries
    ]
    return {"setVariableData": data}


def reads(count: int, member: str) -> dict[str, Any]:
    data = [{"component": {"name": "C"}, "variable": {"name": f"V{number}"}} for number in range(count)]
    return {member: data}


def control(kind: str, default: bool = False, **settings: Any) -> dict[str, Any]:
    return {"isDefault": default, "controlId": "c", "controlType": kind, **settings}


def network(**more: Any) -> dict[str, Any]:
    data = {
        "ocppInterface": "Wired0", "ocppTransport": "JSON", "messageTimeout": 30, "ocppCsmsUrl": "wss://h/",
        "securityProfile": 2, "ocppVersion": "OCPP20",
    }  # fmt: skip
    return {"configurationSlot": 1, "connectionData": data | more}


def log(location: str) -> dict[str, Any]:
    return {"logType": "DiagnosticsLog", "requestId": 1, "log": {"remoteLocation": location}}


def message(end: str) -> dict[str, Any]:
    content = {"format": "UTF8", "content": "hello"}
    times = {"startDateTime": "2030-01-01T00:00:00Z", "endDateTime": end}
    return {"message": {"id": 1, "priority": "NormalCycle", "message": content} | times}


def timed(start: str) -> dict[str, Any]:
    price = {"priceKwh": 1.0, "conditions": {"startTimeOfDay": start}}
    return {"tariffId": "a", "currency": "EUR", "energy": {"prices": [price]}}


def monitor(stream: dict[str, Any]) -> dict[str, Any]:
    entry = {"value": 1.0, "type": "Periodic", "severity": 5, "component": {"name": "C"}, "variable": {"name": "V"}}
    return {"setMonitoringData": [entry | {"periodicEventStream": stream}]}


def firmware(**more: Any) -> dict[str, Any]:
    return {"requestId": 1, "firmware": {"location": "https://h/f", "retrieveDateTime": FUTURE} | more}


def customer(**more: Any) -> dict[str, Any]:
    return {"requestId": 1, "report": True, "clear": False} | more


DROOP = {
    "priority": 1, "overFreq": 51, "underFreq": 49, "overDroop": 5, "underDroop": 5, "responseTime": 1
}  # fmt: skip
GRADIENT = {"priority": 1, "gradient": 1, "softGradient": 1}
