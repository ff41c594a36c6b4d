"""Forty secrets and forty personal values, and traffic over real sockets that contains them."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.typing import Subprotocol

type Step = tuple[str, str | bytes]
"""Who speaks (">" the charge point, "<" the CSMS, "ping>" and "ping<" for pings) and what."""


class Vault:
    """Makes unique values and remembers them."""

    def __init__(self, shape: str) -> None:
        self.values: list[str] = []
        self._shape = shape

    def new(self, more: str = "") -> str:
        number = len(self.values) + 1
        self.values.append(self._shape.format(number=number, check=number * 7919 % 100_000) + more)
        return self.values[-1]


def forms(value: str) -> set[bytes]:
    """Return the ways to write a value: plain, in JSON, in URLs, in UTF-16, in hexadecimal, in base64 at any offset."""
    data = value.encode()
    found = {data, json.dumps(value)[1:-1].encode(), quote(value, safe="").encode(), data.hex().encode()}
    found |= {data.hex().upper().encode(), value.encode("utf-16-le"), value.encode("utf-16-be")}
    for skipped in range(3):
        coded = base64.b64encode(b"\0" * skipped + data).rstrip(b"=")
        found.add(coded[(0, 2, 3)[skipped] : -1])
    return found


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def secret_frames(version: str, new: Any) -> Iterator[Step]:
    """Return frames with secrets in every place; each call of `new` makes one secret."""
    if version == "1.6":
        key = new()
        yield "<", dumps([2, "c1", "ChangeConfiguration", {"key": "AuthorizationKey", "value": key}])
        yield ">", dumps([4, "c1", "PropertyConstraintViolation", f"no such value: {key}", {"value": key}])
        yield "<", dumps([2, "c2", "ChangeConfiguration", {"key": "AuthorizationKey", "value": new('ü"\\x')}])
        yield ">", dumps([3, "c2", {"status": "Accepted"}])
        yield "<", dumps([2, "c3", "GetConfiguration", {}])
        keys = [{"key": k, "readonly": False, "value": new()} for k in ("AuthorizationKey", "WifiPassword", "ApiKey")]
        yield ">", dumps([3, "c3", {"configurationKey": [*keys, {"key": "X", "readonly": False, "value": "1"}]}])
        yield "<", dumps([2, "c4", "GetDiagnostics", {"location": f"ftp://user:{new()}@files.example/x"}])
        yield ">", dumps([3, "c4", {}])
        where = f"https://files.example/f?sig={new()}&part=1"
        yield "<", dumps([2, "c5", "UpdateFirmware", {"location": where, "retrieveDate": "2026-01-01T00:00:00Z"}])
        yield ">", dumps([3, "c5", {}])
        data = dumps({"wifi": {"psk": new(), "ssid": "home"}})
        yield ">", dumps([2, "d1", "DataTransfer", {"vendorId": "v", "data": data}])
        yield "<", dumps([3, "d1", {"status": "Accepted"}])
        # Frames that are not messages, are truncated, or have the secret in an unexpected place.
        yield "<", f'[2,"m1","ChangeConfiguration",{{"key":"AuthorizationKey","value":"{new()}'
        yield ">", f'[2,"m2","DataTransfer",{{"vendorId":"v",,"password":"{new()}"}}]'
        yield ">", f'{{"password":"{new()}"}}'
        yield ">", f"AuthorizationKey={new()} from the console"
        yield ">", f'[2,"m3","ChangeConfiguration",{{"key":"Authorization\\u004bey","value":"{new()}"}}]'
        yield ">", b'\x00\xff{"password":"' + new().encode() + b'"}\xfe'
        yield ">", dumps([2, key, key, {key: [key], "info": f"the key {key}", "n": {key: key}}])
        yield "ping>", key.encode()
        yield "ping<", key.encode()
        return
    vpn = {"server": "s", "user": "u", "password": new(), "key": new(), "type": "IPSec"}
    apn = {"apn": "a", "apnPassword": new(), "apnAuthentication": "PAP"}
    profile: dict[str, Any] = {"ocppInterface": "Wired0", "ocppTransport": "JSON", "messageTimeout": 30}
    profile |= {"ocppCsmsUrl": f"wss://u:{new()}@csms.example", "securityProfile": 1, "vpn": vpn, "apn": apn}
    if version == "2.1":
        profile["basicAuthPassword"] = new()
    yield "<", dumps([2, "c1", "SetNetworkProfile", {"configurationSlot": 1, "connectionData": profile}])
    yield ">", dumps([3, "c1", {"status": "Rejected", "statusInfo": {"reasonCode": "X", "additionalInfo": vpn["key"]}}])
    component, variable = {"name": "SecurityCtrlr"}, {"name": "BasicAuthPassword"}
    place = {"component": component, "variable": variable}
    yield "<", dumps([2, "c2", "SetVariables", {"setVariableData": [{"attributeValue": new(), **place}]}])
    yield ">", dumps([3, "c2", {"setVariableResult": [{"attributeStatus": "Accepted", **place}]}])
    yield "<", dumps([2, "c3", "GetVariables", {"getVariableData": [place]}])
    result = {"attributeStatus": "Accepted", "attributeValue": new(), **place}
    yield ">", dumps([3, "c3", {"getVariableResult": [result]}])
    report = {"requestId": 1, "generatedAt": "2026-01-01T00:00:00Z", "seqNo": 0}
    report["reportData"] = [{**place, "variableAttribute": [{"value": new()}]}]
    yield ">", dumps([2, "n1", "NotifyReport", report])
    yield "<", dumps([3, "n1", {}])
    event = {"eventId": 1, "timestamp": "2026-01-01T00:00:00Z", "trigger": "Delta", "actualValue": new(), **place}
    event["eventNotificationType"] = "CustomMonitor"
    yield (
        ">",
        dumps([2, "n2", "NotifyEvent", {"generatedAt": "2026-01-01T00:00:00Z", "seqNo": 0, "eventData": [event]}]),
    )
    yield "<", dumps([3, "n2", {}])
    pin = new()
    yield ">", dumps([2, "n3", "Authorize", {"idToken": {"idToken": pin, "type": "KeyCode"}}])
    yield "<", dumps([4, "n3", "InternalError", f"PIN {pin} unknown", {"idToken": pin}])
    started = {"eventType": "Started", "timestamp": "2026-01-01T00:00:00Z", "triggerReason": "Authorized", "seqNo": 0}
    started |= {"transactionInfo": {"transactionId": "t1"}, "idToken": {"type": "KeyCode", "idToken": new()}}
    yield ">", dumps([2, "n4", "TransactionEvent", started])
    yield "<", dumps([3, "n4", {"idTokenInfo": {"status": "Invalid"}}])
    pem = f"-----BEGIN PRIVATE KEY-----\n{new()}\n-----END PRIVATE KEY-----"
    yield ">", dumps([2, "n5", "SecurityEventNotification", {"type": "X", "timestamp": "t", "techInfo": pem}])
    yield ">", f'[2,"m1","Authorize",{{"idToken":{{"idToken":"{new()}","type":"KeyCode"'


def personal_frames(version: str, new: Any, tag: str) -> Iterator[Step]:
    """Return frames with personal values in every place; `tag` is the id of a card that charges."""
    if version == "1.6":
        boot = {"chargePointVendor": "V", "chargePointModel": "M", "iccid": new(), "imsi": new()}
        yield ">", dumps([2, "b1", "BootNotification", boot])
        answer = {"status": "Accepted", "currentTime": "2026-01-01T00:00:00Z", "interval": 300}
        yield "<", dumps([3, "b1", answer])
        parent = new()
        yield ">", dumps([2, "a1", "Authorize", {"idTag": tag}])
        yield "<", dumps([3, "a1", {"idTagInfo": {"status": "Accepted", "parentIdTag": parent}}])
        start = {"connectorId": 1, "idTag": tag, "meterStart": 0, "timestamp": "2026-01-01T00:00:00Z"}
        yield ">", dumps([2, "s1", "StartTransaction", start])
        yield "<", dumps([3, "s1", {"transactionId": 7, "idTagInfo": {"status": "Accepted", "parentIdTag": parent}}])
        stop = {"transactionId": 7, "idTag": tag.lower(), "meterStop": 5, "timestamp": "2026-01-01T01:00:00Z"}
        yield ">", dumps([2, "s2", "StopTransaction", stop])
        yield "<", dumps([3, "s2", {"idTagInfo": {"status": "Accepted"}}])
        # This tag was never authorized, so a finding quotes it.
        yield ">", dumps([2, "s3", "StartTransaction", {**start, "idTag": new(), "connectorId": 2}])
        yield "<", dumps([4, "s3", "InternalError", f"the tag {tag} is in use", {}])
        entries = [{"idTag": new(), "idTagInfo": {"status": "Accepted", "parentIdTag": new()}} for _ in range(3)]
        update = {"listVersion": 1, "localAuthorizationList": entries, "updateType": "Full"}
        yield "<", dumps([2, "l1", "SendLocalList", update])
        yield ">", dumps([3, "l1", {"status": "Accepted"}])
        reserve = {"connectorId": 1, "expiryDate": "2026-01-02T00:00:00Z", "idTag": new(), "reservationId": 1}
        yield "<", dumps([2, "r1", "ReserveNow", {**reserve, "parentIdTag": new()}])
        yield ">", dumps([3, "r1", {"status": "Accepted"}])
        yield "<", dumps([2, "r2", "RemoteStartTransaction", {"connectorId": 1, "idTag": new()}])
        yield ">", dumps([3, "r2", {"status": "Rejected"}])
        data = dumps({"vin": new(), "licensePlate": new(), "emaid": new(), "evccId": new()})
        yield ">", dumps([2, "d1", "DataTransfer", {"vendorId": "v", "data": data}])
        yield "<", dumps([3, "d1", {"status": "Accepted"}])
        info = {"connectorId": 1, "errorCode": "NoError", "status": "Preparing", "info": f"card {tag} held there"}
        yield ">", dumps([2, "i1", "StatusNotification", info])
        yield "<", dumps([3, "i1", {}])
        yield ">", f'[2,"m1","Authorize",{{"idTag":"{new()}'
        yield ">", f'[2,"m2","Authorize",{{"idTag":"{new("-and-much-too-long-for-a-card")}"}}]'
        return
    station = {"model": "M", "vendorName": "V", "modem": {"iccid": new(), "imsi": new()}}
    yield ">", dumps([2, "b1", "BootNotification", {"reason": "PowerUp", "chargingStation": station}])
    answer = {"status": "Accepted", "currentTime": "2026-01-01T00:00:00Z", "interval": 300}
    yield "<", dumps([3, "b1", answer])
    token = {"idToken": tag, "type": "eMAID", "additionalInfo": [{"additionalIdToken": new(), "type": "x"}]}
    yield ">", dumps([2, "a1", "Authorize", {"idToken": token, "certificate": new("-certificate")}])
    group = {"idToken": new(), "type": "Central"}
    yield "<", dumps([3, "a1", {"idTokenInfo": {"status": "Accepted", "groupIdToken": group}}])
    started = {"eventType": "Started", "timestamp": "2026-01-01T00:00:00Z", "triggerReason": "Authorized", "seqNo": 0}
    started |= {"transactionInfo": {"transactionId": "t-1"}, "idToken": {"idToken": tag, "type": "eMAID"}}
    yield ">", dumps([2, "s1", "TransactionEvent", {**started, "evse": {"id": 1, "connectorId": 1}}])
    message = {"format": "UTF8", "content": f"Hello {new()}"}
    yield "<", dumps([3, "s1", {"idTokenInfo": {"status": "Accepted", "personalMessage": message}}])
    entry = {"idToken": {"idToken": new(), "type": "ISO14443"}, "idTokenInfo": {"status": "Accepted"}}
    update = {"versionNumber": 1, "updateType": "Full", "localAuthorizationList": [entry]}
    yield "<", dumps([2, "l1", "SendLocalList", update])
    yield ">", dumps([3, "l1", {"status": "Accepted"}])
    asked = {"requestId": 1, "report": True, "clear": False, "customerIdentifier": new()}
    yield "<", dumps([2, "q1", "CustomerInformation", asked])
    yield ">", dumps([3, "q1", {"status": "Accepted"}])
    told = {"data": new(" of Example Street 1"), "seqNo": 0, "generatedAt": "2026-01-01T00:00:00Z", "requestId": 1}
    yield ">", dumps([2, "q2", "NotifyCustomerInformation", told])
    yield "<", dumps([3, "q2", {}])
    place = {"component": {"name": "ConnectedEV"}, "variable": {"name": "VehicleID"}}
    event = {"eventId": 1, "timestamp": "2026-01-01T00:00:00Z", "trigger": "Delta", "actualValue": new(), **place}
    yield ">", dumps([2, "n1", "NotifyEvent", {"generatedAt": "t", "seqNo": 0, "eventData": [event]}])
    yield "<", dumps([4, "n1", "FormatViolation", f"not for {tag}", {"token": tag}])


async def speak(
    proxy_url: Any,
    csms_port: int,
    sessions: Iterable[tuple[str, str, list[Step], dict[str, str], str]],
    refused: Iterable[tuple[str, dict[str, str], str]] = (),
    cookie: str = "",
) -> None:
    """Play sessions through a proxy frame by frame; this function is also the CSMS.

    Args:
        proxy_url: called once the CSMS listens; returns the proxy's address.
        csms_port: where the CSMS listens.
        sessions: (path, subprotocols with a comma between them, steps, request headers, reason for closing).
        refused: (path, request headers, body of the 401).
        cookie: what the CSMS sets in its answers.
    """
    came: asyncio.Queue[ServerConnection] = asyncio.Queue()
    bodies: dict[str, str] = {}
    over = asyncio.Event()

    async def handle(connection: ServerConnection) -> None:
        await came.put(connection)
        await over.wait()

    def check(connection: ServerConnection, request: Request) -> Response | None:
        body = bodies.get(request.path)
        if body is None:
            return None
        headers = Headers({"WWW-Authenticate": f'Basic realm="{body}"', "Content-Length": str(len(body))})
        return Response(401, body[:40], headers, body.encode())

    def answer(connection: ServerConnection, request: Request, response: Response) -> None:
        if cookie:
            response.headers["Set-Cookie"] = cookie

    known = [Subprotocol(name) for name in ("ocpp1.6", "ocpp2.0.1", "ocpp2.1")]
    async with serve(
        handle, "127.0.0.1", csms_port, subprotocols=known, process_request=check, process_response=answer
    ):
        url = await asyncio.to_thread(proxy_url)
        for path, headers, body in refused:
            bodies[path] = body
            try:
                async with connect(url + path, subprotocols=known[:1], additional_headers=headers, proxy=None):
                    raise AssertionError("was let in")
            except websockets.InvalidStatus as error:
                assert error.response.status_code == 401
        for path, subprotocol, steps, headers, reason in sessions:
            spoken = [Subprotocol(name) for name in subprotocol.split(", ")]
            async with connect(url + path, subprotocols=spoken, additional_headers=headers, proxy=None) as charge_point:
                csms = await came.get()
                for who, said in steps:
                    sender, receiver = (charge_point, csms) if ">" in who else (csms, charge_point)
                    if who.startswith("ping"):
                        await (await sender.ping(said))
                    else:
                        await sender.send(said)
                        assert await receiver.recv() == said, "the proxy changed a frame"
                await csms.close(1008, reason)
        over.set()
