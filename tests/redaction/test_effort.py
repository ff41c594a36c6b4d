"""If searching a frame takes too long, the part that was not searched is replaced by asterisks before it is stored."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.protocol.frame import Frame
from inspector.protocol.session import Session
from inspector.protocol.vocabulary import Direction
from inspector.redaction import effort
from inspector.redaction.effort import unsearched
from inspector.redaction.redactor import Redactor
from inspector.redaction.secrets import Secrets
from tests.database import rows
from tests.redaction.test_redaction import SECRET, SECRETS, everything, plant, record

ENTRY = '{"key":"HeartbeatInterval","readonly":false,"value":"http://host/path?x=1"}'
SECRET_ENTRY = '{"value":"geheim0011","readonly":false,"key":"AuthorizationKey"}'


def configuration(*entries: str) -> str:
    return f'[3,"1",{{"configurationKey":[{",".join(entries)}]}}]'


def stored(raw: bytes, version: str = "ocpp1.6") -> tuple[bytes, Frame]:
    frame = Session(version).frame(1, 1, 1, Direction.FROM_CHARGE_POINT, raw)
    hidden = Redactor().frame(Secrets(), frame)
    return raw if hidden is None else hidden, frame


@pytest.fixture
def large() -> str:
    return configuration(SECRET_ENTRY, *[ENTRY.replace("x=1", f"x={n}") for n in range(30_000)], SECRET_ENTRY)


def test_what_was_looked_at_is_stored_as_it_came_and_the_rest_starred_out(tmp_path: Path, large: str) -> None:
    record(tmp_path / "t.db", [(False, '[2,"1","GetConfiguration",{}]'), (True, large)])
    ((raw, redacted, size),) = rows(tmp_path / "t.db", "SELECT raw, redacted, size FROM frames WHERE id = 2")
    assert (redacted, size) == (1, len(large))
    assert raw.startswith('[3,"1",{"configurationKey":[{"value":"**********","readonly":false,"key":"Authori')
    assert len(raw) == len(large) and len(orjson.loads(raw)[2]["configurationKey"]) == 30_002
    assert ENTRY in raw and b"geheim" not in everything(tmp_path)
    ((detail,),) = rows(tmp_path / "t.db", "SELECT detail FROM events WHERE kind = 'framing' AND after_frame_id = 2")
    rest = json.loads(detail)["unsearched"]
    assert 0 < rest < len(large)
    assert set(raw[-rest:]) <= set('*9{}[]:,"') and "*" not in raw[200 : -rest - 200]


def test_the_same_of_a_frame_is_stored_wherever_it_is_recorded(large: str) -> None:
    assert stored(large.encode())[0] == stored(large.encode())[0]


def test_no_finding_quotes_what_nobody_has_looked_at(tmp_path: Path, large: str) -> None:
    odd = '{"value":{"geheim0022":"geheim0033"},"readonly":"geheim0044","key":"geheim0055"}'
    sent = large.replace(SECRET_ENTRY + "]", f'{odd}],"geheim0066":"geheim0077"')
    record(tmp_path / "t.db", [(False, '[2,"1","GetConfiguration",{}]'), (True, sent)])
    assert b"geheim" not in everything(tmp_path)


@pytest.mark.parametrize("case", SECRETS.values(), ids=SECRETS.keys())
def test_wherever_a_look_ends_no_secret_is_stored(case: tuple[str, bool, str], monkeypatch: pytest.MonkeyPatch) -> None:
    subprotocol, _, text = case
    sent, _ = plant(text)
    cut = 0
    for steps in (*range(0, 60, 4), *range(60, 600, 45)):
        monkeypatch.setattr(effort, "STEPS_LIMIT", steps)
        raw, frame = stored(sent.encode(), subprotocol)
        cut += bool(frame.notes)
        for secret in (SECRET[:6], "0011223344556677", "12345678901"):
            assert secret.encode() not in raw, steps
    assert cut


@pytest.mark.parametrize(
    "text",
    [
        "https://user:geheim0011@host/path and more of it",
        "Authorization: Basic Q1AxOmdlaGVpbTAwMTFnZWhlaW0wMDExZ2VoZWltMDAxMQ== and more",
        "<password>geheim0011 geheim0011 geheim0011 geheim0011</password> and more",
        "-----BEGIN PRIVATE KEY-----\ngeheim0011\ngeheim0011\n-----END PRIVATE KEY-----\n and more",
    ],
)
def test_a_look_that_ends_within_a_secret_s_form_hides_it_too(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for steps in range(0, 2 * len(text) + 2000, 19):
        monkeypatch.setattr(effort, "STEPS_LIMIT", steps)
        raw, _ = stored(("some words before it, " * 3 + text).encode())
        assert b"geheim" not in raw and b"dlaGVpb" not in raw, steps


@given(st.text(alphabet='{}[]:,"\\ ab1.e-tf*é\n', max_size=60))
def test_the_rest_says_nothing_and_is_as_long(rest: str) -> None:
    starred = unsearched(rest)
    assert len(starred.encode()) == len(rest.encode())
    assert set(starred) <= set('*9{}[]:,"\\ \t\r\n')


@given(
    st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text()), st.lists)
)
def test_the_rest_of_sound_json_is_sound(value: Any) -> None:
    text = json.dumps([value, {"a": value}])
    assert len(json.loads(unsearched(text))) == 2
    long = text[:-1] + ',""' * 120_000 + "]"
    assert len(json.loads(unsearched(long))) == 120_002


HOSTILE = {
    "many members": b'[2,"1","X",{%s"password":1}]' % (b'"a":1,' * 300_000),
    "many objects": b'[2,"1","X",{"a":[%s{"password":1}]}]' % (b"{}," * 500_000),
    "many secrets": b'[2,"1","X",{"a":[%s1]}]' % (b'{"password":"abc"},' * 100_000),
    "many assignments": b"password=abc; " * 140_000,
    "a long text": b'[2,"1","X",{"data":"password %s"}]' % (b"a://b " * 300_000),
    "many brackets": b"password" + b"[" * 2_000_000,
    "many quotes": b"password" + b'"' * 2_000_000,
    "many escapes": b'[2,"1","X",{"data":"password %s","x":"' % (rb"\"" * 1_000_000),
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_two_megabytes_take_no_more_than_their_share_of_time(raw: bytes) -> None:
    began = time.process_time()
    stored(raw)
    assert time.process_time() - began < 3


@pytest.mark.long
def test_thousands_of_cards_named_alike_keep_nobody_waiting() -> None:
    redactor = Redactor("personal", b"k" * 32)
    for number in range(20_000):
        redactor.personal.add(f"vehicle-{number:05d}", f"anon{number:012d}")
    raw = b'[2,"1","DataTransfer",{"idTag":"x","data":[%s"the VEHICLE-00007"]}]' % (b'"of a VEHICLE there",' * 2_000)
    frame = Session("ocpp1.6").frame(1, 1, 1, Direction.FROM_CHARGE_POINT, raw)
    began = time.process_time()
    found = redactor.frame(Secrets(), frame)
    assert time.process_time() - began < 3
    assert found is not None and b"00007" not in found and frame.notes
