"""Let a case send CALLs, wait for the charge point's messages, ask the person, and report faults."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from inspector.cli.conformance.bench import Bench
from inspector.cli.conformance.failures import Failed, NotApplicable
from inspector.cli.conformance.person import Person
from inspector.cli.conformance.seen import Frames, Seen

type Test = Callable[[dict[str, Any]], bool]
type Undo = Callable[[], Awaitable[object]]


def having(**members: Any) -> Test:
    """Return a test for a payload with certain values."""
    return lambda payload: all(payload.get(name) == value for name, value in members.items())


NOT_THERE = ("NotImplemented", "NotSupported")


@dataclass(slots=True)
class Limits:
    """How long to wait, in seconds.

    Attributes:
        answer: for a message that the charge point sends by itself.
        person: for a message that follows something a person does.
        reboot: for the charge point to come back.
        silence: how long nothing may come, where nothing must.
    """

    answer: float = 30.0
    person: float = 90.0
    reboot: float = 180.0
    silence: float = 5.0


@dataclass(slots=True)
class Known:
    """What the charge point has reported about itself.

    Attributes:
        connectors: how many connectors (1.6) or EVSEs (2.x) it has.
        profiles: the feature profiles of 1.6 in SupportedFeatureProfiles.
        settings: configuration keys of 1.6, variables "Component.Variable" of 2.x -> (value, whether it can be set).
        token: the id of the person's card, once it is known.
    """

    connectors: int = 1
    profiles: set[str] = field(default_factory=set)
    settings: dict[str, tuple[str | None, bool]] = field(default_factory=dict)
    token: str | None = None
    token_type: str = "ISO14443"


class Stage:
    """One case while it runs."""

    def __init__(self, bench: Bench, frames: Frames, person: Person, limits: Limits, known: Known) -> None:
        self.bench, self.frames, self.person, self.limits, self.known = bench, frames, person, limits, known
        self.left_out: list[str] = []
        self.plugged: set[int] = set()
        self._undo: list[Undo] = []
        self._person_acts = False

    @property
    def version(self) -> str:
        return self.frames.version or ""

    @property
    def now(self) -> int:
        """The number of the next frame: where `expect` begins to look, if a case gives it as `since`."""
        return len(self.frames.seen)

    # The CSMS's side

    async def call(self, action: str, payload: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a CALL and return the payload of its answer.

        Raises:
            NotApplicable: the charge point does not have this action.
            Failed: another CALLERROR, no answer, or an answer that does not fit its schema.
        """
        connection = self.bench.charge_point
        if connection is None:
            await self.back()
            connection = self.bench.charge_point
            assert connection is not None
        outcome = await connection.send_call(action, payload or {})
        frame = self.now - 1
        if outcome.kind == "CALLERROR":
            if outcome.error_code in NOT_THERE:
                raise NotApplicable(f"the charge point answers {action} with {outcome.error_code}")
            said = f"{outcome.error_code} {outcome.error_description or ''}".strip()
            raise Failed(f"{action} was answered with a CALLERROR: {said}", "OCPP-J, 4.2.3", frame)
        if outcome.kind != "CALLRESULT":
            raise Failed(f"{action} was not answered ({outcome.kind})", "OCPP-J, 4.1")
        if outcome.error_code is not None:
            raise Failed(
                f"the answer to {action} does not fit its schema: {outcome.error_description}", "schema", frame
            )
        return outcome.payload or {}

    async def ask(
        self,
        action: str,
        payload: dict[str, Any] | None = None,
        *,
        clause: str,
        status: str | tuple[str, ...] = "Accepted",
    ) -> dict[str, Any]:
        """Send a CALL whose answer must have a status (one of several); return the answer."""
        answer = await self.call(action, payload)
        wanted = (status,) if isinstance(status, str) else status
        self.check(
            answer.get("status") in wanted,
            f"{action} was answered with status {answer.get('status')}; right is {' or '.join(wanted)}",
            clause,
        )
        return answer

    # The charge point's side

    async def expect(
        self,
        action: str,
        *,
        clause: str,
        what: str = "",
        where: Test | None = None,
        since: int = 0,
        within: float | None = None,
    ) -> Seen:
        """Wait for a CALL of the charge point and return it.

        Args:
            action: its action.
            clause: the section or requirement that asks for it.
            what: describes it, for the message.
            where: which payload fits; None: any.
            since: the number of the first frame that counts.
            within: seconds; None waits for a person if the case has asked her for something, else `limits.answer`.
        """
        patience = within or (self.limits.person if self._person_acts else self.limits.answer)
        until = asyncio.get_running_loop().time() + patience
        while True:
            if (found := self.first(action, where, since)) is not None:
                return found
            if not await self.frames.more(until):
                near = next((one.number for one in reversed(self.frames.seen) if self._is(one, action)), None)
                raise Failed(f"no {action}{' ' + what if what else ''} came within {patience:.0f} s", clause, near)

    def first(self, action: str, where: Test | None = None, since: int = 0) -> Seen | None:
        """Return the first fitting CALL of the charge point since a frame, if there is one."""
        return next(
            (
                one
                for one in self.frames.seen[since:]
                if self._is(one, action) and (where is None or where(one.payload))
            ),
            None,
        )

    @staticmethod
    def _is(one: Seen, action: str) -> bool:
        return one.from_charge_point and one.kind in (2, 6) and one.action == action and isinstance(one.payload, dict)

    async def never(
        self,
        action: str,
        *,
        clause: str,
        what: str = "",
        where: Test | None = None,
        since: int = 0,
        seconds: float | None = None,
    ) -> None:
        """Wait for `seconds` (`limits.silence`); a fitting CALL of the charge point fails the case."""
        until = asyncio.get_running_loop().time() + (seconds or self.limits.silence)
        while (found := self.first(action, where, since)) is None:
            if not await self.frames.more(until):
                return
        raise Failed(f"{action}{' ' + what if what else ''} must not come here", clause, found.number)

    def answer_to(self, call: Seen) -> dict[str, Any]:
        """Return the CSMS's answer to a CALL; {} if it was refused."""
        found = next((one for one in self.frames.seen if one.message_id == call.message_id and one.kind == 3), None)
        return found.payload if found is not None and isinstance(found.payload, dict) else {}

    async def gone(self, *, clause: str, within: float | None = None) -> None:
        """Wait until the charge point has closed its connection."""
        await self._until(
            lambda: self.bench.charge_point is None, within or self.limits.answer, "did not disconnect", clause
        )

    async def back(self, *, clause: str = "OCPP-J, 5.3", within: float | None = None) -> None:
        """Wait until the charge point is connected."""
        there = lambda: self.bench.charge_point is not None  # noqa: E731
        await self._until(there, within or self.limits.reboot, "did not connect again", clause)

    async def _until(self, test: Callable[[], bool], seconds: float, why: str, clause: str) -> None:
        until = asyncio.get_running_loop().time() + seconds
        while not test():
            await self.frames.more(min(until, asyncio.get_running_loop().time() + 0.2))
            if asyncio.get_running_loop().time() >= until:
                raise Failed(f"the charge point {why} within {seconds:.0f} s", clause)

    # The person's side

    async def person_does(self, do: str, connector: int = 1, **more: Any) -> None:
        """Ask the person for something."""
        self._person_acts = True
        if do in ("plug-in", "unplug"):
            (self.plugged.add if do == "plug-in" else self.plugged.discard)(connector)
        await self.person.do({"do": do, "connector": connector, **more})

    # Verdicts

    def check(self, right: bool, why: str, clause: str, frame: int | None = None) -> None:
        """Fail the case if something is not right."""
        if not right:
            raise Failed(why, clause, self.now - 1 if frame is None and self.frames.seen else frame)

    def leave_out(self, why: str) -> None:
        """Note that a part of the case could not be tried: a case without faults is PARTIAL then."""
        self.left_out.append(why)

    @staticmethod
    def need(there: bool, what: str) -> None:
        """End the case as NOT APPLICABLE if the charge point lacks something."""
        if not there:
            raise NotApplicable(what)

    # Cleaning up

    def afterwards(self, undo: Undo) -> None:
        """Do something after the case, also if it fails; the last is done first."""
        self._undo.append(undo)

    async def clean_up(self) -> list[str]:
        """Undo what the case did; return what was not possible."""
        problems = []
        while self._undo:
            try:
                await self._undo.pop()()
            except (Failed, NotApplicable) as error:
                problems.append(str(error))
        return problems
