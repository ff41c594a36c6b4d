"""Alerts: each is sent once, and once more when it is over. The clock is the test's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inspector.recorder.rollover import rotate
from inspector.watch.alert_run import AlertRun
from inspector.watch.alerts_file import Target, load
from inspector.watch.delivery import send_test
from tests.browse.charging import SECOND, Recording
from tests.watch.webhook import Webhook

MINUTE = 60


class Bench:
    """A recording that grows, and alerts that follow it to a webhook; both with the recording's clock."""

    def __init__(self, folder: Path, hook: Webhook) -> None:
        self.recording = Recording(folder / "t.db")
        self.recording.commit()
        self._folder, self._hook = folder, hook
        self.lines: list[str] = []
        self.run: AlertRun | None = None

    def alerts(self, text: str, style: str = "json") -> None:
        """Start with these alerts, or start again."""
        target = f'[[target]]\nname = "hook"\nwebhook = "{self._hook.url}"\nstyle = "{style}"\n'
        path = self._folder / "alerts.toml"
        path.write_text(f'time_zone = "UTC"\n{target}{text}')
        self.run = AlertRun(self.recording.path, load(path), self._folder / "state.json", self.lines.append)
        self.look()

    def look(self, seconds: float = 0) -> list[Any]:
        """Look after some seconds; return the messages that the webhook has got since the last look."""
        self.recording.wait(seconds)
        self.recording.commit()
        assert self.run is not None
        self._hook.posts.clear()
        self.run.step(self.recording.now)
        return [json.loads(post.body) for post in self._hook.posts]


def told(messages: list[Any]) -> list[tuple[str, list[str | None]]]:
    return [(message["status"], [item["charge_point"] for item in message["items"]]) for message in messages]


@pytest.fixture
def hook() -> Any:
    with Webhook() as hook:
        yield hook


@pytest.fixture
def bench(tmp_path: Path, hook: Webhook) -> Any:
    bench = Bench(tmp_path, hook)
    yield bench
    bench.recording.finish()


def test_a_disconnect_without_return_is_sent_once_and_once_when_it_is_over(bench: Bench) -> None:
    bench.alerts('[[alert]]\nname = "gone"\ndisconnected = "10m"')
    link = bench.recording.connect("CP-1")
    assert bench.look() == []
    link.close(closed_by="charge-point", cp_close_code=None)
    assert bench.look(9 * MINUTE) == []
    (message,) = bench.look(MINUTE)
    assert (message["status"], message["alert"]) == ("alert", "gone")
    assert message["items"][0]["charge_point"] == "CP-1"
    assert "disconnected by the charge point, and has not returned for 10 minutes" in message["items"][0]["text"]
    assert bench.look(MINUTE) == bench.look(60 * MINUTE) == []
    bench.recording.connect("CP-1")
    (message,) = bench.look(MINUTE)
    assert message["status"] == "over"
    assert bench.look(MINUTE) == []


def test_a_charge_point_that_returns_in_time_is_not_reported(bench: Bench) -> None:
    bench.alerts('[[alert]]\nname = "gone"\ndisconnected = "10m"')
    bench.recording.connect("CP-1").close()
    bench.look(5 * MINUTE)
    link = bench.recording.connect("CP-1")
    assert bench.look(20 * MINUTE) == []
    link.boot()
    assert bench.look(20 * MINUTE) == []


def test_silence_is_reported_and_over_with_the_next_message(bench: Bench) -> None:
    bench.alerts('[[alert]]\nname = "silent"\nsilence = "5m"')
    link = bench.recording.connect("CP-1")
    link.boot()
    assert bench.look(4 * MINUTE) == []
    assert told(bench.look(2 * MINUTE)) == [("alert", ["CP-1"])]
    assert bench.look(10 * MINUTE) == []
    link.call("Heartbeat", {}, {"currentTime": link.clock})
    assert told(bench.look(1)) == [("over", ["CP-1"])]


@pytest.mark.parametrize("condition", ['rule = "rpc.*"', 'severity = "error"', 'rule = ["rpc.orphan-answer"]'])
def test_a_finding_is_reported_once_and_over_when_it_has_stopped(bench: Bench, condition: str) -> None:
    bench.alerts(f'[[alert]]\nname = "broken"\n{condition}\nover_after = "10m"')
    link = bench.recording.connect("CP-1")
    link.say(False, '[3,"nobody-asked",{}]')
    (message,) = bench.look()
    assert "rpc.orphan-answer" in message["items"][0]["text"]
    for _ in range(3):  # it goes on: the row of the finding only counts
        link.say(False, '[3,"nobody-asked",{}]')
        assert bench.look(9 * MINUTE) == []
    assert told(bench.look(11 * MINUTE)) == [("over", ["CP-1"])]
    assert bench.look(11 * MINUTE) == []


def test_failed_attempts_are_reported_from_the_given_number_on(bench: Bench) -> None:
    bench.alerts('[[alert]]\nname = "refused"\nfailed_attempts = 3\nwithin = "10m"\nover_after = "10m"')

    def attempt() -> None:
        now = bench.recording.now
        detail = {"charge_point_id": "CP-9", "status": 401}
        from inspector.records import EventRecord

        bench.recording.pipeline.take(EventRecord(0, now, now, "rejected-upgrade", detail))

    for wait in (0, 8, 8):  # never three within ten minutes
        attempt()
        assert bench.look(wait * MINUTE) == []
    attempt()
    attempt()
    (message,) = bench.look()
    assert "3 failed attempts to connect in 10 minutes: the CSMS answered 401" in message["items"][0]["text"]
    attempt()
    assert bench.look(MINUTE) == []
    assert told(bench.look(10 * MINUTE)) == [("over", ["CP-9"])]


def test_a_gap_of_the_recording_is_reported(bench: Bench) -> None:
    bench.alerts('[[alert]]\nname = "lost"\ngap = true')
    bench.recording.pipeline.mark_gap(7, bench.recording.now, bench.recording.now, bench.recording.now, reason="disk")
    (message,) = bench.look()
    assert message["items"] == [{"charge_point": None, "since": message["at"], "text": "7 frames not stored: disk"}]


def test_for_delays_an_alert_until_its_condition_has_lasted(bench: Bench) -> None:
    bench.alerts('[[alert]]\nname = "silent"\nsilence = "5m"\nfor = "3m"')
    link = bench.recording.connect("CP-1")
    link.boot()
    assert bench.look(6 * MINUTE) == []
    link.boot()
    assert bench.look(2 * MINUTE) == []  # it was too short, so there is nothing to say
    assert bench.look(4 * MINUTE) == []
    assert told(bench.look(3 * MINUTE)) == [("alert", ["CP-1"])]


def test_group_collects_charge_points_into_one_message(bench: Bench) -> None:
    bench.alerts('[[alert]]\nname = "gone"\ndisconnected = "1m"\ngroup = "5m"')
    for number in range(3):
        bench.recording.connect(f"CP-{number}").close()
        assert bench.look(MINUTE) == []
    assert told(bench.look(4 * MINUTE)) == [("alert", ["CP-0", "CP-1", "CP-2"])]


def test_quiet_times_hold_back_what_is_not_over_by_their_end(bench: Bench) -> None:
    """The recording begins at 10:00 UTC."""
    bench.alerts('[[alert]]\nname = "gone"\ndisconnected = "1m"\nquiet = ["09:00-11:00"]')
    bench.recording.connect("CP-1").close()
    bench.recording.connect("CP-2").close()
    assert bench.look(10 * MINUTE) == []
    bench.recording.connect("CP-2")
    assert bench.look(10 * MINUTE) == []
    assert told(bench.look(41 * MINUTE)) == [("alert", ["CP-1"])]


def test_charge_points_and_targets_can_be_chosen(bench: Bench) -> None:
    bench.alerts('[[alert]]\nname = "gone"\ndisconnected = "1m"\ncharge_points = ["DEPOT-*"]\nto = ["hook"]')
    bench.recording.connect("DEPOT-1").close()
    bench.recording.connect("HOME-1").close()
    assert told(bench.look(2 * MINUTE)) == [("alert", ["DEPOT-1"])]


def test_a_restart_repeats_nothing_and_misses_nothing(bench: Bench) -> None:
    alerts = '[[alert]]\nname = "gone"\ndisconnected = "1m"\n[[alert]]\nname = "broken"\nrule = "rpc.*"'
    bench.alerts(alerts)
    link = bench.recording.connect("CP-1")
    link.say(False, '[3,"nobody-asked",{}]')
    bench.recording.connect("CP-2").close()
    assert len(bench.look(2 * MINUTE)) == 2
    bench.alerts(alerts)
    assert bench.look(MINUTE) == []
    bench.recording.connect("CP-2")  # both end, and CP-3 fails, while nobody looks
    other = bench.recording.connect("CP-3")
    other.say(False, '[3,"nobody-asked",{}]')
    bench.recording.wait(20 * MINUTE)
    bench.recording.commit()
    assert sorted(told(bench.look()))[0] == ("alert", ["CP-3"])


def test_what_happened_before_the_first_start_is_not_sent(bench: Bench) -> None:
    link = bench.recording.connect("CP-1")
    link.say(False, '[3,"nobody-asked",{}]')
    bench.recording.connect("CP-2").close()
    bench.recording.commit()
    bench.alerts('[[alert]]\nname = "broken"\nrule = "rpc.*"\n[[alert]]\nname = "gone"\ndisconnected = "1m"')
    assert bench.look(MINUTE * 5) == []
    link.close()
    assert told(bench.look(MINUTE * 5)) == [("alert", ["CP-1"])]


def test_a_webhook_that_fails_gets_the_message_once_when_it_works_again(bench: Bench, hook: Webhook) -> None:
    bench.alerts('[[alert]]\nname = "gone"\ndisconnected = "1m"')
    bench.recording.connect("CP-1").close()
    hook.status = 500
    assert bench.look(2 * MINUTE) == []
    assert bench.lines[-1] == "hook: answered 500; trying again in 1 s"
    assert "secret" not in "".join(bench.lines)
    hook.status = 200
    assert bench.look(0.5) == []
    assert told(bench.look(1)) == [("alert", ["CP-1"])]
    assert bench.look(MINUTE) == []


def _slack(body: bytes, headers: dict[str, str]) -> tuple[str, str]:
    title, _, text = json.loads(body)["text"].partition("\n")
    return title.strip("*"), text


def _ntfy(body: bytes, headers: dict[str, str]) -> tuple[str, str]:
    assert headers["Priority"] == "high"
    return headers["Title"], body.decode()


@pytest.mark.parametrize(("style", "read"), [("slack", _slack), ("ntfy", _ntfy)])
def test_slack_and_ntfy_get_text_that_texts_from_the_wire_cannot_break(
    bench: Bench, hook: Webhook, style: str, read: Callable[[bytes, dict[str, str]], tuple[str, str]]
) -> None:
    bench.alerts('[[alert]]\nname = "gone"\ndisconnected = "1m"', style)
    bench.recording.connect("CP\n<!channel>\x1b[31m").close()
    bench.recording.wait(2 * MINUTE)
    bench.recording.commit()
    bench.run.step(bench.recording.now)  # type: ignore[union-attr]
    (post,) = hook.posts
    title, text = read(post.body, post.headers)
    assert title == "gone"
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text
    assert style != "slack" or "<!channel>" not in text


def test_a_command_gets_the_message_on_its_standard_input(bench: Bench, tmp_path: Path) -> None:
    bench.alerts('[[alert]]\nname = "gone"\ndisconnected = "1m"')
    text = f"""[[target]]\nname = "file"\ncommand = ["sh", "-c", "cat >> {tmp_path}/got"]
    [[alert]]\nname = "gone"\ndisconnected = "1m"\nto = ["file"]"""
    (tmp_path / "alerts.toml").write_text(text)
    run = AlertRun(bench.recording.path, load(tmp_path / "alerts.toml"), tmp_path / "other.json", print)
    run.step(bench.recording.now)
    bench.recording.connect("CP-1").close()
    bench.recording.wait(2 * MINUTE)
    bench.recording.commit()
    run.step(bench.recording.now)
    run.step(bench.recording.now + SECOND)
    got = (tmp_path / "got").read_text()
    assert json.loads(got)["items"][0]["charge_point"] == "CP-1"
    assert got.endswith("}\n")  # so that a command that appends to a file writes lines


def test_a_command_that_does_not_exist_is_named() -> None:
    target = Target("screen", command=("no-such-notifier", "ChargeSentinel"))
    assert send_test(target, 0) == "cannot start no-such-notifier: no such file or directory"


def test_the_files_of_a_rotated_recording_are_read_one_after_the_other(bench: Bench, tmp_path: Path) -> None:
    """Also those that came and went while nobody looked."""
    started = Recording(tmp_path / "r.db", rotate="1MB")
    path = tmp_path / "alerts.toml"
    bench.alerts('[[alert]]\nname = "gone"\ndisconnected = "1m"\n[[alert]]\nname = "broken"\nrule = "rpc.*"')
    link = started.connect("CP-1")
    started.commit()
    lines: list[str] = []
    run = AlertRun(started.path, load(path), tmp_path / "r.json", lines.append)
    run.step(started.now)
    for number in range(3):
        rotate(started.pipeline, started.now)
        started.connect(f"CP-{number + 2}").say(False, '[3,"nobody-asked",{}]')
        started.commit()
    link.close()
    started.wait(2 * MINUTE)
    started.finish()
    run.step(started.now)
    run.step(started.now)
    assert lines == ["alert gone: CP-1, CP-2, CP-3, CP-4", "alert broken: CP-2, CP-3, CP-4"]
