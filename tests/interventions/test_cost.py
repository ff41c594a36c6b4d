"""Sessions with interventions cost at most twice the processor time of a relay, and others nothing more."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from bench import interventions
from bench.processes import Measured, free_port

TRAFFIC = Path(interventions.__file__).parent / "traffic.py"
NOISE = 1.15


@pytest.mark.long
@pytest.mark.alone
@pytest.mark.skipif(sys.platform != "linux", reason="the measurement reads /proc")
def test_a_rule_that_never_fires_at_most_doubles_the_cost_of_a_relay() -> None:
    port = free_port()
    with Measured([sys.executable, str(TRAFFIC), "csms", str(port)], port):
        table = interventions.table(port, rounds=3, seconds=2)
    _, elsewhere, rule = map(float, re.findall(r"\| (\d+\.\d\d) \|$", table, re.MULTILINE))
    assert elsewhere <= NOISE and rule <= 2 * NOISE, table
