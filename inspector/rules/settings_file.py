"""Read the settings of judging from a TOML file; a mistake in it is refused with the nearest thing that is known."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from inspector.errors import SettingsMistake
from inspector.protocol import schemas
from inspector.protocol.vocabulary import ACTIONS, OcppVersion
from inspector.rules.catalogue import rules
from inspector.rules.finding import Severity
from inspector.rules.settings import LARGEST, Settings

PROJECT = Path("pyproject.toml")


def settings_file(named: Path | None) -> Path | None:
    """The file that the settings stand in: the named one, else ./pyproject.toml where it has [tool.chargesentinel]."""
    if named is not None:
        return named
    try:
        document = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # nobody has named it: what is wrong with it is not for us to say
    tools = document.get("tool")
    return PROJECT if isinstance(tools, dict) and "chargesentinel" in tools else None


def load(path: Path) -> Settings:
    """Read settings from a TOML file: its top level, or `[tool.chargesentinel]` where it has that table.

        [severity]
        "rpc.duplicate-key" = "off"                    # error, warning, info or off

        [thresholds]
        answer_timeout_s = 60

        [allow.values]
        "StatusNotification/errorCode" = ["Error"]     # extra enum values, by action and member

        [allow.lengths]
        "BootNotification/chargePointSerialNumber" = 50

    Raises:
        SettingsMistake: it cannot be read, or says what is not known; with the nearest thing that is.
    """
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsMistake(path, "", (error.strerror or str(error)).lower()) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsMistake(path, "", f"not TOML: {error}") from error
    tools = document.get("tool")
    if isinstance(tools, dict) and "chargesentinel" in tools:
        document = _table(path, "tool.chargesentinel", tools["chargesentinel"])
    elif path.name == PROJECT.name:
        raise SettingsMistake(path, "", "has no table [tool.chargesentinel]")
    return settings_from(document, path)


def settings_from(tables: dict[str, Any], path: Path) -> Settings:
    """Settings from parsed tables; see `load`."""
    _known(path, "", tables, {"severity", "thresholds", "allow", "redact"})
    allow = _table(path, "allow", tables.get("allow", {}))
    _known(path, "allow", allow, {"values", "lengths"})
    severity, disabled = _severities(path, _table(path, "severity", tables.get("severity", {})))
    return Settings(
        **_thresholds(path, _table(path, "thresholds", tables.get("thresholds", {}))),
        severity=severity,
        disabled=disabled,
        extra_enum_values=_values(path, _table(path, "allow.values", allow.get("values", {}))),
        longer_strings=_lengths(path, _table(path, "allow.lengths", allow.get("lengths", {}))),
    )


def _table(path: Path, place: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise SettingsMistake(path, place, "a table belongs there")
    return value


def _known(path: Path, place: str, table: dict[str, Any], names: set[str]) -> None:
    for name in table:
        if name not in names:
            known = f"known are {', '.join(sorted(names))}" if len(names) < 20 else "`chargesentinel rules` lists them"
            _unknown(path, f"{place}.{name}" if place else name, "not known", name, names, known)


def _place(path: Path, table: str, place: str, keyword: str) -> None:
    """Refuse a place, written `Action/member`, that no schema limits by this keyword."""
    action, _, member = place.partition("/")
    actions = {action for version in OcppVersion for action in ACTIONS[version]}
    limits = "a list of values" if keyword == "enum" else "a length"
    if action not in actions:
        _unknown(
            path, f"{table}.{place}", f"there is no action {action!r}", action, actions, "Action/member belongs there"
        )
    kinds: tuple[schemas.Kind, ...] = ("request", "response")
    members = {
        one for version in OcppVersion for kind in kinds for one in schemas.constrained(version, action, kind, keyword)
    }
    if member not in members:
        said = f"{action} has no member {member!r} that is limited to {limits}"
        _unknown(path, f"{table}.{place}", said, member, members, f"known are {', '.join(sorted(members)) or 'none'}")


def _unknown(path: Path, place: str, said: str, name: str, names: set[str], otherwise: str) -> NoReturn:
    close = get_close_matches(name, names, 1)
    raise SettingsMistake(path, place, f"{said}; {f'did you mean {close[0]}?' if close else otherwise}")


def _severities(path: Path, table: dict[str, Any]) -> tuple[dict[str, Severity], frozenset[str]]:
    _known(path, "severity", table, {rule.slug for rule in rules()})
    words = {*Severity, "off"}
    for slug, word in table.items():
        if not isinstance(word, str) or word not in words:
            raise SettingsMistake(path, f"severity.{slug}", f"{word!r} is none of error, warning, info, off")
    off = frozenset(slug for slug, word in table.items() if word == "off")
    return {slug: Severity(word) for slug, word in table.items() if slug not in off}, off


def _thresholds(path: Path, table: dict[str, Any]) -> dict[str, Any]:
    numbers = {f.name: f.type for f in fields(Settings) if f.type in ("float", "int")}
    _known(path, "thresholds", table, set(numbers))
    for name, value in table.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LARGEST:
            raise SettingsMistake(path, f"thresholds.{name}", f"{value!r} is no number from 0 to {LARGEST:,}")
    return {name: int(value) if numbers[name] == "int" else float(value) for name, value in table.items()}


def _values(path: Path, table: dict[str, Any]) -> dict[str, frozenset[str]]:
    for place, values in table.items():
        _place(path, "allow.values", place, "enum")
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise SettingsMistake(path, f"allow.values.{place}", "a list of texts belongs there")
    return {place: frozenset(values) for place, values in table.items()}


def _lengths(path: Path, table: dict[str, Any]) -> dict[str, int]:
    for place, length in table.items():
        _place(path, "allow.lengths", place, "maxLength")
        if isinstance(length, bool) or not isinstance(length, int) or length < 0:
            raise SettingsMistake(path, f"allow.lengths.{place}", f"{length!r} is no number of characters")
    return dict(table)
