"""What the page believes of meters, statuses and charging profiles, asked in the browser that runs it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.browser

AC = {"kind": "ac", "maxPower": 7400, "phases": 1, "batteryWh": 60_000}
DC = {"kind": "dc", "maxPower": 150_000, "phases": 1, "batteryWh": 60_000}

MATRIX = {
    "Available": "Preparing Charging SuspendedEV SuspendedEVSE Reserved Unavailable Faulted",
    "Preparing": "Available Charging SuspendedEV SuspendedEVSE Finishing Faulted",
    "Charging": "Available SuspendedEV SuspendedEVSE Finishing Unavailable Faulted",
    "SuspendedEV": "Available Charging SuspendedEVSE Finishing Unavailable Faulted",
    "SuspendedEVSE": "Available Charging SuspendedEV Finishing Unavailable Faulted",
    "Finishing": "Available Preparing Unavailable Faulted",
    "Reserved": "Available Preparing Unavailable Faulted",
    "Unavailable": "Available Preparing Charging SuspendedEV SuspendedEVSE Faulted",
    "Faulted": "Available Preparing Charging SuspendedEV SuspendedEVSE Finishing Reserved Unavailable",
}
"""OCPP 1.6 section 4.9, written down here once more."""


@pytest.fixture
def model(page: Page, saved_page: str) -> Page:
    page.goto(saved_page)
    return page


def test_status_goes_from_any_to_any_by_allowed_changes_only(model: Page) -> None:
    """From every status to every other: the steps told are the matrix's, and the last is where it goes."""
    names = list(MATRIX)
    paths = model.evaluate("(names) => names.map((from) => names.map((to) => statusPath(from, to)))", names)
    for start, row in zip(names, paths, strict=True):
        for end, path in zip(names, row, strict=True):
            assert path[-1:] == ([] if start == end else [end])
            for before, after in zip([start, *path], path, strict=False):
                assert after in MATRIX[before].split(), (start, end, path)


def flow(
    model: Page, supply: dict[str, Any], soc: float, seconds: int, target: float | None = None
) -> list[list[float]]:
    """[power W, register Wh, state of charge] after each second."""
    found: list[list[float]] = model.evaluate(
        """([supply, soc, seconds, target]) => {
          const meter = new Meter(1000);
          meter.soc = soc;
          return Array.from({ length: seconds }, () => {
            meter.advance(1, target ?? meter.demand(supply), supply);
            return [meter.power, meter.register, meter.soc];
          });
        }""",
        [supply, soc, seconds, target],
    )
    return found


def test_power_rises_holds_and_falls_at_once(model: Page) -> None:
    """7.4 kW within six seconds, then held; an hour of it is 7.4 kWh; a limit counts from the next second."""
    powers = [power for power, _, _ in flow(model, AC, 30, 3600)]
    assert powers[0] < powers[2] < powers[4] and powers[6:] == [7400] * len(powers[6:])
    assert flow(model, AC, 30, 3600)[-1][1] - 1000 == pytest.approx(7400, rel=0.01)
    assert flow(model, AC, 30, 1, target=0)[0][0] == 0


def test_dc_power_falls_as_the_battery_fills(model: Page) -> None:
    """Full power below 55 %, less and less above, next to nothing at the end; never more than asked for."""
    at = {soc: flow(model, DC, soc, 60)[-1][0] for soc in (30, 60, 80, 95)}
    assert at[30] == 150_000
    assert at[30] > at[60] > at[80] > at[95] > 0
    powers = [power for power, _, _ in flow(model, DC, 20, 3600)]
    assert max(powers) <= 150_000 and powers[-1] < 20_000
    registers = [register for _, register, _ in flow(model, DC, 20, 3600)]
    assert registers == sorted(registers)


T0 = 1_700_000_000_000
DAY = 86_400_000


def limit(model: Page, profiles: list[dict[str, Any]], at: int, connector: int = 1, sharers: int = 1) -> float | None:
    """The composite limit in watts `at` ms after T0, for a session begun at T0; None without one."""
    found = model.evaluate(
        """([profiles, at, connector, sharers, supply, t0]) => {
          const all = new Profiles();
          for (const { target, ...profile } of profiles) all.install(readProfile(profile, target));
          const limit = all.limit(connector, t0 + at, { transactionId: 7, startedAt: t0 }, supply, sharers);
          return Number.isFinite(limit) ? limit : null;
        }""",
        [profiles, at, connector, sharers, AC, T0],
    )
    return None if found is None else float(found)


def profile(number: int, purpose: str, periods: list[tuple[int, float]], **more: Any) -> dict[str, Any]:
    schedule = {
        "chargingRateUnit": more.pop("unit", "W"),
        "chargingSchedulePeriod": [{"startPeriod": start, "limit": watts} for start, watts in periods],
        **({"duration": more.pop("duration")} if "duration" in more else {}),
        **({"startSchedule": more.pop("start")} if "start" in more else {}),
    }
    return {
        "chargingProfileId": number,
        "stackLevel": more.pop("stack", 0),
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": more.pop("kind", "Relative"),
        "target": more.pop("target", 0),
        "chargingSchedule": schedule,
        **more,
    }


START = "2023-11-14T22:13:20Z"
"""T0 as a date-time."""


def test_the_higher_stack_leads_until_it_says_nothing(model: Page) -> None:
    low = profile(1, "TxDefaultProfile", [(0, 5000)])
    high = profile(2, "TxDefaultProfile", [(0, 3000), (60, 2000)], stack=3, duration=120)
    assert [limit(model, [low, high], at * 1000) for at in (0, 59, 60, 119, 120)] == [3000, 3000, 2000, 2000, 5000]


def test_a_profile_of_the_session_replaces_the_default_and_the_station_caps_both(model: Page) -> None:
    usual = profile(1, "TxDefaultProfile", [(0, 3000)])
    own = profile(2, "TxProfile", [(0, 6000)], target=1, transactionId=7)
    other = profile(3, "TxProfile", [(0, 1000)], target=1, transactionId=8, stack=5)
    cap = profile(4, "ChargePointMaxProfile", [(0, 8000)], kind="Absolute", start=START)
    assert limit(model, [usual, own, other], 0) == 6000
    assert limit(model, [usual], 0, connector=2) == 3000
    assert limit(model, [usual, own, cap], 0, sharers=2) == 4000
    assert limit(model, [], 0) is None


def test_recurring_profiles_begin_anew_and_amperes_count_by_phase(model: Page) -> None:
    nightly = profile(1, "TxDefaultProfile", [(0, 10), (3600, 6)], unit="A", kind="Recurring", recurrencyKind="Daily")
    nightly["chargingSchedule"]["startSchedule"] = START
    assert [limit(model, [nightly], at) for at in (0, 3_600_000, DAY, DAY * 9 + 3_600_000)] == [2300, 1380, 2300, 1380]
    valid = profile(
        2, "TxDefaultProfile", [(0, 1000)], validFrom="2023-11-14T22:14:20Z", validTo="2023-11-14T22:15:20Z"
    )
    assert [limit(model, [valid], at * 1000) for at in (59, 60, 119, 120)] == [None, 1000, 1000, None]
