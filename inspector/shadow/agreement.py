"""Compare the answers of a shadow with those of the primary, with the matchers and policies of a replay."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from inspector.interventions.pointers import MISSING, value_at
from inspector.protocol.frame import Frame
from inspector.protocol.messages import CallError, CallResult, Malformed
from inspector.replay.matching import compare
from inspector.replay.policy import Policy
from inspector.shadow.pairing import Exchange, Mirrored, Pair, mirrored_sessions, unreachable
from inspector.shadow.shadow_ids import ShadowIds

LATE_S = 1.0
"""How much longer than the primary's an answer may take before it is late, in seconds."""
MOST_DIFFERENCES = 10_000
"""The most differences that a report lists; it counts all."""
_DECIDED = frozenset({("BootNotification", "interval")})
"""Members that may differ from run to run of one CSMS, but that a CSMS decides: two CSMSs should decide alike."""

type Place = tuple[str | None, str]
"""An action and a JSON pointer with `*` in place of indexes: where two CSMSs of the same software differ by chance."""
_INDEX = re.compile(r"/\d+(?=/|$)")

SAME, DIFFERS, ABSENT, LATE = "same", "differs", "missing", "late"
EXTRA_CALL, CLOSED = "extra-call", "closed"


class ShadowPolicy(Policy):
    """A policy of a replay; what the CSMS decides counts, even if it may differ from run to run."""

    __slots__ = ()

    @classmethod
    def of(cls, policy: Policy) -> ShadowPolicy:
        """Return a policy with the same settings. Both sides come from a recording, so both may have hidden values."""
        settings = {one.name: getattr(policy, one.name) for one in fields(policy)}
        return cls(**{**settings, "both_stored": True})

    def is_volatile(self, action: str | None, member: str) -> bool:
        """Return whether the value of a member may differ."""
        if (action, member) in _DECIDED:
            return self.is_named_volatile(action, member)
        return super().is_volatile(action, member)


@dataclass(slots=True)
class Tally:
    """How many answers of the shadow were the same, differed, were missing, or came late."""

    same: int = 0
    differs: int = 0
    missing: int = 0
    late: int = 0

    @property
    def total(self) -> int:
        return self.same + self.differs + self.missing + self.late

    def add(self, verdict: str) -> None:
        setattr(self, verdict, getattr(self, verdict) + 1)


class Disagreement(NamedTuple):
    """One difference between the primary and the shadow.

    Attributes:
        kind: differs, missing, late, extra-call or closed.
        charge_point: its id.
        action: None if the difference is about no message.
        primary_frame, shadow_frame: ids of frames; None where there is none.
        pointer: a JSON pointer into the frames, None if the difference is about all of them.
        primary, shadow: the values there, as JSON; a latency is an object with `latency_ms`.
        sentence: the same in words.
    """

    kind: str
    charge_point: str
    action: str | None
    primary_frame: int | None
    shadow_frame: int | None
    pointer: str | None
    primary: Any
    shadow: Any
    sentence: str


class OneSided(NamedTuple):
    """A finding that only one of the two sessions has; `only` is "primary" or "shadow"."""

    charge_point: str
    only: str
    rule: str
    severity: str
    side: str
    message: str
    frame: int | None


@dataclass(slots=True)
class Report:
    """The result of a comparison.

    Attributes:
        shadow: the address of the shadow.
        agreement: by action, of the CALLs that reached both.
        charge_points: the same by charge point.
        differences: the first MOST_DIFFERENCES; `found` is how many there are.
        first: the frames of the first difference: the CALL, the primary's answer and the shadow's, as text.
        latencies_ms: by action, the latencies of the primary and those of the shadow.
        csms_calls: by action, how many CALLs the primary sent, and how many the shadow.
        not_mirrored: CALLs that the shadow did not get, by action.
        lost: why, as far as the recording says; by cause.
        findings: findings that only one side has.
        unreachable: charge points that could not be mirrored at some time, each with the first reason.
        models: (vendor, model, firmware) by charge point.
        sessions: how many sessions of charge points are compared.
        noise: how many differences were left out as noise, by place.
    """

    shadow: str
    agreement: dict[str, Tally] = field(default_factory=dict)
    charge_points: dict[str, Tally] = field(default_factory=dict)
    differences: list[Disagreement] = field(default_factory=list)
    found: int = 0
    first: tuple[str, str, str] | None = None
    latencies_ms: dict[str, tuple[list[float], list[float]]] = field(default_factory=dict)
    csms_calls: dict[str, list[int]] = field(default_factory=dict)
    not_mirrored: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    findings: list[OneSided] = field(default_factory=list)
    unreachable: dict[str, str] = field(default_factory=dict)
    models: dict[str, tuple[str | None, str | None, str | None]] = field(default_factory=dict)
    sessions: int = 0
    noise: Counter[Place] = field(default_factory=Counter)

    @property
    def total(self) -> Tally:
        """All actions together."""
        return _sum(self.agreement.values())

    @property
    def agrees(self) -> bool:
        """Whether every answer was the same, and every charge point could be mirrored."""
        return not self.found and not self.unreachable and self.total.total > 0

    def by_model(self) -> dict[tuple[str | None, str | None, str | None], Tally]:
        """Return the agreement by (vendor, model, firmware)."""
        members: dict[tuple[str | None, str | None, str | None], list[Tally]] = {}
        for name, tally in self.charge_points.items():
            members.setdefault(self.models.get(name, (None, None, None)), []).append(tally)
        return {model: _sum(tallies) for model, tallies in members.items()}

    def places(self) -> frozenset[Place]:
        """Return where answers differ: noise, if the shadow runs the same software as the primary."""
        return frozenset(place_of(one.action, one.pointer) for one in self.differences if one.pointer is not None)

    def note(self, one: Disagreement) -> None:
        """Add a difference."""
        self.found += 1
        if len(self.differences) < MOST_DIFFERENCES:
            self.differences.append(one)


def place_of(action: str | None, pointer: str) -> Place:
    """Return the place of a difference; the payload of an answer is at /2."""
    return action, pointer[:2] + _INDEX.sub("/*", pointer[2:])


def _sum(tallies: Iterable[Tally]) -> Tally:
    every = list(tallies)
    return Tally(*(sum(getattr(one, name) for one in every) for name in Tally.__slots__))


def compare_with_shadow(
    db: sqlite3.Connection,
    shadow: str,
    policy: Policy,
    late_s: float = LATE_S,
    noise: frozenset[Place] = frozenset(),
) -> Report:
    """Compare all sessions of a recording that a shadow mirrors.

    Args:
        db: the recording, with `sqlite3.Row` as its row factory.
        shadow: the address of the shadow, as in the recording.
        policy: decides which differences between two answers count.
        late_s: how much longer than the primary's an answer may take, in seconds.
        noise: places whose differences do not count.
    """
    report = Report(shadow)
    policy = ShadowPolicy.of(policy)
    ids: dict[str, ShadowIds] = {}
    for mirrored in mirrored_sessions(db, shadow):
        name = mirrored.primary.charge_point_id
        report.sessions += 1
        tally = report.charge_points.setdefault(name, Tally())
        for pair in mirrored.pairs:
            _compare_pair(report, tally, name, pair, ids.setdefault(name, ShadowIds()), policy, late_s, noise)
        _compare_csms_calls(report, name, mirrored)
        _compare_ends(report, name, mirrored)
        report.findings += _one_sided(db, name, mirrored)
        report.lost += mirrored.lost
    for name, reason in unreachable(db, shadow):
        report.unreachable.setdefault(name, reason)
    sql = "SELECT charge_point_id, vendor, model, firmware FROM charge_points"
    report.models = {row[0]: (row[1], row[2], row[3]) for row in db.execute(sql) if row[0] in report.charge_points}
    return report


def _compare_pair(
    report: Report,
    tally: Tally,
    name: str,
    pair: Pair,
    ids: ShadowIds,
    policy: Policy,
    late_s: float,
    noise: frozenset[Place],
) -> None:
    action = pair.primary.call.action or "?"
    if pair.shadow is None:
        report.not_mirrored[action] += 1
        return
    of_primary, of_shadow = report.latencies_ms.setdefault(action, ([], []))
    for exchange, latencies in ((pair.primary, of_primary), (pair.shadow, of_shadow)):
        if exchange.latency_ns is not None:
            latencies.append(exchange.latency_ns / 1e6)
    found = []
    for one in _disagreements(name, action, pair.primary, pair.shadow, ids, policy, late_s):
        if one.pointer is not None and (place := place_of(action, one.pointer)) in noise:
            report.noise[place] += 1
        else:
            found.append(one)
    verdict = found[0].kind if found else SAME
    tally.add(verdict)
    report.agreement.setdefault(action, Tally()).add(verdict)
    for one in found:
        if report.first is None:
            answers = (_text(pair.primary.answer), _text(pair.shadow.answer))
            report.first = (_text(pair.primary.call), *answers)
        report.note(one)


def _text(frame: Frame | None) -> str:
    return frame.raw.decode("utf-8", "replace") if frame is not None else "no answer"


def _disagreements(
    name: str, action: str, primary: Exchange, shadow: Exchange, ids: ShadowIds, policy: Policy, late_s: float
) -> Iterator[Disagreement]:
    was, now = primary.answer, shadow.answer
    about = (name, action)
    if was is None and now is None:
        return
    if now is None or was is None:
        there, which = (was, "the shadow") if now is None else (now, "the primary")
        assert there is not None
        frames = (was.frame_id if was else primary.call.frame_id, now.frame_id if now else shadow.call.frame_id)
        verdict, said = ABSENT if now is None else DIFFERS, f"{which} gave no answer, the other {_kind(there)}"
        yield Disagreement(verdict, *about, *frames, None, _kind(was), _kind(now), said)
        return
    if isinstance(was.message, CallResult) and isinstance(now.message, CallResult):
        ids.learn(action, was.payload, now.payload)
    different = False
    for difference in compare(was, ids.expected(action, was.payload), now, policy):
        different = True
        pointer = difference.pointer
        old, new = (_kind(was), _kind(now)) if pointer is None else (_value(was, pointer), _value(now, pointer))
        if pointer is None and old == new:
            old, new = _text(was), _text(now)
        said = f"{pointer or 'the answer'} is {_shown(new)}; the primary's is {_shown(old)}"
        yield Disagreement(DIFFERS, *about, was.frame_id, now.frame_id, pointer, old, new, said)
    took = [(one.latency_ns or 0) / 1e6 for one in (primary, shadow)]
    if not different and took[1] - took[0] > late_s * 1000:
        old, new = ({"latency_ms": round(ms, 1)} for ms in took)
        said = f"the answer took {took[1]:.0f} ms; the primary's took {took[0]:.0f} ms"
        yield Disagreement(LATE, *about, was.frame_id, now.frame_id, None, old, new, said)


def _kind(frame: Frame | None) -> str | None:
    if frame is None:
        return None
    message = frame.message
    if isinstance(message, CallError):
        return f"CALLERROR {message.error_code}"
    return "malformed" if isinstance(message, Malformed) else type(message).__name__.upper()


def _value(frame: Frame, pointer: str) -> Any:
    try:
        found = value_at(json.loads(frame.raw), pointer)
    except ValueError:
        return None
    return None if found is MISSING else found


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return "missing" if value is None else text if len(text) <= 100 else f"{text[:100]}…"


def _compare_csms_calls(report: Report, name: str, mirrored: Mirrored) -> None:
    """Count the CALLs that each CSMS sent; those that only the shadow sent are differences.

    The reverse is none: an operator may have made the primary send its CALLs.
    """
    primary, shadow = (Counter(call.action for call in calls) for calls in mirrored.csms_calls)
    for action in dict.fromkeys([*primary, *shadow]):
        counts = report.csms_calls.setdefault(action or "?", [0, 0])
        counts[0] += primary[action]
        counts[1] += shadow[action]
    passed: Counter[str | None] = Counter()
    for call in mirrored.csms_calls[1]:
        passed[call.action] += 1
        if passed[call.action] > primary[call.action]:
            said = f"the shadow sent the CALL {call.action}, the primary did not"
            report.note(
                Disagreement(EXTRA_CALL, name, call.action, None, call.frame_id, None, None, call.payload, said)
            )


def _compare_ends(report: Report, name: str, mirrored: Mirrored) -> None:
    primary = mirrored.primary
    for row in mirrored.shadows:
        early = row.closed_ns is not None and (primary.closed_ns is None or row.closed_ns < primary.closed_ns)
        if not early or row.closed_by != "csms":
            continue
        how = "without a close frame" if row.csms_close_code is None else f"with code {row.csms_close_code}"
        how += f" {row.csms_close_reason}" if row.csms_close_reason else ""
        last = mirrored.last_frame.get(row.id)
        said = f"the shadow closed the connection {how}; the primary kept it open"
        report.note(Disagreement(CLOSED, name, None, None, last, None, "open", f"closed {how}", said))


def _one_sided(db: sqlite3.Connection, name: str, mirrored: Mirrored) -> Iterator[OneSided]:
    of_primary = _findings(db, [mirrored.primary.id])
    of_shadow = _findings(db, [row.id for row in mirrored.shadows])
    for only, mine, others in (("primary", of_primary, of_shadow), ("shadow", of_shadow, of_primary)):
        for (rule, side), (severity, message, frame) in mine.items():
            if (rule, side) not in others:
                yield OneSided(name, only, rule, severity, side, message, frame)


def _findings(db: sqlite3.Connection, sessions: list[int]) -> dict[tuple[str, str], tuple[str, str, int | None]]:
    """Return the first finding of each rule and side, as {(rule, side): (severity, message, frame)}."""
    sql = """SELECT rule_id, side, severity, message, frame_id FROM findings
        WHERE session_id IN (SELECT value FROM json_each(?)) ORDER BY id DESC"""
    return {(row[0], row[1]): (row[2], row[3], row[4]) for row in db.execute(sql, (json.dumps(sessions),))}
