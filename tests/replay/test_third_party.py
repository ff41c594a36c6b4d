"""CSMSs by others accept our recorded session: they answer every CALL, and open and close the transaction."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from inspector.protocol.messages import CallResult
from inspector.replay.outcome import Outcome
from inspector.replay.runs import Choices, as_charge_point
from inspector.replay.text_report import excerpt
from tests.processes import Program
from tests.replay.parties import sessions

PEERS = Path(__file__).parents[1] / "peers"


async def played(program: Program) -> Outcome:
    """Start a program that is a CSMS, and play the recorded 1.6 session against it."""
    url = program.wait_for(r"listening on (ws://\S+)")[1]
    [script] = sessions("charging-1.6")
    return await as_charge_point(script, url, Choices(timeout_s=10))


def assert_every_call_answered(outcome: Outcome) -> None:
    """Fail unless each recorded CALLRESULT has a live counterpart."""
    assert outcome.failure is None, excerpt(outcome)
    for row in outcome.rows:
        if row.recorded is not None and isinstance(row.recorded.message, CallResult):
            assert row.live is not None and isinstance(row.live.message, CallResult), excerpt(outcome)


@pytest.mark.system
async def test_the_server_of_ocpp_rpc_opens_and_closes_the_transaction(npm_peers: Path) -> None:
    """Its transaction id differs from the recorded one, so the transaction closes only if the replay maps the id."""
    with Program(argv=["node", npm_peers / "transactions_csms.js"], cwd=npm_peers) as csms:
        outcome = await played(csms)
        assert csms.finish() == 0, csms.report()
        told = json.loads(csms.out[-1])
    assert_every_call_answered(outcome)
    assert outcome.equal, excerpt(outcome)
    assert told["failures"] == []
    [transaction] = told["transactions"]
    recorded = next(
        frame.payload["transactionId"]
        for frame in sessions("charging-1.6")[0].frames
        if "transactionId" in frame.payload
    )
    assert transaction["id"] != recorded
    assert (transaction["idTag"], transaction["meterStart"], transaction["meterStop"]) == ("CAFE0001", 1000, 1617)
    assert transaction["meterValues"] == 4


@pytest.mark.system
async def test_the_central_system_of_ocpp_csms_opens_and_closes_the_transaction() -> None:
    if importlib.util.find_spec("ocpp_csms") is None:
        pytest.skip("ocpp-csms is not installed: `pip install ocpp-csms`")
    with Program(argv=[sys.executable, PEERS / "ocpp_csms_1_6.py", "silent"]) as csms:
        outcome = await played(csms)
        assert csms.finish() == 0, csms.report()
        told = json.loads(csms.out[-1])
    assert_every_call_answered(outcome)
    events = told["events"]
    assert events.count("TransactionStartedEvent") == 1, events
    assert events.count("TransactionStoppedEvent") == 1, events
