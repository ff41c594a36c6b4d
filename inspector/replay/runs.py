"""Run whole replays: play one side of a script, once or as many charge points at the same time."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from inspector.errors import UnusableAddress, without_userinfo
from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import Direction
from inspector.records import Record
from inspector.replay.connect import ConnectionQueue, dial
from inspector.replay.id_mapping import IdMapping
from inspector.replay.outcome import Outcome
from inspector.replay.pace import Pace
from inspector.replay.player import Connection, Player, Prompt
from inspector.replay.policy import Policy
from inspector.replay.script import Script
from inspector.rules.judge import Judge

OPENING_AT_ONCE = 50
"""How many connections may be in their handshake at the same time; the number of open connections has no limit."""


@dataclass
class Choices:
    """The options of a replay.

    Attributes:
        policy: decides which differences count.
        speed: "1", "10", "max".
        timeout_s: how long to wait for a frame of the peer.
        tokens: recorded idTag or idToken -> idTag or idToken to send.
        identity: replaces the recorded charge point id.
        password: for Basic authorization: a played charge point sends it, a played CSMS requires it.
        tap: gets a record of every frame in both directions.
        tls: the context for wss://.
        prompt: makes the CSMS send a CALL of the recording.
    """

    policy: Policy = field(default_factory=Policy)
    speed: str = "max"
    timeout_s: float = 10.0
    tokens: dict[str, str] = field(default_factory=dict)
    identity: str | None = None
    password: str | None = None
    tap: Callable[[Record], None] | None = None
    tls: ssl.SSLContext | None = None
    prompt: Prompt | None = None
    _links: Any = field(default_factory=lambda: count(1))
    # A transaction may last longer than a session, so the next session of the charge point gets the same state.
    _known: dict[tuple[str, str], tuple[IdMapping, Judge, list[Frame]]] = field(default_factory=dict)

    def known(self, script: Script, identity: str) -> tuple[IdMapping, Judge, list[Frame]]:
        """Return the id mapping, the judge and the repeatable CALLs of a charge point in one recording."""
        key = script.source, identity
        if key not in self._known:
            shift = Pace.parse(self.speed).shift(script.began_ns, script.recording_ends_ns)
            self._known[key] = IdMapping(shift=shift, tokens=self.tokens), Judge(), []
        return self._known[key]


async def as_charge_point(
    script: Script, url: str, choices: Choices, number: int | None = None, opening: asyncio.Semaphore | None = None
) -> Outcome:
    """Play the charge point's side against the CSMS at `url`; `number` is appended to the identity.

    `opening` limits how many connections are opened at the same time.

    Raises:
        UnusableAddress: the CSMS cannot be reached, or refuses the connection.
    """
    assert script.version is not None
    identity = choices.identity or script.charge_point_id or "REPLAY"
    if number is not None:
        identity = f"{identity}-{number}"
    async with opening or nullcontext():
        connection = await dial(url, identity, script.version, choices.password, choices.tls)
    outcome = await play(script, Direction.FROM_CHARGE_POINT, connection, identity, choices)
    outcome.peer = without_userinfo(url)
    return outcome


async def go_on_as_charge_point(script: Script, url: str, choices: Choices, outcomes: list[Outcome]) -> None:
    """Play the charge point's side of the next script, and append its result to `outcomes`.

    Raises:
        UnusableAddress: as `as_charge_point`, but only for the first script; later it becomes the result.
    """
    try:
        outcomes.append(await as_charge_point(script, url, choices))
    except UnusableAddress as error:
        if not outcomes:
            raise
        outcomes.append(Outcome(script, "charge-point", failure=str(error), peer=without_userinfo(url)))


async def as_many_charge_points(
    script: Script, url: str, choices: Choices, many: int, tell: Callable[[Outcome], None]
) -> list[Outcome]:
    """Play the charge point's side `many` times at once, with numbered ids; call `tell` with each result."""

    opening = asyncio.Semaphore(OPENING_AT_ONCE)

    async def one(number: int) -> Outcome:
        try:
            outcome = await as_charge_point(script, url, choices, number, opening)
        except UnusableAddress as error:
            outcome = Outcome(script, "charge-point", failure=str(error), peer=without_userinfo(url))
        tell(outcome)
        return outcome

    return list(await asyncio.gather(*(one(number) for number in range(1, many + 1))))


async def as_csms(script: Script, waiting: ConnectionQueue, choices: Choices, wait_s: float | None) -> Outcome:
    """Play the CSMS's side against the next charge point that connects.

    Raises:
        TimeoutError: no charge point connected within `wait_s` seconds.
    """
    identity, connection = await waiting.next(wait_s)
    try:
        outcome = await play(script, Direction.FROM_CSMS, connection, identity, choices)
        outcome.peer = f"the charge point {identity}" + (f" ({outcome.identity})" if outcome.identity else "")
        return outcome
    finally:
        waiting.release(connection)


async def play(script: Script, ours: Direction, connection: Connection, identity: str, choices: Choices) -> Outcome:
    """Play one side of a script over an open connection; `ours` is the direction of the frames to send."""
    rebinding, judge, said = choices.known(script, identity)
    player = Player(
        script,
        ours,
        connection,
        policy=choices.policy,
        pace=Pace.parse(choices.speed),
        rebinding=rebinding,
        judge=judge,
        charge_point_id=identity,
        timeout_s=choices.timeout_s,
        tap=choices.tap,
        link=next(choices._links),
        prompt=choices.prompt if ours is Direction.FROM_CHARGE_POINT else None,
        said=said,
    )
    return await player.play()
