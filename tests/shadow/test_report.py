"""`shadow report` counts agreement by action, and names each planted difference with its frames and its field."""

from __future__ import annotations

import json
import re
import sqlite3
import xml.etree.ElementTree as ET
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from inspector.records import EventRecord
from inspector.shadow.message_ids import mirrored_id
from tests.browse.charging import Recording
from tests.forked import chargesentinel

ACCEPTED, BLOCKED = {"idTagInfo": {"status": "Accepted"}}, {"idTagInfo": {"status": "Blocked"}}
NOW = "2026-07-02T10:00:00Z"
ANSWERS: dict[str, Any] = {
    "BootNotification": {"currentTime": NOW, "interval": 300, "status": "Accepted"},
    "Authorize": ACCEPTED,
    "StartTransaction": {"transactionId": 7, **ACCEPTED},
    "StopTransaction": ACCEPTED,
    "Heartbeat": {"currentTime": NOW},
}
CALLS: dict[str, Any] = {
    "BootNotification": {"chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": "1.2"},
    "Authorize": {"idTag": "A"},
    "StartTransaction": {"connectorId": 1, "idTag": "A", "meterStart": 0, "timestamp": NOW},
    "StopTransaction": {"transactionId": 7, "meterStop": 5, "timestamp": NOW},
    "Heartbeat": {},
}
OWN_IDS = {"StartTransaction": {"transactionId": 5001, **ACCEPTED}}


class Both:
    """A charge point's session with its primary, and one with its shadow, that are being recorded."""

    def __init__(self, path: Path, name: str = "CP-7") -> None:
        self.recording = Recording(path)
        self.primary = self.recording.connect(name)
        self.shadow = self.recording.connect(name, shadow="ws://127.0.0.1:9900", shadow_of=1)

    def ask(self, number: int, action: str, **shadow: Any) -> None:
        """Record a CALL with both answers.

        Args:
            number: makes the message id.
            action: one of CALLS.
            shadow: what is different at the shadow: `answer` (None for none), `frame` (the whole answer) or `after_s`.
        """
        message_id = f"m{number}"
        self.primary.say(True, json.dumps([2, message_id, action, CALLS[action]]))
        payload = {**CALLS[action], **({"transactionId": 5001} if action == "StopTransaction" else {})}
        mirrored = mirrored_id(message_id, 1)
        self.shadow.say(True, json.dumps([2, mirrored, action, payload]))
        self.primary.say(False, json.dumps([3, message_id, ANSWERS[action]]))
        own = {**ANSWERS, **OWN_IDS}
        frame = shadow.get("frame") or [3, mirrored, shadow.get("answer", own[action])]
        frame[1] = mirrored
        if frame[2] is not None:
            self.shadow.say(False, json.dumps(frame), shadow.get("after_s", 0.02))

    def finish(self) -> Path:
        self.shadow.close()
        self.recording.wait(1)
        self.primary.close()
        return self.recording.finish()


def recorded(path: Path, **planted: Any) -> Path:
    """Record one charging session; `planted` has what is different at the shadow, by action."""
    both = Both(path)
    for number, action in enumerate(CALLS):
        both.ask(number, action, **planted.get(action, {}))
    return both.finish()


def report(path: Path, *options: str) -> tuple[int, dict[str, Any]]:
    done = chargesentinel("shadow", "report", str(path), "--json", *options)
    assert done.stderr == "", done.stderr
    return done.returncode, json.loads(done.stdout)


def raw(path: Path, frame: int | None) -> Any:
    with closing(sqlite3.connect(path)) as db:
        return json.loads(db.execute("SELECT raw FROM frames WHERE id = ?", (frame,)).fetchone()[0])


def test_a_shadow_that_answers_alike_agrees_although_its_ids_differ(tmp_path: Path) -> None:
    code, found = report(recorded(tmp_path / "r.db"))
    assert code == 0 and found["agrees"] and found["differences"] == []
    assert found["agreement"] == {action: {"same": 1, "differs": 0, "missing": 0, "late": 0} for action in CALLS}
    assert found["charge_points"][0]["model"] == "M" and found["charge_points"][0]["same"] == len(CALLS)
    assert found["latency_ms"]["Heartbeat"]["primary"]["p50"] > 0


PLANTED = [
    ("blocked token", "Authorize", {"answer": BLOCKED}, "/2/idTagInfo/status", "Accepted", "Blocked"),
    (
        *("other interval", "BootNotification", {"answer": {**ANSWERS["BootNotification"], "interval": 60}}),
        *("/2/interval", 300, 60),
    ),
    ("missing field", "Authorize", {"answer": {}}, "/2/idTagInfo", ACCEPTED["idTagInfo"], None),
    (
        *("rejected boot", "BootNotification", {"answer": {**ANSWERS["BootNotification"], "status": "Rejected"}}),
        *("/2/status", "Accepted", "Rejected"),
    ),
    ("other status", "StopTransaction", {"answer": BLOCKED}, "/2/idTagInfo/status", "Accepted", "Blocked"),
    (
        *("wrong type", "StartTransaction", {"answer": {"transactionId": "5001", **ACCEPTED}}),
        *("/2/transactionId", 7, "5001"),
    ),
    (
        *("error", "Authorize", {"frame": [4, "", "InternalError", "", {}]}),
        *(None, "CALLRESULT", "CALLERROR InternalError"),
    ),
]


@pytest.mark.parametrize(("_name", "action", "planted", "pointer", "primary", "shadow"), PLANTED)
def test_a_planted_difference_is_named_with_its_frames_and_its_field(
    tmp_path: Path, _name: str, action: str, planted: Any, pointer: str | None, primary: Any, shadow: Any
) -> None:
    path = recorded(tmp_path / "r.db", **{action: planted})
    code, found = report(path)
    assert code == 1 and found["agreement"][action] == {"same": 0, "differs": 1, "missing": 0, "late": 0}
    (one,) = found["differences"]
    told = (one["kind"], one["charge_point"], one["action"], one["pointer"], one["primary"], one["shadow"])
    assert told == ("differs", "CP-7", action, pointer, primary, shadow)
    assert raw(path, one["primary_frame"])[2] == ANSWERS[action]
    assert raw(path, one["shadow_frame"])[1] == mirrored_id(f"m{list(CALLS).index(action)}", 1)


def test_an_answer_that_never_came_is_missing(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r.db", Heartbeat={"answer": None})
    code, found = report(path)
    (one,) = found["differences"]
    assert code == 1 and found["agreement"]["Heartbeat"]["missing"] == 1
    assert (one["kind"], one["primary"], one["shadow"]) == ("missing", "CALLRESULT", None)
    assert raw(path, one["shadow_frame"])[2] == "Heartbeat"


def test_a_slow_answer_is_late_unless_it_may_be(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r.db", Heartbeat={"after_s": 3.0})
    code, found = report(path)
    assert code == 1 and found["agreement"]["Heartbeat"]["late"] == 1
    assert found["differences"][0]["shadow"]["latency_ms"] > 3000
    assert report(path, "--late", "5")[0] == 0


def test_a_call_that_only_the_shadow_sends_is_a_difference(tmp_path: Path) -> None:
    both = Both(tmp_path / "r.db")
    both.ask(0, "BootNotification")
    both.primary.say(False, '[2,"p1","GetConfiguration",{}]')
    both.shadow.say(False, '[2,"s1","GetConfiguration",{}]')
    both.shadow.say(False, '[2,"s2","Reset",{"type":"Hard"}]')
    code, found = report(both.finish())
    (one,) = found["differences"]
    assert code == 1 and (one["kind"], one["action"], one["shadow"]) == ("extra-call", "Reset", {"type": "Hard"})
    assert found["csms_calls"]["GetConfiguration"] == {"primary": 1, "shadow": 1}


def test_calls_of_both_csmss_are_compared_in_whatever_order_they_come(tmp_path: Path) -> None:
    both = Both(tmp_path / "r.db")
    both.ask(0, "BootNotification")
    change = '[2,"{}","ChangeConfiguration",{{"key":"{}","value":"{}"}}]'
    for message_id, key in (("p1", "HeartbeatInterval"), ("p2", "MeterValueSampleInterval")):
        both.primary.say(False, change.format(message_id, key, 60))
    for message_id, key, value in (("s1", "MeterValueSampleInterval", 60), ("s2", "HeartbeatInterval", 900)):
        both.shadow.say(False, change.format(message_id, key, value))
    path = both.finish()
    code, found = report(path)
    (one,) = found["differences"]
    told = (one["kind"], one["pointer"], one["primary"], one["shadow"])
    assert code == 1 and told == ("other-call", "/3/value", "60", "900")
    assert [raw(path, one[side])[3]["key"] for side in ("primary_frame", "shadow_frame")] == ["HeartbeatInterval"] * 2


def test_a_connection_that_the_shadow_closes_is_a_difference(tmp_path: Path) -> None:
    both = Both(tmp_path / "r.db")
    both.ask(0, "BootNotification")
    both.shadow.close(closed_by="csms", csms_close_code=1011, csms_close_reason="planted")
    both.recording.wait(5)
    both.primary.close()
    code, found = report(both.recording.finish())
    (one,) = found["differences"]
    assert code == 1 and (one["kind"], one["shadow"]) == ("closed", "closed with code 1011 planted")


def test_a_policy_says_what_may_differ(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r.db", BootNotification=PLANTED[1][2])
    (tmp_path / "allowed.toml").write_text('[volatile]\nBootNotification = ["interval"]\n')
    assert report(path)[0] == 1
    assert report(path, "--policy", str(tmp_path / "allowed.toml"))[0] == 0
    assert report(path, "--match", "shape")[0] == 0


def test_calls_that_never_reached_the_shadow_count_for_no_side(tmp_path: Path) -> None:
    both = Both(tmp_path / "r.db")
    both.ask(0, "BootNotification")
    both.primary.call("Heartbeat", {}, ANSWERS["Heartbeat"])
    now = both.recording.now
    gap = {"frames": 1, "cause": "shadow-queue", "reason": "the queue of this shadow was full"}
    both.recording.pipeline.take(EventRecord(both.shadow.number, now, now, "gap", gap))
    code, found = report(both.finish())
    assert code == 0 and found["not_mirrored"] == {"Heartbeat": 1} and found["lost"]["shadow-queue"]["calls"] == 1
    assert "Heartbeat" not in found["agreement"]


def test_findings_that_only_one_side_has_are_listed(tmp_path: Path) -> None:
    found = report(recorded(tmp_path / "r.db", Authorize={"answer": {}}))[1]["findings"]
    assert ["shadow", "csms"] in [[one["only"], one["side"]] for one in found]
    assert all(one["only"] == "shadow" for one in found)


def test_a_call_that_was_sent_twice_is_compared_by_its_answered_attempt(tmp_path: Path) -> None:
    both = Both(tmp_path / "r.db")
    both.primary.say(True, '[2,"m0","Heartbeat",{}]')
    both.primary.say(False, f'[3,"m0",{json.dumps(ANSWERS["Heartbeat"])}]')
    both.shadow.say(True, f'[2,"{mirrored_id("m0", 1)}","Heartbeat",{{}}]')
    again = both.recording.connect("CP-7", shadow="ws://127.0.0.1:9900", shadow_of=1)
    again.say(True, f'[2,"{mirrored_id("m0", 2)}","Heartbeat",{{}}]')
    again.say(False, f'[3,"{mirrored_id("m0", 2)}",{json.dumps(ANSWERS["Heartbeat"])}]')
    again.close()
    assert report(both.finish())[1]["agreement"] == {"Heartbeat": {"same": 1, "differs": 0, "missing": 0, "late": 0}}


def test_a_copy_without_personal_values_has_the_same_report(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r.db", Heartbeat={"answer": None}, Authorize={"answer": BLOCKED})
    assert chargesentinel("anonymize", str(path), str(tmp_path / "copy.db")).returncode == 0
    was, now = (report(one)[1] for one in (path, tmp_path / "copy.db"))
    assert now["agreement"] == was["agreement"]
    assert [one["shadow_frame"] for one in now["differences"]] == [one["shadow_frame"] for one in was["differences"]]


FORMATS: list[tuple[str, Callable[[str], Any]]] = [
    ("text", lambda text: re.search(r"Authorize +0 +1 +0 +0", text) and '"Blocked"' in text),
    ("junit", lambda text: ET.fromstring(text).get("failures") == "1"),
    ("html", lambda text: "<td><code>/2/idTagInfo/status</code>" in text),
]


@pytest.mark.parametrize(("style", "holds"), FORMATS)
def test_each_format_shows_the_difference(tmp_path: Path, style: str, holds: Callable[[str], Any]) -> None:
    path = recorded(tmp_path / "r.db", Authorize={"answer": BLOCKED})
    done = chargesentinel("shadow", "report", str(path), "--format", style)
    assert done.returncode == 1 and holds(done.stdout), done.stdout


def test_hostile_text_of_a_shadow_does_no_harm_in_a_report(tmp_path: Path) -> None:
    hostile = {"idTagInfo": {"status": "<script>alert(1)</script>\x1b[31m"}}
    path = recorded(tmp_path / "r.db", Authorize={"answer": hostile})
    page = chargesentinel("shadow", "report", str(path), "--format", "html").stdout
    text = chargesentinel("shadow", "report", str(path)).stdout
    assert "<script>" not in page and "\x1b" not in page + text


def test_a_recording_without_a_shadow_is_nothing_to_compare(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "r.db")
    recording.connect("CP-1").boot()
    done = chargesentinel("shadow", "report", str(recording.finish()))
    assert done.returncode == 2 and "no session in it has a shadow" in done.stderr


def test_of_several_shadows_one_has_to_be_chosen(tmp_path: Path) -> None:
    both = Both(tmp_path / "r.db")
    both.recording.connect("CP-7", shadow="ws://127.0.0.1:9901", shadow_of=1)
    both.ask(0, "BootNotification")
    path = both.finish()
    assert "choose one with --shadow" in chargesentinel("shadow", "report", str(path)).stderr
    assert report(path, "--shadow", "ws://127.0.0.1:9900")[0] == 0


def test_what_also_differs_at_an_instance_of_the_same_software_is_noise(tmp_path: Path) -> None:
    both = Both(tmp_path / "r.db")
    second = both.recording.connect("CP-7", shadow="ws://127.0.0.1:9901", shadow_of=1)
    by_chance = {**ANSWERS["BootNotification"], "interval": 301}
    both.ask(0, "BootNotification", answer={**by_chance, "status": "Pending"})
    for up, frame in (
        (True, [2, mirrored_id("m0", 1), "BootNotification", CALLS["BootNotification"]]),
        (False, [3, mirrored_id("m0", 1), by_chance]),
    ):
        second.say(up, json.dumps(frame))
    path = both.finish()
    code, found = report(path, "--noise", "ws://127.0.0.1:9901")
    assert code == 1 and [one["pointer"] for one in found["differences"]] == ["/2/status"]
    assert found["noise"] == [{"action": "BootNotification", "pointer": "/2/interval", "left_out": 1}]
    assert report(path, "--shadow", "ws://127.0.0.1:9900")[1]["differences_total"] == 2
    assert "--noise ws://x" in chargesentinel("shadow", "report", str(path), "--noise", "ws://x").stderr
