"""Compare the answers of a shadow with those of the primary, with the matchers and policies of a replay."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from inspector.interventions.pointers import MISSING, value_at
from inspector.protocol.frame import Frame
from inspector.protocol.messages import CallError, CallResult, Malformed
from inspector.replay.matching import Difference, compare
from inspector.replay.policy import Policy
from inspector.shadow.pairing import Exchange, Mirrored, Pair, mirrored_sessions, unreachable
from inspector.shadow.report import (
    ABSENT,
    CLOSED,
    DIFFERS,
    EXTRA_CALL,
    LATE,
    OTHER_CALL,
    SAME,
    Disagreement,
    OneSided,
    Place,
    Report,
    Tally,
    place_of,
)
from inspector.shadow.shadow_ids import ShadowIds

LATE_S = 1.0
"""How much longer than the primary's an answer may take before it is late, in seconds."""
_DECIDED = frozenset({("BootNotification", "interval")})
"""Members that may differ from run to run of one CSMS, but that a CSMS decides: two CSMSs should decide alike."""
_CANDIDATES = 20
"""How many CALLs of the primary a CALL of the shadow is compared with, to find the most similar one."""


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
        ids.setdefault(name, ShadowIds())
        for pair in mirrored.pairs:
            _compare_pair(report, tally, name, pair, ids[name], policy, late_s, noise)
        _compare_csms_calls(report, name, mirrored, ids[name], policy, noise)
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


def _compare_csms_calls(
    report: Report, name: str, mirrored: Mirrored, ids: ShadowIds, policy: Policy, noise: frozenset[Place]
) -> None:
    """Compare the CALLs of both CSMSs; those that only the shadow sent are differences.

    Those that only the primary sent are none: an operator may have made it send them.
    """
    waiting: dict[str | None, list[Frame]] = {}
    for call in mirrored.csms_calls[0]:
        waiting.setdefault(call.action, []).append(call)
        report.csms_calls.setdefault(call.action or "?", [0, 0])[0] += 1
    for call in mirrored.csms_calls[1]:
        report.csms_calls.setdefault(call.action or "?", [0, 0])[1] += 1
        alike = waiting.get(call.action, [])
        if not alike:
            said = f"the shadow sent the CALL {call.action}, the primary did not"
            about = (EXTRA_CALL, name, call.action, None, call.frame_id, None, None)
            report.note(Disagreement(*about, call.payload, said))
            continue
        compared = [
            (len(found := _call_differences(one, call, ids, policy)), one, found) for one in alike[:_CANDIDATES]
        ]
        _, nearest, found = min(compared, key=lambda one: one[0])
        alike.remove(nearest)
        for difference in found:
            pointer = difference.pointer
            if pointer is not None and (place := place_of(call.action, pointer)) in noise:
                report.noise[place] += 1
                continue
            old, new = (_value(one, pointer) if pointer is not None else _kind(one) for one in (nearest, call))
            said = f"{pointer or 'the CALL'} is {_shown(new)}; the primary's CALL has {_shown(old)}"
            frames = (nearest.frame_id, call.frame_id)
            report.note(Disagreement(OTHER_CALL, name, call.action, *frames, pointer, old, new, said))


def _call_differences(primary: Frame, shadow: Frame, ids: ShadowIds, policy: Policy) -> list[Difference]:
    """Return the differences of two CALLs of CSMSs; their own ids are none."""
    expected = ids.expected(primary.action, primary.payload)
    return [one for one in compare(primary, expected, shadow, policy) if one.matcher != "bound-id"]


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
