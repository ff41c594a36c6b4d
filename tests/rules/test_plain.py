"""Checks that skip plain frames miss nothing: judged with every check, the same scripts have the same findings."""

from __future__ import annotations

import pytest

from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.rules import judge
from inspector.rules.catalogue import listeners
from inspector.rules.playback import play
from inspector.rules.rule import PLAIN
from tests.rules.test_cases import ALL_CASES, written

SCRIPTS = sorted(
    {(version, case["script"]) for _, version, case in ALL_CASES if '"MeterValuePeriodic"' in case["script"]}
)


@pytest.mark.parametrize(("version", "script"), [pytest.param(*one, id=str(n)) for n, one in enumerate(SCRIPTS)])
def test_every_check_finds_in_plain_frames_what_the_others_find(
    version: OcppVersion, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No check that is left out for plain frames would have found anything in them."""
    skipping = [written(finding) for finding in play(script, version)]
    monkeypatch.setattr(judge, "is_plain", lambda frame: False)
    assert [written(finding) for finding in play(script, version)] == skipping


@pytest.mark.parametrize("kind", ["call", "result"])
def test_plain_frames_call_fewer_checks(kind: str) -> None:
    """The checks that need no plain frames are not called for them; all others are, in the same order."""
    sender = Direction.FROM_CHARGE_POINT if kind == "call" else Direction.FROM_CSMS
    every = listeners((kind, "TransactionEvent"), OcppVersion.V201, sender)
    plain = listeners((PLAIN + kind, "TransactionEvent"), OcppVersion.V201, sender)
    assert plain == tuple(one for one in every if getattr(one[0], one[1]).plain)
    assert len(plain) < len(every)
