"""A secret is found in any text that names it, in any notation, in linear time."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from inspector.protocol.session import Session
from inspector.protocol.vocabulary import Direction
from inspector.redaction import patterns
from inspector.redaction.redactor import Redactor
from inspector.redaction.secrets import Secrets
from tests.growth import measured

HIDDEN = (
    # With and without quotes.
    'password = "two GEHEIM words"',
    "pass='it is GEHEIM' ok",
    "password = two GEHEIM words",
    "password: GEHEIM\nuser: bob",
    "connect password=GEHEIM user=bob",
    "password=GE,HEIM, user=bob",
    "password=it'sGEHEIM!",
    "password=a<GEHEIM",
    'password="GEHEIM',
    'psk="GE\\"HEIM"',
    "password=['GEHEIM']",
    "wifi[psk]=GEHEIM",
    "password[0]=GEHEIM",
    "password->GEHEIM",
    "password := GEHEIM",
    "AuthorizationKey (hex) = GEHEIM",
    '\\"password\\":\\"GEHEIM\\"',
    "%22password%22%3A%22GEHEIM%22",
    "password%3DGEHEIM%26user=x",
    "&quot;password&quot;:&quot;GEHEIM&quot;",
    # Names.
    "API key: GEHEIM1",
    "access token = GEHEIM",
    "token: GEHEIM",
    "PIN: GEHEIM",
    "şifre: GEHEIM",
    "Parola=GEHEIM",
    "Passwort „GEHEIM“",
    "Device.WiFi.AccessPoint.1.Security.KeyPassphrase=GEHEIM",
    "key=AuthorizationKey value=GEHEIM ok",
    'ChangeConfiguration key: "AuthorizationKey", value: "GEHEIM"',
    # Sentences, command lines and modem commands.
    "wrong password GEHEIM123 entered",
    "password 'GEHEIM'",
    "password is GEHEIM9",
    "setting password to GEHEIM7!",
    "curl --password GEHEIM x",
    'AT+CPIN="GEHEIM"',
    # Unusual separators between name and value.
    "password&#61;GEHEIM",
    "password%253DGEHEIM",
    "password\\=GEHEIM",
    "password|GEHEIM|",
    "password\tGEHEIM\tok",
    "password......: GEHEIM",
    'password = """GEHEIM\nGEHEIM"""',
    "PASSWORD('GEHEIM')",
    "ALTER USER x IDENTIFIED BY PASSWORD 'GEHEIM'",
    'Content-Disposition: form-data; name="password"\r\n\r\nGEHEIM\r\n--x',
    # XML and YAML.
    "<password>GEHEIM</password>",
    '<ns:Password Type="x">GEHEIM</ns:Password>',
    "<password><![CDATA[GEHEIM]]></password>",
    "<Password><Value>GEHEIM</Value></Password>",
    "<password>GEHEIM",
    '<param name="AuthorizationKey">GEHEIM</param>',
    '<add key="Password" value="GEHEIM"/>',
    "<c><key>AuthorizationKey</key><readonly>false</readonly><value>GEHEIM</value></c>",
    "<dict><key>wifiPassword</key><string>GEHEIM</string></dict>",
    'wifi:\n  ssid: x\n  psk: "GEHEIM"\n',
    "password: |\n  GEHEIM one\n  GEHEIM two\nuser: bob",
    "passwords:\n  - GEHEIM1\n  - GEHEIM2\nuser: bob",
    "- name: AuthorizationKey\n  value: GEHEIM\n",
    # Keys and tokens that are recognised by their own format.
    "-----begin rsa private key-----\nGEHEIM\n-----end rsa private key-----",
    "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nGEHEIM\n-----END PGP PRIVATE KEY BLOCK-----",
    "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nGEHEIM\n---- END SSH2 ENCRYPTED PRIVATE KEY ----",
    "PuTTY-User-Key-File-2: x\nPrivate-Lines: 1\nGEHEIM\nPrivate-MAC: GEHEIM",
    "key MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkGEHEIM",
    "key MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wGEHEIM",
    "eyJhbGciOiJIUzI1NiJ9.eyGEHEIM1234567890.GEHEIM-abc",
    "WIFI:S:home;T:WPA;P:GEHEIM;;",
    # Addresses and headers.
    "https://GEHEIM@host/x",
    "https://GEHEIM:x-oauth-basic@host",
    "wss://u:GEHEIM@h/p",
    "ftp://GEHEIMGEHEIMGEHEIMGEHEIM@host",
    "https://h/x?code=GEHEIMGEHEIMGEHEIMGEHEIM",
    "HostName=h;SharedAccessKey=GEHEIM=;x=1",
    "Ocp-Apim-Subscription-Key: GEHEIM",
    "X-Functions-Key: GEHEIM",
    "Cookie: a=GEHEIM; b=GEHEIM",
    "Authorization: Bearer GEHEIM",
    'Authorization: Digest username="x", response="GEHEIM"',
    '["Authorization","Basic GEHEIM"]',
    "bearer GEHEIM123456",
)
DISGUISED = (
    # Names that are spelt or encoded, and tokens of vendors.
    "p.w.d=GEHEIM",
    "p_a_s_s: GEHEIM",
    "p.a.s.s.w.o.r.d=GEHEIM",
    "wifi.p-s-k=GEHEIM",
    "/x?p%61ssword=GEHEIM",
    "p%61ssword=GEHEIM&user=x",
    "p%2561ssword=GEHEIM",
    "%70%69%6E=GEHEIM",
    "%7B%22p%61ssword%22%3A%22GEHEIM%22%7D",
    "redirect=https%3A%2F%2Fuser%3AGEHEIM%40host%2Fx",
    "p&#97;ssword=GEHEIM",
    "<name>p&#x61;ssword</name><value>GEHEIM</value>",
    "p\\x61ssword=GEHEIM",
    "p\\u0061ssword=GEHEIM",
    "pässwörd: GEHEIM",
    "authorization=GEHEIM",
    "x-hub-signature: GEHEIM",
    "ghp_GEHEIMGEHEIMGEHEIMGEHEIMGEHEIMGEHEIM",
    "clone with github_pat_11GEHEIM0_GEHEIMGEHEIMGEHEIM",
    "glpat-GEHEIMGEHEIMGEHE",
    "xoxb-123456789012-GEHEIMGEHEIM",
    "sk_live_GEHEIMGEHEIMGEHEIMGEHEIM",
    "npm_GEHEIMGEHEIMGEHEIMGEHEIMGEHEIMGEHEIM",
    "AIzaGEHEIMGEHEIMGEHEIMGEHEIMGEHEIMGEHEIM",
    "session_eyJhbGciOiJIUzI1NiJ9.eyJGEHEIM1234567890.GEHEIM-abc",
    "eyJhbGciOiJSU0EtT0FFUCJ9.GEHEIM.GEHEIM.GEHEIM.GEHEIM",
    # Names that are secret only because of the object that contains them.
    "<wifi><ssid>home</ssid><key>GEHEIM</key></wifi>",
    '<wifi ssid="home" key="GEHEIM"/>',
    "<wlan><key>psk</key><value>GEHEIM</value></wlan>",
    "wifi:\n  ssid: home\n  key: GEHEIM\n",
    "network:\n  - vpn:\n      server: x\n      key: GEHEIM\n",
    "[wifi]\nssid=home\nkey=GEHEIM\n",
    "config wifi-iface\n\toption ssid 'home'\n\toption key 'GEHEIM'\n",
    "wlan0 {\n  ssid = home\n  key = GEHEIM\n}",
    "wifi[key]=GEHEIM",
    "wifi->key = GEHEIM",
    "/config/vpn/key=GEHEIM",
)
"""Forms that the CSMS of this repository does not know."""
FRAMES = (
    {"headers": [["password", "GEHEIM1"], ["user", "bob"]]},
    {"x": ["apiKey", "GEHEIM1"]},
    {"id": "wifiPassword", "val": "GEHEIM"},
    {"field": "password", "content": "GEHEIM"},
    {"n": "psk", "v": "GEHEIM"},
    {"kty": "RSA", "n": "abc", "d": "GEHEIM"},
    {"Authorization": "GEHEIM"},
    {"password": {"$value": ["GEHEIM", 4711]}},
    {"wifi": {"key": "GEHEIM"}},
    {"data": base64.b64encode(b"user=x password=GEHEIM").decode()},
    {"data": base64.b64encode(b"xx Password: GEHEIM").decode()},
)
"""Payloads with a secret beside a name, in a pair, by its type or in base64."""
KEPT = (
    "please change the password of this station: it is too old",
    "password authentication failed",
    "passwordLength=16",
    "key: HeartbeatInterval",
    "token reader: broken",
    "RFID token: 04A2B3C4",
    "id token: 04A2B3C4",
    "Token 04A2B3C4 rejected",
    "idTag=04A2B3C4",
    "token: 04A2B3C4",
    "token=04:A2:B3:C4:D5:E6:80",
    "<token>04A2B3C4</token>",
    "[display]\nkey=F5\n",
    "wifi:\n  ssid: home\nkey: HeartbeatInterval\n",
    "<list><key>HeartbeatInterval</key></list>",
    "100%25 charged, 5%20kWh",
    "i.e. a p.s. of it",
    "akia, asia, xoxo and sk_live",
    "keyboard: on",
    "compass: 30",
    "state: passed",
    "a re-key: 5 times",
    "The pin was pressed",
    "second pass: done",
    "Basic authentication",
    "https://host:8080/a@2x.png",
    "ftp://user@host/x",
    "see mail bob@example.com",
    "wss://csms.example/ocpp/CP1",
)


@pytest.mark.parametrize("text", [*HIDDEN, *DISGUISED, "AKIAGEHEIMGEHEIMGEHE", "ASIAGEHEIMGEHEIMGEHE"])
def test_a_secret_behind_its_name_or_of_its_own_form_is_starred_and_nothing_gets_longer(text: str) -> None:
    shown = Redactor().text(Secrets(), text)
    assert "HEIM" not in shown
    assert len(shown) == len(text)


@pytest.mark.parametrize("payload", FRAMES, ids=str)
def test_a_secret_beside_its_name_in_json_is_starred(payload: dict[str, Any]) -> None:
    session = Session()
    raw = json.dumps([2, "1", "DataTransfer", {"vendorId": "v", "data": payload}])
    frame = session.frame(1, 1, 1, Direction.FROM_CHARGE_POINT, raw.encode())
    stored = Redactor().frame(Secrets(), frame)
    assert stored is not None and b"GEHEIM" not in stored and b"R0VIRUlN" not in stored and b"dFSEVJ" not in stored
    assert len(stored) == len(raw)


def test_names_of_settings_in_a_list_stay() -> None:
    raw = b'[2,"1","GetConfiguration",{"key":["AuthorizationKey","ISO15118PnCEnabled"]}]'
    assert Redactor().frame(Secrets(), Session().frame(1, 1, 1, Direction.FROM_CSMS, raw)) is None


def test_an_authorization_key_in_hexadecimal_is_known_as_the_password_that_it_spells() -> None:
    secrets, redactor = Secrets(), Redactor()
    redactor.text(secrets, "AuthorizationKey=" + b"Geheim-4711!".hex())
    assert "Geheim" not in redactor.text(secrets, "unknown password of CP1, got Geheim-4711! instead")
    assert b"Geheim-4711!".hex().upper() not in redactor.text(secrets, f"key {b'Geheim-4711!'.hex().upper()}")


@pytest.mark.parametrize("order", ["utf-16-le", "utf-16-be", "utf-16"])
def test_a_secret_in_utf_16_is_starred_and_known(order: str) -> None:
    secrets, redactor = Secrets(), Redactor()
    text = '{"ssid":"home","password":"Geheim-4711"}'.encode(order).decode("utf-8", "surrogateescape")
    shown = redactor.text(secrets, text)
    assert "G\0e\0h" not in shown and "h\0o\0m\0e" in shown and len(shown) == len(text)
    assert "Geheim" not in redactor.text(secrets, "it said Geheim-4711")
    assert "G\0e\0h" not in redactor.text(secrets, "G\0e\0h\0e\0i\0m\0-\x004\x007\x001\x001\0")


@pytest.mark.parametrize("depth", [1, 4, 9, 12])
def test_json_in_json_is_looked_into_at_any_depth(depth: int) -> None:
    text = '{"password":"Geheim-4711"}'
    for _ in range(depth):
        text = json.dumps({"data": text})
    shown = Redactor().text(Secrets(), text)
    assert "Geheim" not in shown
    for _ in range(depth):
        shown = json.loads(shown)["data"]
    assert shown == '{"password":"***********"}'


def test_json_in_base64_is_starred_where_it_holds_a_secret() -> None:
    coded, harmless = (base64.b64encode(b'{"%s":"Geheim-4711"}' % name).decode() for name in (b"password", b"model"))
    assert Redactor().text(Secrets(), f"config {coded} and {harmless}") == f"config {'*' * len(coded)} and {harmless}"


@pytest.mark.parametrize("text", KEPT)
def test_what_only_looks_like_one_stays(text: str) -> None:
    assert Redactor().text(Secrets(), text) == text


UNITS = (
    *(
        "password ",
        "password=",
        "password:",
        'password="',
        "password “",
        'password \\"',
        'password "\\',
        "password (",
        "a]:",
    ),
    *(
        "password:\n  a\n",
        "password\n ",
        "password%3D",
        "pass set to ",
        'password={"a":',
        '{"password":"\\',
        "password 1",
    ),
    *(
        "key=",
        "key=AuthorizationKey value=",
        "value=",
        "authorization:",
        "authorization:a,",
        "Authorization, ",
        "cookie:",
    ),
    *("a://", "a://@", "@", "a://b:c@", "?a=", "?a=;x;", "<a ", "<password>", '<a b="', "<key>password</key>", "</a>"),
    *("-----BEGIN PRIVATE KEY-----", "-----BEGIN A ", "eyJ", "eyJaaaaaaaaaa.", "LS0tLS1CRUdJTi", "WIFI:P:", "basic "),
    *(
        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n",
        "aa ",
        "\\",
        '\\"',
        '"',
        "'",
        " ",
        "\n",
        "[wifi]\nkey=",
        "wifi:\n key:",
        " a:\n",
        "wifi/key=",
        "//////key=",
        "<wifi><key>",
        "<wifi key=''>",
        "%2525252561",
        "%61",
        "%25",
        "\\x61",
        "&#97;",
        "ghp_",
        "eyJa.eyJa",
        "p.w.d=",
        "%22",
        "&quot;",
        "--password ",
        "é",
    ),
)


@pytest.mark.parametrize("unit", UNITS)
def test_time_grows_with_length_alone(unit: str) -> None:
    growth = measured(
        lambda size: unit * (size // len(unit)),
        lambda text: sum(1 for _ in patterns.find(text, Redactor().is_secret, None)),
        size=10_000,
    )
    assert not growth.too_fast, growth


@pytest.mark.long
@pytest.mark.parametrize("unit", UNITS)
def test_a_megabyte_of_anything_takes_no_more_than_seconds(unit: str) -> None:
    began = time.process_time()
    sum(1 for _ in patterns.find(unit * (1_000_000 // len(unit)), Redactor().is_secret, None))
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "coded", ["YXNzd29yZD1nZWhlaW0", "eyJhbGciOiJIUzI1NiJ9", "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0t"]
)
def test_letters_that_base64_does_not_have_end_it(coded: str) -> None:
    for letter in "şé密²\udcff":
        Redactor().text(Secrets(), f"{coded}{letter}{coded}")


@pytest.mark.parametrize("length", range(19, 27))
def test_text_that_looks_like_coded_json_of_any_length_is_read(length: int) -> None:
    """Even if the number of characters is impossible for base64."""
    text = f'[2,"1","DataTransfer",{{"vendorId":"v","data":"{("eyJhbGciOi1" * 3)[:length]}"}}]'
    frame = Session("ocpp1.6").frame(1, 1, 1, Direction.FROM_CHARGE_POINT, text.encode())
    Redactor().frame(Secrets(), frame)
