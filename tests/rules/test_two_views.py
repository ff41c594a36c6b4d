"""A session with interventions is judged from both peers' views: each is blamed for what it sent, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from inspector.records import EDITED, TEXT, CloseRecord, EventRecord, FrameRecord, OpenRecord
from inspector.rules.feed import Feed

SECOND = 1_000_000_000
BEGIN = 1_767_268_800 * SECOND
BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}
BOOTED = {"status": "Accepted", "currentTime": "2026-01-01T12:00:01Z", "interval": 300}
BEAT = {"currentTime": "2026-01-01T12:00:05Z"}


class Edited:
    """A session that interventions may change, fed record by record, a second apart."""

    def __init__(self) -> None:
        self.feed, self.now, self.number = Feed(), BEGIN, 0
        self.found: dict[tuple[str, str], int] = {}
        self.caused: dict[tuple[str, str, str], int] = {}
        facts: Any = {"charge_point_id": "CP1", "subprotocol": "ocpp1.6", "relay": EDITED}
        self.take(OpenRecord(1, self.now, self.now, facts))
        self.says(True, [2, "b", "BootNotification", BOOT])
        self.says(False, [3, "b", BOOTED])
        for connector in (0, 1):
            status = {"connectorId": connector, "status": "Available", "errorCode": "NoError"}
            self.says(True, [2, f"s{connector}", "StatusNotification", status])
            self.says(False, [3, f"s{connector}", {}])

    def take(self, record: Any) -> None:
        self.number += 1
        self.now += SECOND
        for one in self.feed.take(record._replace(ts_ns=self.now, mono_ns=self.now), self.number).findings:
            if one.caused_by and one.blamed:
                assert (one.side, one.severity) == ("link", "info") and one.caused_by in one.message
                self.caused[one.caused_by, one.blamed[1], one.rule_id] = one.count
            else:
                self.found[one.side, one.rule_id] = one.count

    def says(self, charge_point: bool, frame: Any, **notes: Any) -> None:
        raw = frame if isinstance(frame, bytes) else json.dumps(frame).encode()
        self.take(FrameRecord(1, 0, 0, charge_point, TEXT, raw, notes or None))

    def end(self) -> dict[tuple[str, str], int]:
        """Close the session after two minutes of silence; return how often each side broke which rule."""
        self.now += 120 * SECOND
        self.take(CloseRecord(1, 0, 0, {"cp_close_code": 1000, "closed_by": "charge-point"}))
        return self.found


def test_a_dropped_call_is_nobodys_fault() -> None:
    session = Edited()
    session.says(True, [2, "h", "Heartbeat", {}], forwarded=False, interventions=[["r", "drop"]])
    assert ("csms", "rpc.no-answer") not in session.end()
    assert session.caused["r", "csms", "rpc.no-answer"] == 1


def test_a_call_without_an_answer_is_the_csmss_fault_if_the_csms_got_it() -> None:
    session = Edited()
    session.says(True, [2, "h", "Heartbeat", {}])
    assert any(side == "csms" for side, _ in session.end())


def test_a_bad_answer_is_the_csmss_fault_even_if_a_rule_mends_it() -> None:
    session = Edited()
    session.says(True, [2, "h", "Heartbeat", {}])
    session.says(False, [3, "h", {}], forwarded=False, interventions=[["r", "edit"]])
    session.says(False, [3, "h", BEAT], made_by="r", made_from=1)
    assert session.end() == {("csms", "payload.schema"): 1}
    assert session.caused == {}


def test_a_good_answer_that_a_rule_spoils_is_nobodys_fault() -> None:
    session = Edited()
    session.says(True, [2, "h", "Heartbeat", {}])
    session.says(False, [3, "h", BEAT], forwarded=False, interventions=[["r", "edit"]])
    session.says(False, [3, "h", {}], made_by="r", made_from=1)
    assert session.end() == {}
    assert session.caused == {("r", "csms", "payload.schema"): 1}


def test_a_fault_that_an_edit_leaves_in_the_answer_is_not_blamed_on_the_rule() -> None:
    session = Edited()
    session.says(True, [2, "h", "Heartbeat", {}])
    bad = {"currentTime": "yesterday"}
    session.says(False, [3, "h", bad], forwarded=False, interventions=[["r", "edit"]])
    session.says(False, [3, "h", {**bad, "more": 1}], made_by="r", made_from=1)
    blamed = session.end()
    assert {side for side, _ in blamed} == {"csms"} and not {rule for _, _, rule in session.caused} & {
        rule for _, rule in blamed if rule != "payload.schema"
    }


def test_without_interventions_no_finding_is_blamed_on_one() -> None:
    session = Edited()
    session.says(True, [2, "h", "Heartbeat", {}])
    session.says(False, [3, "h", {}])
    session.says(True, [2, "i", "Heartbeat", {"x": 1}])
    session.says(True, [2, "j", "Heartbeat", {}])
    assert session.end() and session.caused == {}


def test_a_doubled_answer_is_nobodys_fault() -> None:
    session = Edited()
    session.says(True, [2, "h", "Heartbeat", {}])
    session.says(False, [3, "h", BEAT], interventions=[["r", "duplicate"]])
    session.says(False, [3, "h", BEAT], made_by="r", made_from=1)
    assert session.end() == {}
    assert session.caused == {("r", "csms", "rpc.second-answer"): 1}


def test_a_charge_point_that_leaves_a_call_of_the_proxy_unanswered_is_to_blame() -> None:
    session = Edited()
    session.says(False, [2, "chargesentinel-1", "Reset", {"type": "Soft"}], made_by="r")
    assert any(side == "charge_point" for side, _ in session.end())


def test_the_answer_to_a_call_of_the_proxy_belongs_to_it_and_the_csms_has_no_part_in_it() -> None:
    session = Edited()
    session.says(False, [2, "chargesentinel-1", "ClearCache", {}], made_by="r")
    session.says(True, [3, "chargesentinel-1", {"status": "Accepted"}], forwarded=False, to_proxy=True)
    assert session.end() == {}


@pytest.mark.parametrize("sent", [True, False])
def test_a_delayed_answer_reaches_the_charge_point_when_it_is_sent(sent: bool) -> None:
    """Until then the charge point has no answer: the next CALL would be too early, but only the CSMS knows better."""
    session = Edited()
    session.says(True, [2, "h", "Heartbeat", {}])
    session.says(False, [3, "h", BEAT], interventions=[["r", "delay"]], later=1)
    if sent:
        session.take(EventRecord(1, 0, 0, "sent", {"later": 1}))
    session.says(True, [2, "i", "Heartbeat", {}])
    session.says(False, [3, "i", BEAT])
    assert (("charge_point", "rpc.in-flight") in session.end()) is not sent
