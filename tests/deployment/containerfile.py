"""Reads deploy/container/Containerfile, for tests that check its steps or run them without a container engine."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.test_repository import ROOT

FOLDER = ROOT / "deploy" / "container"
FILE = FOLDER / "Containerfile"
BASE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH in the official Python images."""


@dataclass(frozen=True)
class Stage:
    """One stage: its instructions in their order, each with its arguments."""

    steps: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """Return the arguments of each instruction of this name."""
        return [arguments for instruction, arguments in self.steps if instruction == name]

    def one(self, name: str) -> str:
        (arguments,) = self.all(name)
        return arguments

    def environment(self) -> dict[str, str]:
        """Return the variables that the image sets."""
        words = " ".join(self.all("ENV")).replace("$PATH", BASE_PATH).split()
        return dict(word.split("=", 1) for word in words)

    def health_check(self) -> list[str]:
        command = json.loads(self.one("HEALTHCHECK").split("CMD ", 1)[1])
        assert isinstance(command, list)
        return command


def stages() -> tuple[Stage, Stage]:
    """Return the stage that installs the program, and the image itself."""
    text = re.sub(r"^#.*\n", "", FILE.read_text(), flags=re.M)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    steps = [(line.split()[0], line.split(None, 1)[1]) for line in lines if line]
    second = [name for name, _ in steps].index("FROM", 1)
    return Stage(tuple(steps[:second])), Stage(tuple(steps[second:]))


def copy_sources(stage: Stage, target: Path) -> None:
    """Do what the COPY instructions of a stage say, into the folder `target`."""
    for arguments in stage.all("COPY"):
        *names, folder = arguments.split()
        for name in names:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, target / folder, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, target / folder)
