"""The record of a handshake has the useful headers and no secret."""

from __future__ import annotations

import base64

import pytest

from inspector.redaction import handshake

BASIC = (b"Authorization", b"Basic " + base64.b64encode(b"CP:1:pass:word-16chars"))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/ocpp/CP1", "CP1"),
        ("/ocpp/CP1/", "CP1"),
        ("/CP%201%2Fx?token=a/b", "CP 1/x"),
        ("/", ""),
        ("/ocpp/CP1#token=hush/x", "CP1"),
        ("/ocpp/CP1?a=1#token=hush/x", "CP1"),
        ("/ocpp/CP#1", "CP#1"),
    ],
)
def test_charge_point_id_is_the_last_path_segment_decoded(path: str, expected: str) -> None:
    assert handshake.charge_point_id(path) == expected


def test_basic_authorization_tells_user_and_password_length_only() -> None:
    assert handshake.authorization((BASIC,)) == {
        "auth_scheme": "Basic",
        "auth_user": "CP",
        "auth_password_length": 19,
    }


@pytest.mark.parametrize(
    ("password", "form"),
    [
        (b"0123456789abcdefABCD" * 2, "hexadecimal"),
        (b"0123456789abcdefghij" * 2, None),
        (b"0123456789abcdef" * 2, None),
    ],
)
def test_of_a_key_in_hexadecimal_digits_only_that_is_kept(password: bytes, form: str | None) -> None:
    facts = handshake.authorization(((b"Authorization", b"Basic " + base64.b64encode(b"CP:" + password)),))
    assert facts.get("auth_password_form") == form
    assert password.decode() not in repr(facts)


@pytest.mark.parametrize(
    "value", [b"Basic ???", b"Basic", b"Bearer abc", b"", b"Basic " + base64.b64encode(b"nocolon")]
)
def test_odd_authorization_is_no_crash_and_no_leak(value: bytes) -> None:
    facts = handshake.authorization(((b"Authorization", value),))
    assert "auth_user" not in facts
    assert "abc" not in repr(facts)


def test_secret_headers_are_replaced_and_named() -> None:
    headers = (BASIC, (b"COOKIE", b"id=7"), (b"X-Api-Key", b"k"), (b"Sec-WebSocket-Key", b"public"), (b"Host", b"h"))
    shown, redacted = handshake.safe_headers(headers)
    assert shown == [
        ["Authorization", "Basic «redacted»"],
        ["COOKIE", "«redacted»"],
        ["X-Api-Key", "«redacted»"],
        ["Sec-WebSocket-Key", "public"],
        ["Host", "h"],
    ]
    assert redacted == ["Authorization", "COOKIE", "X-Api-Key"]


def test_secret_query_parameters_are_replaced() -> None:
    assert handshake.safe_path("/CP1?a=1&Token=x%20y&password=z") == "/CP1?a=1&Token=«redacted»&password=«redacted»"
    assert handshake.safe_path("/token=kept") == "/token=kept"


@pytest.mark.parametrize("name", ["pass", "PASS", "jwt", "id_jwt", "authkey", "auth-key", "x_auth_key", "passphrase"])
@pytest.mark.parametrize("mark", ["?", "?a=1&", "#", "?a=1#", "#a=1&", "?a=1;", "?a;"])
def test_parameter_named_as_a_secret_is_replaced_wherever_it_stands(name: str, mark: str) -> None:
    path = f"/CP1{mark}{name}=hush"
    assert handshake.safe_path(path) == f"/CP1{mark}{name}=«redacted»"
    assert handshake.credentials(path, ()) == ["hush"]
    assert handshake.charge_point_id(path) == "CP1"


@pytest.mark.parametrize("path", ["/CP1?compass=n&bypass=1&passage=2&keyboard=x&author=y&monkey=z#5", "/CP#1?a=b#c"])
def test_parameter_whose_name_only_contains_a_short_word_stays(path: str) -> None:
    assert handshake.safe_path(path) == path


def test_secret_with_a_hash_sign_in_it_is_replaced_whole() -> None:
    assert handshake.safe_path("/CP1?token=ab#hush&a=1") == "/CP1?token=«redacted»&a=1"


def test_secret_with_a_semicolon_in_it_is_replaced_whole() -> None:
    assert handshake.safe_path("/CP1?token=ab;hush;a=1") == "/CP1?token=«redacted»;a=1"


@pytest.mark.parametrize(
    "name", ["X-Auth", "Authentication", "Proxy-Authentication", "X-Authorization", "Auth-Key", "X-JWT-Assertion"]
)
def test_header_named_as_a_secret_is_replaced_and_its_value_known(name: str) -> None:
    headers = ((name.encode(), b"hush-hush"),)
    (shown,), redacted = handshake.safe_headers(headers)
    assert shown == [name, "«redacted»"] and redacted == [name]
    assert handshake.credentials("/CP1", headers) == ["hush-hush"]


@pytest.mark.parametrize("name", ["X-Author", "WWW-Authenticate", "Passage", "Sec-WebSocket-Key", "Keep-Alive"])
def test_header_whose_name_only_sounds_like_a_secret_stays(name: str) -> None:
    headers = ((name.encode(), b"open"),)
    assert handshake.safe_headers(headers) == ([[name, "open"]], [])
    assert handshake.credentials("/CP1", headers) == []


def test_scheme_of_an_authentication_header_is_no_part_of_the_credential() -> None:
    headers = ((b"Authentication", b"Bearer hush-hush"), (b"X-Auth", b"Basic " + base64.b64encode(b"CP1:hushed")))
    assert handshake.credentials("/CP1", headers) == ["hush-hush", "Q1AxOmh1c2hlZA==", "hushed"]


@pytest.mark.parametrize("value", [b"hush-hush x", b"hush-hush\tx", b"hush-hush", b"hush-hush more"])
def test_word_before_a_space_that_is_no_known_scheme_is_a_part_of_the_credential(value: bytes) -> None:
    headers = ((b"Authorization", value), (b"X-Trace", b"got hush-hush"))
    assert "hush" not in repr(handshake.described("GET", "/CP1", headers))
    assert handshake.authorization(headers) == {"auth_scheme": None}


@pytest.mark.parametrize(
    "value",
    [
        b"Basic Q1AxOmh1c2gtaHVzaA",
        b"Basic Q1AxOmh1c2gtaHVzaA%3D%3D",
        b"Basic\tQ1AxOmh1c2gtaHVzaA==",
        b"basic  Q1AxOmh1c2gt aHVzaA==",
        b"Basic Q1AxOmh1c2gtaHVzaA=",
    ],
)
def test_password_of_basic_credentials_is_known_however_they_were_written(value: bytes) -> None:
    assert "hush-hush" in handshake.credentials("/CP1", ((b"Authorization", value),))


@pytest.mark.parametrize(
    ("offered", "shown"),
    [
        ("ocpp1.6, bearer.hush-hush", "ocpp1.6, bearer.«redacted»"),
        ("access_token, hush-hush, ocpp1.6", "access_token, «redacted», ocpp1.6"),
        ("base64url.bearer.authorization.k8s.io.hush-hush", "base64url.bearer.«redacted»"),
        ("ocpp2.0.1, eyJhbGciOiJIUzI1NiJ9.hush.hush", "ocpp2.0.1, «redacted»"),
        ("ocpp2.0.1, hush3C4d5E6f7G8h9I0jKl", "ocpp2.0.1, «redacted»"),
    ],
)
def test_a_token_among_the_subprotocols_is_hidden_and_known(offered: str, shown: str) -> None:
    headers = ((b"Sec-WebSocket-Protocol", offered.encode()), (b"X-Trace", b"got hush-hush"))
    facts = handshake.session_facts("/CP1", headers, headers[:1])
    assert facts["subprotocols_offered"] == shown.split(", ")
    told = handshake.described("GET", "/CP1", headers, 101, headers[:1])
    assert "hush" not in repr({**facts, "secrets": []}) and told["redacted"] == ["Sec-WebSocket-Protocol"] * 2


@pytest.mark.parametrize(
    "offered", ["ocpp1.6, ocpp2.0.1", "ocpp2.1", "graphql-transport-ws", "v12.stomp", "wamp.2.json", "soap, mqtt"]
)
def test_subprotocols_of_specifications_stay(offered: str) -> None:
    assert handshake.safe_subprotocols(offered.split(", ")) == offered.split(", ")


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/ocpp/token/hush/CP1", "/ocpp/token/«redacted»/CP1"),
        ("/ocpp/key=hush/CP1", "/ocpp/key=«redacted»/CP1"),
        ("/CP1;token=hush", "/CP1;token=«redacted»"),
        ("/auth/CP1", "/auth/CP1"),
        ("/steve/websocket/CentralSystemService/CP1", "/steve/websocket/CentralSystemService/CP1"),
    ],
)
def test_a_secret_in_a_segment_of_the_path_is_hidden_and_the_id_stays(path: str, shown: str) -> None:
    assert handshake.safe_path(path) == shown
    assert handshake.credentials(path, ()) == (["hush"] if "hush" in path else [])
    assert handshake.charge_point_id(path) == "CP1"


@pytest.mark.parametrize(
    ("path", "shown", "charge_point"),
    [
        ("/ocpp/CP1/token/hush", "/ocpp/CP1/token/«redacted»", "CP1"),
        ("/ocpp/CP1/key/hush/", "/ocpp/CP1/key/«redacted»/", "CP1"),
        ("/ocpp/CP1/api-key//hush", "/ocpp/CP1/api-key//«redacted»", "CP1"),
        ("/CP1/t%6Fken/hush?a=1", "/CP1/t%6Fken/«redacted»?a=1", "CP1"),
        ("/token/hush", "/token/«redacted»", ""),
        ("/CP1/eyJhbGciOiJIUzI1NiJ9.hush.hush", "/CP1/«redacted»", "CP1"),
        ("/CP1/ghp_hushhushhushhushhushhushhushhushhush", "/CP1/«redacted»", "CP1"),
    ],
)
def test_a_token_at_the_end_of_the_path_is_hidden_and_is_no_id(path: str, shown: str, charge_point: str) -> None:
    assert handshake.safe_path(path) == shown
    assert handshake.charge_point_id(path) == charge_point
    facts = handshake.session_facts(path, ((b"X-Trace", b"got hush"),), ())
    assert all("hush" in secret for secret in facts["secrets"]) and facts["secrets"]
    assert "hush" not in repr({**facts, "secrets": []})
    assert "hush" not in repr(handshake.described("GET", path, ((b"X-Trace", path.encode()),)))


@pytest.mark.parametrize("path", ["/auth/CP1", "/token/x/CP1", "/hash/CP1", "/ocpp/keys4you/CP1", "/tokenizer/CP1"])
def test_an_id_after_a_word_that_paths_have_is_still_the_id(path: str) -> None:
    assert handshake.charge_point_id(path) == "CP1"


def test_a_cookie_that_the_csms_sets_is_known() -> None:
    answer = ((b"Set-Cookie", b"sid=hush-hush; Path=/; HttpOnly"),)
    assert handshake.session_facts("/CP1", (), answer)["secrets"] == ["hush-hush"]


def test_a_user_of_basic_credentials_without_a_password_is_a_token() -> None:
    headers = ((b"Authorization", b"Basic " + base64.b64encode(b"hush-hush:x-oauth-basic")),)
    assert handshake.authorization(headers) == {"auth_scheme": "Basic", "auth_password_length": 13}
    assert "hush-hush" in handshake.credentials("/CP1", headers)


@pytest.mark.parametrize("value", [b"Basic A", b"Basic AAAAA", b"Basic ???", b"Basic \xff", b" ", b"Basic ="])
def test_credentials_that_cannot_be_decoded_are_no_crash(value: bytes) -> None:
    handshake.described("GET", "/CP1", ((b"Authorization", value),))


def test_what_a_peer_chose_cannot_break_the_log() -> None:
    assert handshake.printable("CP 1é\n\x1b[31mred\u2028") == "CP 1é\\n\\x1b[31mred\\u2028"


def test_forced_version_holds_only_without_a_subprotocol() -> None:
    with_one = ((b"Sec-WebSocket-Protocol", b"ocpp1.6"),)
    assert handshake.session_facts("/a", with_one, with_one, forced_version="2.1")["ocpp_version"] is None
    assert handshake.session_facts("/a", (), (), forced_version="2.1")["ocpp_version"] == "2.1"
