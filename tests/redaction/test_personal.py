"""Personal values become pseudonyms: valid in their place, unreadable, and equal for equal values."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector import records
from inspector.errors import UnusableFile
from inspector.protocol import schemas
from inspector.protocol.frame import Frame
from inspector.protocol.session import Session
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.recorder.start import start_recorder
from inspector.recorder.worker.supervisor import SupervisedRecorder
from inspector.redaction.pseudonyms import LENGTH, Pseudonyms, default_path, read_key
from inspector.redaction.redactor import Redactor
from inspector.redaction.sensitive_names import PERSONAL
from tests.database import rows
from tests.forked import chargesentinel
from tests.redaction.test_redaction import everything, record

KEY = b"0123456789abcdef0123456789abcdef"
NAMES = Pseudonyms(KEY)


@given(st.text(min_size=1, max_size=60))
def test_a_pseudonym_fits_is_stable_and_is_known_again(value: str) -> None:
    made = NAMES.of(value)
    assert len(made) == max(len(value), LENGTH)
    assert re.fullmatch(r"anon[a-z2-7]{12}\**", made)
    assert Pseudonyms(KEY).of(value) == made == NAMES.of(made)
    assert Pseudonyms(KEY[::-1]).of(value) != made


@given(st.integers(min_value=0, max_value=2**63))
def test_a_number_becomes_a_number_that_json_readers_keep(number: int) -> None:
    made = NAMES.of_number(str(number))
    assert len(made) == 15 and int(made) < 2**53
    assert NAMES.of_number(made) == made


def test_upper_and_lower_case_are_one_card_and_others_are_not() -> None:
    assert NAMES.of("04AB99") == NAMES.of("04ab99") != NAMES.of("04AB98")
    assert len({NAMES.of(f"{number:08X}") for number in range(20_000)}) == 20_000


def test_a_pseudonym_fits_wherever_a_personal_member_may_stand() -> None:
    """In all versions, every member for personal values may be as long as a pseudonym."""
    import importlib.util

    spec = importlib.util.find_spec("ocpp")
    assert spec is not None and spec.submodule_search_locations
    members = {name.rpartition("/")[2].strip("*").lower() for name in PERSONAL}
    seen: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            for name, schema in (node.get("properties") or {}).items():
                if isinstance(schema, dict) and schema.get("type") == "string" and name.lower() in members:
                    seen.add(name)
                    assert schema.get("maxLength", LENGTH) >= LENGTH, name
                    assert "enum" not in schema, name
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    for file in Path(spec.submodule_search_locations[0]).glob("v*/schemas/*.json"):
        walk(json.loads(file.read_text(encoding="utf-8-sig")))
    assert {"idTag", "idToken", "iccid", "imsi", "customerIdentifier", "vatNumber", "content"} <= seen


VALID = (
    ("1.6", "Authorize", '{"idTag":"§"}', 20),
    ("1.6", "BootNotification", '{"chargePointVendor":"v","chargePointModel":"m","iccid":"§","imsi":"§"}', 20),
    ("2.0.1", "Authorize", '{"idToken":{"idToken":"§","type":"ISO14443"}}', 36),
    ("2.1", "VatNumberValidation", '{"vatNumber":"§"}', 20),
)


@given(st.sampled_from(VALID), st.text(min_size=1, max_size=36))
def test_a_valid_frame_stays_valid_and_keeps_all_but_its_values(case: tuple[str, str, str, int], value: str) -> None:
    version, action, payload, longest = case
    quoted = json.dumps(value[:longest], ensure_ascii=True)[1:-1]
    raw = f'[2,"id-1","{action}",{payload.replace("§", quoted)}]'.encode()
    redaction = Redactor("personal", KEY)
    stored = redaction.frame(redaction.secrets_of("CP1"), frame_of(raw, version))
    if value.strip("*") == "":
        return
    assert stored is not None
    pseudonym = NAMES.of(value[:longest])
    assert stored.decode() == f'[2,"id-1","{action}",{payload.replace("§", pseudonym)}]'
    compiled = schemas.validator(OcppVersion(version), action, "request")
    assert compiled is not None and compiled.is_valid(json.loads(stored)[3])


def test_the_company_of_a_vat_number_is_hidden_as_the_number_is() -> None:
    redaction = Redactor("personal", KEY)
    session = Session(version=OcppVersion.V21)
    session.frame(1, 1, 1, Direction.FROM_CHARGE_POINT, b'[2,"1","VatNumberValidation",{"vatNumber":"DE123"}]')
    company = {"name": "Ada Ltd", "address1": "1 Row", "address2": "2nd", "city": "Bath", "postalCode": "BA1"}
    answer = {"vatNumber": "DE123", "status": "Accepted", "company": {**company, "country": "GB"}}
    raw = json.dumps([3, "1", answer]).encode()
    stored = redaction.frame(redaction.secrets_of("CP1"), session.frame(2, 2, 2, Direction.FROM_CSMS, raw))
    assert stored is not None and b'"country": "GB"' in stored
    assert [value for value in (*company.values(), "DE123") if value.encode() in stored] == []
    compiled = schemas.validator(OcppVersion.V21, "VatNumberValidation", "response")
    assert compiled is not None and compiled.is_valid(json.loads(stored)[2])


def frame_of(raw: bytes, version: str = "1.6") -> Frame:
    return Session(version=OcppVersion(version)).frame(1, 1, 1, Direction.FROM_CHARGE_POINT, raw)


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_nothing_a_peer_sends_breaks_the_search(noise: bytes) -> None:
    redaction = Redactor("personal", KEY)
    for raw in (noise, b'[2,"1","Authorize",{"idTag":"' + noise, b'{"password":' + noise + b',"idTag":"A"}'):
        redaction.frame(redaction.secrets_of(""), frame_of(raw))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=12),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["idTag", "password", "key", "value", "x", "idToken", "type"]), inner)
        ),
        max_leaves=20,
    )
)
def test_what_was_json_stays_json_of_the_same_shape(payload: Any) -> None:
    raw = json.dumps([2, "1", "DataTransfer", payload]).encode()
    redaction = Redactor("personal", KEY)
    stored = redaction.frame(redaction.secrets_of(""), frame_of(raw))
    if stored is not None:
        assert shape(json.loads(stored)) == shape(json.loads(raw))


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shape(child) for name, child in value.items()}
    if isinstance(value, list):
        return [shape(child) for child in value]
    return "number" if type(value) in (int, float) else type(value).__name__


CHARGING: list[tuple[bool, str | bytes]] = [
    (True, '[2,"1","Authorize",{"idTag":"04AB99CD"}]'),
    (False, '[3,"1",{"idTagInfo":{"status":"Accepted","parentIdTag":"FLEET-77"}}]'),
    (
        True,
        '[2,"2","StartTransaction",{"connectorId":1,"idTag":"04ab99cd","meterStart":0,'
        '"timestamp":"2026-01-01T00:00:00Z"}]',
    ),
    (False, '[3,"2",{"transactionId":7,"idTagInfo":{"status":"Accepted"}}]'),
]


def test_derived_rows_are_those_that_rebuild_derives(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    record(path, CHARGING, level="personal", key=KEY)
    before = rows(path, "SELECT * FROM transactions")
    assert before[0][6] == NAMES.of("04AB99CD")
    done = chargesentinel("rebuild", path)
    assert done.returncode == 0, done.stderr
    assert rows(path, "SELECT * FROM transactions") == before


async def test_a_recorder_that_was_killed_goes_on_without_false_findings(tmp_path: Path) -> None:
    """The next recorder reads the stored pseudonyms, so that the same card is the same card to the rules."""
    import asyncio
    import signal

    path = tmp_path / "t.db"
    recorder = start_recorder(path, holder="test", redaction={"level": "personal", "key": KEY}, own_process=True)
    assert isinstance(recorder, SupervisedRecorder)
    recorder.put(records.OpenRecord(1, 1, 1, {"charge_point_id": "CP1", "subprotocol": "ocpp1.6"}))
    for number, (up, raw) in enumerate(CHARGING[:2], 2):
        assert isinstance(raw, str)
        recorder.put(records.FrameRecord(1, number, number, up, records.TEXT, raw.encode()))
    while recorder.waiting:
        await asyncio.sleep(0.01)
    first = recorder.pid
    os.kill(first, signal.SIGKILL)
    while recorder.pid == first or not recorder.status().working:
        await asyncio.sleep(0.01)
    for number, (up, raw) in enumerate(CHARGING[2:], 10):
        assert isinstance(raw, str)
        recorder.put(records.FrameRecord(1, number, number, up, records.TEXT, raw.encode()))
    recorder.close()
    assert rows(path, "SELECT count(*) FROM frames") == [(4,)]
    assert rows(path, "SELECT id_token FROM transactions") == [(NAMES.of("04AB99CD"),)]
    assert rows(path, "SELECT rule_id FROM findings WHERE rule_id LIKE '%authorized%'") == []
    assert b"04AB99CD" not in everything(tmp_path).upper()


def test_a_recording_says_which_key_it_was_hidden_with_and_never_the_key(tmp_path: Path) -> None:
    record(tmp_path / "t.db", CHARGING, level="personal", key=KEY)
    ((config,),) = rows(tmp_path / "t.db", "SELECT config FROM recordings")
    assert json.loads(config) == {"redact": "personal", "redact_key": NAMES.key_name}
    for form in (KEY, KEY.hex().encode()):
        assert form not in everything(tmp_path)


def test_tags_without_digits_do_not_touch_the_words_of_ocpp(tmp_path: Path) -> None:
    frames: list[tuple[bool, str | bytes]] = [
        (True, '[2,"1","Authorize",{"idTag":"Accepted"}]'),
        (False, '[3,"1",{"idTagInfo":{"status":"Accepted"}}]'),
        (True, '[2,"2","Authorize",{"idTag":"123456"}]'),
        (
            True,
            '[2,"3","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-01-01T00:00:00Z",'
            '"sampledValue":[{"value":"123456"}]}]}]',
        ),
    ]
    record(tmp_path / "t.db", frames, level="personal", key=KEY)
    stored = [raw for (raw,) in rows(tmp_path / "t.db", "SELECT raw FROM frames ORDER BY id")]
    assert stored[1] == frames[1][1] and stored[3] == frames[3][1]
    assert NAMES.of("Accepted") in stored[0] and NAMES.of("123456") in stored[2]


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    first = read_key()
    assert first.path == default_path() == tmp_path / "state" / "chargesentinel" / "pseudonym.key"
    assert first.made and first.path.stat().st_mode & 0o777 == 0o600 and not first.readable_by_others
    again = read_key()
    assert again.key == first.key and not again.made
    assert list(first.path.parent.iterdir()) == [first.path]


def test_a_file_that_holds_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("hunter2\n")
    with pytest.raises(UnusableFile, match="has 7 characters; a key needs at least 32"):
        read_key(tmp_path / "short")
    with pytest.raises(UnusableFile, match="no key for pseudonyms"):
        read_key(tmp_path)
