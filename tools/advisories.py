"""Check the minimum and pinned versions of the dependencies against known advisories: `make advisories`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
TABLE = ROOT / "tools" / "advisories.toml"


@dataclass(frozen=True, slots=True)
class Advisory:
    """A known fault of a package: the first fixed version, and why an older one may be harmless for us."""

    package: str
    id: str
    fixed: str
    aliases: tuple[str, ...] = ()
    accepted: str | None = None

    def concerns(self, version: str) -> bool:
        """Return whether this version has the fault and the fault is harmful for us."""
        return self.accepted is None and Version(version) < Version(self.fixed)


def table() -> list[Advisory]:
    """Return the advisories that were reviewed."""
    rows = tomllib.loads(TABLE.read_text())["advisory"]
    return [Advisory(**{**row, "aliases": tuple(row.get("aliases", ()))}) for row in rows]


def floors() -> dict[str, str]:
    """Return, by package, the lowest version that pyproject.toml allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = {}
    for requirement in map(Requirement, project["dependencies"]):
        lowest = [one.version for one in requirement.specifier if one.operator in (">=", "==")]
        found[canonicalize_name(requirement.name)] = lowest[0] if lowest else "0"
    return found


def pins() -> dict[str, str]:
    """Return, by package, the version that constraints.txt pins."""
    lines = (line.split("#")[0].strip() for line in (ROOT / "constraints.txt").read_text().splitlines())
    pairs = (line.split("==") for line in lines if line)
    return {canonicalize_name(name): version for name, version in pairs}


def problems(advisories: list[Advisory], floors: dict[str, str], pins: dict[str, str]) -> Iterator[str]:
    """Return the versions that must be raised, one line each."""
    for name, floor in floors.items():
        pinned = pins.get(name)
        if pinned is None:
            yield f"constraints.txt does not pin {name}"
        elif Version(pinned) < Version(floor):
            yield f"constraints.txt pins {name} {pinned}, below the floor {floor} of pyproject.toml"
    for one in advisories:
        for where, versions in (("pyproject.toml", floors), ("constraints.txt", pins)):
            version = versions.get(one.package)
            if version is not None and one.concerns(version):
                yield f"{where} takes {one.package} {version}: {one.id}, fixed in {one.fixed}"


def ask(versions: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Return pip-audit's report from PyPI about these versions: a row for each package, with its `vulns`."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder, "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "pip-audit"], check=True)
        rows: list[dict[str, Any]] = []
        for place, wanted in enumerate(versions):
            names = Path(folder, f"{place}.txt")
            names.write_text("".join(f"{name}=={version}\n" for name, version in wanted.items()))
            command = [python, "-m", "pip_audit", "--no-deps", "--disable-pip", "--progress-spinner", "off"]
            asked = subprocess.run([*command, "-f", "json", "-r", names], stdout=subprocess.PIPE, check=False)
            rows += json.loads(asked.stdout)["dependencies"]
        return rows


def missing(
    rows: list[dict[str, Any]], advisories: list[Advisory], names: set[str]
) -> tuple[list[Advisory], list[str]]:
    """Return the advisories that are not in the table, and the packages without an answer from PyPI."""
    known = {identity for one in advisories for identity in (one.id, *one.aliases)}
    found: dict[str, Advisory] = {}
    for row in rows:
        for fault in row.get("vulns", ()):
            identities = (fault["id"], *fault.get("aliases", ()))
            if row["name"] in names and known.isdisjoint(identities):
                # The last fixed version belongs to the newest series; older series have other ones.
                fixed = max(fault["fix_versions"], key=Version, default="9999")
                found[fault["id"]] = Advisory(row["name"], fault["id"], fixed, identities[1:])
    return list(found.values()), sorted({row["name"] for row in rows if "skip_reason" in row})


def add(advisories: list[Advisory]) -> None:
    """Add advisories to the table."""
    with TABLE.open("a") as file:
        for one in advisories:
            aliases = f"aliases = {json.dumps(one.aliases)}\n" if one.aliases else ""
            told = f'package = "{one.package}"\nid = "{one.id}"\n{aliases}fixed = "{one.fixed}"\n'
            file.write(f"\n[[advisory]]\n{told}")


def main() -> int:
    """Check the table, ask PyPI, and print what to do. Exit code: 0 nothing, 1 something, 2 PyPI was not reachable."""
    lowest, pinned = floors(), pins()
    try:
        new, untold = missing(ask([lowest, pinned]), table(), {*lowest, *pinned})
    except (subprocess.CalledProcessError, ValueError, OSError) as error:
        new, untold = [], [f"anything ({error})"]
    add(new)
    for one in new:
        print(f"added to {TABLE.name}: {one.package} {one.id}, fixed in {one.fixed}; review it")
    raised = list(problems(table(), lowest, pinned))
    print("\n".join(raised) or "No advisory in the table concerns a floor or a pin.")
    if untold:
        print(f"PyPI's advisories could not be asked about {', '.join(untold)}: run this where it can be reached.")
    return 1 if raised else 2 if untold else 0


if __name__ == "__main__":
    sys.exit(main())
