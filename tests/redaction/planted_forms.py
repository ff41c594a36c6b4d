"""Every way to write a secret, in every place of a session that can contain text."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from itertools import count

from tests.redaction.planted import Step, dumps
from tests.redaction.test_forms import DISGUISED, HIDDEN

FORMS = tuple(text for text in HIDDEN if "GEHEIM" in text and "GE\\" not in text)
ALL_FORMS = (*FORMS, *DISGUISED)
NAMES = (
    *("authKey", "pass", "token", "jwt", "credentials", "pin", "simPin", "Password1", "AdminPasswordHash", "wifi_psk"),
    *("client-secret", "WebSocketPassword", "ApnPassword", "şifre", "accessToken", "hmacKey", "SIM-PIN", "OCPP_PSK"),
)
HEADERS = (
    *("X-Functions-Key", "Ocp-Apim-Subscription-Key", "X-Auth-Token", "X-Api-Key", "Api-Key", "X-Vault-Token"),
    *("X-Amz-Security-Token", "Private-Token", "X-Shared-Secret", "X-Forwarded-Authorization", "X-Auth"),
)


def nested(text: str, depth: int) -> str:
    """Return a text inside JSON inside JSON."""
    for _ in range(depth):
        text = dumps({"data": text})
    return text


def places(version: str, text: str, numbers: Iterator[int]) -> Iterator[list[Step]]:
    """Yield, for each place that can contain a text, the steps of a session with the text there."""
    one, other = f"f{next(numbers)}", f"f{next(numbers)}"
    yield [(">", dumps([2, one, "DataTransfer", {"vendorId": "v", "data": text}]))]
    yield [("<", dumps([2, one, "DataTransfer", {"vendorId": "v", "data": nested(text, 3)}]))]
    yield [
        ("<", dumps([2, one, "ClearCache", {}])),
        (">", dumps([4, one, "InternalError", text, {"seen": text}])),
    ]
    yield [
        (">", dumps([2, one, "DataTransfer", {"vendorId": "v"}])),
        ("<", dumps([3, one, {"status": "Rejected", "data": text, "statusInfo": {"additionalInfo": text}}])),
    ]
    yield [(">", f"log: {text}")]
    yield [("<", b"\x00\x01" + text.encode() + b"\xff")]
    yield [(">", f"\ufeff{text}".encode("utf-16-le"))]
    yield [(">", dumps([2, other, "DataTransfer", {"vendorId": "v", "data": text}])[:-3])]
    info = {"connectorId": 1, "errorCode": "NoError", "status": "Faulted", "info": text}
    techinfo = {"type": "SettingSystemTime", "timestamp": "2026-01-01T00:00:00Z", "techInfo": text}
    yield [
        (">", dumps([2, one, "StatusNotification", info]))
        if version == "1.6"
        else (">", dumps([2, one, "SecurityEventNotification", techinfo]))
    ]
    yield [("ping>", text.encode()[:125])] if len(text.encode()) <= 125 else [(">", text)]
    yield [("ping<", text.encode()[:125])] if len(text.encode()) <= 125 else [("<", text)]
    if version == "2.1":
        yield [(">", dumps([6, one, "NotifyPeriodicEventStream", {"id": 1, "data": [{"t": 0, "v": text}]}]))]
        yield [("<", dumps([5, one, "InternalError", text, {"why": text}]))]
    yield [(">", dumps([2, text, text, {text: [text], "n": {text: 1}}]))]


def form_frames(version: str, new: Callable[[], str], first: int) -> Iterator[Step]:
    """Return frames with every form once, each in another place; `first` shifts the places, so that sessions differ."""
    numbers = count(1)
    for number, form in enumerate(ALL_FORMS, first):
        text = form.replace("GEHEIM", new())
        steps = list(places(version, text, numbers))
        yield from steps[number % len(steps)]


def name_frames(new: Callable[[], str]) -> Iterator[Step]:
    """Return frames with every name as a member, a configuration key, a variable, and inside nested JSON."""
    for number, name in enumerate(NAMES):
        yield ">", dumps([2, f"n{number}", "DataTransfer", {"vendorId": "v", "data": {name: new()}}])
        yield "<", dumps([2, f"m{number}", "ChangeConfiguration", {"key": name, "value": new()}])
        variable = {"component": {"name": "C"}, "variable": {"name": name}, "attributeValue": new()}
        yield "<", dumps([2, f"o{number}", "SetVariables", {"setVariableData": [variable]}])
        yield ">", dumps([2, f"p{number}", "DataTransfer", {"vendorId": "v", "data": nested(dumps({name: new()}), 4)}])


def handshakes(new: Callable[[], str]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Return (path, subprotocols, headers) of handshakes that are full of secrets."""
    for number, header in enumerate(HEADERS):
        yield f"/CP-H{number}", "ocpp1.6", {header: new()}
    yield "/CP-I0", f"ocpp2.0.1, bearer.{new()}", {"Cookie": f"a={new()}; b={new()}"}
    yield "/CP-I1", f"access_token, {new()}, ocpp1.6", {"Authorization": f"Bearer {new()}"}
    yield f"/ocpp/token/{new()}/CP-I2", "ocpp1.6", {"Authorization": f'Digest username="CP", response="{new()}"'}
    yield f"/ocpp/CP-I3?sig={new()}&key={new()}&code={new()}", "ocpp1.6", {"Proxy-Authorization": f"Token {new()}"}
    basic = base64.b64encode(f"{new()}:x-oauth-basic".encode()).decode()
    yield f"/CP-I4;token={new()}", "ocpp2.1", {"Authorization": f"Basic {basic}"}
    yield "/CP-I5", "ocpp1.6", {"X-Trace": f"password={new()}", "X-Config": json.dumps({"pin": new()})}
