"""The judge counts, limits, dates and attributes findings correctly for any traffic."""

from __future__ import annotations

import gc
import itertools
import random
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.rules.catalogue import rules
from inspector.rules.context import Moment
from inspector.rules.finding import Finding, Severity, Side
from inspector.rules.judge import FINDINGS_PER_RULE, REFUSED_LIMIT, Judge, SessionJudge
from inspector.rules.playback import START_NS, play
from inspector.rules.settings import DEFAULTS, Settings
from inspector.rules.station import Station
from tests.examples import examples
from tests.protocol import strategies
from tests.protocol.real_messages import REAL

V16, V201, V21 = OcppVersion.V16, OcppVersion.V201, OcppVersion.V21
CP, CSMS = Direction.FROM_CHARGE_POINT, Direction.FROM_CSMS
SECOND = 10**9
SLUGS = {rule.slug for rule in rules()}


class Table:
    """A judge with one charge point: the test sends frames at chosen seconds and reads all findings."""

    def __init__(self, version: OcppVersion | None = V16, given: Settings = DEFAULTS, **facts: Any) -> None:
        self.judge = Judge(given)
        self.version = version
        self.facts: dict[str, Any] = {"charge_point_id": "CP1", "from_start": True, **facts}
        if version:
            self.facts |= {"subprotocol": version.subprotocol, "subprotocols_offered": [version.subprotocol]}
        self.found: dict[int, Finding] = {}
        self.frames = 0
        self.session: SessionJudge
        self.opens(0)

    def keep(self, findings: list[Finding]) -> list[Finding]:
        for finding in findings:
            self.found[id(finding)] = finding
        return findings

    def at(self, seconds: float) -> Moment:
        return Moment(int(seconds * SECOND), START_NS + int(seconds * SECOND))

    def opens(self, seconds: float) -> None:
        self.session = self.judge.open(self.facts, self.at(seconds))
        self.keep(self.session.opened())

    def says(self, direction: Direction, raw: bytes, seconds: float) -> list[Finding]:
        self.frames += 1
        now = self.at(seconds)
        frame = self.session.protocol.frame(self.frames, now.ts_ns, now.mono_ns, direction, raw)
        return self.keep(self.session.frame(frame))

    def verdict(self) -> list[tuple[object, ...]]:
        return sorted(
            (f.rule_id, f.severity, f.side, f.frame_id or 0, f.last_frame_id or 0, f.count, f.ts_ns, f.message)
            for f in self.found.values()
        )


def test_a_finding_that_repeats_is_counted_with_its_first_and_last_frame() -> None:
    """There is one finding per session, not per frame; list indexes in the pointer do not matter."""
    table = Table()
    raw = (
        b'[2,"%d","MeterValues",{"connectorId":1,'
        b'"meterValue":[{"timestamp":"2026-01-01T12:00:00Z","sampledValue":[%s]}]}]'
    )
    ok, bad = b'{"value":"1"}', b'{"value":1}'
    for number, values in enumerate((bad, ok + b"," + bad, bad)):
        table.says(CP, raw % (number, values), number * 40)
    schema = [f for f in table.found.values() if f.rule_id == "payload.schema"]
    assert [(f.count, f.frame_id, f.last_frame_id) for f in schema] == [(3, 1, 3)]
    assert schema[0].pointer == "/3/meterValue/0/sampledValue/0/value"
    assert schema[0].ts_ns == START_NS
    assert "(3 times)" in str(schema[0])


def test_findings_of_the_two_sides_are_kept_apart() -> None:
    """The same fault of both sides is two findings."""
    table = Table()
    table.says(CP, b"?", 1)
    table.says(CSMS, b"?", 2)
    assert sorted((f.side, f.frame_id) for f in table.found.values()) == [(Side.CHARGE_POINT, 1), (Side.CSMS, 2)]


def test_a_rule_that_finds_something_else_in_every_frame_is_capped() -> None:
    """There are at most FINDINGS_PER_RULE distinct findings, and one more that counts all others."""
    table = Table()
    for number in range(FINDINGS_PER_RULE * 2):
        table.says(CP, b'[2,"%d","Heartbeat",{"m%d":1}]' % (number, number), number * 31)
    schema = [f for f in table.found.values() if f.rule_id == "payload.schema"]
    assert len(schema) == FINDINGS_PER_RULE + 1
    assert sum(f.count for f in schema) == FINDINGS_PER_RULE * 2


def test_the_users_severity_goes_before_the_rules_own() -> None:
    """The settings give a severity by slug; it replaces every severity of the rule."""
    script = 'open\n< [3,"nobody",{}]'
    given = replace(DEFAULTS, severity={"rpc.orphan-answer": Severity.INFO})
    assert [f.severity for f in play(script, V16)] == [Severity.ERROR]
    assert [f.severity for f in play(script, V16, given)] == [Severity.INFO]


def test_a_rule_that_is_switched_off_is_silent_and_leaves_the_others_what_it_keeps() -> None:
    """A rule that is switched off still collects the state that other rules need."""
    script = """
    open
    > [2,"1","DataTransfer",{"vendorId":"a"}]
    > [2,"1","DataTransfer",{"vendorId":"b"}]
> [6,"2","NotifyPeriodicEventStream",{"id":1,"pending":0,"basetime":"2026-01-01T12:00:00Z","data":[{"t":0,"v":"1"}]}]
    < [3,"2",{}]
    """
    told = {f.rule_id for f in play(script, V21)}
    assert told == {"rpc.reused-id", "rpc.answered-send"}
    quiet = {f.rule_id for f in play(script, V21, replace(DEFAULTS, disabled=frozenset({"rpc.reused-id"})))}
    assert quiet == told - {"rpc.reused-id"}


def test_a_deadline_is_judged_as_of_when_it_was_due() -> None:
    """The finding has the time of the deadline, even if the judge notices much later."""
    table = Table()
    table.says(CP, b'[2,"1","Heartbeat",{}]', 10)
    table.says(CP, b'[2,"2","Heartbeat",{}]', 5000)
    assert [(f.rule_id, f.ts_ns) for f in table.found.values()] == [("rpc.no-answer", START_NS + 40 * SECOND)]


def count_looks(monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """Fail if too many deadlines fire, instead of waiting for millions of them."""
    fire, looks = Station._fire, itertools.count(1)

    def counted(*arguments: Any) -> None:
        assert next(looks) <= limit, "deadlines fire again and again"
        fire(*arguments)

    monkeypatch.setattr(Station, "_fire", counted)


def silent_for(table: Table, seconds: int, tick: int | None = None) -> None:
    """Let a charge point be silent for `seconds` in a transaction, while one of its CALLs has no answer."""
    table.says(CP, b'[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]', 1)
    table.says(CSMS, b'[3,"1",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":7}]', 2)
    table.says(CSMS, b'[2,"2","ChangeConfiguration",{"key":"MeterValueSampleInterval","value":"9"}]', 3)
    table.says(CP, b'[3,"2",{"status":"Accepted"}]', 3)
    table.says(
        CP,
        b'[2,"3","StartTransaction",{"connectorId":1,"idTag":"T","meterStart":0,"timestamp":"2026-01-01T12:00:00Z"}]',
        4,
    )
    table.says(CSMS, b'[3,"3",{"transactionId":7,"idTagInfo":{"status":"Accepted"}}]', 5)
    table.says(CP, b'[2,"4","DataTransfer",{"vendorId":"V"}]', 6)
    for second in range(7, seconds, tick or seconds):
        table.keep(table.session.advance(table.at(second)))
    table.says(CP, b'[2,"5","Heartbeat",{}]', seconds)
    table.keep(table.session.advance(table.at(seconds + 12)))


def test_a_clock_that_leaps_by_years_costs_no_more_than_one_that_leaps_by_an_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file of three lines must not take the judge minutes; the findings for each day are still counted."""
    count_looks(monkeypatch, 20)
    table = Table()
    silent_for(table, 56 * 365 * 86_400)
    counts = {found.rule_id: found.count for found in table.found.values()}
    assert (counts["heartbeat.gap"], counts["heartbeat.daily"]) == (2, 56 * 365 - 1)


def test_a_clock_that_leaps_and_one_that_ticks_find_the_same() -> None:
    """The findings have the same times and counts."""
    leaping, ticking = Table(), Table()
    silent_for(leaping, 300_000)
    silent_for(ticking, 300_000, tick=5)
    assert leaping.verdict() == ticking.verdict()
    assert "heartbeat.daily" in {found.rule_id for found in leaping.found.values()}


def test_a_threshold_that_is_no_round_number_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The float 4.1 is not a whole number of nanoseconds, so a deadline may come a nanosecond early."""
    count_looks(monkeypatch, 20)
    table = Table(given=replace(DEFAULTS, answer_timeout_s=4.1, status_after_boot_s=2.01))
    table.says(CP, b'[2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]', 1)
    table.says(CSMS, b'[3,"1",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":300}]', 2)
    table.says(CP, b'[2,"2","DataTransfer",{"vendorId":"V"}]', 3)
    table.keep(table.session.advance(table.at(60)))
    assert {found.rule_id for found in table.found.values()} == {"rpc.no-answer", "boot.no-status"}


@pytest.mark.parametrize("version", OcppVersion)
def test_live_and_offline_judging_find_the_same(version: OcppVersion) -> None:
    """A recorder with a tick every second and one pass over the recording have the same findings at the same times."""
    for seed in range(15):
        plain, ticking = Table(version), Table(version)
        dice = random.Random(f"{version} {seed}")
        seconds = 0.0
        for _ in range(60):
            before, seconds = seconds, seconds + dice.choice((0.1, 0.5, 3, 20, 35, 100))
            for tick in range(int(before) + 1, int(seconds) + 1):
                ticking.keep(ticking.session.advance(ticking.at(tick)))
            direction, raw = dice.choice((CP, CSMS)), dice.choice(REAL[version])
            for table in (plain, ticking):
                table.says(direction, raw, seconds)
            if dice.random() < 0.05:
                for table in (plain, ticking):
                    table.keep(table.session.closed(table.at(seconds), {"closed_by": "csms", "csms_close_code": 1000}))
                    table.opens(seconds + 1)
                seconds += 1
        for table in (plain, ticking):
            table.keep(table.session.closed(table.at(seconds + 1000)))
        assert plain.verdict() == ticking.verdict()
        assert plain.verdict()


def test_without_a_version_only_rules_of_all_versions_are_judged() -> None:
    """Envelopes and exchanges are judged at once, payloads only after a boot has shown the version."""
    table = Table(None)
    assert table.says(CP, b'[2,"1","StatusNotification",{"no":"member"}]', 1) == []
    assert [f.rule_id for f in table.says(CP, b"?", 2)] == ["rpc.not-json"]
    table.says(CSMS, b'[3,"1",{}]', 3)
    table.says(CP, b'[2,"2","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]', 4)
    table.says(CSMS, b'[3,"2",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":300}]', 5)
    assert "payload.schema" in {f.rule_id for f in table.says(CP, b'[2,"3","StatusNotification",{"no":"member"}]', 6)}


def test_sessions_without_an_identity_are_not_taken_for_one_charge_point() -> None:
    """They may be different charge points, so an id in both sessions does not count as reused."""
    script = (
        'open {"charge_point_id":""}\n> [2,"1","Heartbeat",{}]\nopen {"charge_point_id":""}\n> [2,"1","Heartbeat",{}]'
    )
    assert play(script, V16) == []


def test_after_a_gap_what_was_lost_is_not_held_against_anyone() -> None:
    """After a gap, earlier CALLs need no answer, and answers soon afterwards are not orphans."""
    script = 'open\n> [2,"1","Heartbeat",{}]\nevent gap\n< [3,"2",{}]\n+ 60s'
    assert play(script, V16) == []


def test_attempts_in_vain_are_remembered_within_bounds() -> None:
    """Memory stays bounded for a charge point whose attempts to connect always fail."""
    table = Table()
    for second in range(1000):
        table.judge.note_failed_attempt(table.facts, table.at(second))
    assert len(table.session.station.refused) == REFUSED_LIMIT


def test_identities_that_come_and_go_are_forgotten_those_connected_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays bounded when every connection has a new name."""
    monkeypatch.setattr("inspector.rules.judge.STATIONS_LIMIT", 10)
    table = Table()
    table.says(CP, b'[2,"1","Heartbeat",{}]', 1)
    connected = table.session.station
    for number in range(100):
        table.judge.note_failed_attempt({"charge_point_id": f"X{number}"}, table.at(number))
    table.opens(200)
    assert table.session.station is connected
    assert [f.rule_id for f in table.says(CP, b'[2,"1","DataTransfer",{"vendorId":"a"}]', 201)] == ["rpc.reused-id"]
    assert len(table.judge._stations) == 10


@settings(max_examples=examples(80))
@given(st.data(), strategies.ANY_VERSION, st.booleans())
def test_any_traffic_is_judged_without_an_exception(
    data: st.DataObject, version: OcppVersion, from_start: bool
) -> None:
    """Traffic is any bytes, any JSON and modified real messages, at any time, over reconnects and gaps."""
    table = Table(data.draw(st.sampled_from([version, version, None])), from_start=from_start)
    seconds = 0.0
    for _ in range(data.draw(st.integers(1, 12))):
        seconds += data.draw(st.sampled_from([0, 0.01, 1, 31, 400, 90_000]))
        direction = data.draw(st.sampled_from(Direction))
        match data.draw(st.integers(0, 20)):
            case 0:
                table.keep(table.session.closed(table.at(seconds), {"closed_by": "csms", "csms_close_code": 1000}))
                table.opens(seconds)
            case 1:
                table.session.gap(table.at(seconds))
            case 2:
                table.keep(table.session.event("ping", table.at(seconds), {}))
            case _:
                _is_well_formed(table.says(direction, data.draw(strategies.anything(version)), seconds), table.frames)
    _is_well_formed(table.keep(table.session.closed(table.at(seconds + 1000))), table.frames)


def _is_well_formed(findings: list[Finding], frames: int) -> None:
    for finding in findings:
        assert finding.rule_id in SLUGS
        assert finding.severity in Severity
        assert finding.side in Side
        assert 0 < len(finding.message) < 1500
        assert finding.frame_id is None or 1 <= finding.frame_id <= (finding.last_frame_id or 0) <= frames
        assert finding.pointer is None or finding.pointer == "" or finding.pointer.startswith("/")


def _traffic(dice: random.Random, number: int, version: OcppVersion) -> tuple[Direction, bytes]:
    """Return a frame of a busy station that makes mistakes: real messages with new ids, transactions and times."""
    raw = dice.choice(REAL[version])
    head, _, rest = raw.partition(b'"')
    _, _, rest = rest.partition(b'"')
    body = rest.replace(b'"transactionId":7', b'"transactionId":%d' % number).replace(b'"T1"', b'"T%d"' % number)
    who = CP if dice.random() < 0.7 else CSMS
    return who, head + b'"%d"' % dice.choice((number, number - 1, number - 2)) + body


def _growth(version: OcppVersion, warm: int, more: int) -> int:
    """Return how many memory blocks a session uses more after `warm + more` frames than after `warm`."""
    table, dice = Table(version), random.Random(7)
    counts = []
    for number in range(warm + more):
        if number == warm:
            gc.collect()
            counts.append(sys.getallocatedblocks())
        for finding in table.says(*_traffic(dice, number, version), number * 0.5):
            finding.take_frames()  # the recorder does this with every commit
    gc.collect()
    return sys.getallocatedblocks() - counts[0]


@pytest.mark.long
@pytest.mark.parametrize("version", [V16, pytest.param(V201, marks=pytest.mark.long)])
def test_memory_stays_bounded_over_many_frames(version: OcppVersion) -> None:
    """A session with new ids and transactions all the time uses hardly more memory once its limits are reached."""
    assert _growth(version, 20_000, 10_000) < 10_000


_MADE_UP = {
    V16: (
        b'[2,"%(n)d","Act%(n)d",{"m%(n)d":1}]',
        b'[2,"s%(n)d","StartTransaction",{"connectorId":%(n)d,"idTag":"T%(n)d","meterStart":%(n)d,'
        b'"timestamp":"2026-01-01T12:00:00Z"}]',
        b'[2,"n%(n)d","StatusNotification",{"connectorId":%(n)d,"errorCode":"E%(n)d","status":"S%(n)d"}]',
        b'[2,"m%(n)d","MeterValues",{"connectorId":%(n)d,"transactionId":%(n)d,"meterValue":[{"timestamp":"%(n)d",'
        b'"sampledValue":[{"value":"1","measurand":"M%(n)d.Register","phase":"P%(n)d"}]}]}]',
        b'[2,"r%(n)d","ReserveNow",{"connectorId":%(n)d,"idTag":"T%(n)d","reservationId":%(n)d,"expiryDate":"%(n)d"}]',
        b'[3,"r%(n)d",{"status":"Accepted"}]',
        b'[3,"s%(n)d",{"transactionId":%(n)d,"idTagInfo":{"status":"S%(n)d"}}]',
        b'[2,"c%(n)d","ChangeConfiguration",{"key":"K%(n)d","value":"%(n)d"}]',
        b'[3,"c%(n)d",{"status":"Accepted"}]',
        b'[4,"x%(n)d","Code%(n)d","%(n)d",{}]',
        b'[%(n)d,"%(n)d"',
    ),
    V21: (
        b'[2,"%(n)d","Act%(n)d",{"m%(n)d":1}]',
        b'[6,"%(n)d","Act%(n)d",{"m%(n)d":1}]',
        b'[2,"e%(n)d","TransactionEvent",{"eventType":"Started","timestamp":"%(n)d","triggerReason":"R%(n)d",'
        b'"seqNo":%(n)d,"transactionInfo":{"transactionId":"T%(n)d","chargingState":"C%(n)d"},'
        b'"evse":{"id":%(n)d,"connectorId":%(n)d},"idToken":{"idToken":"I%(n)d","type":"Central"}}]',
        b'[2,"n%(n)d","StatusNotification",{"timestamp":"%(n)d","connectorStatus":"S%(n)d","evseId":%(n)d,'
        b'"connectorId":%(n)d}]',
        b'[2,"p%(n)d","NotifyReport",{"requestId":%(n)d,"seqNo":%(n)d,"generatedAt":"%(n)d","reportData":[{"component":'
        b'{"name":"C%(n)d"},"variable":{"name":"V%(n)d"},"variableAttribute":[{"value":"%(n)d"}]}]}]',
        b'[2,"g%(n)d","GetReport",{"requestId":%(n)d}]',
        b'[3,"g%(n)d",{"status":"Accepted"}]',
        b'[2,"f%(n)d","FirmwareStatusNotification",{"status":"Downloading","requestId":%(n)d}]',
        b'[5,"y%(n)d","Code%(n)d","%(n)d",{}]',
        b'[4,"x%(n)d","Code%(n)d","%(n)d",{}]',
    ),
}
"""Frames in which a hostile peer makes up everything that can be made up, new ones every time."""


def _hostile_growth(version: OcppVersion, warm: int, more: int) -> int:
    table, before = Table(version), 0
    for number in range(warm + more):
        if number == warm:
            gc.collect()
            before = sys.getallocatedblocks()
        for raw in _MADE_UP[version]:
            for who in (CP, CSMS):
                table.says(who, raw % {b"n": number}, number * 0.5)
    gc.collect()
    return sys.getallocatedblocks() - before


@pytest.mark.long
@pytest.mark.parametrize("version", [pytest.param(V16, marks=pytest.mark.long), V21])
def test_memory_stays_bounded_when_everything_is_made_up(version: OcppVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ever new ids, connectors, transactions, tokens and keys, memory stops growing at the limits."""
    monkeypatch.setattr("inspector.rules.state.configuration.KEYS_LIMIT", 500)
    monkeypatch.setattr("inspector.rules.state.device_model.VARIABLES_LIMIT", 500)
    monkeypatch.setattr("inspector.rules.topics.provisioning.configuration_v16.KEYS_LIMIT", 500)
    assert _hostile_growth(version, 3_000, 300) < 3_000  # by then, all limits are reached


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_memory_stays_bounded_over_a_million_frames() -> None:
    """This is the same test over a million frames."""
    assert _growth(V16, 50_000, 950_000) < 20_000
