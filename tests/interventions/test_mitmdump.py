"""The addon for mitmdump applies interventions through mitmproxy's public hooks."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from inspector.proxy import addon
from inspector.proxy.addresses import listening_socket
from tests.interventions.test_every_verb import VERBS, assert_done, assert_told, rules
from tests.interventions.third_party import LIBRARIES, Station, station, third_party_csms
from tests.processes import Program
from tests.waiting import until

pytestmark = pytest.mark.system
IMPOSSIBLE = ("reset", "stall")


def mitmdump(tmp_path: Path, upstream: str, text: str) -> tuple[Program, str]:
    (tmp_path / "rules.toml").write_text(text)
    with listening_socket("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    settings = {"ocpp_db": tmp_path / "traffic.db", "confdir": tmp_path, "ocpp_interventions": tmp_path / "rules.toml"}
    argv = [
        *(Path(sys.executable).parent / "mitmdump", "-s", addon.__file__),
        *("--mode", f"reverse:{upstream.replace('ws', 'http', 1)}@127.0.0.1:{port}"),
        *(part for name, value in settings.items() for part in ("--set", f"{name}={value}")),
    ]
    return Program(argv=argv), f"ws://127.0.0.1:{port}"


async def test_every_verb_that_hooks_allow_does_what_it_says(tmp_path: Path) -> None:
    text = "".join(f"[[{one}" for one in rules().split("[[")[1:] if not any(f'"{verb}"' in one for verb in IMPOSSIBLE))
    text += '[[intervention]]\nname = "refuse"\nmatch = { charge_point = "refused" }\ndo = { refuse = 503 }\n'
    verbs, versions = [verb for verb in VERBS if verb not in IMPOSSIBLE], list(LIBRARIES)
    async with third_party_csms() as (csms, upstream):
        program, url = mitmdump(tmp_path, upstream, text)
        with program as dump:
            await asyncio.to_thread(dump.wait_for, "listening at")
            with pytest.raises(InvalidStatus, match="503"):
                async with station(url, "refused", "1.6"):
                    pass

            async def run(number: int, verb: str) -> tuple[str, Station]:
                name = f"{verb}-{versions[number % 3]}"
                patience = 1 if verb in ("drop", "replace", "reorder") else 10
                async with station(url, name, versions[number % 3], timeout_s=patience) as one:
                    await one.session()
                    if VERBS[verb].ends:
                        await until(lambda: one.wire.connection.close_code is not None)
                        await until(lambda: csms.wires[name][0].connection.close_code is not None)
                    else:
                        await until(lambda: len(csms.heard(name)) >= 8 - (verb in ("drop", "answer", "error")))
                        await until(lambda: len(one.wire.heard) >= 8 - (verb == "drop") + 2 * (verb == "duplicate"))
                    return name, one

            ran = await asyncio.gather(*(run(*case) for case in enumerate(verbs)))
            assert await asyncio.to_thread(dump.stop) == 0, dump.report()
            assert not [line for line in [*dump.out, *dump.err] if "Traceback" in line], dump.report()
    with closing(sqlite3.connect(tmp_path / "traffic.db")) as recording:
        for name, one in ran:
            assert_done(name, one, csms)
            assert_told(recording, name, one, csms)


@pytest.mark.parametrize("verb", IMPOSSIBLE)
async def test_what_hooks_do_not_allow_is_refused_in_one_line(tmp_path: Path, verb: str) -> None:
    rule = f'[[intervention]]\nname = "r"\ndo = {VERBS[verb].do}\n'
    program, _ = mitmdump(tmp_path, "ws://127.0.0.1:9", rule)
    with program as dump:
        await asyncio.to_thread(dump.finish)
        said = [line for line in [*dump.out, *dump.err] if re.search(f"r: mitmproxy's hooks cannot {verb}", line)]
        assert len(said) == 1, dump.report()
