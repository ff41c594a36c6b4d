"""The pytest plugin as its users use it: recordings as tests, the fixtures, the record modes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes import Program
from tests.replay.parties import FOLDER

pytestmark = pytest.mark.system

CHARGE_POINT = """
    import asyncio
    from simulator import charge_point as simulated

    def charge(url, token="CAFE0001"):
        plan = simulated.load("charging")
        station = simulated.make("1.6", simulated.Identity(url=url, id="CP-1"), scenario=plan)
        asyncio.run(simulated.play(station, plan, {"minutes": 0.2, "token": token}))
"""


@pytest.fixture(scope="module")
def csms() -> Iterator[str]:
    """Start a CSMS as a separate process."""
    with Program("csms", "--listen", "127.0.0.1:0", "--no-page", "--quiet") as program:
        yield program.wait_for(r"csms at (ws://\S+)")[1]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Make a user's project with two recordings."""
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent))
    folder = pytester.mkdir("recordings")
    for name in ("charging-1.6", "offline-queue-2.0.1"):
        shutil.copy(FOLDER / f"{name}.jsonl", folder)
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider -p no:anyio -p no:xdist\nasyncio_mode = auto\n")
    return pytester


def spoil(project: pytest.Pytester) -> None:
    """Change the first recording: the CSMS refused the token."""
    path = project.path / "recordings" / "charging-1.6.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if '{"idTagInfo":{"status":"Accepted"}}' in line["raw"]:
            line["raw"] = line["raw"].replace("Accepted", "Blocked")
            line["payload"] = {"idTagInfo": {"status": "Blocked"}}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_recordings_are_tests(project: pytest.Pytester, csms: str) -> None:
    """There is one test for each charge point of a file; it plays all its sessions."""
    result = project.runpytest_subprocess("-v", "--ocpp-recordings", "recordings", "--ocpp-csms", csms)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*charging-1.6.jsonl::CHARGING-16 as charge point PASSED*"])


def test_a_failure_shows_the_excerpt_of_the_command_line_and_so_does_junit(project: pytest.Pytester, csms: str) -> None:
    spoil(project)
    options = ("--ocpp-recordings", "recordings", "--ocpp-csms", csms, "--junit-xml", "junit.xml")
    result = project.runpytest_subprocess(*options)
    result.assert_outcomes(passed=1, failed=1)
    said = '*frame 10 Authorize /2/idTagInfo/status: status is "Accepted", recorded "Blocked"*'
    result.stdout.fnmatch_lines(["*DIFFERS*", "*recorded*", "*this run*", said])
    assert "idTagInfo/status" in (project.path / "junit.xml").read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--ocpp-recordings", "recordings"), "*needs --ocpp-csms*"),
        (("--ocpp-recordings", "nowhere", "--ocpp-csms", "ws://127.0.0.1:1"), "*nowhere: no such folder*"),
        (("--ocpp-recordings", "recordings", "--ocpp-csms", "ws://127.0.0.1:1"), "*cannot be reached*"),
    ],
)
def test_a_mistake_is_said_in_one_line(project: pytest.Pytester, options: tuple[str, ...], said: str) -> None:
    result = project.runpytest_subprocess(*options)
    assert result.ret != 0
    (result.stderr if said.startswith("*n") else result.stdout).fnmatch_lines([said])


def test_a_proxy_records_what_a_test_does_and_tells_the_findings(project: pytest.Pytester, csms: str) -> None:
    project.makepyfile(
        CHARGE_POINT
        + f"""
    def test_nothing_is_wrong(ocpp_proxy):
        proxy = ocpp_proxy("{csms}")
        charge(proxy.url)
        proxy.stop()
        assert proxy.db.exists()
        assert proxy.findings("warning") == []
    """
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_recording_is_replayed_inside_a_test(project: pytest.Pytester, csms: str) -> None:
    project.makepyfile(
        f"""
    async def test_it_does_as_recorded(ocpp_replay):
        outcome = ocpp_replay("recordings/charging-1.6.jsonl", to="{csms}", timeout_s=5)
        assert outcome.equal, outcome.sentences()
        assert not outcome.regressions
    """
    )
    project.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.long
def test_a_cassette_records_once_and_replays_afterwards(project: pytest.Pytester, csms: str) -> None:
    """The second run needs no CSMS; a charge point that behaves differently then fails with an excerpt."""
    test = """
    def test_charging(ocpp_cassette):
        with ocpp_cassette("charging.jsonl", csms="{csms}") as cassette:
            charge(cassette.url)
        assert cassette.recording is {recording}
    """
    path: Path = project.path / "charging.jsonl"
    project.makepyfile(CHARGE_POINT + test.format(csms="ws://127.0.0.1:1", recording=True))
    none = project.runpytest_subprocess("--ocpp-record", "none")
    none.stdout.fnmatch_lines(["*record mode `none` records nothing*"])
    project.makepyfile(CHARGE_POINT + test.format(csms=csms, recording=True))
    project.runpytest_subprocess().assert_outcomes(passed=1)
    recorded = path.read_text()
    project.makepyfile(CHARGE_POINT + test.format(csms="ws://127.0.0.1:1", recording=False))
    project.runpytest_subprocess("--ocpp-record", "none").assert_outcomes(passed=1)
    assert path.read_text() == recorded
    other = CHARGE_POINT.replace("CAFE0001", "OTHER")
    project.makepyfile(other + test.format(csms="ws://127.0.0.1:1", recording=False))
    result = project.runpytest_subprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['*/3/idTag: idTag is "OTHER", recorded "CAFE0001"*'])
    project.makepyfile(CHARGE_POINT + test.format(csms=csms, recording=True))
    project.runpytest_subprocess("--ocpp-record", "all").assert_outcomes(passed=1)
    assert path.read_text() != recorded


def test_session_that_no_charge_point_came_for_is_a_failure(project: pytest.Pytester) -> None:
    """The cassette has two sessions, and the code under test plays only the first."""
    project.makepyfile(f"""{CHARGE_POINT}
    from inspector.replay.policy import Policy

    def test_charging(ocpp_cassette):
        unmetered = Policy(absent_actions=frozenset({{"Heartbeat", "MeterValues"}}))
        with ocpp_cassette("twice.jsonl", timeout_s=5, policy=unmetered) as cassette:
            charge(cassette.url)
    """)
    one = (FOLDER / "charging-1.6.jsonl").read_text()
    (project.path / "twice.jsonl").write_text(one.replace("CHARGING-16", "CP-1") + one.replace("CHARGING-16", "CP-2"))
    result = project.runpytest_subprocess("--ocpp-record", "none")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no charge point connected for this session*"])


def test_recordings_are_found_behind_a_link_and_a_folder_without_any_is_refused(
    project: pytest.Pytester, csms: str
) -> None:
    (project.path / "link").symlink_to("recordings")
    project.makepyfile(test_own="def test_of_my_own(): pass")
    options = ("--ocpp-csms", csms, "--ocpp-recordings")
    project.runpytest_subprocess(*options, "link").assert_outcomes(passed=2)
    project.runpytest_subprocess("test_own.py", *options, "link").assert_outcomes(passed=3)
    project.mkdir("empty")
    result = project.runpytest_subprocess(*options, "empty")
    assert result.ret != 0
    result.stderr.fnmatch_lines(["*empty: no recording (*.jsonl) in it*"])


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_no_proxy_outlives_a_test_run_that_is_killed(tmp_path: Path) -> None:
    code = "import pathlib, sys; from inspector.pytest_plugin import RecordingProxy as R;"
    code += "r = R('ws://127.0.0.1:9', pathlib.Path(sys.argv[1])); print(r.url, flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(tmp_path / "traffic.db")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdout and run.stdout.readline()
        assert (tmp_path / "traffic.db.lock").exists()
        run.kill()
    deadline = time.monotonic() + 30
    while (tmp_path / "traffic.db.lock").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
