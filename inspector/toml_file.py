"""Read a user's TOML file, refuse what is wrong in it, and suggest the name that was probably meant."""

from __future__ import annotations

import tomllib
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from inspector.errors import SettingsMistake

_LISTED = 20
"""More known names than this are not listed in a message."""


def read(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises:
        SettingsMistake: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsMistake(path, "", f"cannot be read ({(error.strerror or str(error)).lower()})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsMistake(path, "", f"not TOML: {error}") from error


def own_table(document: dict[str, Any]) -> Any:
    """Return the table `[tool.chargesentinel]` of a document, or the document itself if it has no such table."""
    tools = document.get("tool")
    return tools["chargesentinel"] if isinstance(tools, dict) and "chargesentinel" in tools else document


def table(path: Path, place: str, value: Any) -> dict[str, Any]:
    """Return a value that must be a table."""
    if not isinstance(value, dict):
        raise SettingsMistake(path, place, f"expected a table, got {_shown(value)}")
    return value


def texts(path: Path, place: str, value: Any) -> list[str]:
    """Return a value that must be a list of strings."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise SettingsMistake(path, place, f"expected a list of strings, got {_shown(value)}")
    return value


def refuse_unknown(path: Path, place: str, names: Collection[str], known: Collection[str], otherwise: str = "") -> None:
    """Refuse names that are not known; suggest the nearest known one, or give the hint `otherwise`."""
    for name in names:
        if name not in known:
            hint = suggest(name, known) or otherwise
            if not hint:
                hint = f"expected one of {', '.join(sorted(known))}" if len(known) <= _LISTED else ""
            where = f"{place}.{name}" if place else name
            raise SettingsMistake(path, where, f"unknown name; {hint}" if hint else "unknown name")


def suggest(name: str, known: Collection[str]) -> str:
    """Return "did you mean X?" for the nearest known name; "" if none is near."""
    close = get_close_matches(name, known, 1)
    return f"did you mean {close[0]}?" if close else ""


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
