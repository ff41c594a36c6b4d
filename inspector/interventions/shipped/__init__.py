"""The rule files that come with ChargeSentinel, found by name."""

from __future__ import annotations

from pathlib import Path

from inspector import toml_file
from inspector.errors import UserMistake

FOLDER = Path(__file__).parent


def names() -> dict[str, str]:
    """Return what each file does, from its first line, by its name."""
    files = sorted(FOLDER.glob("*.toml"))
    return {file.stem: file.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ") for file in files}


def find(text: str) -> Path:
    """Return the path of a rules file from a path or the name of a shipped one.

    Raises:
        UserMistake: neither a file nor a shipped rules file has this name.
    """
    path, known = Path(text), names()
    if not path.exists() and text in known:
        return FOLDER / f"{text}.toml"
    if path.is_file() or path.is_fifo():
        return path
    hint = toml_file.suggest(text, known) or f"rules that come with the program: {', '.join(known)}"
    why = "is a folder" if path.is_dir() else "no such file"
    raise UserMistake(f"--interventions {text}: {why}; {hint}")
