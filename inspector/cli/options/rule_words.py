"""Read a rule that is written as the words of a command line, such as `delay=3s` with --from csms."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

from inspector.errors import UserMistake

_BARE = re.compile(r"[\w.:+-]+")
DO_EXAMPLES = 'hold, drop, delay=3s, close=4000 or \'edit=[{pointer="/idTag", value="TAG-2"}]\''


def deed(text: str) -> dict[str, Any]:
    """Return what a rule does: `drop` is `drop = true`, and a single word needs no quotes. Raises UserMistake."""
    name, equals, value = text.partition("=")
    name, value = name.strip(), value.strip()
    if not equals:
        return {name: True}
    for written in (value, f'"{value}"'):
        try:
            return dict(tomllib.loads(f"{name} = {written}"))
        except tomllib.TOMLDecodeError as error:
            mistake = error
        if not _BARE.fullmatch(value):
            break
    raise UserMistake(f"{text!r} is not what a rule does: {mistake}; write it as {DO_EXAMPLES}")


def json_text(option: str, text: str) -> Any:
    """Return the value of a JSON text. Raises UserMistake, which names the option."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserMistake(
            f'{option}: not JSON ({error}); put it in single quotes, such as \'{{"type":"Soft"}}\''
        ) from None


def edit(text: str) -> dict[str, Any]:
    """Return an edit such as /idTag=TAG-2 or /idTag= (to remove it); a value that is JSON is taken as JSON."""
    pointer, equals, value = text.partition("=")
    if not equals or not pointer.startswith("/"):
        raise UserMistake(
            f"--edit {text!r}: write it as /POINTER=VALUE, such as /idTag=TAG-2, or /POINTER= to remove it"
        )
    if not value:
        return {"pointer": pointer, "remove": True}
    try:
        return {"pointer": pointer, "value": json.loads(value)}
    except ValueError:
        return {"pointer": pointer, "value": value}
