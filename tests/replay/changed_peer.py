"""A peer that plays its side of a recording, with one change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from websockets.exceptions import ConnectionClosed

from inspector.protocol.messages import Malformed
from inspector.protocol.vocabulary import Direction
from inspector.replay.outcome import Outcome
from inspector.replay.runs import Choices, play
from inspector.replay.script import Script
from tests.replay.in_memory import End, without_waiting
from tests.replay.parties import sessions

TIMEOUT_S = 10.0


class Step:
    """One frame of the recording: the peer sends it or waits for it."""

    def __init__(self, sends: bool, message: list[Any], action: str | None) -> None:
        self.sends, self.message, self.action = sends, message, action
        self.delay_s = 0.0
        self.raw: str | None = None  # sent instead of the message
        self.close_code: int | None = None  # closes the connection instead of sending


type Change = Callable[[list[Step]], None]


class Peer:
    """One side of a session, played from the recording."""

    def __init__(self, script: Script, side: Direction, change: Change) -> None:
        self._steps = [
            Step(frame.direction is side, json.loads(frame.raw), frame.action)
            for frame in script.frames
            if not isinstance(frame.message, Malformed)
        ]
        for step in self._steps:  # timestamps get the time of this run
            if step.message[0] == 3 and "currentTime" in step.message[2]:
                step.message[2]["currentTime"] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        change(self._steps)

    async def play(self, connection: Any) -> None:
        """Carry out the steps, then wait until the other side closes."""
        ids: dict[str, str] = {}
        calls: dict[str, list[str]] = {}  # ids of the CALLs received in this run, by action
        try:
            for step in self._steps:
                if not step.sends:
                    await self._take(connection, step, ids, calls)
                    continue
                await asyncio.sleep(step.delay_s)
                if step.close_code is not None:
                    await connection.close(step.close_code, "changed")
                    return
                message = list(step.message)
                if message[0] in (3, 4):
                    message[1] = ids.get(message[1], message[1])
                await connection.send(step.raw if step.raw is not None else json.dumps(message))
            await connection.wait_closed()
        except (ConnectionClosed, TimeoutError):
            return

    @staticmethod
    async def _take(connection: Any, step: Step, ids: dict[str, str], calls: dict[str, list[str]]) -> None:
        if step.message[0] != 2:
            return  # answers are read while waiting for the next CALL
        waiting = calls.setdefault(str(step.action), [])
        while not waiting:
            message = json.loads(await asyncio.wait_for(connection.recv(), 6 * TIMEOUT_S))
            if message[0] == 2:
                calls.setdefault(message[2], []).append(message[1])
        ids[step.message[1]] = waiting.pop(0)


def replayed_to_csms(name: str, change: Change) -> Outcome:
    """Play a recording as charge point against a CSMS with one change."""
    return without_waiting(_replayed(name, Direction.FROM_CHARGE_POINT, change))


def replayed_to_charge_point(name: str, change: Change) -> Outcome:
    """Play a recording as CSMS against a charge point with one change."""
    return without_waiting(_replayed(name, Direction.FROM_CSMS, change))


async def _replayed(name: str, ours: Direction, change: Change) -> Outcome:
    script = sessions(name)[0]
    player, peer = End.pair()
    playing = asyncio.create_task(Peer(script, ours.opposite, change).play(peer))
    outcome = await play(script, ours, player, script.charge_point_id or "CP1", Choices(timeout_s=TIMEOUT_S))
    await playing
    return outcome
