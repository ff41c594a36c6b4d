"""Read scenarios from TOML files and run them; the steps are in `simulator.steps`.

title = "One driver charges"

[values]                  # the values of $token and $minutes; the command line may replace them
token = "CAFE0001"
minutes = 5

[[step]]
do = "power-on"

[[step]]
do = "present"            # the name of a step; its arguments follow
token = "$token"
expect = "Accepted"
ocpp = ["1.6"]            # only in these versions
"""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import simulator.steps_2x  # noqa: F401  # adds its steps to STEPS
from simulator.charging.connector import ImpossibleStatus
from simulator.clock import timestamp
from simulator.station import Station
from simulator.steps import CHOICES, STEPS, Run, StepFailed
from simulator.wire.link import CallFailed

VERSIONS = ("1.6", "2.0.1", "2.1")
CHARGE_POINT = {"connectors": int, "direct_current": bool, "signed": bool, "batteries": int}

KINDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "str": ("a text", (str,)),
    "int": ("a whole number", (int,)),
    "float": ("a number", (int, float)),
    "bool": ("true or false", (bool,)),
    "dict": ("a table", (dict,)),
    "object": ("any value", (object,)),
}
"""Annotation of a step's argument -> the description for messages, and the allowed types."""


class BadScenario(Exception):
    """A mistake in a scenario; `str()` returns the message for the user."""

    def __init__(self, where: str, why: str) -> None:
        self.where, self.why = where, why
        super().__init__(where, why)

    def __str__(self) -> str:
        return f"{self.where}: {self.why}"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a scenario."""

    number: int
    name: str
    arguments: dict[str, Any]
    versions: tuple[str, ...]
    act: Callable[..., Awaitable[None]]

    def __str__(self) -> str:
        return f"step {self.number} ({self.name})"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A list of steps, and the charge point that they need."""

    name: str
    title: str
    steps: tuple[Step, ...]
    values: dict[str, Any] = field(default_factory=dict)
    charge_point: dict[str, Any] = field(default_factory=dict)

    async def run(self, station: Station, values: dict[str, Any] | None = None, operator: str | None = None) -> None:
        """Run all steps until one fails; the failure is added to the station's failures.

        Args:
            station: the charge point.
            values: replace the scenario's own values.
            operator: the address of the reference CSMS's operator API, for steps that make the CSMS send a CALL.

        Raises:
            Unreachable: the charge point cannot connect to the CSMS.
        """
        known = self.values | (values or {})
        run = Run(station, operator)
        for step in self.steps:
            if station.version not in step.versions:
                continue
            try:
                arguments = _filled(step.arguments, known, station)
                if (number := arguments.get("connector", 1)) not in station.connectors:
                    raise StepFailed(f"unknown connector {number}; the charge point has {len(station.connectors)}")
                await step.act(run, **arguments)
            except (StepFailed, CallFailed, ImpossibleStatus, TimeoutError) as failure:
                station.failures.append(f"{step}: {failure or 'timed out'}")
                station.log(f"FAILED {station.failures[-1]}")
                return


def shipped() -> dict[str, str]:
    """Return the name and the title of every scenario in the package."""
    folder = resources.files("simulator") / "scenarios"
    names = sorted(path.name.removesuffix(".toml") for path in folder.iterdir() if path.name.endswith(".toml"))
    return {name: load(name).title for name in names}


def load(name: str) -> Scenario:
    """Read a shipped scenario by name, or any scenario by its file.

    Raises:
        BadScenario: the scenario does not exist, is not TOML, or has a wrong step.
    """
    shipped_file = resources.files("simulator") / "scenarios" / f"{name}.toml"
    try:
        if "/" not in name and shipped_file.is_file():
            text = shipped_file.read_text("utf-8")
        else:
            text = Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise BadScenario(name, f"unknown scenario ({reason}); `--scenario list` shows the shipped ones") from None
    try:
        return parse(name, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadScenario(name, f"not TOML: {error}") from None


def parse(name: str, document: dict[str, Any]) -> Scenario:
    """Return the scenario in a TOML document; see `load`."""
    strange = set(document) - {"title", "about", "values", "charge_point", "step"}
    if strange:
        raise BadScenario(name, f"unknown table or key {min(strange)!r}")
    for key, value in document.get("charge_point", {}).items():
        if key not in CHARGE_POINT or type(value) is not CHARGE_POINT[key]:
            raise BadScenario(
                name, f"charge_point.{key}: unknown key or wrong type; the keys are {', '.join(CHARGE_POINT)}"
            )
    steps = document.get("step", [])
    if not isinstance(steps, list) or not steps:
        raise BadScenario(name, "no [[step]] found")
    return Scenario(
        name=name,
        title=str(document.get("title", name)),
        steps=tuple(_step(name, number, dict(entry)) for number, entry in enumerate(steps, 1)),
        values=document.get("values", {}),
        charge_point=document.get("charge_point", {}),
    )


def _step(scenario: str, number: int, entry: dict[str, Any]) -> Step:
    verb = entry.pop("do", None)
    where = f"{scenario}, step {number}"
    if verb not in STEPS:
        raise BadScenario(where, f"unknown step do = {verb!r}; the steps are {', '.join(sorted(STEPS))}")
    versions = entry.pop("ocpp", list(VERSIONS))
    if not isinstance(versions, list) or not set(versions) <= set(VERSIONS):
        raise BadScenario(where, f"ocpp: expected a list of {', '.join(VERSIONS)}")
    act = STEPS[verb]
    known = list(inspect.signature(act).parameters.values())[1:]
    if strange := set(entry) - {parameter.name for parameter in known}:
        raise BadScenario(where, f"{verb}: unknown argument {min(strange)!r}")
    for parameter in known:
        if parameter.default is parameter.empty and parameter.name not in entry:
            raise BadScenario(where, f"{verb}: missing argument {parameter.name!r}")
        value, kind = entry.get(parameter.name), str(parameter.annotation).removesuffix(" | None").partition("[")[0]
        named = isinstance(value, str) and value.startswith("$")
        if value is not None and not named and not _is(value, kind):
            raise BadScenario(where, f"{verb}: {parameter.name} must be {KINDS[kind][0]}, not {value!r}")
        choices = CHOICES.get((verb, parameter.name))
        if choices is not None and value is not None and not named and value not in choices:
            raise BadScenario(where, f"{verb}: {parameter.name} must be one of {', '.join(choices)}, not {value!r}")
    return Step(number, verb, entry, tuple(versions), act)


def _is(value: object, kind: str) -> bool:
    """Return whether a TOML value has the type of a step's argument; a boolean does not count as a number."""
    return isinstance(value, KINDS[kind][1]) and (kind in ("bool", "object") or not isinstance(value, bool))


def _filled(value: Any, values: dict[str, Any], station: Station) -> Any:
    """Return a value with "$name", "$transaction" and "$in SECONDS" replaced."""
    match value:
        case dict():
            return {key: _filled(part, values, station) for key, part in value.items()}
        case list():
            return [_filled(part, values, station) for part in value]
        case "$transaction":
            running = [connector.transaction for connector in station.connectors.values() if connector.transaction]
            if not running:
                raise StepFailed("no transaction runs")
            return running[0].id if running[0].number is None else running[0].number
        case str() if value.startswith("$in "):
            try:
                return timestamp(datetime.now(UTC) + timedelta(seconds=float(value[4:])))
            except (ValueError, OverflowError):
                raise StepFailed(f"{value}: expected a number of seconds after $in") from None
        case str() if value.startswith("$"):
            if value[1:] not in values:
                raise StepFailed(f"{value} is not defined in [values]")
            return values[value[1:]]
    return value
