"""Logs of many programs, formats and containers are read correctly.

Each file in cases/ is one kind of log; each file in products/ has logs in the formats of one product.

A case has `log`, `frames` (see `described`), and where they matter: `options`, `facts` (of the first session),
`closed` (close codes), `gaps`, `missed` (lines), `findings` above info, `encoding`, `packed`, `name` (of the file).
"""

from __future__ import annotations

import gzip
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.formats.logs.described import described

HERE = Path(__file__).parent


def cases() -> dict[str, dict[str, Any]]:
    found = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in sorted(HERE.glob("cases/*.toml"))}
    for path in sorted(HERE.glob("products/*.toml")):
        logs = tomllib.loads(path.read_text(encoding="utf-8"))["logs"]
        found |= {f"{path.stem}: {log['what']}": log for log in logs}
    return found


CASES = cases()


@pytest.mark.parametrize("name", CASES)
def test_a_log_is_read_as_what_it_holds(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    content = case["log"].encode(case.get("encoding", "utf-8"))
    path = tmp_path / case.get("name", "a.log")
    path.write_bytes(gzip.compress(content) if case.get("packed") else content)
    found = described(path, case.get("options", {}))
    assert found.frames == case["frames"].strip().splitlines()
    assert {key: found.facts.get(key) for key in case.get("facts", {})} == case.get("facts", {})
    assert (found.closed, found.gaps, found.missed) == (
        case.get("closed", []),
        case.get("gaps", 0),
        case.get("missed", []),
    )
    assert found.findings == case.get("findings", [])
