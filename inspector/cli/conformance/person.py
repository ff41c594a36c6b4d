"""Tell the person at the charge point what to do, or let a program do it."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Callable
from typing import Any, Protocol

from inspector.cli.conformance.failures import Failed
from inspector.errors import UserMistake
from inspector.escaping import visible

WORDS = {
    "plug-in": "Plug a car (or a test load) into connector {connector} now",
    "unplug": "Unplug the car from connector {connector} now",
    "present": "Hold the card {token} to the reader of connector {connector} now",
    "present-any": "Hold a card to the reader of connector {connector} now",
    "fault": "Provoke a fault at connector {connector} now, for example with the emergency stop",
    "clear-fault": "Clear the fault at connector {connector} now",
}
ANSWER_WITHIN_S = 60.0


def words(step: dict[str, Any]) -> str:
    """Return a step in words for a person."""
    name = "present-any" if step["do"] == "present" and not step.get("token") else step["do"]
    return WORDS[name].format(**{"connector": 1, **step})


class Person(Protocol):
    """Does what a case asks for at the charge point."""

    async def start(self, url: str) -> None:
        """Begin; the charge point connects to the address `url`."""

    async def do(self, step: dict[str, Any]) -> None:
        """Do a step such as {"do": "plug-in", "connector": 1}. Raises Failed if it cannot be done."""

    async def stop(self) -> None:
        """End."""


class Told:
    """A person who reads what to do on the terminal. What she did shows on the wire, so nothing has to be confirmed."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    async def start(self, url: str) -> None:
        """Nothing is to be started: the person has set the address in the charge point."""

    async def do(self, step: dict[str, Any]) -> None:
        self._say(f"    >>> {words(step)}")

    async def stop(self) -> None:
        """Nothing is to be ended."""


class Program:
    """A program that plays the person, such as a test bench with relays.

    It is started once. It gets each step as a line of JSON on its standard input, and answers each with a line on its
    standard output: {"done": true}, or {"done": false, "why": "…"}. `{url}` in its command becomes the address.
    """

    def __init__(self, command: str) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, url: str) -> None:
        """Start the program. Raises UserMistake if that is not possible."""
        parts = [part.replace("{url}", url) for part in shlex.split(self._command)]
        try:
            self._process = await asyncio.create_subprocess_exec(
                *parts,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the run, which ends the program
            )
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            raise UserMistake(f"--operator: {visible(self._command)}: cannot be started ({why})") from None

    async def do(self, step: dict[str, Any]) -> None:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(step).encode() + b"\n")
            await process.stdin.drain()
            line = await asyncio.wait_for(process.stdout.readline(), ANSWER_WITHIN_S)
        except (OSError, TimeoutError) as error:
            raise UserMistake(f"--operator: the program did not do {step['do']} ({error or 'no answer'})") from None
        if not line:
            raise UserMistake(f"--operator: the program ended before it did {step['do']}")
        try:
            answer = json.loads(line)
            done = bool(answer["done"])
        except (ValueError, TypeError, KeyError):
            shown = visible(line.decode("utf-8", "replace").strip())
            raise UserMistake(f'--operator: expected {{"done": true}} on standard output, got {shown[:200]}') from None
        if not done:
            raise Failed(f"the program at the charge point could not do {step['do']}: {answer.get('why', '')}", "")

    async def stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 5)
        except TimeoutError:
            process.kill()
            await process.wait()
