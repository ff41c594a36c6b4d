"""Run cases against the charge point that connects, judge what crossed the wire, and store each case."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from csms.configuration import Settings
from csms.errors import CsmsMistake
from inspector.cli.conformance import cases_2x, cases_16
from inspector.cli.conformance.bench import Bench
from inspector.cli.conformance.case import Case, Problem, Result, Verdict, chosen
from inspector.cli.conformance.failures import Failed, NotApplicable
from inspector.cli.conformance.person import Person
from inspector.cli.conformance.seen import Frames
from inspector.cli.conformance.stage import Known, Limits, Stage
from inspector.errors import UserMistake
from inspector.offline.check import check
from inspector.records import Record
from inspector.rules.catalogue import rules
from inspector.rules.finding import Severity, Side

RETRY_S = 5
"""The interval that the CSMS gives when it does not accept a boot."""
QUIET_S = 0.3
"""How long nothing must come before the next case begins, so that no exchange is cut in two."""
CONNECT_S = 600.0
"""How long to wait for the charge point to connect for the first time."""

type Store = Callable[[Iterable[Record]], None]


@dataclass(slots=True)
class Plan:
    """What to run.

    Attributes:
        host, port: where the charge point connects.
        charge_point_id: whom to test; None: who connects first.
        profiles, names: which cases; empty: all.
        token: the id of the person's card, if it is known.
        limits: how long to wait.
        expected: names of cases that are expected to fail.
    """

    host: str
    port: int
    charge_point_id: str | None = None
    profiles: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    token: str | None = None
    limits: Limits = field(default_factory=Limits)
    expected: frozenset[str] = frozenset()


class Run:
    """One conformance run; `results` grows while it runs."""

    def __init__(self, plan: Plan, person: Person, store: Store, say: Callable[[str], None]) -> None:
        self.plan, self.results = plan, list[Result]()
        self.charge_point_id = self.version = ""
        self._person, self._store, self._say = person, store, say
        self._known = Known(token=plan.token)

    async def run(self) -> None:
        """Listen, wait for the charge point, and run the cases.

        Raises:
            UserMistake: the address cannot be used, or no charge point connects.
        """
        bench = Bench(Settings(retry_s=RETRY_S), self.plan.charge_point_id, self._say)
        try:
            async with bench.listening(self.plan.host, self.plan.port) as address:
                await self._person.start(address)
                self._say(f"waiting for the charge point at {address}/<its id>")
                try:
                    await self._all(bench)
                finally:
                    await self._person.stop()
        except CsmsMistake as mistake:
            raise UserMistake(str(mistake)) from None
        finally:
            bench.close()

    async def _all(self, bench: Bench) -> None:
        try:
            await asyncio.wait_for(bench.arrived.wait(), CONNECT_S)
        except TimeoutError:
            raise UserMistake(f"no charge point connected within {CONNECT_S / 60:.0f} minutes") from None
        frames = bench.frames
        assert frames is not None and frames.version is not None
        self.charge_point_id, self.version = frames.charge_point_id, frames.version
        cases = self._cases()
        self._say(f"{frames.charge_point_id} is here, with OCPP {frames.version}: {len(cases)} cases")
        await self._quiet(frames)
        await self._look(bench, frames)
        for number, one in enumerate(cases, 1):
            self._say(f"[{number}/{len(cases)}] {one.name}: {one.title}")
            self.results.append(await self._one(one, bench, frames))
            self._say(in_short(self.results[-1]))

    def _cases(self) -> list[Case]:
        cases = chosen(self.version, self.plan.profiles, self.plan.names)
        if missing := sorted(set(self.plan.names) - {one.name for one in cases}):
            raise UserMistake(f"there is no case {missing[0]} for OCPP {self.version} in these profiles")
        if not cases:
            raise UserMistake(f"there are no cases for OCPP {self.version} in these profiles")
        return cases

    async def _look(self, bench: Bench, frames: Frames) -> None:
        """Wait for the boot of a charge point that has just started, and ask what it has."""
        stage = Stage(bench, frames, self._person, self.plan.limits, self._known)
        look = cases_16.look if self.version == "1.6" else cases_2x.look
        try:
            await look(stage)
        except (Failed, NotApplicable) as error:
            self._say(f"the charge point did not report its features ({error}): every case is tried")
        await self._quiet(frames)

    async def _one(self, one: Case, bench: Bench, frames: Frames) -> Result:
        began = asyncio.get_running_loop().time()
        result = Result(one, Verdict.PASS, expected=one.name in self.plan.expected)
        first = frames.begin()
        stage = Stage(bench, frames, self._person, self.plan.limits, self._known)
        try:
            await one.play(stage)
        except NotApplicable as error:
            result.verdict, result.why = Verdict.NOT_APPLICABLE, str(error)
        except Failed as error:
            result.problems.append(Problem(str(error), error.clause, number=error.frame))
        result.left_out = stage.left_out
        for problem in await stage.clean_up():
            self._say(f"    not undone: {problem}")
        await self._quiet(frames)
        result.seconds = asyncio.get_running_loop().time() - began
        if result.ran:
            result.problems = judged(frames.records, result.problems)
            result.verdict = _verdict(result)
        frames.end(one.name, result.verdict.value)
        result.sessions = list(range(first, frames.sessions + 1))
        self._store(frames.records)
        return result

    async def _quiet(self, frames: Frames) -> None:
        loop = asyncio.get_running_loop()
        while await frames.more(loop.time() + QUIET_S):
            pass


def _verdict(result: Result) -> Verdict:
    if result.problems:
        return Verdict.FAIL
    return Verdict.PARTIAL if result.left_out else Verdict.PASS


def judged(records: list[Record], problems: list[Problem]) -> list[Problem]:
    """Add what the rules find in a case: errors and warnings about the charge point, each rule once.

    Each problem gets the text of its frame, with asterisks for secrets.
    """
    known = {rule.slug: rule for rule in rules()}
    frames: list[bytes] = []
    by_rule: dict[str, Problem] = {}
    for found in check(records, shown=frames.append).findings:
        finding = found.finding
        if finding.side is not Side.CHARGE_POINT or finding.severity is Severity.INFO:
            continue
        number = finding.frame_id - 1 if finding.frame_id else None
        clause, remedy = finding.spec_ref or "", known[finding.rule_id].remedy
        by_rule.setdefault(finding.rule_id, Problem(finding.message, clause, remedy, number, finding.rule_id))
    found_all = [*problems, *by_rule.values()]
    for problem in found_all:
        if problem.number is not None and problem.number < len(frames):
            problem.frame = frames[problem.number].decode("utf-8", "replace")
    return found_all


def in_short(result: Result) -> str:
    """Return the verdict of a case for the terminal: a line, and two for each problem."""
    expected = " (expected)" if result.expected and result.verdict is Verdict.FAIL else ""
    if result.expected and result.verdict in (Verdict.PASS, Verdict.PARTIAL):
        expected = " (expected to fail: remove it from the file)"
    lines = [f"    {result.verdict.value}{expected} in {result.seconds:.1f} s{': ' + result.why if result.why else ''}"]
    lines += [f"    left out: {why}" for why in result.left_out]
    for problem in result.problems:
        lines.append(f"    {problem.why} ({problem.clause})")
        if problem.remedy:
            lines.append(f"      what to do: {problem.remedy}")
        if problem.frame:
            lines.append(f"      {problem.frame[:200]}")
    return "\n".join(lines)
