"""The search for secrets takes at most linear time, whatever a peer sends."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from inspector.protocol.messages import CallError
from inspector.protocol.session import Session
from inspector.protocol.vocabulary import Direction
from inspector.redaction.redactor import Redactor
from inspector.redaction.secrets import Personal, Secrets, sentence_spans
from tests.growth import measured

KEY = b"k" * 32
KNOWN = ("a" * 4000, "ab" * 2000, "S3cret-0011")


def stored(raw: bytes, level: str = "personal") -> bytes | None:
    """Return the text that a recorder with some known secrets would store for a frame."""
    redaction, secrets = Redactor(level, KEY), Secrets()
    secrets.add(KNOWN)
    frame = Session("ocpp2.0.1").frame(1, 1, 1, Direction.FROM_CHARGE_POINT, raw)
    assert not isinstance(frame.message, CallError)
    return redaction.frame(secrets, frame)


def within(unit: str, closed: str = "") -> Callable[[int], bytes]:
    innermost = "1" if "geheim" in unit else '"geheim"'
    start = '[2,"1","DataTransfer",{"vendorId":"v","data":'
    return lambda size: f"{start}{unit * size}{innermost}{closed * size}}}]".encode()


def text(unit: str, end: str = '"}]') -> Callable[[int], bytes]:
    return lambda size: f'[2,"1","DataTransfer",{{"vendorId":"v","data":"password {unit * size}{end}'.encode()


HOSTILE: dict[str, tuple[Callable[[int], bytes], int]] = {
    "quotes, the last one cut off within an escape": (text(r"\"", "\\"), 5_000),
    "a text of quotes that ends in a backslash": (lambda size: rb"password" + rb"\"" * size + b"\\", 5_000),
    "JSON in a string, cut off within an escape": (text(r"{\"a\":\"b\"},", "\\"), 1_000),
    "a password within a password": (within('{"password":', "}"), 1_500),
    "a password's list within its list": (within('{"password":[', "]}"), 1_500),
    "the value of a variable in that of another": (within('{"key":"AuthorizationKey","value":', "}"), 1_500),
    "the value of a personal variable in that of another": (within('{"key":"VIN","value":', "}"), 1_500),
    "attributes within attributes": (
        within('{"variable":{"name":"AdminPassword"},"variableAttribute":[{"value":"geheim"},', "]}"),
        250,
    ),
    "one variable named again and again": (
        lambda size: f'[2,"1","X",{{"key":["VpnKey"{',"VpnKey"' * size}],"value":["geheim"{",1" * size}]}}]'.encode(),
        1_000,
    ),
    "a known secret of one letter, over and over": (text("a"), 20_000),
    "a known secret of two letters, over and over": (text("ab"), 10_000),
    "new passwords one after the other": (
        lambda size: text(" ".join(f"password=x{number:06d}" for number in range(size)))(1),
        250,
    ),
}


@pytest.mark.parametrize(("make", "size"), HOSTILE.values(), ids=HOSTILE.keys())
def test_the_time_grows_no_faster_than_the_frame(make: Callable[[int], bytes], size: int) -> None:
    growth = measured(make, stored, size)
    assert not growth.too_fast, growth


@pytest.mark.parametrize("sentence", ["'", "\\'", 'a"', '\\"', "'\"", "\\'\\\"\\\\"])
def test_a_sentence_with_quotes_that_nothing_closes_takes_no_longer(sentence: str) -> None:
    secrets, personal = Secrets(), Personal()
    secrets.add(["S3cret-0011"])
    growth = measured(
        lambda size: f"it's {sentence * size}", lambda made: list(sentence_spans(made, secrets, personal)), 5_000
    )
    assert not growth.too_fast, growth


def test_an_apostrophe_before_a_quoted_secret_hides_it_from_nobody() -> None:
    secrets, personal = Secrets(), Personal()
    secrets.add(["abc"])
    said = 'the charge point\'s key "abc" is known'
    assert said[slice(*next(sentence_spans(said, secrets, personal))[:2])] == "abc"


@pytest.mark.parametrize("name", [name for name, (make, _) in HOSTILE.items() if b"geheim" in make(1)])
def test_however_deep_a_value_is_within_others_it_is_hidden(name: str) -> None:
    make, _ = HOSTILE[name]
    found = stored(make(30))
    assert found is not None and b"geheim" not in found


def test_where_a_secret_is_in_a_text_full_of_escapes_is_found_in_little_memory() -> None:
    raw = text(r"\"\u00e9", ' password=geheim0011"}]')(10_000)
    tracemalloc.start()
    try:
        found = stored(raw)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Quoted text after the word password counts as a password too.
    assert found == raw.replace(b"geheim0011", b"*" * 10).replace(b'password \\"\\u00e9', b'password \\"*')
    assert peak < 30 * len(raw)
