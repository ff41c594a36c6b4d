"""The result of a comparison of a shadow with its primary."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

MOST_DIFFERENCES = 10_000
"""The most differences that a report lists; it counts all."""

type Place = tuple[str | None, str]
"""An action and a JSON pointer with `*` in place of indexes: where two CSMSs of the same software differ by chance."""
_INDEX = re.compile(r"/\d+(?=/|$)")

SAME, DIFFERS, ABSENT, LATE = "same", "differs", "missing", "late"
EXTRA_CALL, OTHER_CALL, CLOSED = "extra-call", "other-call", "closed"


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
        kind: differs, missing, late, extra-call, other-call or closed.
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
