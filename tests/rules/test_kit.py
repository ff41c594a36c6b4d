"""The rule kit, of which most rules are made, does what it promises."""

from __future__ import annotations

import pytest

from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.kit import IDS_LIMIT, PROMISES_LIMIT, Known
from inspector.rules.playback import play

ASKED = '< [2,"p","UsePriorityCharging",{"transactionId":"t1","activate":true}]\n'
ACCEPTED = '> [3,"p",{"status":"Accepted"}]\n'
NOTIFIED = '> [2,"n","NotifyPriorityCharging",{"transactionId":"%s","activated":true}]\n< [3,"n",{}]\n'


def found(script: str) -> list[str]:
    return [finding.rule_id for finding in play(script, OcppVersion.V21) if finding.rule_id == "priority.not-notified"]


@pytest.mark.parametrize(
    "kept",
    [
        ASKED + ACCEPTED + NOTIFIED % "t1",
        ASKED + NOTIFIED % "t1" + ACCEPTED,
        ASKED + '> [4,"p","NotSupported","",{}]\n',
        ASKED + '> [3,"p",{"status":"Rejected"}]\n',
        ASKED,
        ASKED + ACCEPTED + "close\n",
    ],
    ids=["after the answer", "before the answer", "an error", "refused", "unanswered", "connection lost"],
)
def test_a_promise_that_was_kept_or_not_made_is_not_broken(kept: str) -> None:
    assert found(kept + "+ 5m") == []


@pytest.mark.parametrize(
    "broken",
    [ASKED + ACCEPTED, ASKED + ACCEPTED + NOTIFIED % "t2", NOTIFIED % "t1" + ASKED + ACCEPTED],
    ids=["nothing", "another transaction", "before it was promised"],
)
def test_a_promise_is_kept_only_by_its_own_message_after_it_was_asked_for(broken: str) -> None:
    assert found(broken + "+ 5m") == ["priority.not-notified"]


def test_a_promise_is_reported_once_its_time_is_over_and_no_sooner() -> None:
    assert found(ASKED + ACCEPTED + "+ 119s") == []
    assert found(ASKED + ACCEPTED + "+ 121s") == ["priority.not-notified"]


def test_promises_beyond_the_limit_are_forgotten_oldest_first() -> None:
    """Memory stays bounded for a CSMS that requests reports without end."""
    lines = [
        (ASKED + ACCEPTED).replace('"p"', f'"p{number}"').replace('"t1"', f'"t{number}"')
        for number in range(PROMISES_LIMIT + 7)
    ]
    assert len(found("".join(lines) + "+ 5m")) == PROMISES_LIMIT


def test_known_ids_are_forgotten_beyond_the_limit_oldest_first() -> None:
    known: Known[int, None] = Known()
    for number in (*range(IDS_LIMIT), 0, IDS_LIMIT):
        known.note(number, None)
    assert len(known) == IDS_LIMIT and 0 in known and 1 not in known
