"""The headless charge point answers every CALL of the reference CSMS."""

from __future__ import annotations

import asyncio

import pytest

from csms import actions, schemas
from csms.central_system import CentralSystem
from csms.operator_api import examples
from simulator import charge_point as simulated

# These end the connection, so they come last.
LAST = {"Reset": 1, "UpdateFirmware": 1, "SignedUpdateFirmware": 1}


@pytest.mark.parametrize("version", schemas.VERSIONS)
async def test_every_call_of_the_csms_gets_an_answer_that_fits(csms: CentralSystem, version: schemas.Version) -> None:
    """Over one connection, each CALL with all optional members gets a CALLRESULT that fits its schema."""
    identity = simulated.Identity(url=csms.address, id="CP-1", connectors=2, speed=3000, timeout=5)
    station = simulated.make(version, identity)
    await station.power_on()
    outcomes = {}
    for action in sorted(actions.from_csms(version), key=lambda name: (LAST.get(name, 0), name)):
        schema = schemas.schema(version, action, "request")
        assert schema is not None
        async with asyncio.timeout(20):
            await station.online.wait()
            outcomes[action] = await csms.connections["CP-1"].send_call(action, examples.example(schema, optional=True))
    assert {a: o for a, o in outcomes.items() if o.kind != "CALLRESULT" or o.error_code} == {}
    await station.power_off()
    assert station.failures == []
    assert set(outcomes) == actions.from_csms(version) == set(station.answering.routes)
