"""The page's scenarios, each a click: they end as they say, and what goes over the wire is by the book."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.processes import Program
from tests.simulator.page_csms import PageCsms, connect
from tests.simulator.schemas import violations

pytestmark = pytest.mark.browser


def run_scenario(page: Page, name: str) -> None:
    page.click(f"[data-scenario={name}]")
    expect(page.locator("#scenario-step")).to_contain_text("done", timeout=40_000)
    expect(page.locator("#status")).to_have_text("Available")


def against_schema(csms: PageCsms, version: str) -> list[str]:
    """What is wrong with the CALLs of the page."""
    sent = [json.loads(text) for direction, text in csms.frames if direction == "cp-to-csms"]
    return [
        fault
        for _, _, action, payload in (frame for frame in sent if frame[0] == 2)
        for fault in violations(version, action, "request", payload)
    ]


@pytest.mark.parametrize(("version", "scenario"), [("1.6", "full"), ("2.0.1", "rejected"), ("1.6", "fault")])
def test_scenarios_run_in_one_click(
    page: Page, saved_page: str, page_csms: PageCsms, version: str, scenario: str
) -> None:
    """Each ends as it says, with the station free again; the frames it sends fit their schemas."""
    if scenario == "rejected":
        page_csms.answers["Authorize"] = {"idTokenInfo": {"status": "Invalid"}}
    connect(page, saved_page, page_csms, version)
    run_scenario(page, scenario)
    assert against_schema(page_csms, version) == []
    if scenario == "rejected":
        assert page_csms.calls("TransactionEvent") == []


def test_the_offline_scenario_sends_an_unanswered_event_again_as_it_was_and_all_others_once(
    page: Page, saved_page: str, page_csms: PageCsms, tmp_path: Path
) -> None:
    """2.1 part 4, 4.1.4: a retry may keep its id. What happened offline says so; the unanswered event did not."""

    def answer(event: dict[str, Any]) -> dict[str, Any] | None:
        # The charging state is told at once, and unanswered it is what the loss of the connection finds waiting.
        if len(page_csms.connections) == 1 and event["triggerReason"] == "ChargingStateChanged":
            return None
        return {"idTokenInfo": {"status": "Accepted"}} if "idToken" in event else {}

    page_csms.answers["TransactionEvent"] = answer
    connect(page, saved_page, page_csms, "2.1")
    page_csms.admits.clear()
    page.click("[data-scenario=offline]")
    page.wait_for_function("() => station.outbox.queue.some((item) => item.payload.offline)")
    page_csms.admits.set()
    expect(page.locator("#scenario-step")).to_contain_text("done", timeout=40_000)
    sent = [text for direction, text in page_csms.frames if direction == "cp-to-csms" and "TransactionEvent" in text]
    events = [json.loads(text)[3] for text in sent]
    assert [event["seqNo"] for event in events] == [0, 1, *range(1, len(events) - 1)]
    assert sent[1] == sent[2] and "offline" not in events[1]
    assert any(event.get("offline") for event in events[3:])
    assert len({json.loads(text)[1] for text in sent}) == len(sent) - 1
    assert against_schema(page_csms, "2.1") == []
    with page.expect_download() as downloading:
        page.click("#log-save")
    trace = tmp_path / "offline.jsonl"
    downloading.value.save_as(trace)
    with Program("check", trace, "--format", "json") as check:
        assert check.finish() == 0, check.report()
        findings = json.loads("\n".join(check.out))["findings"]
    assert [(each["rule"], each["severity"]) for each in findings] == [("rpc.reused-id", "info")]
