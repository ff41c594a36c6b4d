"""The file a CSMS starts from: what it sets and how it complains."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from csms.central_system import CentralSystem
from csms.configuration import load
from csms.errors import CsmsMistake
from tests.csms.peer import connected

GOOD = """
[charge_points.CHARGER-001]
password = "0123456789abcdef"
boot = "Pending"

[tokens."04A2B3"]
status = "Blocked"

[tokens.ONCE]
concurrent = false
expires = 2020-01-01T00:00:00Z

[[misbehaviours]]
charge_point = "CHARGER-002"
action = "Heartbeat"
what = "error"
code = "GenericError"
"""


async def test_charge_points_tokens_and_misbehaviours_come_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bench.toml"
    path.write_text(GOOD)
    csms = CentralSystem(configuration=load(path))
    async with csms.listening("127.0.0.1", 0) as address:
        async with connected(address, "1.6", boot=False) as charge_point:
            assert (await charge_point.boot())["status"] == "Pending"
        async with connected(address, "1.6", "CHARGER-002") as charge_point:
            assert (await charge_point.ask([2, "a", "Heartbeat", {}]))[2] == "GenericError"
            blocked = await charge_point.call("Authorize", {"idTag": "04a2b3"})
            expired = await charge_point.call("Authorize", {"idTag": "ONCE"})
    assert blocked["idTagInfo"]["status"] == "Blocked"
    assert expired["idTagInfo"]["status"] == "Expired"
    row = csms.store.charge_point("CHARGER-001")
    assert row is not None and "0123456789abcdef" not in str(row)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("not toml", "bench.toml"),
        ("[unknown]", "unknown"),
        ("tokens = 5", "tokens"),
        ("[charge_points]\nA = 5", "charge_points.A"),
        ("[charge_points.A]\nboot = 'Maybe'", "charge_points.A.*Maybe"),
        ("[charge_points.A]\npasword = 'x'", "pasword"),
        ("[tokens.A]\nstatus = 'Fine'", "tokens.A.*Fine"),
        ("[tokens.A]\nexpires = 'soon'", "expires"),
        ("[tokens.A]\nexpires = 0001-01-01T00:00:00+23:00", "expires"),
        ("[tokens.'']", "1 to 255"),
        ("[charge_points.'']", "1 to 255"),
        ('[charge_points."a\\n"]', "1 to 255"),
        ("[[misbehaviours]]\nwhat = 'delay'", "number 1.*seconds"),
        ("[[misbehaviours]]\nwhat = ['delay']", "number 1.*what"),
        ("tokens = " + "[" * 5000 + "]" * 5000, "bench.toml"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, wrong: str) -> None:
    path = tmp_path / "bench.toml"
    path.write_text(text)
    with pytest.raises(CsmsMistake, match=wrong):
        load(path)


def test_an_expiry_without_an_offset_is_utc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the API, whatever this machine's time zone is."""
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    path = tmp_path / "bench.toml"
    path.write_text("[tokens.A]\nexpires = 2027-01-31T00:00:00")
    try:
        assert load(path).tokens["A"]["expires"] == "2027-01-31T00:00:00.000Z"
    finally:
        monkeypatch.undo()
        time.tzset()
