"""Complete bad sessions have exactly the expected findings, with the right side and frame."""

# ruff: noqa: E501 - a frame is one line

from __future__ import annotations

import os
from pathlib import Path

import pytest

from inspector.formats.inputs import open_input
from inspector.offline.check import check
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.playback import play

BAD_16 = """
open
> [2,"1","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]
> [2,"2","StatusNotification",{"connectorId":0,"errorCode":"NoError","status":"Unavailable"}]
< [3,"1",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":300}]
< [3,"2",{}]
> [2,"3","StatusNotification",{"connectorId":0,"errorCode":"NoError","status":"Available"}]
< [3,"3",{}]
> [2,"4","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available"}]
< [3,"4",{}]
> [2,"5","Authorize",{"idTag":"T"}]
< [3,"5",{"idTagInfo":{"status":"Accepted"}}]
> [2,"6","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Preparing"}]
< [3,"6",{}]
> [2,"7","StartTransaction",{"connectorId":1,"idTag":"T","meterStart":1000,"timestamp":"2026-01-01T12:00:01Z"}]
< [3,"7",{"transactionId":77,"idTagInfo":{"status":"Accepted"}}]
> [2,"8","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Charging"}]
< [3,"8",{}]
+ 60s
> [2,"9","MeterValues",{"connectorId":1,"transactionId":77,"meterValue":[{"timestamp":"2026-01-01T12:01:01Z","sampledValue":[{"value":"1200","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","unit":"Wh"}]}]}]
< [3,"9",{}]
+ 60s
> [2,"9","MeterValues",{"connectorId":1,"transactionId":77,"meterValue":[{"timestamp":"2026-01-01T12:02:01Z","sampledValue":[{"value":"1100","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","unit":"Wh"}]}]}]
< [3,"9",{}]
< [3,"nobody-asked",{}]
< [2,"a","ClearCache",{}]
> [4,"a","FormatViolation","",{}]
> [2,"10","StopTransaction",{"transactionId":78,"meterStop":1300,"timestamp":"2026-01-01T12:02:05Z","reason":"Local"}]
< [3,"10",{}]
close
"""

FOUND_16 = {
    ("boot.too-early", 2, "charge_point"),
    ("rpc.reused-id", 19, "charge_point"),
    ("meter.register-falls", 19, "charge_point"),
    ("rpc.orphan-answer", 21, "csms"),
    ("rpc.error-code", 23, "charge_point"),
    ("transaction.stop-unknown", 24, "charge_point"),
}

BAD_201 = """
open
> [2,"1","BootNotification",{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}]
< [3,"1",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":300}]
> [2,"2","StatusNotification",{"timestamp":"2026-01-01T12:00:00Z","connectorStatus":"Available","evseId":1,"connectorId":1}]
< [3,"2",{}]
> [2,"3","StatusNotification",{"timestamp":"2026-01-01T12:00:00Z","connectorStatus":"Occupied","evseId":1,"connectorId":1}]
< [3,"3",{}]
> [2,"4","TransactionEvent",{"eventType":"Started","timestamp":"2026-01-01T12:00:01Z","triggerReason":"CablePluggedIn","seqNo":0,"transactionInfo":{"transactionId":"TX","chargingState":"EVConnected"},"evse":{"id":1,"connectorId":1}}]
< [3,"4",{}]
> [2,"5","TransactionEvent",{"eventType":"Updated","timestamp":"2026-01-01T12:00:02Z","triggerReason":"MeterValuePeriodic","seqNo":2,"transactionInfo":{"transactionId":"TX","chargingState":"Charging"},"meterValue":[{"timestamp":"2026-01-01T12:00:02Z","sampledValue":[{"value":500,"measurand":"Energy.Active.Import.Register"}]}]}]
< [3,"5",{}]
> [2,"6","TransactionEvent",{"eventType":"Ended","timestamp":"2026-01-01T12:00:03Z","triggerReason":"EVCommunicationLost","seqNo":3,"transactionInfo":{"transactionId":"TX","stoppedReason":"EVDisconnected"},"meterValue":[{"timestamp":"2026-01-01T12:00:03Z","sampledValue":[{"value":400,"measurand":"Energy.Active.Import.Register"}]}]}]
< [3,"6",{}]
< [3,"nobody-asked",{}]
< [2,"a","ClearCache",{}]
> [4,"a","FormationViolation","",{}]
close
"""

FOUND_201 = {
    ("transaction-event.sequence-gap", 9, "charge_point"),
    ("meter.register-falls", 11, "charge_point"),
    ("rpc.orphan-answer", 13, "csms"),
    ("rpc.error-code", 15, "charge_point"),
}


@pytest.mark.parametrize(
    ("version", "script", "expected"),
    [(OcppVersion.V16, BAD_16, FOUND_16), (OcppVersion.V201, BAD_201, FOUND_201)],
    ids=["1.6", "2.0.1"],
)
def test_a_bad_session_has_the_findings_it_is_built_for_and_no_others(
    version: OcppVersion, script: str, expected: set[tuple[str, int, str]]
) -> None:
    assert {(f.rule_id, f.frame_id, f.side.value) for f in play(script, version)} == expected


FAULTS = {
    "invalid-stop-reason": "payload.schema",
    "status-transition-violation": "status.transition",
    "meter-anomaly": "meter.register-falls",
    "unresponsive-csms": "rpc.never-answered",
    "orphan-response": "rpc.orphan-answer",
    "unexpected-start": "transaction.not-authorized",
    # Our own equivalents of public recordings, so that these tests run everywhere.
    "answer-from-before": "rpc.orphan-answer",
    "boot-unanswered": "rpc.never-answered",
    "stop-reason-unknown": "payload.schema",
    "status-jump": "status.transition",
    "register-falls": "meter.register-falls",
    "start-from-nowhere": "transaction.not-authorized",
}
SOUND = {"normal-session", "full-session"}
OURS = Path(__file__).parent.parent / "formats" / "traces"
TRACES = {path.name: path / "trace.jsonl" for path in sorted(OURS.iterdir())}
if "OCPP_TRACE_FIXTURES" in os.environ:
    public = sorted(Path(os.environ["OCPP_TRACE_FIXTURES"]).glob("*/trace.jsonl"))
    TRACES |= {path.parent.name: path for path in public}


@pytest.mark.parametrize("name", [name for name in TRACES if name in FAULTS])
def test_check_names_the_fault_that_a_reference_trace_is_built_around(name: str) -> None:
    found = check(record for record, _ in open_input(str(TRACES[name]))).findings
    assert FAULTS[name] in {entry.finding.rule_id for entry in found}


@pytest.mark.parametrize("name", [name for name in TRACES if name in SOUND])
def test_a_sound_reference_trace_has_no_error(name: str) -> None:
    found = check(record for record, _ in open_input(str(TRACES[name]))).findings
    assert [str(entry.finding) for entry in found if entry.finding.severity == "error"] == []
