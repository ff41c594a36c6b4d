"""Logs of many programs, forms and containers are read as what they hold: each file in cases/ is one log.

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

CASES = {path.stem: path for path in sorted(Path(__file__).with_name("cases").glob("*.toml"))}


@pytest.mark.parametrize("name", CASES)
def test_a_log_is_read_as_what_it_holds(name: str, tmp_path: Path) -> None:
    case: dict[str, Any] = tomllib.loads(CASES[name].read_text(encoding="utf-8"))
    content = case["log"].encode(case.get("encoding", "utf-8"))
    path = tmp_path / case.get("name", "a.log")
    path.write_bytes(gzip.compress(content) if case.get("packed") else content)
    told = described(path, case.get("options", {}))
    assert told.frames == case["frames"].strip().splitlines()
    assert {key: told.facts.get(key) for key in case.get("facts", {})} == case.get("facts", {})
    assert (told.closed, told.gaps, told.missed) == (
        case.get("closed", []),
        case.get("gaps", 0),
        case.get("missed", []),
    )
    assert told.findings == case.get("findings", [])
