"""Count CALLs, disconnects, findings and energy for metrics. Reads no clock."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from typing import Any

from inspector.protocol.frame import Frame
from inspector.protocol.messages import CallResult
from inspector.protocol.vocabulary import EVERY_ACTION, Direction
from inspector.recorder.traffic import BUCKETS_S, CallKey, Traffic
from inspector.rules.finding import Finding

OTHER = "other"
"""The label of actions that OCPP does not define, close codes without a meaning, and charge points beyond the limit."""
OPEN_TRANSACTIONS_LIMIT = 10_000
_BUCKETS_NS = tuple(int(bound * 1e9) for bound in BUCKETS_S)
_CODES = frozenset({*range(1000, 1016)})
ENERGY = "Energy.Active.Import.Register"


class _ChargePoint:
    __slots__ = ("active", "calls", "energy_wh", "findings", "last_frame_ns", "open")

    def __init__(self) -> None:
        self.open = self.active = self.last_frame_ns = 0
        self.energy_wh = 0.0
        self.calls: Counter[str] = Counter()
        self.findings: Counter[str] = Counter()


class TrafficCounts:
    """Counts what a Pipeline processes."""

    def __init__(self, charge_points: int = 0) -> None:
        """Begin with zero; `charge_points` is how many charge points get figures of their own."""
        self.charge_points_limit = charge_points
        self._calls: dict[CallKey, list[int]] = {}
        self._disconnects: Counter[tuple[str, str]] = Counter()
        self._findings: Counter[tuple[str, str, str]] = Counter()
        self._charge_points: dict[str, _ChargePoint] = {}
        self._energy_wh = 0.0
        self._started = 0
        self._registers: dict[tuple[str, str], float | None] = {}  # by charge point and transaction id
        self._keys: dict[int, tuple[str, str]] = {}  # by row id

    def snapshot(self) -> Traffic:
        """Return the current figures. They share their parts with this object, so send or copy them at once."""
        names = {
            name: (one.open, dict(one.calls), dict(one.findings), one.energy_wh, one.active, one.last_frame_ns)
            for name, one in self._charge_points.items()
        }
        charging = (self._energy_wh, self._started, len(self._registers))
        return Traffic(self._calls, dict(self._disconnects), dict(self._findings), *charging, names)

    def _of(self, charge_point_id: str | None) -> _ChargePoint | None:
        if not self.charge_points_limit:
            return None
        name = charge_point_id or "?"
        found = self._charge_points.get(name)
        if found is None:
            if len(self._charge_points) >= self.charge_points_limit:
                name = OTHER
            found = self._charge_points.setdefault(name, _ChargePoint())
        return found

    def opened(self, charge_point_id: str | None) -> None:
        """Count an open session."""
        if one := self._of(charge_point_id):
            one.open += 1

    def closed(self, charge_point_id: str | None, facts: Any, unanswered: Iterable[Frame]) -> None:
        """Count a session that has ended, by its cause, and its CALLs that nobody answered."""
        by = facts.get("closed_by") or "unknown"
        code = facts.get("csms_close_code" if by == "csms" else "cp_close_code")
        self._disconnects[by, "none" if code is None else str(code) if code in _CODES else OTHER] += 1
        for call in unanswered:
            self._call(charge_point_id, call, "unanswered")
        if one := self._of(charge_point_id):
            one.open -= 1

    def answered(self, charge_point_id: str, answer: Frame, call: Frame) -> None:
        """Count a CALL that got its first answer; this runs for every second frame, so it must be fast."""
        kept = self._call(charge_point_id, call, "result" if type(answer.message) is CallResult else "error")
        took = answer.mono_ns - call.mono_ns
        kept[1] += took
        kept[2 + bisect_left(_BUCKETS_NS, took)] += 1

    def _call(self, charge_point_id: str | None, call: Frame, outcome: str) -> list[int]:
        key = (call.action or OTHER, call.direction is Direction.FROM_CHARGE_POINT, outcome)
        kept = self._calls.get(key)
        if kept is None:
            if call.action not in EVERY_ACTION:
                key = (OTHER, *key[1:])
            kept = self._calls.setdefault(key, [0] * (3 + len(BUCKETS_S)))
        kept[0] += 1
        if self.charge_points_limit and (one := self._of(charge_point_id)):
            one.calls[outcome] += 1
        return kept

    def seen(self, charge_point_id: str, ts_ns: int) -> None:
        """Note when a frame of a charge point's session was seen."""
        if one := self._of(charge_point_id):
            one.last_frame_ns = ts_ns

    def finding(self, charge_point_id: str | None, finding: Finding, times: int) -> None:
        """Count occurrences of a finding; fewer than 0 if they could not be stored."""
        self._findings[finding.rule_id, finding.severity.value, finding.side.value] += times
        if one := self._of(charge_point_id):
            one.findings[finding.severity.value] += times

    def begun(self, row_id: int, row: dict[str, Any], *, new: bool = True) -> None:
        """Note a row of a transaction; with `new` False, an earlier process has counted its start."""
        key = (row.get("charge_point_id") or "", row["transaction_id"])
        if key not in self._registers:
            self._registers[key] = None
            self._started += new
            if one := self._of(key[0]):
                one.active += 1
            if len(self._registers) > OPEN_TRANSACTIONS_LIMIT:
                self._end(next(iter(self._registers)))
        self._keys[row_id] = key
        if len(self._keys) > 2 * OPEN_TRANSACTIONS_LIMIT:
            del self._keys[next(iter(self._keys))]
        self._note(key, row)

    def changed(self, row_id: int, values: dict[str, Any]) -> None:
        """Note the new values of a transaction's row."""
        key = self._keys.get(row_id)
        if key is not None:
            self._note(key, values)

    def _note(self, key: tuple[str, str], values: dict[str, Any]) -> None:
        for column in ("meter_start_wh", "meter_stop_wh"):
            if values.get(column) is not None:
                self._register(key, values[column])
        if values.get("stopped_ns") is not None:
            self._end(key)

    def _end(self, key: tuple[str, str]) -> None:
        if key in self._registers:
            del self._registers[key]
            if one := self._of(key[0]):
                one.active -= 1

    def register(self, row_id: int, wh: float) -> None:
        """Note the energy register of the outlet during the transaction with this row."""
        key = self._keys.get(row_id)
        if key is not None:
            self._register(key, wh)

    def _register(self, key: tuple[str, str], wh: float) -> None:
        """Add what the register gained. A late sample with an older value changes nothing."""
        if key not in self._registers:
            return
        before = self._registers[key]
        if before is None or wh > before:
            self._registers[key] = wh
            if before is not None:
                self._energy_wh += wh - before
                if one := self._of(key[0]):
                    one.energy_wh += wh - before
