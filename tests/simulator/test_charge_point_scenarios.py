"""The shipped scenarios against the reference CSMS have no findings; scenarios with mistakes are refused."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from simulator import charge_point as simulated
from simulator.answer_faults import ANSWER_FAULTS, UNKNOWN_ID, Order
from simulator.misbehaviour import MISBEHAVIOURS
from simulator.scenario import BadScenario, parse
from simulator.steps import STEPS
from tests.processes import Program
from tests.simulator.listening import VERSIONS, ListeningCsms

LAWFUL = sorted(set(simulated.shipped()) - {"misbehaving"})


@dataclass(frozen=True)
class Bench:
    """A CSMS behind a recording proxy, both as real processes."""

    proxy: Program
    url: str
    operator: str
    db: Path

    def findings(self) -> list[tuple[str, str, str, str]]:
        """End the recording; return (charge point, severity, rule, message) of all findings above info."""
        assert self.proxy.stop(signal.SIGINT) == 0, self.proxy.report()
        with closing(sqlite3.connect(self.db)) as db:
            return db.execute(
                "select charge_point_id, severity, rule_id, message from findings join sessions "
                "on sessions.id = session_id where severity != 'info' order by findings.id"
            ).fetchall()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Program("csms", "--listen", "127.0.0.1:0", "--page", "127.0.0.1:0") as csms:
        upstream = csms.wait_for(r"csms at (ws://\S+)")[1]
        operator = csms.wait_for(r"operator page at (http://\S+)")[1]
        db = tmp_path / "traffic.db"
        with Program("proxy", "--upstream", upstream, "--listen", "127.0.0.1:0", "--db", db) as proxy:
            yield Bench(proxy, proxy.wait_for(r"listening on (ws://\S+)")[1], operator, db)


def block(operator: str, token: str) -> None:
    body = json.dumps({"status": "Blocked"}).encode()
    request = urllib.request.Request(f"{operator}/api/tokens/{token}", body, method="PUT")
    urllib.request.urlopen(request, timeout=10).close()


async def play(bench: Bench, name: str, version: str) -> simulated.Outcome:
    scenario = simulated.load(name)
    identity = simulated.Identity(url=bench.url, id=f"{name}-{version}", speed=120, timeout=20)
    station = simulated.make(version, identity, scenario=scenario)
    return await simulated.play(station, scenario, operator=bench.operator)


@pytest.mark.system
async def test_every_lawful_scenario_ends_well_and_the_judge_finds_nothing(bench: Bench) -> None:
    """All shipped scenarios in three versions run at once through the recording proxy, without a finding above info."""
    await asyncio.to_thread(block, bench.operator, "BLOCKED01")
    outcomes = await asyncio.gather(*(play(bench, name, version) for name in LAWFUL for version in VERSIONS))
    assert [str(outcome) for outcome in outcomes if not outcome.good] == []
    assert await asyncio.to_thread(bench.findings) == []


async def test_the_misbehaving_charge_point_is_found_out(bench: Bench) -> None:
    """Each kind of misbehaviour leads to its finding, in the versions that have it."""
    outcomes = await asyncio.gather(*(play(bench, "misbehaving", version) for version in VERSIONS))
    assert [str(outcome) for outcome in outcomes if not outcome.good] == []
    found: dict[str, set[str]] = {}
    for charge_point, _, rule, _ in await asyncio.to_thread(bench.findings):
        found.setdefault(charge_point, set()).add(rule)
    everywhere = {
        *("boot.too-early", "rpc.reused-id", "rpc.orphan-answer", "rpc.unknown-action", "payload.schema"),
        *("time.zone", "meter.register-falls", "rpc.in-flight", "rpc.not-json"),
    }
    assert found["misbehaving-1.6"] >= everywhere | {"status.transition", "transaction.stop-unknown"}
    for version in ("2.0.1", "2.1"):
        more = {"transaction-event.sequence-gap", "transaction-event.not-started"}
        more |= {"payload.empty-member", "evse.number"}
        assert found[f"misbehaving-{version}"] >= everywhere | more


# --- each misbehaviour alone ---- --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", sorted({*MISBEHAVIOURS, *ANSWER_FAULTS}))
async def test_every_misbehaviour_leaves_the_charge_point_in_working_order(
    csms: ListeningCsms, version: str, how: str
) -> None:
    """After the deliberate fault, the rest of the session is normal."""
    scenario = parse(
        "inline",
        {
            "step": [
                {"do": "power-on"},
                {"do": "plug-in"},
                {"do": "present", "token": "A"},
                {"do": "misbehave", "how": how},
                {"do": "present", "token": "A"},
                {"do": "unplug"},
                {"do": "power-off"},
            ]
        },
    )
    station = simulated.make(version, simulated.Identity(url=csms.url, id="CP-1", timeout=5))
    outcome = await simulated.play(station, scenario)
    assert outcome.good, outcome


async def test_a_spoilt_answer_spoils_one_answer_only(csms: ListeningCsms) -> None:
    station = simulated.make("1.6", simulated.Identity(url=csms.url, id="CP-1"))
    await station.power_on()
    assert station.link is not None
    station.link.spoil = Order("foreign-error-code")
    assert (await csms.ask("ClearCache", {}))[2] == "FormatViolation"
    station.link.spoil = Order("no-answer")
    with pytest.raises(TimeoutError):
        await csms.ask("ClearCache", {}, timeout=0.2)
    assert (await csms.ask("ClearCache", {}))[2] == {"status": "Accepted"}
    await station.power_off()


ACCEPTED = {"status": "Accepted"}


@pytest.mark.parametrize(
    ("members", "sent"),
    [
        ({"how": "error-for-the-next-call", "code": "GenericError"}, [[4, "id", "GenericError"]]),
        ({"how": "wrong-answer"}, [[3, "id", {"status": 17}]]),
        ({"how": "wrong-answer", "field": "/status", "value": "Perhaps"}, [[3, "id", {"status": "Perhaps"}]]),
        ({"how": "wrong-answer", "field": "/status"}, [[3, "id", {}]]),
        ({"how": "twofold-answer"}, [[3, "id", ACCEPTED]] * 2),
        ({"how": "answer-to-unknown-id"}, [[3, UNKNOWN_ID, ACCEPTED], [3, "id", ACCEPTED]]),
        ({"how": "delayed-answer", "seconds": 0.2}, [[3, "other", {"listVersion": 0}], [3, "id", ACCEPTED]]),
        ({"how": "no-answer"}, [[3, "other", {"listVersion": 0}]]),
    ],
)  # fmt: skip
async def test_an_answer_is_spoilt_as_the_step_says(
    csms: ListeningCsms, members: dict[str, Any], sent: list[list[Any]]
) -> None:
    """The fault waits for its action; answers to other CALLs before it are correct."""
    step = {"do": "misbehave", "action": "ClearCache", **members}
    station = simulated.make("1.6", simulated.Identity(url=csms.url, id="CP-1", timeout=5))
    await parse("inline", {"step": [{"do": "power-on"}, step]}).run(station)
    assert (await csms.ask("GetLocalListVersion", {}))[2] == {"listVersion": 0}
    begun = len(csms.frames)
    await csms.send([2, "id", "ClearCache", {}])
    if sent[0][1] == "other":
        await csms.send([2, "other", "GetLocalListVersion", {}])

    def answers() -> list[list[Any]]:
        return [frame[:3] for side, frame in csms.frames[begun:] if side == "cp"]

    await csms.until(lambda: len(answers()) == len(sent))
    assert answers() == sent
    assert (await csms.ask("ClearCache", {}))[2] == {"status": "Accepted"}
    await station.power_off()
    assert station.failures == []


async def test_the_connection_is_closed_instead_of_an_answer(csms: ListeningCsms) -> None:
    """It closes with the requested code; afterwards the charge point reconnects."""
    step = {"do": "misbehave", "how": "closed-instead", "close_code": 4001}
    station = simulated.make("2.1", simulated.Identity(url=csms.url, id="CP-1", timeout=5))
    await parse("inline", {"step": [{"do": "power-on"}, step]}).run(station)
    await csms.send([2, "id", "ClearCache", {}])
    await csms.connections[0].wait_closed()
    assert csms.connections[0].close_code == 4001
    await csms.until(lambda: len(csms.connections) == 2)
    await asyncio.wait_for(station.online.wait(), 10)
    await station.power_off()


# --- scenarios that fail, and such that are wrong ----------------------------------------------------------------


async def test_a_failed_expectation_names_its_step(csms: ListeningCsms) -> None:
    csms.refuse_tokens.add("STOLEN")
    steps = [{"do": "power-on"}, {"do": "present", "token": "STOLEN"}, {"do": "heartbeat"}]
    station = simulated.make("1.6", simulated.Identity(url=csms.url, id="CP-1"))
    outcome = await simulated.play(station, parse("inline", {"step": steps}))
    assert outcome.failures == ("step 2 (present): token STOLEN: expected Accepted, got Invalid",)
    assert "Heartbeat" not in csms.actions()


async def test_a_call_that_never_comes_fails_the_step(csms: ListeningCsms) -> None:
    steps = [{"do": "power-on"}, {"do": "csms-sends", "action": "Reset", "within": 0.1}]
    station = simulated.make("1.6", simulated.Identity(url=csms.url, id="CP-1"))
    outcome = await simulated.play(station, parse("inline", {"step": steps}))
    assert outcome.failures == ("step 2 (csms-sends): the CSMS did not send Reset within 0.1 s",)


@pytest.mark.parametrize(
    ("step", "failure"),
    [
        ({"do": "plug-in", "connector": 5}, "unknown connector 5; the charge point has 1"),
        ({"do": "setting", "key": "HeartbeatInterval", "value": "often"}, "HeartbeatInterval: invalid value 'often'"),
        ({"do": "call", "action": "Authorize", "payload": {"idTag": "$in soon"}}, "a number of seconds"),
        (
            {"do": "call", "action": "Nonsense", "payload": {}, "expect": {"a": 1}},
            "the answer to Nonsense: expected a = ",
        ),
        ({"do": "present", "token": "$token"}, "$token is not defined in [values]"),
        ({"do": "csms-sends", "action": "Reset", "payload": {"id": "$transaction"}}, "no transaction runs"),
    ],
)
async def test_a_step_that_cannot_be_done_fails_with_a_sentence(
    csms: ListeningCsms, step: dict[str, Any], failure: str
) -> None:
    station = simulated.make("1.6", simulated.Identity(url=csms.url, id="CP-1", timeout=2))
    outcome = await simulated.play(station, parse("inline", {"step": [{"do": "power-on"}, step]}))
    assert len(outcome.failures) == 1
    assert outcome.failures[0].startswith(f"step 2 ({step['do']}): ") and failure in outcome.failures[0]


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ({}, "no [[step]] found"),
        ({"step": [{"do": "dance"}]}, "inline, step 1: unknown step do = 'dance'; the steps are call, "),
        ({"step": [{"do": "wait", "hours": 1}]}, "wait: unknown argument 'hours'"),
        ({"step": [{"do": "present"}]}, "present: missing argument 'token'"),
        ({"step": [{"do": "wait", "ocpp": ["1.5"]}]}, "ocpp: expected a list of 1.6, 2.0.1, 2.1"),
        ({"steps": []}, "unknown table or key 'steps'"),
        (
            {"charge_point": {"wheels": 4}, "step": [{"do": "wait"}]},
            "charge_point.wheels: unknown key or wrong type; the keys are ",
        ),
        ({"step": [{"do": "wait", "seconds": "long"}]}, "wait: seconds must be a number, not 'long'"),
        ({"step": [{"do": "misbehave", "how": "sing"}]}, "misbehave: how must be one of answer-to-unknown-id, "),
        ({"step": [{"do": "setting", "key": "Colour", "value": "1"}]}, "setting: key must be one of "),
        ({"step": [{"do": "expect", "status": "Happy"}]}, "expect: status must be one of Available, "),
    ],
)
def test_a_wrong_scenario_is_refused_with_a_sentence(document: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadScenario) as caught:
        parse("inline", document)
    assert sentence in str(caught.value)


def test_a_missing_or_broken_file_ends_with_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("[[step\n")
    for name, sentence in (
        (tmp_path / "none.toml", "unknown scenario"),
        (broken, "not TOML"),
        ("nap", "unknown scenario"),
    ):
        with Program("charge-point", "--url", "ws://127.0.0.1:1", "--scenario", name) as run:
            assert run.finish() == 2
            assert len(run.err) == 1 and sentence in run.err[0]


def test_the_shipped_scenarios_are_listed() -> None:
    with Program("charge-point", "--scenario", "list") as run:
        assert run.finish() == 0, run.report()
    assert [line.split()[0] for line in run.out] == sorted(simulated.shipped())
    assert len(run.out) >= 10


def test_the_documentation_names_every_step_scenario_and_misbehaviour() -> None:
    page = (Path(__file__).parents[2] / "docs" / "charge-point.md").read_text()
    for name in [*STEPS, *simulated.shipped(), *MISBEHAVIOURS, *ANSWER_FAULTS]:
        assert f"`{name}`" in page, name
