"""`chargesentinel alerts` and `proxy --alerts`: real processes, a real webhook, and a process that is killed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from tests.browse.charging import Recording
from tests.cli.conftest import in_this_process
from tests.processes import Program
from tests.waiting import wait_until
from tests.watch.webhook import Webhook


def written(folder: Path, hook: Webhook, alert: str) -> Path:
    path = folder / "alerts.toml"
    path.write_text(f'[[target]]\nname = "hook"\nwebhook = "{hook.url}"\n[[alert]]\nname = "watched"\n{alert}\n')
    return path


def children(pid: int, word: str) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            arguments = (status.parent / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue  # it has ended
        if parent == pid and word.encode() in arguments:
            found.append(int(status.parent.name))
    return found


@pytest.mark.system
def test_the_command_waits_for_the_recording_and_sends_its_alerts(tmp_path: Path) -> None:
    with Webhook() as hook:
        alerts = written(tmp_path, hook, 'rule = "rpc.orphan-answer"')
        with Program("alerts", alerts, "--db", tmp_path / "t.db", "--interval", "0.05") as command:
            command.wait_for("waiting for it")
            recording = Recording(tmp_path / "t.db")
            recording.commit()
            wait_until((tmp_path / "t.db.alerts.json").exists)
            recording.connect("CP-1").say(False, '[3,"nobody-asked",{}]')
            recording.commit()
            wait_until(lambda: hook.posts)
            recording.finish()
            assert command.stop(signal.SIGTERM) == 0
        (post,) = hook.posts
        assert json.loads(post.body)["items"][0]["charge_point"] == "CP-1"


def test_test_sends_one_message_to_each_target_and_says_which_failed(tmp_path: Path) -> None:
    with Webhook() as hook:
        alerts = written(tmp_path, hook, "gap = true")
        done = in_this_process("alerts", alerts, "--test")
        assert (done.returncode, len(hook.posts)) == (0, 1)
        assert done.stdout.rstrip().endswith("hook: sent")
        hook.status = 403
        done = in_this_process("alerts", alerts, "--test")
        assert done.returncode == 1
        assert done.stdout.rstrip().endswith("hook: answered 403")


def test_a_mistake_in_the_file_is_one_line_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "alerts.toml"
    path.write_text('[[alert]]\nname = "a"\nsilense = "5m"\n')
    for line in (("alerts", path), ("proxy", "--upstream", "ws://127.0.0.1:9", "--alerts", path)):
        done = in_this_process(*line)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert "did you mean silence?" in done.stderr


@pytest.mark.system
def test_alerts_of_the_proxy_arrive_once_and_their_process_may_be_killed(tmp_path: Path) -> None:
    with Webhook() as hook, Program("csms", "--listen", "127.0.0.1:0") as csms:
        url = csms.wait_for(r"csms at (ws://\S+)")[1]
        alerts = written(tmp_path, hook, 'disconnected = "1s"')
        options = ("--listen", "127.0.0.1:0", "--db", tmp_path / "t.db", "--alerts", alerts)
        with Program("proxy", "--upstream", url, *options) as proxy:
            address = proxy.wait_for(r"listening on (ws://\S+)")[1]
            proxy.wait_for("following .* for 1 alert")

            def charge(name: str) -> None:
                with Program("charge-point", "--url", address, "--id", name, "--minutes", "0.1") as charge_point:
                    assert charge_point.finish() == 0

            charge("CP-1")
            wait_until(lambda: hook.posts)
            state = tmp_path / "t.db.alerts.json"  # one that is killed before it has noted what it sent sends it again
            wait_until(lambda: json.loads(state.read_text())["waiting"] == {"hook": []})
            assert proxy.process.pid is not None
            (first,) = children(proxy.process.pid, "alerts")
            os.kill(first, signal.SIGKILL)
            proxy.wait_for(r"alerts ended \(exit code -9\); starting it again")
            charge("CP-2")
            wait_until(lambda: len(hook.posts) >= 2)
            assert proxy.stop() == 0
        sent = [json.loads(post.body) for post in hook.posts]
        assert [[item["charge_point"] for item in one["items"]] for one in sent] == [["CP-1"], ["CP-2"]]
