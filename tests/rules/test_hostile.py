"""Whatever a charge point sends, no rule raises, and memory stays bounded."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.rules.context import Moment
from inspector.rules.judge import Judge
from inspector.rules.playback import play
from inspector.rules.state import transactions_v2x, transactions_v16
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.state.transactions_v16 import Transactions16
from inspector.rules.station import Station
from tests.examples import examples
from tests.protocol.strategies import any_json

CASES = Path(__file__).parent / "cases"
START_NS = 1_767_268_800 * 10**9
_SCRIPTS = [
    (version, case["script"].strip().splitlines())
    for path in sorted(CASES.glob("*.toml"))
    for case in tomllib.loads(path.read_text())["case"]
    for version in [OcppVersion(v) for v in case.get("versions") or [case.get("version", "1.6")]]
]
_TELLING = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        2**31 - 1,
        2**63,
        1.5,
        "",
        "T",
        "t1",
        "1970-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        [],
        {},
        [{}],
    ]
)


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, inner in below for place in _places(inner, (*at, key)))]


@st.composite
def bent_sessions(draw: st.DrawFn) -> tuple[OcppVersion, str]:
    """Make a case with some values of its frames changed or removed."""
    version, script = draw(st.sampled_from(_SCRIPTS))
    lines = list(script)
    frames = [i for i, line in enumerate(lines) if line[:2] in ("> ", "< ") and line[2:3] == "["]
    for _ in range(draw(st.integers(1, 4)) if frames else 0):
        number = draw(st.sampled_from(frames))
        try:
            array = json.loads(lines[number][2:])
        except ValueError:
            continue
        *way, last = draw(st.sampled_from([place for place in _places(array) if len(place) > 1] or [(2,)]))
        inner = array
        for step in way:
            inner = inner[step]
        try:
            inner[last] = draw(_TELLING | any_json)
        except IndexError:
            continue
        lines[number] = lines[number][:2] + json.dumps(array).encode("utf-8", "replace").decode()
    if draw(st.booleans()):
        lines.insert(draw(st.integers(0, len(lines))), "+ 1h")
    return version, "\n".join(lines)


@pytest.mark.system
@settings(max_examples=examples(400))
@given(bent_sessions())
def test_a_session_with_senseless_values_is_judged_to_its_end(session: tuple[OcppVersion, str]) -> None:
    """No value, of whatever type, in whatever place of a payload makes a rule raise."""
    version, script = session
    play(script, version)


def _flood(version: OcppVersion, calls: list[tuple[str, dict[str, Any], dict[str, Any]]]) -> Station:
    judge = Judge()
    session = judge.open({"charge_point_id": "CP1", "subprotocol": version.subprotocol}, Moment(START_NS, START_NS))
    session.opened()
    for i, (action, payload, answer) in enumerate(calls, 1):
        now = START_NS + i * 10**6
        sent = json.dumps([2, str(i), action, payload]).encode()
        session.frame(session.protocol.frame(2 * i - 1, now, now, Direction.FROM_CHARGE_POINT, sent))
        told = json.dumps([3, str(i), answer]).encode()
        session.frame(session.protocol.frame(2 * i, now, now, Direction.FROM_CSMS, told))
    return session.station


@pytest.mark.parametrize("version", [OcppVersion.V16, OcppVersion.V201], ids=str)
def test_transactions_that_never_end_are_forgotten_beyond_the_documented_limit(version: OcppVersion) -> None:
    """Memory stays bounded for a charge point that starts transactions and never ends them."""
    at = "2026-01-01T12:00:00Z"
    count = transactions_v16.TRANSACTIONS_LIMIT + 500
    if version is OcppVersion.V16:
        station = _flood(
            version,
            [
                (
                    "StartTransaction",
                    {"connectorId": i, "idTag": f"T{i}", "meterStart": i, "timestamp": at},
                    {"transactionId": i, "idTagInfo": {"status": "Accepted"}},
                )
                for i in range(count)
            ],
        )
        of_16 = station.topic(Transactions16)
        assert len(of_16.by_id) == len(of_16.open_transactions()) == transactions_v16.TRANSACTIONS_LIMIT
    else:
        event = {"eventType": "Started", "timestamp": at, "triggerReason": "CablePluggedIn", "seqNo": 0}
        station = _flood(
            version,
            [
                ("TransactionEvent", {**event, "evse": {"id": i}, "transactionInfo": {"transactionId": f"t{i}"}}, {})
                for i in range(count)
            ],
        )
        of_2x = station.topic(Transactions2x)
        assert len(of_2x.by_id) == len(of_2x.open_transactions()) == transactions_v2x.TRANSACTIONS_LIMIT
