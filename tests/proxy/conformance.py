"""`make conformance`: the Autobahn test suite's fuzzing client, directly against an echo server and through the proxy.

The proxy passes when it fails no case that the echo server does not fail directly. Autobahn's `wstest` needs
Python 2.7 and is no dependency: tools/make-wstest.sh installs it where there is one; elsewhere this ends with 0.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.processes import Program

ROOT = Path(__file__).parents[2]
DIRECT, THROUGH = "direct", "through the proxy"
COMPRESSED = {12: 5, 13: 7}
"""Chapters with permessage-deflate and how many sections each has, of the same 18 sizes of messages."""
CASES = [
    *(f"{chapter}.*" for chapter in (1, 2, 3, 4, 5, 6, 7, 9, 10)),
    *(
        f"{chapter}.{section}.{size}"
        for chapter, sections in COMPRESSED.items()
        for section in range(1, sections + 1)
        for size in (1, 2, 3, 6, 11)
    ),
]
"""361 cases: all but most of the larger compressed ones, a thousand messages each, for which the suite itself takes
long, and longer than it allows where looking for secrets in text that is no OCPP slows the proxy down."""

type Report = dict[str, dict[str, dict[str, str]]]
"""agent -> case -> {"behavior": …, "behaviorClose": …}, as Autobahn's index.json has it."""


def worse_cases(report: Report) -> list[str]:
    """Return the cases that fail through the proxy but not directly."""
    return [
        case
        for case, through in sorted(report[THROUGH].items())
        for kind in ("behavior", "behaviorClose")
        if through[kind] == "FAILED" and report[DIRECT].get(case, {}).get(kind) != "FAILED"
    ]


async def echo(connection: ServerConnection) -> None:
    try:
        async for message in connection:
            await connection.send(message)
    except ConnectionClosed:
        pass


async def fuzz(wstest: str, folder: Path) -> Report:
    """Run the suite against both; return Autobahn's report."""
    async with serve(echo, "127.0.0.1", 0, max_size=2**26) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with Program("proxy", "--upstream", url, "--listen", "127.0.0.1:0", "--db", folder / "t.db") as proxy:
            through = (await asyncio.to_thread(proxy.wait_for, r"listening on (ws://\S+)"))[1]
            spec = {
                "outdir": str(folder / "reports"),
                "servers": [{"agent": DIRECT, "url": url}, {"agent": THROUGH, "url": through}],
                "cases": CASES,
                "exclude-cases": [],
                "exclude-agent-cases": {},
            }
            (folder / "spec.json").write_text(json.dumps(spec))
            client = await asyncio.create_subprocess_exec(
                wstest, "-m", "fuzzingclient", "-s", str(folder / "spec.json")
            )
            if await client.wait():
                raise SystemExit("wstest ended with an error")
            assert await asyncio.to_thread(proxy.stop) == 0
    report: Report = json.loads((folder / "reports" / "index.json").read_text())
    return report


def main() -> int:
    wstest = shutil.which("wstest", path=f"{ROOT / '.wstest' / 'bin'}{os.pathsep}{os.environ['PATH']}")
    if wstest is None:
        print("conformance: skipped, Autobahn's wstest is not installed and there is no Python 2.7 to install it for")
        return 0
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        report = asyncio.run(fuzz(wstest, Path(folder)))
    for agent, cases in report.items():
        behaviors = [case["behavior"] for case in cases.values()]
        counts = ", ".join(f"{behaviors.count(kind)} {kind}" for kind in sorted(set(behaviors)))
        print(f"{agent}: {len(cases)} cases, {counts}")
    direct, through = (
        {case: (c["behavior"], c["behaviorClose"]) for case, c in report[a].items()} for a in (DIRECT, THROUGH)
    )
    print(f"fails directly: {', '.join(case for case in sorted(direct) if 'FAILED' in direct[case]) or 'none'}")
    other = [f"{case} {through[case][0]}" for case in sorted(through) if through[case] != direct.get(case)]
    print(f"other than directly: {', '.join(other) or 'none'}")
    if worse := worse_cases(report):
        print(f"fails through the proxy only: {', '.join(worse)}")
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        sys.exit(130)
