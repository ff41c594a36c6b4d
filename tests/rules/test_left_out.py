"""Checks that the judge skips as moot or dormant would have found nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings

from inspector.protocol.vocabulary import OcppVersion
from inspector.rules import judge
from inspector.rules.catalogue import listeners
from inspector.rules.playback import play
from tests.examples import examples
from tests.protocol.real_messages import REAL
from tests.rules.test_hostile import bent_sessions
from tests.rules.test_judge import CP, CSMS, Table

_BOOT_2X = b'[2,"%d","BootNotification",{"chargingStation":{"vendorName":"V","model":"M"},"reason":"PowerUp"}]'
BOOTS = {
    OcppVersion.V16: b'[2,"%d","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]',
    OcppVersion.V201: _BOOT_2X,
    OcppVersion.V21: _BOOT_2X,
}
ANSWER = b'[3,"%d",{"currentTime":"2026-01-01T12:00:00Z","interval":60,"status":"%s"}]'


@contextmanager
def nothing_left_out() -> Iterator[None]:
    """Make the judge call every check for its action, whoever sent the frame and whatever the state is."""

    def all_of(key: Any, version: Any, sender: Any = None) -> Any:
        return tuple((topic, name, rule, None) for topic, name, rule, _ in listeners(key, version))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judge, "listeners", all_of)
        yield


def restless(version: OcppVersion, seed: int) -> list[tuple[object, ...]]:
    """Return the findings about a charge point that boots repeatedly, is refused, triggered, and reconnects."""
    table, dice, seconds = Table(version), random.Random(f"{version} {seed}"), 0.0
    for number in range(1000, 1120):
        seconds += dice.choice((0.1, 0.5, 3, 20, 70))
        if dice.random() < 0.15:
            table.says(CP, BOOTS[version] % number, seconds)
            table.says(CSMS, ANSWER % (number, dice.choice((b"Accepted", b"Pending", b"Rejected"))), seconds + 0.1)
        elif dice.random() < 0.05:
            wanted = dice.choice(("Heartbeat", "StatusNotification", "BootNotification"))
            table.says(CSMS, f'[2,"{number}","TriggerMessage",{{"requestedMessage":"{wanted}"}}]'.encode(), seconds)
            table.says(CP, f'[3,"{number}",{{"status":"Accepted"}}]'.encode(), seconds + 0.1)
        elif dice.random() < 0.05:
            table.keep(table.session.closed(table.at(seconds), {"closed_by": "csms", "csms_close_code": 1000}))
            table.opens(seconds)
        else:
            table.says(dice.choice((CP, CP, CSMS)), dice.choice(REAL[version]), seconds)
    table.keep(table.session.closed(table.at(seconds + 1000)))
    return table.verdict()


@pytest.mark.system
@pytest.mark.parametrize("version", OcppVersion)
def test_checks_left_out_of_any_traffic_would_have_found_nothing(version: OcppVersion) -> None:
    rules = set()
    for seed in range(25):
        found = restless(version, seed)
        with nothing_left_out():
            assert restless(version, seed) == found
        rules |= {finding[0] for finding in found}
    assert {"boot.too-early", "boot.while-rejected", "boot.not-refused", "rpc.wrong-sender"} <= rules


@settings(max_examples=examples(150))
@given(bent_sessions())
def test_checks_left_out_of_a_case_would_have_found_nothing(session: tuple[OcppVersion, str]) -> None:
    version, script = session
    found = [str(finding) for finding in play(script, version)]
    with nothing_left_out():
        assert [str(finding) for finding in play(script, version)] == found
