"""Let an agent read all recordings in a folder: each tool gets the name of the recording as its first argument."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from inspector.cli.agents.answers import answer, fitting
from inspector.cli.agents.tools import Tools
from inspector.errors import UnusableFile, UserMistake
from inspector.store.files.connection import is_recording
from inspector.toml_file import suggest

MOST_OPEN = 8
"""At most this many recordings stay open; then the one opened first is closed."""

type Tool = Callable[..., Any]


class Folder:
    """The recordings in a folder. A link is left out if the file that it leads to is in the folder too."""

    def __init__(self, path: Path) -> None:
        """Look into the folder. Raises UnusableFile if it has no recording."""
        self._path = path
        self._open: dict[str, Tools] = {}
        if not self.names():
            raise UnusableFile(path, "a folder without recordings", "name a recording, or a folder that has some")

    def names(self) -> list[str]:
        """Return the names of the recordings, in order."""
        return [one.name for one in sorted(self._path.glob("*.db")) if not one.is_symlink() and is_recording(one)]

    def tools(self, name: str) -> Tools:
        """Return the tools of one recording. Raises UserMistake if the folder has no such recording."""
        found = self._open.get(name)
        if found is None:
            names = self.names()
            if name not in names:
                hint = suggest(name, names) or "the tool `recordings` lists them"
                raise UserMistake(f"no recording {name!r}; {hint}")
            found = self._open[name] = Tools(self._path / name)
            if len(self._open) > MOST_OPEN:
                self._open.pop(next(iter(self._open))).close()
        return found

    def recordings(self) -> dict[str, Any]:
        """Return the names and sizes of the recordings."""
        rows, more = fitting({"recording": one, "bytes": (self._path / one).stat().st_size} for one in self.names())
        return answer(recordings=rows, more=more)

    def close(self) -> None:
        """Close all recordings."""
        for tools in self._open.values():
            tools.close()


def with_recording(tool: Tool, folder: Folder, named: Callable[[Tools], list[Tool]]) -> Tool:
    """Return a tool that takes the name of a recording before its other arguments."""
    name = tool.__name__

    async def call(recording: str, **arguments: Any) -> dict[str, Any]:
        (own,) = [one for one in named(folder.tools(recording)) if one.__name__ == name]
        result: dict[str, Any] = await own(**arguments)
        return result

    plain = inspect.signature(tool, eval_str=True)
    which = Annotated[str, Field(description="The name of the recording; the tool `recordings` lists them.")]
    first = inspect.Parameter("recording", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=which)
    call.__signature__ = plain.replace(parameters=[first, *plain.parameters.values()])  # type: ignore[attr-defined]
    call.__name__, call.__doc__ = name, tool.__doc__
    return call
