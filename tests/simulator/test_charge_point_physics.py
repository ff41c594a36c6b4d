"""Power, energy, state of charge, statuses, limits and lists of a charge point without a connection."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.charging.connector import ALL, MATRIX, Connector, ImpossibleStatus
from simulator.charging.meter import Meter
from simulator.charging.profiles import Profile, ProfileBook, objection
from simulator.charging.reservations import Reservation, ReservationBook
from simulator.charging.tokens import TokenBook, Verdict, when
from simulator.charging.vehicle import Vehicle
from simulator.settings import Settings

# --- power and energy --------------------------------------------------------------------------------------------


def test_ac_charges_at_full_power_until_nearly_full() -> None:
    meter, car = Meter(register_wh=0), Vehicle()
    meter.run(3600, car, 7_400)
    assert meter.reading(car).energy_wh == 7_400
    assert meter.reading(car).power_w == 7_400
    assert car.soc == pytest.approx(40 + 100 * 7_400 / 52_000)


def test_dc_tapers_towards_full() -> None:
    car = Vehicle(capacity_wh=60_000, charge_wh=6_000, max_power_w=50_000, direct_current=True)
    demands = []
    for soc in (10, 50, 65, 80, 90, 99):
        car.charge_wh = car.capacity_wh * soc / 100
        demands.append(car.demand_w())
    assert demands == sorted(demands, reverse=True)
    assert demands[0] == 50_000
    assert demands[3] == pytest.approx(10_000)


@pytest.mark.parametrize("direct_current", [False, True])
def test_a_full_battery_takes_nothing_more(direct_current: bool) -> None:
    meter, car = Meter(register_wh=0), Vehicle(direct_current=direct_current)
    meter.run(100 * 3600, car, 50_000)
    assert car.soc == pytest.approx(100, abs=0.5)
    assert meter.reading(car).energy_wh == pytest.approx(52_000 * 0.6, rel=0.01)


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 60_000)), max_size=20), st.booleans())
def test_the_register_is_the_integral_of_power_and_never_falls(
    stretches: list[tuple[float, float]], direct_current: bool
) -> None:
    meter, car = Meter(register_wh=0), Vehicle(max_power_w=50_000, direct_current=direct_current)
    before, charged = 0.0, car.charge_wh
    for seconds, limit in stretches:
        meter.run(seconds, car, limit)
        assert before <= meter.register_wh <= before + limit * seconds / 3600 + 1e-6
        before = meter.register_wh
    assert car.soc <= 100
    assert car.charge_wh - charged <= meter.register_wh + 1e-6


# --- statuses ----------------------------------------------------------------------------------------------------


def test_the_status_matrix_is_that_of_the_specification() -> None:
    """The test has its own copy of the table in OCPP 1.6 edition 2, section 4.9."""
    never = {
        "Available": "Finishing",
        "Preparing": "Reserved Unavailable",
        "Charging": "Preparing Reserved",
        "SuspendedEV": "Preparing Reserved",
        "SuspendedEVSE": "Preparing Reserved",
        "Finishing": "Charging SuspendedEV SuspendedEVSE Reserved",
        "Reserved": "Charging SuspendedEV SuspendedEVSE Finishing",
        "Unavailable": "Finishing Reserved",
        "Faulted": "",
    }
    for status, forbidden in never.items():
        assert ALL - MATRIX[status] - {status} == set(forbidden.split()), status


def test_an_impossible_status_is_refused_with_a_sentence() -> None:
    connector = Connector(3)
    with pytest.raises(ImpossibleStatus, match="connector 3 cannot go from Available to Finishing"):
        connector.becomes("Finishing")
    assert connector.status == "Available"


# --- charging profiles -------------------------------------------------------------------------------------------

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def profile(number: int, purpose: str, limit: float, **more: Any) -> Profile:
    periods = more.pop("periods", [{"startPeriod": 0, "limit": limit}])
    schedule = {"chargingRateUnit": more.pop("unit", "W"), "chargingSchedulePeriod": periods}
    schedule |= more.pop("schedule", {})
    kind = more.pop("kind", "Relative")
    place, level = more.pop("place", 1), more.pop("level", 0)
    return Profile(number, place, level, purpose, kind, {"chargingSchedule": schedule, **more}, NOW, 1000.0)


def book(*profiles: Profile) -> ProfileBook:
    found = ProfileBook()
    for one in profiles:
        found.install(one)
    return found


def test_without_profiles_the_outlet_is_the_limit() -> None:
    assert book().limit_w(1, 7_400, 1000, None) == 7_400


def test_the_lowest_purpose_wins_and_a_transaction_profile_replaces_the_default() -> None:
    maximum = profile(1, "ChargePointMaxProfile", 6_000, place=0)
    default = profile(2, "TxDefaultProfile", 3_000)
    transaction = profile(3, "TxProfile", 5_000)
    assert book(maximum).limit_w(1, 7_400, 1000, None) == 6_000
    assert book(maximum, default).limit_w(1, 7_400, 1000, None) == 3_000
    assert book(maximum, default, transaction).limit_w(1, 7_400, 1000, 1000) == 5_000
    assert book(maximum, profile(4, "TxProfile", 9_000)).limit_w(1, 7_400, 1000, 1000) == 6_000


def test_the_highest_level_wins_and_the_connectors_own_profile_over_that_for_all() -> None:
    low, high = profile(1, "TxDefaultProfile", 1_000), profile(2, "TxDefaultProfile", 4_000, level=2)
    assert book(low, high).limit_w(1, 7_400, 1000, None) == 4_000
    for_all = profile(3, "TxDefaultProfile", 2_000, place=0)
    assert book(low, for_all).limit_w(1, 7_400, 1000, None) == 1_000
    assert book(low, for_all).limit_w(2, 7_400, 1000, None) == 2_000


def test_amperes_become_watts_at_230_volts() -> None:
    assert book(profile(1, "TxDefaultProfile", 10, unit="A")).limit_w(1, 7_400, 1000, None) == 2_300


def test_a_schedule_runs_through_its_periods_and_ends_with_its_duration() -> None:
    steps = [{"startPeriod": 0, "limit": 1000}, {"startPeriod": 60, "limit": 0}, {"startPeriod": 120, "limit": 3000}]
    found = book(profile(1, "TxProfile", 0, periods=steps, schedule={"duration": 300}))
    assert [found.limit_w(1, 7_400, 1000 + at, 1000) for at in (0, 59, 60, 119, 120, 299, 300)] == [
        *(1000, 1000, 0, 0, 3000, 3000, 7_400)
    ]
    assert found.composite(1, 7_400, 1000, 600, 1000) == [(0, 1000), (60, 0), (120, 3000), (300, 7_400)]
    assert found.composite(1, 7_400, 1000, 100, 1000) == [(0, 1000), (60, 0)]


def test_a_daily_schedule_comes_again_and_validity_bounds_it() -> None:
    steps = [{"startPeriod": 0, "limit": 1000}, {"startPeriod": 3600, "limit": 5000}]
    start = (NOW - timedelta(days=3)).isoformat()
    daily = profile(
        1,
        "TxDefaultProfile",
        0,
        periods=steps,
        kind="Recurring",
        recurrencyKind="Daily",
        schedule={"startSchedule": start},
        validTo=(NOW + timedelta(hours=2)).isoformat(),
    )
    found = book(daily)
    assert found.limit_w(1, 7_400, 1000, None) == 1000
    assert found.limit_w(1, 7_400, 1000 + 3600, None) == 5000
    assert found.limit_w(1, 7_400, 1000 + 7200, None) == 7_400
    assert found.composite(1, 7_400, 1000, 10_000, None) == [(0, 1000), (3600, 5000), (7200, 7_400)]


@given(st.lists(st.tuples(st.integers(1, 3600), st.floats(0, 10_000)), min_size=1, max_size=6), st.integers(0, 100_000))
def test_a_composite_schedule_says_what_the_limit_will_be(gaps: list[tuple[int, float]], at: int) -> None:
    periods, start = [{"startPeriod": 0, "limit": 500.0}], 0
    for gap, limit in gaps:
        start += gap
        periods.append({"startPeriod": start, "limit": limit})
    found = book(profile(1, "TxDefaultProfile", 0, periods=periods, schedule={"duration": start + 100}))
    steps = found.composite(1, 7_400, 1000.0, start + 200, None)
    assert steps[0][0] == 0
    moment = at % (start + 200)
    told = [limit for begin, limit in steps if begin <= moment][-1]
    assert told == found.limit_w(1, 7_400, 1000.0 + moment, None)


@pytest.mark.parametrize(
    ("changes", "place", "charging", "why"),
    [
        ({}, 1, True, None),
        ({}, 5, True, "unknown connector"),
        ({}, 0, True, "a TxProfile needs a transaction"),
        ({}, 1, False, "a TxProfile needs a transaction"),
        ({"chargingProfilePurpose": "ChargePointMaxProfile"}, 1, True, "must be set on 0"),
        ({"stackLevel": 99}, 1, True, "stackLevel must be from 0 to 10"),
        ({"recurrencyKind": "Daily"}, 1, True, "recurrencyKind is only for Recurring profiles"),
        ({"chargingProfileKind": "Recurring"}, 1, True, "needs recurrencyKind"),
    ],
)
def test_a_profile_that_cannot_be_is_objected_to(
    changes: dict[str, Any], place: int, charging: bool, why: str | None
) -> None:
    raw = {
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 1}]},
    } | changes
    found = objection(raw, place, 2, charging, strict=True)
    assert found is None if why is None else why in str(found)


@pytest.mark.parametrize("starts", [[5], [0, 5, 5], [0, 9, 3], []])
def test_periods_must_begin_at_zero_and_ascend(starts: list[int]) -> None:
    periods = [{"startPeriod": start, "limit": 1} for start in starts]
    raw = {
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {"chargingRateUnit": "W", "chargingSchedulePeriod": periods},
    }
    assert objection(raw, 1, 1, False, strict=False) == "startPeriod must start at 0 and increase"


# --- lists, reservations, settings -------------------------------------------------------------------------------

GOOD, BAD = Verdict("Accepted"), Verdict("Blocked")


def test_a_local_list_follows_its_versions() -> None:
    tokens = TokenBook()
    assert tokens.update(0, True, []) == "Failed"
    assert tokens.update(3, True, [("A", GOOD), ("B", GOOD)]) == "Accepted"
    assert tokens.update(3, False, [("A", BAD)]) == "VersionMismatch"
    assert tokens.update(4, False, [("A", BAD), ("A", GOOD)]) == "Failed"
    assert tokens.update(4, False, [("A", BAD), ("B", None)]) == "Accepted"
    assert (tokens.version, tokens.listed) == (4, {"a": BAD})
    assert tokens.update(1, True, []) == "Accepted"
    assert (tokens.version, tokens.listed) == (1, {})
    assert tokens.update(2, True, [(str(number), GOOD) for number in range(101)]) == "Failed"


def test_the_list_speaks_before_the_cache_and_what_expired_is_not_accepted() -> None:
    tokens = TokenBook()
    tokens.remember("A", GOOD, cache=True)
    assert tokens.known("A", True, True) == GOOD
    assert tokens.known("A", True, False) is None
    tokens.update(1, True, [("A", BAD), ("C", Verdict("Accepted", datetime.now(UTC) - timedelta(seconds=1)))])
    assert tokens.known("a", True, True) == tokens.known("A", True, True) == BAD
    found = tokens.known("C", True, True)
    assert found is not None and found.status == "Expired"
    tokens.remember("D", Verdict("Accepted", datetime.now(UTC) - timedelta(seconds=1)), cache=True)
    assert tokens.known("D", True, True) is None


def test_a_reserved_connector_admits_its_token_and_its_group() -> None:
    held = ReservationBook()
    held.held[1] = Reservation(1, 2, "A", "FAMILY", NOW)
    assert held.admits(2, "A", None) and held.admits(2, "B", "FAMILY") and held.admits(1, "B", None)
    assert not held.admits(2, "B", None) and not held.admits(2, "B", "OTHERS")


def test_settings_take_only_values_of_their_kind() -> None:
    settings = Settings()
    interval = settings.by_key["MeterValueSampleInterval"]
    assert interval.takes("30") and not interval.takes("-1") and not interval.takes("soon")
    flag = settings.by_key["LocalPreAuthorize"]
    assert flag.takes("TRUE") and not flag.takes("1")
    measurands = settings.by_key["MeterValuesSampledData"]
    assert measurands.takes("SoC,Voltage") and not measurands.takes("SoC,Weather")
    password = settings.by_key["AuthorizationKey"]
    assert password.takes("0123456789abcdef") and not password.takes("short") and not password.takes("x" * 65)


def test_both_versions_turn_the_same_knob() -> None:
    settings = Settings()
    settings.by_variable["SampledDataCtrlr", "TxUpdatedInterval"].value = "15"
    assert settings.number("MeterValueSampleInterval") == 15


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2026-01-01T00:00:00Z", NOW),
        ("2026-01-01T02:00:00.000+02:00", NOW),
        ("2026-01-01T00:00:00", NOW),
        ("yesterday", None),
        (17, None),
    ],
)
def test_timestamps_are_read_with_and_without_offset(text: object, found: datetime | None) -> None:
    assert when(text) == found
