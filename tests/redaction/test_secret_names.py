"""One list defines which names are secret; everything else in OCPP is stored unchanged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from importlib import resources
from pathlib import Path
from typing import Any

import ocpp.v16.enums
import ocpp.v21.enums
import ocpp.v201.enums
import pytest

from inspector.redaction.redactor import Redactor
from inspector.redaction.secret_names import is_secret_header, is_secret_member, is_secret_name, is_secret_parameter
from inspector.redaction.secrets import Secrets

SECRET = """
    password Password PASSWORD Password1 password_2 AdminPasswordHash apnPassword adminpassword PassWord passWord
    pass user_pass pwd wifiPwd pw psk wifi_psk WPA2PSK pin PIN1 simPin SIM-PIN simpin adminpin userPIN pin_code
    PINCode CPIN PUK authKey api_key apiKey apikey X-Api-Key AuthorizationKey authorization_key authorizationkey
    vpnKey VPN_KEY aesKey secretKey privateKey private_key preSharedKey hmacKey sshKey wifiKey storageAccountKey
    SharedAccessKey ocppKey client_secret SharedSecret passphrase passcode passwd credentials credential token
    tokens jwt accessToken access_token refreshToken sessionToken deviceToken bearerToken sasToken smtp.password
    newPassword passwordOld WebSocketPassword şifre ŞİFRE wifiŞifresi Parola contraseña Passwort Kennwort wachtwoord
    mot_de_passe ｐａｓｓｗｏｒｄ
""".split()
NOT_SECRET = """
    idToken id_token IdTokens additionalIdToken groupIdToken parentIdToken rfidToken tokenId token_type tokenStatus
    TokenReader key configurationKey unknownKey publicKey PublicKeyWithSignedMeterValue issuerKeyHash issuerNameHash
    keyId keyCode primaryKey sortKey hotkey monkey turnkey whiskey keyboard certificate certificateHashData
    signature checksum hash priceScheduleSignature passed passenger passive bypass byPass compass passThrough
    passCount MasterPass MasterPassGroupId spinner pinned mapping shipping opinion gpioPin WebSocketPingInterval
    passwordLength minPasswordLength isPasswordSet passwordExpiry maxPinAttempts secretary author authority
    Authorize Authorized AuthCacheCtrlr LocalAuthListEnabled GetConfigurationMaxKeys SecurityProfile power pwm
    bearing simTray certificateType
""".split()


@pytest.mark.parametrize("name", SECRET)
def test_a_secret_is_known_by_any_spelling_of_its_name(name: str) -> None:
    assert is_secret_name(name) and is_secret_member(name) and is_secret_parameter(name) and is_secret_header(name)


@pytest.mark.parametrize("name", NOT_SECRET)
def test_a_name_that_only_looks_like_a_secret_hides_nothing(name: str) -> None:
    assert not is_secret_name(name) and not is_secret_member(name)


def test_headers_that_hold_a_key_or_a_token_are_secret_and_those_of_the_handshake_are_not() -> None:
    secret = "Authorization Proxy-Authorization X-Forwarded-Authorization Cookie Set-Cookie X-Auth X-Api-Key"
    secret += " Ocp-Apim-Subscription-Key X-Functions-Key X-Amz-Security-Token X-Vault-Token Private-Token X-CSRF-Token"
    plain = "Host Origin Upgrade Connection User-Agent Via Date ETag WWW-Authenticate X-Request-Id X-Forwarded-For"
    plain += " Sec-WebSocket-Key Sec-WebSocket-Accept Sec-WebSocket-Protocol Idempotency-Key Accept-Language"
    assert [name for name in secret.split() if not is_secret_header(name)] == []
    assert [name for name in plain.split() if is_secret_header(name)] == []


def test_parameters_of_addresses_may_be_short() -> None:
    secret = ("key", "sig", "auth", "hash", "token", "idToken", "X-Amz-Signature", "pw")
    assert [name for name in secret if not is_secret_parameter(name)] == []
    assert not is_secret_parameter("code", "404") and is_secret_parameter("code", "0123456789abcdefghij")
    assert not is_secret_parameter("part") and not is_secret_parameter("tokenType")


def schema_names() -> Iterator[str]:
    """Return every member name and enumeration value in the schemas of all versions."""
    for version in ("v16", "v201", "v21"):
        for file in (resources.files("ocpp") / version / "schemas").iterdir():
            waiting: list[Any] = [json.loads(file.read_text("utf-8-sig"))]
            while waiting:
                node = waiting.pop()
                if isinstance(node, dict):
                    yield from node.get("properties", ())
                    yield from (str(word) for word in node.get("enum", ()))
                    waiting += node.values()
                elif isinstance(node, list):
                    waiting += node


def test_of_all_members_of_all_schemas_these_are_secret() -> None:
    found = {name for name in schema_names() if is_secret_member(name)}
    assert found == {"apnPassword", "basicAuthPassword", "password", "simPin"}


def test_of_all_standard_variables_and_configuration_keys_these_are_secret() -> None:
    modules = (ocpp.v16.enums, ocpp.v201.enums, ocpp.v21.enums)
    kinds = [kind for module in modules for kind in vars(module).values() if isinstance(kind, type)]
    names = {str(one.value) for kind in kinds if issubclass(kind, Enum) for one in kind}
    found = {name for name in names if is_secret_name(name)}
    # The variable Token of the component TokenReader holds the last id token.
    assert found - {"passwordString", "password", "simPin", "apnPassword", "basicAuthPassword"} == {
        "AuthorizationKey",
        "BasicAuthPassword",
        "Token",
    }


@pytest.mark.system
def test_ordinary_traffic_stays_as_it_came() -> None:
    redactor, lines = Redactor(), 0
    for file in sorted((Path(__file__).parents[2] / "recordings").glob("*.jsonl")):
        for line in file.read_text().splitlines():
            lines += 1
            assert redactor.text(Secrets(), line) == line
            raw = str(json.loads(line).get("raw"))
            assert redactor.text(Secrets(), raw) == raw
    assert lines > 500
