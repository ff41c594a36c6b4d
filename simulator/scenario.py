"""Scenarios: reads small TOML files of steps and runs them; what a step does is in `simulator.steps`.

title = "One driver charges"

[values]                  # what $token and $minutes mean unless the command line says otherwise
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

from simulator.clock import timestamp
from simulator.connector import ImpossibleStatus
from simulator.link import CallFailed
from simulator.station import Station
from simulator.steps import CHOICES, STEPS, Run, StepFailed

VERSIONS = ("1.6", "2.0.1", "2.1")
CHARGE_POINT = {"connectors": int, "direct_current": bool, "signed": bool}

KINDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "str": ("a text", (str,)),
    "int": ("a whole number", (int,)),
    "float": ("a number", (int, float)),
    "bool": ("true or false", (bool,)),
    "dict": ("a table", (dict,)),
    "object": ("any value", (object,)),
}
"""What a step's argument may be, by its annotation: in words and in types."""


class BadScenario(Exception):
    """A scenario cannot be read or run; `str()` is a sentence for the user."""

    def __init__(self, where: str, why: str) -> None:
        self.where, self.why = where, why
        super().__init__(where, why)

    def __str__(self) -> str:
        return f"{self.where}: {self.why}"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a scenario."""

    number: int
    name: str
    arguments: dict[str, Any]
    versions: tuple[str, ...]
    act: Callable[..., Awaitable[None]]

    def __str__(self) -> str:
        return f"step {self.number} ({self.name})"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A list of steps with the charge point they need."""

    name: str
    title: str
    steps: tuple[Step, ...]
    values: dict[str, Any] = field(default_factory=dict)
    charge_point: dict[str, Any] = field(default_factory=dict)

    async def run(self, station: Station, values: dict[str, Any] | None = None, operator: str | None = None) -> None:
        """Run all steps; a failed one ends the run and is kept among the station's failures.

        Args:
            values: in place of the scenario's own.
            operator: address of the reference CSMS's operator API, for steps in which the CSMS acts.

        Raises:
            Unreachable: the CSMS cannot be connected to.
        """
        known = self.values | (values or {})
        run = Run(station, operator)
        for step in self.steps:
            if station.version not in step.versions:
                continue
            try:
                arguments = _filled(step.arguments, known, station)
                if (number := arguments.get("connector", 1)) not in station.connectors:
                    raise StepFailed(f"there is no connector {number}; it has {len(station.connectors)}")
                await step.act(run, **arguments)
            except (StepFailed, CallFailed, ImpossibleStatus, TimeoutError) as failure:
                station.failures.append(f"{step}: {failure or 'took too long'}")
                station.say(f"FAILED {station.failures[-1]}")
                return


def shipped() -> dict[str, str]:
    """Return name and title of every scenario that comes with the package."""
    folder = resources.files("simulator") / "scenarios"
    names = sorted(path.name.removesuffix(".toml") for path in folder.iterdir() if path.name.endswith(".toml"))
    return {name: load(name).title for name in names}


def load(name: str) -> Scenario:
    """Read a shipped scenario by name, or any by its file.

    Raises:
        BadScenario: there is none, it is not TOML, or a step is not as it should be.
    """
    shipped_file = resources.files("simulator") / "scenarios" / f"{name}.toml"
    try:
        if "/" not in name and shipped_file.is_file():
            text = shipped_file.read_text("utf-8")
        else:
            text = Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise BadScenario(name, f"no such scenario ({reason}); `--scenario list` shows the shipped ones") from None
    try:
        return parse(name, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadScenario(name, f"not TOML: {error}") from None


def parse(name: str, document: dict[str, Any]) -> Scenario:
    """Make a scenario of a TOML document; see `load`."""
    strange = set(document) - {"title", "about", "values", "charge_point", "step"}
    if strange:
        raise BadScenario(name, f"unknown table or key {min(strange)!r}")
    for key, value in document.get("charge_point", {}).items():
        if key not in CHARGE_POINT or type(value) is not CHARGE_POINT[key]:
            raise BadScenario(name, f"charge_point.{key}: expected one of {', '.join(CHARGE_POINT)}")
    steps = document.get("step", [])
    if not isinstance(steps, list) or not steps:
        raise BadScenario(name, "no [[step]] in it")
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
        raise BadScenario(where, f"do = {verb!r} is none of {', '.join(sorted(STEPS))}")
    versions = entry.pop("ocpp", list(VERSIONS))
    if not isinstance(versions, list) or not set(versions) <= set(VERSIONS):
        raise BadScenario(where, f"ocpp: expected a list of {', '.join(VERSIONS)}")
    act = STEPS[verb]
    known = list(inspect.signature(act).parameters.values())[1:]
    if strange := set(entry) - {parameter.name for parameter in known}:
        raise BadScenario(where, f"{verb} takes no {min(strange)!r}")
    for parameter in known:
        if parameter.default is parameter.empty and parameter.name not in entry:
            raise BadScenario(where, f"{verb} needs {parameter.name!r}")
        value, kind = entry.get(parameter.name), str(parameter.annotation).removesuffix(" | None").partition("[")[0]
        named = isinstance(value, str) and value.startswith("$")
        if value is not None and not named and not _is(value, kind):
            raise BadScenario(where, f"{verb}: {parameter.name} must be {KINDS[kind][0]}, not {value!r}")
        choices = CHOICES.get((verb, parameter.name))
        if choices is not None and value is not None and not named and value not in choices:
            raise BadScenario(where, f"{verb}: {parameter.name} = {value!r} is none of {', '.join(choices)}")
    return Step(number, verb, entry, tuple(versions), act)


def _is(value: object, kind: str) -> bool:
    """Tell whether a TOML value fits a step's argument; true is no number."""
    return isinstance(value, KINDS[kind][1]) and (kind in ("bool", "object") or not isinstance(value, bool))


def _filled(value: Any, values: dict[str, Any], station: Station) -> Any:
    """Put in what stands behind "$name", "$transaction" and "$in SECONDS"."""
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
                raise StepFailed(f"{value}: after $in comes a number of seconds") from None
        case str() if value.startswith("$"):
            if value[1:] not in values:
                raise StepFailed(f"{value} is not among [values]")
            return values[value[1:]]
    return value
