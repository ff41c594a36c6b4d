"""Secret values are replaced wherever they are in a frame, and the rest of the frame is unchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from inspector import records
from inspector.recorder.start import start_recorder
from inspector.redaction import handshake
from inspector.redaction.redactor import Redactor
from inspector.redaction.secrets import PERSONAL_LENGTH, SECRET_LENGTH, SECRETS_LIMIT, Personal, Secrets
from tests.database import rows

SECRET = 'S3cr3t"ü/0011223344556677'
ESCAPED = 'S3cr3t\\"ü/0011223344556677'
STARS = "*" * len(SECRET)
KEY = b"0123456789abcdef0123456789abcdef"

SECRETS = {
    "1.6 ChangeConfiguration": (
        "ocpp1.6",
        False,
        '[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"§"}]',
    ),
    "1.6 GetConfiguration, another order, spaces": (
        "ocpp1.6",
        True,
        '[3, "1", {"configurationKey": [{"value": "§", "readonly": false, "key": "wifi_password"}, '
        '{"key": "HeartbeatInterval", "readonly": false, "value": "300"}]}]',
    ),
    "2.0.1 SetVariables": (
        "ocpp2.0.1",
        False,
        '[2,"1","SetVariables",{"setVariableData":[{"attributeValue":"§","component":{"name":"SecurityCtrlr"},'
        '"variable":{"name":"BasicAuthPassword"}},{"attributeValue":"10","component":{"name":"OCPPCommCtrlr"},'
        '"variable":{"name":"HeartbeatInterval"}}]}]',
    ),
    "2.0.1 NotifyReport": (
        "ocpp2.0.1",
        True,
        '[2,"1","NotifyReport",{"requestId":1,"generatedAt":"2026-01-01T00:00:00Z","seqNo":0,"reportData":[{"component":'
        '{"name":"SecurityCtrlr"},"variable":{"name":"BasicAuthPassword"},"variableAttribute":[{"value":"§"}]}]}]',
    ),
    "2.0.1 NotifyEvent": (
        "ocpp2.0.1",
        True,
        '[2,"1","NotifyEvent",{"eventData":[{"actualValue":"§","component":{"name":"X"},'
        '"variable":{"name":"AdminPassword"}}]}]',
    ),
    "a PIN": ("ocpp2.0.1", True, '[2,"1","Authorize",{"idToken":{"idToken":"§","type":"KeyCode"}}]'),
    "a VPN": (
        "ocpp2.0.1",
        False,
        '[2,"1","SetNetworkProfile",{"connectionData":{"vpn":{"password":"§","key":"§","user":"u"}}}]',
    ),
    "a name spelt with escapes": (
        "ocpp1.6",
        False,
        '[2,"1","ChangeConfiguration",{"key":"Authorization\\u004bey","value":"§"}]',
    ),
    "JSON within a string": (
        "ocpp1.6",
        True,
        '[2,"1","DataTransfer",{"vendorId":"v","data":"{\\"api_key\\": \\"S3cr3t0011223344556677!!\\", \\"n\\": '
        '\\"\\u00e9\\"}"}]',
    ),
    "1.6 ChangeConfiguration, its members in other letters": (
        "ocpp1.6",
        False,
        '[2,"1","ChangeConfiguration",{"Key":"AuthorizationKey","VALUE":"§"}]',
    ),
    "2.0.1 NotifyReport, its members in other letters": (
        "ocpp2.0.1",
        True,
        '[2,"1","NotifyReport",{"reportData":[{"Variable":{"Name":"BasicAuthPassword"},'
        '"VariableAttribute":[{"Value":"§"}]}]}]',
    ),
    "a PIN, its members in other letters": (
        "ocpp2.0.1",
        True,
        '[2,"1","Authorize",{"IdToken":{"IdToken":"§","Type":"KeyCode"}}]',
    ),
    "a frame cut off": ("ocpp1.6", False, '[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"§'),
    "a frame with a comma too many": (
        "ocpp1.6",
        False,
        '[2,"1","ChangeConfiguration",{,"key":"AuthorizationKey","value":"§"}]',
    ),
    "a payload that is no object": ("ocpp1.6", False, '[2,"1","ChangeConfiguration",["AuthorizationKey",["§"]]]'),
    "an answer's payload that is no object": ("ocpp1.6", True, '[3,"1",["AuthorizationKey","§"]]'),
    "a payload without its brackets": ("ocpp1.6", False, '[2,"1","ChangeConfiguration","AuthorizationKey","§"]'),
    "single quotes": (
        "ocpp1.6",
        False,
        "[2,'1','ChangeConfiguration',{'key':'AuthorizationKey','readonly':False,'value':'S3cr3t0011223344556677!!'}]",
    ),
    "no quotes": (
        "ocpp1.6",
        False,
        '[2,"1","ChangeConfiguration",{key: AuthorizationKey, value: S3cr3t0011223344556677!!}]',
    ),
    "no JSON at all": ("ocpp1.6", True, "connect password=S3cr3t0011223344556677!!; now"),
    "a member twice": ("ocpp1.6", True, '[2,"1","DataTransfer",{"vendorId":"v","password":"§","password":"§"}]'),
    "a number": ("ocpp1.6", True, '[2,"1","DataTransfer",{"vendorId":"v","pinLength":1,"wifi_psk":12345678901}]'),
}


def plant(text: str) -> tuple[str, str]:
    """Return a frame with the secret in it, and the frame as it should be stored."""
    other = "S3cr3t0011223344556677!!"
    stored = text.replace("§", STARS).replace(other, "*" * len(other)).replace("12345678901", "9" * 11)
    return text.replace("§", ESCAPED), stored


def record(path: Path, frames: list[tuple[bool, str | bytes]], subprotocol: str = "ocpp1.6", **redaction: Any) -> None:
    recorder = start_recorder(path, holder="test", redaction=redaction)
    recorder.put(records.OpenRecord(1, 1, 1, {"charge_point_id": "CP1", "subprotocol": subprotocol}))
    for number, (up, raw) in enumerate(frames, 2):
        opcode = records.TEXT if isinstance(raw, str) else records.BINARY
        recorder.put(records.FrameRecord(1, number, number, up, opcode, raw.encode() if isinstance(raw, str) else raw))
    recorder.close()


def everything(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


@pytest.mark.parametrize("case", SECRETS.values(), ids=SECRETS.keys())
def test_a_secret_is_starred_out_at_its_length_and_the_frame_marked(
    tmp_path: Path, case: tuple[str, bool, str]
) -> None:
    subprotocol, up, text = case
    sent, stored = plant(text)
    # An answer may quote the request.
    refusal = f'[4,"1","GenericError","no: {ESCAPED if "§" in text else "nothing"}",{{}}]'
    record(tmp_path / "secrets.db", [(up, sent), (not up, refusal)], subprotocol)
    found = rows(tmp_path / "secrets.db", "SELECT raw, redacted, size FROM frames ORDER BY id")
    assert found[0] == (stored, 1, len(sent.encode()))
    for secret in (SECRET, ESCAPED, SECRET[:6], "0011223344556677", "12345678901"):
        assert secret.encode() not in everything(tmp_path)


def test_a_secret_in_single_quotes_is_hidden_in_a_binary_message_too(tmp_path: Path) -> None:
    record(tmp_path / "t.db", [(False, b"\x00{'key': 'AuthorizationKey', 'value': 'geheim0011'}\xff")])
    assert b"geheim" not in everything(tmp_path)


def test_a_sentence_that_only_speaks_of_a_password_stays_readable(tmp_path: Path) -> None:
    said = "please change the password of this station: it is too old"
    assert Redactor().text(Secrets(), said) == said
    record(tmp_path / "t.db", [(True, said)])
    assert rows(tmp_path / "t.db", "SELECT raw FROM frames") == [(said,)]


URLS = {
    "ftp://user:geheim0011@host/x": "ftp://user:**********@host/x",
    "https://u:gehe/im0011@host/x": "https://u:***********@host/x",
    "https://host:8080/a@2x.png": "https://host:8080/a@2x.png",
    "https://b.example/log?X-Amz-Signature=geheim0011&part=1": "https://b.example/log?X-Amz-Signature=**********&part=1",
    "https://b.example/log?part=1;token=geheim0011;x=2": "https://b.example/log?part=1;token=**********;x=2",
    "https://b.example/log?part=1&token=gehe;im0011": "https://b.example/log?part=1&token=***********",
    "Authorization: Basic Q1AxOmdlaGVpbTAwMTE=": "Authorization: Basic ********************",
    "sent Basic Q1AxOmdlaGVpbTAwMTE= to it": "sent Basic ******************** to it",
    "Basic authentication": "Basic authentication",
    "-----BEGIN RSA PRIVATE KEY-----geheim0011-----END RSA PRIVATE KEY-----": "*" * 70,
}


@pytest.mark.parametrize(("text", "stored"), URLS.items())
def test_a_secret_is_known_by_its_form_in_any_text(tmp_path: Path, text: str, stored: str) -> None:
    frame = '[2,"1","GetDiagnostics",{"location":"%s"}]'
    record(tmp_path / "t.db", [(False, frame % text)])
    assert rows(tmp_path / "t.db", "SELECT raw FROM frames") == [(frame % stored,)]


def test_a_secret_once_seen_is_found_again_in_any_later_frame(tmp_path: Path) -> None:
    frames: list[tuple[bool, str | bytes]] = [
        (False, '[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"Geheim-00112233"}]'),
        (True, '[3,"1",{"status":"Accepted"}]'),
        (True, '[2,"Geheim-00112233","DataTransfer",{"vendorId":"Geheim-00112233"}]'),
        (False, '[4,"Geheim-00112233","InternalError","see it",{"why":"details Geheim-00112233"}]'),
        (True, b"\x00\x01Geheim-00112233\xff"),
        (True, '[2,"3","Geheim-00112233",{"Geheim-00112233":1}]'),
        (True, '[2,"4","StatusNotification",{"info":"got R2VoZWltLTAwMTEyMjMz and 47656865696d2d3030313132323333"}]'),
    ]
    record(tmp_path / "t.db", frames)
    stored = everything(tmp_path)
    for form in (b"Geheim", b"R2VoZWltLTAwMTEyMjMz", b"47656865696d2d"):
        assert form not in stored
    pairs = rows(tmp_path / "t.db", "SELECT call_id FROM frames WHERE call_id IS NOT NULL")
    assert pairs == [(1,), (3,)]


def test_of_a_value_of_any_length_no_more_than_its_beginning_is_kept_in_memory(tmp_path: Path) -> None:
    secrets, personal = Secrets(), Personal()
    secrets.add(["geheim" * 100_000])
    personal.add("Anna 7" * 100_000, "anon" * 150_000)
    assert max(len(form) for forms in secrets.values.values() for form in forms) <= 3 * SECRET_LENGTH
    assert [(len(value), len(made)) for value, made in personal.values.items()] == [(PERSONAL_LENGTH, PERSONAL_LENGTH)]
    sent = '[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"%s"}]'
    record(tmp_path / "t.db", [(False, sent % ("geheim" * 100_000))])
    assert rows(tmp_path / "t.db", "SELECT raw FROM frames") == [(sent % ("*" * 600_000),)]
    assert b"geheim" not in everything(tmp_path)


def test_a_finding_about_an_old_frame_quotes_no_secret_of_it_however_many_came_since() -> None:
    redactor, secrets = Redactor(), Secrets()
    for number in range(SECRETS_LIMIT + 500):
        redactor.text(secrets, f"password=geheim-{number:04}")
    assert len(secrets.values) == SECRETS_LIMIT
    for said in ("no answer to geheim-0007", "no answer to 'geheim-0007'", "no answer to geheim-0"):
        assert "geheim" not in redactor.sentence(secrets, said)


def test_a_secret_of_a_handshake_is_nowhere_in_the_file_however_it_came(tmp_path: Path) -> None:
    request = ((b"X-Auth", b"hush-1111"), (b"Authentication", b"Bearer hush-2222"), (b"X-Trace", b"hush-2222 kept"))
    for number, path in enumerate(("/CP1#token=hush-3333", "/CP1?jwt=hush-4444", "/CP1?pass=hush-5555#authkey=hush-6")):
        recorder = start_recorder(tmp_path / "h.db", holder="test")
        recorder.put(records.OpenRecord(number, 1, 1, handshake.session_facts(path, request, ())))
        recorder.put(records.EventRecord(number, 1, 1, "handshake", handshake.described("GET", path, request)))
        recorder.close()
    assert b"hush" not in everything(tmp_path)
    assert rows(tmp_path / "h.db", "SELECT DISTINCT charge_point_id FROM sessions") == [("CP1",)]
    assert b"kept" in everything(tmp_path)


def test_a_member_of_a_record_is_not_taken_for_a_header(tmp_path: Path) -> None:
    said = {"id_token": "04AB", "hash": "ab", "headers": [["X-Auth", "hush"]], "authentication": "hush"}
    assert Redactor().detail(Secrets(), said) == {
        "id_token": "04AB",
        "hash": "ab",
        "headers": [["X-Auth", "«redacted»"]],
        "authentication": "«redacted»",
    }


def test_a_pin_of_four_digits_leaves_readings_and_ids_alone(tmp_path: Path) -> None:
    meter = (
        '[2,"a-1234-b","MeterValues",{"evseId":1,"meterValue":[{"timestamp":"2026-01-01T00:00:00Z","sampledValue":'
        '[{"value":1234}]}]}]'
    )
    frames: list[tuple[bool, str | bytes]] = [
        (True, '[2,"1","Authorize",{"idToken":{"idToken":"1234","type":"KeyCode"}}]'),
        (False, '[3,"1",{"idTokenInfo":{"status":"Accepted"}}]'),
        (True, meter.replace("a-1234-b", "x81234f")),
        (True, '[2,"2","StatusNotification",{"info":"wrong PIN 1234 entered"}]'),
    ]
    record(tmp_path / "t.db", frames, "ocpp2.0.1")
    stored = [raw for (raw,) in rows(tmp_path / "t.db", "SELECT raw FROM frames ORDER BY id")]
    assert '"idToken":"****"' in stored[0]
    assert stored[1:3] == [frames[1][1], frames[2][1]]
    assert "wrong PIN **** entered" in stored[3]


@pytest.mark.parametrize("number", ["04A2B3C4", "04a2b3c4d5e680", "04:A2:B3:C4", "04 A2 B3 C4 D5 E6 80"])
def test_the_number_of_a_card_stays_readable_whatever_is_called_a_token(tmp_path: Path, number: str) -> None:
    frames: list[tuple[bool, str | bytes]] = [
        (True, f'[2,"1","DataTransfer",{{"vendorId":"v","token":"{number}","data":"token: {number}"}}]'),
        (True, f'[2,"2","Authorize",{{"idToken":{{"idToken":"{number}","type":"ISO14443"}}}}]'),
    ]
    record(tmp_path / "t.db", frames, "ocpp2.0.1")
    assert rows(tmp_path / "t.db", "SELECT raw, redacted FROM frames ORDER BY id") == [(raw, 0) for _, raw in frames]


@pytest.mark.parametrize("secret", ["geheim0011", "12345678", "0123456789abcdef", "04A2B3C4D5", "04A2B3C4D5E6801"])
def test_another_token_is_hidden_and_so_is_a_card_number_that_is_an_access_token(tmp_path: Path, secret: str) -> None:
    payload = f'{{"vendorId":"v","token":"{secret}","accessToken":"04A2B3C4"}}'
    record(tmp_path / "t.db", [(True, f'[2,"1","DataTransfer",{payload}]')])
    assert secret.encode() not in everything(tmp_path) and b"04A2B3C4" not in everything(tmp_path)


def test_an_ordinary_frame_is_stored_untouched_and_unmarked(tmp_path: Path) -> None:
    raw = '[2,"1","ChangeConfiguration",{"key":"HeartbeatInterval","value":"300"}]'
    record(tmp_path / "plain.db", [(False, raw)])
    assert rows(tmp_path / "plain.db", "SELECT raw, redacted FROM frames") == [(raw, 0)]


def test_nothing_is_hidden_where_none_was_asked_for_and_the_recording_says_so(tmp_path: Path) -> None:
    sent, _ = plant(SECRETS["1.6 ChangeConfiguration"][2])
    record(tmp_path / "none.db", [(False, sent)], level="none")
    assert rows(tmp_path / "none.db", "SELECT raw, redacted FROM frames") == [(sent, 0)]
    assert rows(tmp_path / "none.db", "SELECT config ->> '$.redact' FROM recordings") == [("none",)]


def test_names_of_a_rules_file_are_hidden_too(tmp_path: Path) -> None:
    frames: list[tuple[bool, str | bytes]] = [
        (False, '[2,"1","ChangeConfiguration",{"key":"RadiusShared","value":"geheim0011"}]'),
        (True, '[2,"2","DataTransfer",{"vendorId":"v","modem":{"unlock":"geheim0022"},"unlock":"visible"}]'),
    ]
    record(tmp_path / "t.db", frames, variables=["Radius*"], members=["modem/unlock"])
    assert rows(tmp_path / "t.db", "SELECT raw FROM frames ORDER BY id") == [
        ('[2,"1","ChangeConfiguration",{"key":"RadiusShared","value":"**********"}]',),
        ('[2,"2","DataTransfer",{"vendorId":"v","modem":{"unlock":"**********"},"unlock":"visible"}]',),
    ]


@pytest.mark.system
def test_a_frame_as_deep_or_long_as_a_hostile_peer_likes_is_hidden_in_too(tmp_path: Path) -> None:
    deep = "[" * 20_000 + '{"password":"geheim0011"}' + "]" * 20_000
    long = '[2,"1","DataTransfer",{"data":[' + "1," * 100_100 + '"geheim0022"],"password":"geheim0033"}]'
    record(tmp_path / "t.db", [(True, deep), (True, long)])
    assert b"geheim" not in everything(tmp_path)
    assert [len(raw) for (raw,) in rows(tmp_path / "t.db", "SELECT raw FROM frames ORDER BY id")] == [
        len(deep),
        len(long),
    ]


def test_what_a_failing_rule_says_is_not_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    from inspector.rules.topics.rpc.schema import Payload

    def fails(self: Payload, frame: Any) -> None:
        raise KeyError(frame.payload["value"])

    fails.rule, fails.listens = Payload.schema.rule, Payload.schema.listens  # type: ignore[attr-defined]
    monkeypatch.setattr(Payload, "schema", fails)
    sent, stored = plant(SECRETS["1.6 ChangeConfiguration"][2])
    record(tmp_path / "t.db", [(False, sent)])
    assert rows(tmp_path / "t.db", "SELECT raw FROM frames") == [(stored,)]
    assert "KeyError" in caplog.text
    assert "S3cr3t" not in caplog.text and b"S3cr3t" not in everything(tmp_path)


def test_stored_frames_are_still_json_with_the_same_shape(tmp_path: Path) -> None:
    for number, (subprotocol, up, text) in enumerate(SECRETS.values()):
        sent, _ = plant(text)
        try:
            before = orjson.loads(sent)
        except ValueError:
            continue
        path = tmp_path / f"{number}.db"
        record(path, [(up, sent)], subprotocol)
        ((raw,),) = rows(path, "SELECT raw FROM frames")
        assert shape(orjson.loads(raw)) == shape(before)


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shape(child) for name, child in value.items()}
    return [shape(child) for child in value] if isinstance(value, list) else type(value)


def test_a_frame_that_breaks_the_search_is_not_stored_and_breaks_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """A gap is better than storing a frame that was not searched for secrets."""
    from inspector.redaction.redactor import Redactor

    whole = Redactor.frame

    def breaks(self: Redactor, secrets: Any, frame: Any) -> bytes | None:
        if b"Geheim" in frame.raw:
            raise ValueError(frame.raw)
        return whole(self, secrets, frame)

    monkeypatch.setattr(Redactor, "frame", breaks)
    frames: list[tuple[bool, str | bytes]] = [(True, '[2,"1","Heartbeat",{"x":"Geheim"}]'), (True, "[2]")]
    record(tmp_path / "t.db", frames)
    assert rows(tmp_path / "t.db", "SELECT raw FROM frames") == [("[2]",)]
    assert rows(tmp_path / "t.db", "SELECT DISTINCT detail ->> '$.frames' FROM events WHERE kind = 'gap'") == [(1,)]
    assert "ValueError at" in caplog.text
    assert "Geheim" not in caplog.text and b"Geheim" not in everything(tmp_path)
