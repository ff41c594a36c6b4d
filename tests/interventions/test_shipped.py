"""The rule files that come with the program, each between charge points and a CSMS of the library `ocpp`."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from inspector.interventions import shipped
from inspector.interventions.rules_file import load
from tests.cli.conftest import in_this_process as chargesentinel
from tests.interventions.third_party import LIBRARIES, Station, ThirdPartyCsms, station, third_party_csms
from tests.processes import Program
from tests.waiting import until

NAMES = sorted(shipped.names())
DOCS = Path(__file__).parents[2] / "docs" / "interventions.md"


def test_there_are_ten_of_them_and_each_is_valid_and_explained() -> None:
    assert len(NAMES) == 10
    text = DOCS.read_text()
    for name in NAMES:
        assert all(rule.name.startswith(name) for rule in load(shipped.find(name)))
        paragraph = re.search(rf"\*\*`{name}`\*\*(.*?)(?:\n\n|\Z)", text, re.DOTALL)
        assert paragraph and re.search("a good (charge point|CSMS)", paragraph[1], re.IGNORECASE)


def test_a_name_is_found_a_path_wins_and_a_wrong_name_is_refused_with_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert shipped.find("slow-boot").parent == shipped.FOLDER
    Path("slow-boot").write_text("")
    assert shipped.find("slow-boot") == Path("slow-boot")
    listed = chargesentinel("proxy", "--interventions", "list")
    assert listed.returncode == 0 and [line.split()[0] for line in listed.stdout.splitlines()] == NAMES
    done = chargesentinel("proxy", "--upstream", "ws://127.0.0.1:9", "--interventions", "slow-bot")
    assert done.returncode == 2 and "did you mean slow-boot?" in done.stderr and done.stderr.count("\n") == 1


def shortened(name: str) -> str:
    """Return the file for the charge points that bear its name, with short times."""
    text = (shipped.FOLDER / f"{name}.toml").read_text()
    text = (
        text.replace('"20s"', '"1s"').replace('"1m"', '"1s"').replace('"5m"', '"1s"').replace("after = 9", "after = 2")
    )
    if "match = { " not in text:
        return text.replace("do = ", f'match = {{ charge_point = "{name}-*" }}\ndo = ')
    return text.replace("match = { ", f'match = {{ charge_point = "{name}-*", ')


class Session:
    """A finished session of one file: what the charge point saw of each CALL, and how long it waited."""

    def __init__(self, one: Station, csms: ThirdPartyCsms) -> None:
        self.station, self.csms, self.name = one, csms, one.name
        self.heard = [self._parsed(text) for text in one.wire.heard]
        self.asked = [json.loads(text) for text in csms.heard(one.name)]

    @staticmethod
    def _parsed(text: str) -> list[Any]:
        try:
            return list(json.loads(text))
        except ValueError:
            return [None, text]

    def answers(self, action: str) -> list[Any]:
        calls = {frame[1] for text in self.station.wire.said if (frame := json.loads(text))[2:3] == [action]}
        return [frame[2] for frame in self.heard if frame[0] == 3 and frame[1] in calls]

    def calls(self, action: str) -> list[Any]:
        return [frame[3] for frame in self.asked if frame[2:3] == [action]]


@asynccontextmanager
async def everything(tmp_path: Path) -> AsyncIterator[tuple[ThirdPartyCsms, str]]:
    (tmp_path / "rules.toml").write_text("\n".join(map(shortened, NAMES)))
    async with third_party_csms() as (csms, upstream):
        with Program(
            *("proxy", "--upstream", upstream, "--listen", "127.0.0.1:0", "--db", tmp_path / "traffic.db", "--quiet"),
            *("--interventions", tmp_path / "rules.toml"),
        ) as proxy:
            yield csms, (await asyncio.to_thread(proxy.wait_for, r"listening on (ws://\S+)"))[1]
            assert await asyncio.to_thread(proxy.stop) == 0, proxy.report()


@pytest.mark.system
async def test_each_file_does_what_it_says_in_every_version(tmp_path: Path) -> None:
    async with everything(tmp_path) as (csms, url):

        async def run(name: str, version: str) -> Session:
            began = time.monotonic()
            while True:
                try:
                    async with station(url, f"{name}-{version}", version, timeout_s=3) as one:
                        booting = time.monotonic()
                        await one.boot()
                        booted = time.monotonic() - booting
                        for step in (one.heartbeat, one.authorize, one.begin, one.meter, one.end, one.heartbeat):
                            await step()
                        if name == "trigger-flood":
                            await until(lambda: len(triggers(one)) >= 6)
                        break
                except InvalidStatus as refused:
                    assert name == "refused-upgrades" and refused.response.status_code == 503
                    await asyncio.sleep(0.1)
            session = Session(one, csms)
            took = time.monotonic() - began
            assert_effect(name, version, session, booted, took)
            return session

        await asyncio.gather(*(run(name, version) for name in NAMES for version in LIBRARIES))


def triggers(one: Station) -> list[str]:
    return [text for text in one.wire.heard if '"TriggerMessage"' in text]


def assert_effect(name: str, version: str, session: Session, booted: float, took: float) -> None:
    heard, ended = session.heard, "StopTransaction" if version == "1.6" else "TransactionEvent"
    match name:
        case "slow-boot":
            assert booted >= 1 and session.answers("BootNotification")[0]["status"] == "Accepted"
        case "lost-stop-answer":
            assert len(session.calls(ended)) - len(session.answers(ended)) == 1
        case "blocked-token":
            (answer,) = session.answers("Authorize")
            assert next(iter(answer.values()))["status"] == "Blocked"
        case "clock-jump":
            first, second = (datetime.fromisoformat(one["currentTime"]) for one in session.answers("Heartbeat"))
            assert 3500 < (second - first).total_seconds() < 3700
            assert abs((first - datetime.now(UTC)).total_seconds()) < 60
        case "doubled-answer":
            answers = [frame[1] for frame in heard if frame[0] == 3]
            assert answers[::2] == answers[1::2] and len(answers) == 14
        case "silent-csms":
            assert took >= 1 and len(heard) == 7
        case "cut-in-transaction":
            assert session.station.wire.connection.close_code == 1006 and not session.calls("MeterValues")
        case "truncated-frame":
            broken = [frame[1] for frame in heard if frame[0] is None]
            assert len(broken) == 1 and broken[0].endswith('{"currentTime":"20')
        case "trigger-flood":
            ids = [frame[1] for frame in heard if frame[0] == 2]
            assert len(ids) == len(set(ids)) >= 6 and len(session.asked) == 7
        case "refused-upgrades":
            assert took >= 1 and len(session.answers("BootNotification")) == 1


@pytest.mark.system
async def test_a_shipped_file_is_used_by_its_name(tmp_path: Path) -> None:
    async with third_party_csms() as (_, upstream):
        with Program(
            *("proxy", "--upstream", upstream, "--listen", "127.0.0.1:0", "--db", tmp_path / "traffic.db"),
            *("--interventions", "blocked-token"),
        ) as proxy:
            url = (await asyncio.to_thread(proxy.wait_for, r"listening on (ws://\S+)"))[1]
            async with station(url, "CP-1", "1.6") as one:
                await one.boot()
                assert (await one.authorize()).id_tag_info["status"] == "Blocked"
