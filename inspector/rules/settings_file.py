"""Read the settings of rules from a TOML file, and refuse unknown names and wrong values."""

from __future__ import annotations

import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from inspector import toml_file
from inspector.errors import SettingsMistake
from inspector.protocol import schemas
from inspector.protocol.vocabulary import ACTIONS, OcppVersion
from inspector.rules.finding import Severity
from inspector.rules.settings import DEFAULTS, LARGEST, Settings
from inspector.rules.topics.metering.ocmf import is_key
from inspector.toml_file import refuse_unknown, table, texts

PROJECT = Path("pyproject.toml")


def settings_file(named: Path | None) -> Path | None:
    """Return the settings file: the one that the user has named, or ./pyproject.toml if it has [tool.chargesentinel].

    Return None if there is neither.
    """
    if named is not None:
        return named
    try:
        document = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # the user has not named this file, so do not report mistakes in it
    return PROJECT if toml_file.own_table(document) is not document else None


def load(path: Path) -> Settings:
    """Return the settings in a TOML file: in `[tool.chargesentinel]` if it has that table, otherwise at its top level.

        [severity]
        "rpc.duplicate-key" = "off"                    # error, warning, info or off

        [thresholds]
        answer_timeout_s = 60

        [allow.values]
        "StatusNotification/errorCode" = ["Error"]     # extra enum values, by action and member

        [allow.lengths]
        "BootNotification/chargePointSerialNumber" = 50

        [meter_keys]
        "CP-1/1" = "3059301306072a86…"                 # public keys of meters that sign their values

    Raises:
        SettingsMistake: the file cannot be read, or a name or value in it is not known; suggests the nearest name.
    """
    document = toml_file.read(path)
    own = toml_file.own_table(document)
    if own is document and path.name == PROJECT.name:
        raise SettingsMistake(path, "", "has no table [tool.chargesentinel]")
    return settings_from(table(path, "tool.chargesentinel", own), path)


def settings_from(tables: dict[str, Any], path: Path) -> Settings:
    """Return settings from parsed tables; see `load`."""
    refuse_unknown(path, "", tables, {"severity", "thresholds", "allow", "redact", "meter_keys"})
    allow = table(path, "allow", tables.get("allow", {}))
    refuse_unknown(path, "allow", allow, {"values", "lengths"})
    severity, disabled = _severities(path, table(path, "severity", tables.get("severity", {})))
    return Settings(
        **_thresholds(path, table(path, "thresholds", tables.get("thresholds", {}))),
        severity=severity,
        disabled=disabled,
        extra_enum_values=_values(path, table(path, "allow.values", allow.get("values", {}))),
        meter_keys=meter_keys(path, table(path, "meter_keys", tables.get("meter_keys", {}))),
        longer_strings=_lengths(path, table(path, "allow.lengths", allow.get("lengths", {}))),
    )


def _check_member(path: Path, place: str, name: str, keyword: str) -> None:
    """Check that a schema limits the member `name`, written `Action/member`, with a keyword such as "maxLength".

    Raises:
        SettingsMistake: no schema does.
    """
    action, _, member = name.partition("/")
    actions = {action for version in OcppVersion for action in ACTIONS[version]}
    if action not in actions:
        hint = toml_file.suggest(action, actions) or 'write "Action/member"'
        raise SettingsMistake(path, f"{place}.{name}", f"unknown action {action!r}; {hint}")
    kinds: tuple[schemas.Kind, ...] = ("request", "response")
    members = {
        one for version in OcppVersion for kind in kinds for one in schemas.constrained(version, action, kind, keyword)
    }
    if member not in members:
        limits = "a list of values" if keyword == "enum" else "a length"
        hint = toml_file.suggest(member, members) or f"known members: {', '.join(sorted(members)) or 'none'}"
        why = f"{action} has no member {member!r} that is limited to {limits}; {hint}"
        raise SettingsMistake(path, f"{place}.{name}", why)


def _severities(path: Path, entries: dict[str, Any]) -> tuple[dict[str, Severity], frozenset[str]]:
    from inspector.rules.catalogue import rules

    slugs = {rule.slug for rule in rules()}
    refuse_unknown(path, "severity", entries, slugs, "`chargesentinel rules` lists the rules")
    words = {*Severity, "off"}
    for slug, word in entries.items():
        if not isinstance(word, str) or word not in words:
            raise SettingsMistake(path, f"severity.{slug}", f"expected error, warning, info or off, got {word!r}")
    off = frozenset(slug for slug, word in entries.items() if word == "off")
    return {slug: Severity(word) for slug, word in entries.items() if slug not in off}, off


def _thresholds(path: Path, entries: dict[str, Any]) -> dict[str, Any]:
    numbers = {f.name: f.type for f in fields(Settings) if f.type in ("float", "int")}
    refuse_unknown(path, "thresholds", entries, numbers)
    for name, value in entries.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LARGEST:
            why = f"must be a number from 0 to {LARGEST:,}, got {value!r}"
            raise SettingsMistake(path, f"thresholds.{name}", why)
    return {name: int(value) if numbers[name] == "int" else float(value) for name, value in entries.items()}


def judging(rules_file: Path | None, keys: Path | None = None) -> Settings:
    """Return the settings in a settings file, with the public keys in a file of keys; either file may be missing."""
    settings = load(rules_file) if rules_file else DEFAULTS
    return replace(settings, meter_keys={**settings.meter_keys, **keys_file(keys)}) if keys else settings


def keys_file(path: Path) -> dict[str, str]:
    """Return the public keys of meters in a file: a TOML file like the table `[meter_keys]`, or one key for all meters.

    Raises:
        SettingsMistake: the file cannot be read, or has another content.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        text = ""  # `toml_file.read` says what is wrong with it
    if text and is_key(text):
        return {"*": text}
    entries = toml_file.read(path)
    return meter_keys(path, table(path, "meter_keys", entries.get("meter_keys", entries)))


def meter_keys(path: Path, entries: dict[str, Any]) -> dict[str, str]:
    """Return the public keys of meters, by charge point or connector; `path` is for messages."""
    for name, key in entries.items():
        if not isinstance(key, str) or not is_key(key):
            why = "expected a public key on an elliptic curve: PEM, or DER in hexadecimal or Base64"
            raise SettingsMistake(path, f"meter_keys.{name}", why)
    return dict(entries)


def _values(path: Path, entries: dict[str, Any]) -> dict[str, frozenset[str]]:
    for name in entries:
        _check_member(path, "allow.values", name, "enum")
    return {name: frozenset(texts(path, f"allow.values.{name}", values)) for name, values in entries.items()}


def _lengths(path: Path, entries: dict[str, Any]) -> dict[str, int]:
    for name, length in entries.items():
        _check_member(path, "allow.lengths", name, "maxLength")
        if isinstance(length, bool) or not isinstance(length, int) or length < 0:
            raise SettingsMistake(path, f"allow.lengths.{name}", f"expected a number of characters, got {length!r}")
    return dict(entries)
