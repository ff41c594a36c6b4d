"""Make the frames that the examples of several rules share, in the notation of `inspector.rules.playback`."""

from __future__ import annotations

from typing import Any

import orjson

type ByVersion = dict[str, str]
"""Two scripts of the same example, with the keys "1.6" and "2x"."""
type Payload = dict[str, Any]

ACCEPTED: Payload = {"status": "Accepted"}
NOW = "2026-01-01T12:00:00Z"


def joined(*parts: ByVersion | str) -> ByVersion:
    """Return scripts joined in order, for each version; a plain string is used for both versions."""
    return {v: "".join(part if isinstance(part, str) else part[v] for part in parts) for v in ("1.6", "2x")}


def reported(status: str, message_id: str = "n") -> ByVersion:
    """Return a StatusNotification of the first connector and its answer."""
    old = f'"connectorId":1,"errorCode":"NoError","status":"{status}"'
    new = f'"timestamp":"2026-01-01T12:00:00Z","evseId":1,"connectorId":1,"connectorStatus":"{status}"'
    return {
        version: f'> [2,"{message_id}","StatusNotification",{{{payload}}}]\n< [3,"{message_id}",{{}}]\n'
        for version, payload in (("1.6", old), ("2x", new))
    }


def cp(action: str, payload: Payload | None = None, answer: Payload | None = None) -> str:
    """Return a CALL of the charge point and the answer of the CSMS ({} by default); `script` sets the message id."""
    return _exchange("><", action, payload or {}, answer or {})


def csms(action: str, payload: Payload | None = None, answer: Payload | None = None) -> str:
    """Return a CALL of the CSMS and the charge point's answer (Accepted by default); `script` sets the message id."""
    return _exchange("<>", action, payload or {}, ACCEPTED if answer is None else answer)


def _exchange(arrows: str, action: str, payload: Payload, answer: Payload) -> str:
    call, result = orjson.dumps(payload).decode(), orjson.dumps(answer).decode()
    return f'{arrows[0]} [2,"#","{action}",{call}]\n{arrows[1]} [3,"#",{result}]\n'


def script(*steps: str) -> str:
    """Return exchanges and other lines of the notation joined; each exchange gets a message id of its own."""
    return "".join(
        step.replace('"#"', f'"{number}"') if step.endswith("\n") else f"{step}\n"
        for number, step in enumerate(steps, 1)
    )


def status_2x(status: str, evse: int = 1) -> str:
    """Return a StatusNotification of the first connector of an EVSE, and its answer."""
    place = {"evseId": evse, "connectorId": 1}
    return cp("StatusNotification", {"timestamp": NOW, **place, "connectorStatus": status})


def transaction_event(kind: str, trigger: str, sequence: int = 0, info: Payload | None = None, **more: Any) -> str:
    """Return a TransactionEvent of transaction "t1", and its answer: the argument `answer`, or {}."""
    answer = more.pop("answer", {})
    told = {"transactionId": "t1", **(info or {})}
    event = {"eventType": kind, "timestamp": NOW, "triggerReason": trigger, "seqNo": sequence}
    return cp("TransactionEvent", {**event, "transactionInfo": told, **more}, answer)


def started(info: Payload | None = None, **more: Any) -> str:
    """Return the event Started of transaction "t1" on EVSE 1, and its answer."""
    place = {"id": 1, "connectorId": 1}
    return transaction_event(
        "Started", "CablePluggedIn", 0, {"chargingState": "EVConnected", **(info or {})}, evse=place, **more
    )


BOOT_2X = 'open {"from_start": true}\n' + cp(
    "BootNotification",
    {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}},
    {"status": "Accepted", "currentTime": NOW, "interval": 86400},
).replace('"#"', '"b"')
BOOT_16 = 'open {"from_start": true}\n' + cp(
    "BootNotification",
    {"chargePointVendor": "V", "chargePointModel": "M"},
    {"status": "Accepted", "currentTime": NOW, "interval": 86400},
).replace('"#"', '"b"')


def variable_2x(component: str, name: str, value: str, instance: str | None = None) -> str:
    """Return a GetVariables for one variable, and the answer with its value; `instance` is that of the component."""
    named = {"name": component, **({"instance": instance} if instance is not None else {})}
    one: Payload = {"component": named, "variable": {"name": name}}
    told = {"attributeStatus": "Accepted", "attributeValue": value, **one}
    return csms("GetVariables", {"getVariableData": [one]}, {"getVariableResult": [told]})


def set_2x(
    component: str, name: str, value: str, status: str = "Accepted", instance: str | None = None, **more: Any
) -> str:
    """Return a SetVariables for one variable, and the answer; `instance` is that of the component."""
    named = {"name": component, **({"instance": instance} if instance is not None else {})}
    one: Payload = {"component": named, "variable": {"name": name}, **more}
    told = {"attributeStatus": status, **one}
    return csms("SetVariables", {"setVariableData": [{"attributeValue": value, **one}]}, {"setVariableResult": [told]})


def entry_2x(component: Payload | str, name: str, value: str | None = None, **more: Any) -> Payload:
    """Return an element of reportData; `more` has `mutability`, `type` and members of variableCharacteristics."""
    attribute = {key: more.pop(key) for key in ("mutability", "type") if key in more}
    return {
        "component": {"name": component} if isinstance(component, str) else component,
        "variable": {"name": name},
        "variableAttribute": [{**attribute, **({"value": value} if value is not None else {})}],
        "variableCharacteristics": {"dataType": "string", "supportsMonitoring": False, **more},
    }


def report_2x(asked: Payload, *entries: Payload, action: str = "GetReport", request: int = 7) -> str:
    """Return an accepted GetReport (or GetBaseReport), and its only NotifyReport."""
    part = {"requestId": request, "generatedAt": NOW, "seqNo": 0, "reportData": list(entries)}
    if not entries:
        del part["reportData"]
    return csms(action, {"requestId": request, **asked}) + cp("NotifyReport", part).replace('"#"', f'"part {request}"')


def inventory_2x(*entries: Payload) -> str:
    """Return a request for the full inventory of a station, its answer, and the report."""
    return report_2x({"reportBase": "FullInventory"}, *entries, action="GetBaseReport", request=1)
