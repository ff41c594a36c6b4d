"""Read alerts and their targets from a TOML file, and refuse unknown names and wrong values."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from inspector import toml_file
from inspector.errors import SettingsMistake
from inspector.rules.catalogue import rules
from inspector.rules.finding import Severity
from inspector.toml_file import refuse_unknown, table, texts
from inspector.units import duration_s

STYLES = ("json", "slack", "ntfy")
CONDITIONS = ("rule", "severity", "silence", "disconnected", "failed_attempts", "gap")
_OTHERS = ("proxy", "browse", "severity", "thresholds", "allow", "redact")
"""Tables of other commands, which may be in the same file."""
_QUIET = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)\s*-\s*([01]?\d|2[0-4]):([0-5]\d)")
_MINUTES_OF_A_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Target:
    """Where messages go: a webhook or a command."""

    name: str
    webhook: str = ""
    style: str = "json"
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert; times in nanoseconds.

    Attributes:
        condition: one of CONDITIONS.
        rules: names or patterns of rules, for the condition "rule".
        severity: the least severity of a finding, for the condition "severity".
        span_ns: how long the silence or the absence must last.
        times: how many failed attempts there must be `within_ns`.
        charge_points: only charge points whose id matches one of these patterns; empty for all.
        over_after_ns: a finding, a failed attempt or a gap is over when none has come for so long.
        for_ns: how long the condition must hold before the alert is sent.
        group_ns: how long to collect alerts of several charge points for one message.
        quiet: times of day, in minutes, in which nothing is sent.
        targets: names of targets.
    """

    name: str
    condition: str
    rules: tuple[str, ...] = ()
    severity: Severity = Severity.INFO
    span_ns: int = 0
    times: int = 1
    within_ns: int = 0
    charge_points: tuple[str, ...] = ()
    over_after_ns: int = 0
    for_ns: int = 0
    group_ns: int = 0
    quiet: tuple[tuple[int, int], ...] = ()
    targets: tuple[str, ...] = ()

    def about(self, charge_point_id: str) -> bool:
        """Return whether the alert is about this charge point."""
        return not self.charge_points or any(fnmatchcase(charge_point_id, one) for one in self.charge_points)

    def is_quiet(self, at: datetime) -> bool:
        """Return whether nothing may be sent at this time."""
        minute = at.hour * 60 + at.minute
        return any(
            begin <= minute < end if begin < end else minute >= begin or minute < end for begin, end in self.quiet
        )


@dataclass(frozen=True, slots=True)
class AlertsFile:
    """The content of an alerts file; without `time_zone`, quiet times are in the local time of this machine."""

    alerts: tuple[Alert, ...]
    targets: dict[str, Target]
    time_zone: tzinfo | None = None


def load(path: Path) -> AlertsFile:
    """Read the alerts and targets of a TOML file; docs/alerts.md describes it.

    Raises:
        SettingsMistake: the file cannot be read, or a name or value in it is not known; suggests the nearest name.
    """
    document = table(path, "", toml_file.own_table(toml_file.read(path)))
    refuse_unknown(path, "", document, ("alert", "target", "time_zone", *_OTHERS))
    targets: dict[str, Target] = {}
    for place, entry in _entries(path, "target", document):
        target = _target(path, place, entry)
        if target.name in targets:
            raise SettingsMistake(path, place, f"there are two targets named {target.name!r}")
        targets[target.name] = target
    alerts = [_alert(path, place, entry, targets) for place, entry in _entries(path, "alert", document)]
    if not alerts:
        raise SettingsMistake(path, "", "has no [[alert]]")
    names = [alert.name for alert in alerts]
    for name in names:
        if names.count(name) > 1:
            raise SettingsMistake(path, "alert", f"there are two alerts named {name!r}")
    return AlertsFile(tuple(alerts), targets, _time_zone(path, document.get("time_zone")))


def _entries(path: Path, kind: str, document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    entries = document.get(kind, [])
    if not isinstance(entries, list):
        raise SettingsMistake(path, kind, f"expected [[{kind}]] in double brackets")
    return [(f"{kind} {number}", table(path, f"{kind} {number}", entry)) for number, entry in enumerate(entries, 1)]


def _target(path: Path, place: str, entry: dict[str, Any]) -> Target:
    refuse_unknown(path, place, entry, ("name", "webhook", "style", "command"))
    name = _text(path, place, entry, "name")
    if ("webhook" in entry) == ("command" in entry):
        raise SettingsMistake(path, place, "needs either webhook or command")
    if "command" in entry:
        command = texts(path, f"{place}.command", entry["command"])
        if not command or "style" in entry:
            why = "expected the program and its arguments" if not command else "style belongs to a webhook"
            raise SettingsMistake(path, f"{place}.command", why)
        return Target(name, command=tuple(command))
    webhook = _text(path, place, entry, "webhook")
    if urlsplit(webhook).scheme not in ("http", "https") or not urlsplit(webhook).hostname:
        raise SettingsMistake(path, f"{place}.webhook", "expected an address such as https://hooks.example/abc")
    style = entry.get("style", "json")
    if style not in STYLES:
        hint = toml_file.suggest(str(style), STYLES) or f"expected one of {', '.join(STYLES)}"
        raise SettingsMistake(path, f"{place}.style", f"unknown style {style!r}; {hint}")
    return Target(name, webhook, style)


_OPTIONS: dict[str, tuple[str, ...]] = {"failed_attempts": ("within", "over_after"), "gap": ("over_after",)}
_OPTIONS |= {"rule": ("over_after",), "severity": ("over_after",)}


def _alert(path: Path, place: str, entry: dict[str, Any], targets: dict[str, Target]) -> Alert:
    common = ("name", "charge_points", "for", "group", "quiet", "to")
    refuse_unknown(path, place, entry, (*CONDITIONS, *common, "within", "over_after"))
    given = [one for one in CONDITIONS if one in entry]
    if len(given) != 1:
        has = f"it has {' and '.join(given)}" if given else "it has none"
        raise SettingsMistake(path, place, f"needs exactly one of {', '.join(CONDITIONS)}; {has}")
    (condition,) = given
    for option in ("within", "over_after"):
        if option in entry and option not in _OPTIONS.get(condition, ()):
            raise SettingsMistake(path, f"{place}.{option}", f"has no meaning with {condition}")

    def span(name: str, default: str) -> int:
        return _span_ns(path, f"{place}.{name}", entry.get(name, default))

    values: dict[str, Any] = {}
    if condition == "rule":
        values["rules"] = _rules(path, f"{place}.rule", entry["rule"])
    elif condition == "severity":
        values["severity"] = _severity(path, f"{place}.severity", entry["severity"])
    elif condition in ("silence", "disconnected"):
        values["span_ns"] = span(condition, "")
    elif condition == "failed_attempts":
        times = entry[condition]
        if type(times) is not int or not 1 <= times <= 1000:
            raise SettingsMistake(path, f"{place}.{condition}", f"expected a number from 1 to 1000, got {times!r}")
        values |= {"times": times, "within_ns": span("within", "10m")}
    elif entry[condition] is not True:
        raise SettingsMistake(path, f"{place}.gap", f"expected true, got {entry[condition]!r}")
    to = texts(path, f"{place}.to", entry.get("to", list(targets)))
    refuse_unknown(path, f"{place}.to", to, targets)
    if not to:
        raise SettingsMistake(path, place, "has nowhere to go; add a [[target]]")
    return Alert(
        _text(path, place, entry, "name"),
        condition,
        charge_points=tuple(texts(path, f"{place}.charge_points", entry.get("charge_points", []))),
        over_after_ns=span("over_after", "10m"),
        for_ns=span("for", "0s"),
        group_ns=span("group", "0s"),
        quiet=tuple(_quiet(path, f"{place}.quiet", one) for one in texts(path, place, entry.get("quiet", []))),
        targets=tuple(dict.fromkeys(to)),
        **values,
    )


def _text(path: Path, place: str, entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str) or not value.strip():
        why = f"expected a string, got {value!r}" if name in entry else "is missing"
        raise SettingsMistake(path, f"{place}.{name}", why)
    return value


def _span_ns(path: Path, place: str, value: Any) -> int:
    try:
        return int(duration_s(value) * 1e9)
    except (ValueError, TypeError, AttributeError):
        why = f'expected a time such as "30s", "5m" or "2h", got {value!r}'
        raise SettingsMistake(path, place, why) from None


def _rules(path: Path, place: str, value: Any) -> tuple[str, ...]:
    wanted = [value] if isinstance(value, str) else texts(path, place, value)
    slugs = [rule.slug for rule in rules()]
    for one in wanted:
        if not any(fnmatchcase(slug, one) for slug in slugs):
            hint = toml_file.suggest(one, slugs) or "`chargesentinel rules` lists the rules"
            raise SettingsMistake(path, place, f"no rule {one!r}; {hint}")
    return tuple(wanted)


def _severity(path: Path, place: str, value: Any) -> Severity:
    if value not in list(Severity):
        raise SettingsMistake(path, place, f"expected error, warning or info, got {value!r}")
    return Severity(value)


def _quiet(path: Path, place: str, value: str) -> tuple[int, int]:
    found = _QUIET.fullmatch(value.strip())
    minutes = [int(found[at]) * 60 + int(found[at + 1]) for at in (1, 3)] if found else []
    if not found or max(minutes) > _MINUTES_OF_A_DAY or minutes[0] == minutes[1]:
        raise SettingsMistake(path, place, f'expected times such as "22:00-06:00", got {value!r}')
    return minutes[0] % _MINUTES_OF_A_DAY, minutes[1]


def _time_zone(path: Path, value: Any) -> tzinfo | None:
    if value is None:
        return None
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise SettingsMistake(path, "time_zone", f'expected a name such as "Europe/Berlin", got {value!r}') from None


type Clock = Callable[[], int]
"""Returns nanoseconds since 1970."""
