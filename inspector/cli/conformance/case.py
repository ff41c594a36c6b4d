"""A case of a conformance run, and its verdict."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from inspector.cli.conformance.stage import Stage

type Play = Callable[[Stage], Awaitable[None]]

VERSIONS = ("1.6", "2.0.1", "2.1")
PROFILES = (
    "core",
    "offline",
    "remote-trigger",
    "local-list",
    "reservation",
    "smart-charging",
    "firmware",
    "security",
    "monitoring",
    "display",
)


class Verdict(StrEnum):
    """The outcome of a case."""

    PASS = "PASS"
    FAIL = "FAIL"
    PARTIAL = "PARTIAL"
    NOT_APPLICABLE = "NOT APPLICABLE"


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes:
        name: unique among the cases of a version, such as "remote-start-cable-first".
        profile: one of PROFILES.
        title: what the charge point has to do.
        versions: the versions of OCPP that it is for.
        octt: ids of the OCA's test cases that ask for the same; the wording is not theirs.
        spec: sections or requirement ids.
        play: the case itself.
    """

    name: str
    profile: str
    title: str
    versions: tuple[str, ...]
    spec: str
    octt: tuple[str, ...]
    play: Play


@dataclass(slots=True)
class Problem:
    """One reason for FAIL.

    Attributes:
        why: what happened, and what was expected.
        clause: the section or requirement.
        remedy: what to change at the charge point; empty if the case itself has failed, not a rule.
        number: the frame in the case, from 0, if there is one.
        rule: the slug of the rule that found it; None for an expectation of the case.
        frame: the text of the frame, with asterisks for secrets.
    """

    why: str
    clause: str
    remedy: str = ""
    number: int | None = None
    rule: str | None = None
    frame: str | None = None


@dataclass(slots=True)
class Result:
    """The outcome of one case: its verdict, and why."""

    case: Case
    verdict: Verdict
    seconds: float = 0.0
    why: str = ""
    problems: list[Problem] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    sessions: list[int] = field(default_factory=list)
    expected: bool = False

    @property
    def good(self) -> bool:
        """Whether the case leaves the run successful: nothing failed, or only what was expected to."""
        return (self.verdict is Verdict.FAIL) == self.expected if self.ran else True

    @property
    def ran(self) -> bool:
        return self.verdict is not Verdict.NOT_APPLICABLE


CASES: list[Case] = []


def case(
    profile: str, title: str, spec: str, *octt: str, versions: tuple[str, ...] = ("2.0.1", "2.1")
) -> Callable[[Play], Play]:
    """Add a coroutine function to the cases, under its name with hyphens."""

    def add(play: Play) -> Play:
        name = getattr(play, "__name__", "").strip("_").replace("_", "-")
        CASES.append(Case(name, profile, title, versions, spec, octt, play))
        return play

    return add


def chosen(version: str, profiles: tuple[str, ...], names: tuple[str, ...]) -> list[Case]:
    """Return the cases of a version in order: of some profiles or names, or all."""
    return [
        one
        for one in CASES
        if version in one.versions and (not profiles or one.profile in profiles) and (not names or one.name in names)
    ]


def facts(result: Result) -> dict[str, Any]:
    """Return a result as JSON values."""
    one = result.case
    return {
        "case": one.name,
        "profile": one.profile,
        "title": one.title,
        "spec": one.spec,
        "octt": list(one.octt),
        "verdict": result.verdict.value,
        "expected_to_fail": result.expected,
        "seconds": round(result.seconds, 3),
        "why": result.why,
        "problems": [
            {"why": p.why, "clause": p.clause, "remedy": p.remedy, "frame": p.frame, "rule": p.rule}
            for p in result.problems
        ],
        "left_out": result.left_out,
        "sessions": result.sessions,
    }
