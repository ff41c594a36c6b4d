"""The page's tools for testers: overridden answers, raw frames, forms, misbehaviours, links and the log."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.processes import Program
from tests.simulator.page_csms import PageCsms, connect
from tests.simulator.schemas import violations

pytestmark = pytest.mark.system

HOSTILE = "<img src=x onerror=\"document.title='stolen'\"><script>document.title='stolen'</script>"


def test_the_panel_of_answers_overrides_edits_and_restores(page: Page, saved_page: str, page_csms: PageCsms) -> None:
    """The station follows each kind of override; the dialog edits an answer; × restores the normal one."""
    connect(page, saved_page, page_csms)
    page.click("#tab-answers")

    def override(kind: str) -> None:
        page.select_option("#override-action", "ClearCache")
        page.select_option("#override-kind", kind)
        if kind == "delay":
            page.fill("#override-seconds", "7")
        if kind == "error":
            page.select_option("#override-code", "SecurityError")
        page.click("#override-form button")

    override("reject")
    assert page_csms.ask("ClearCache", {})[2] == {"status": "Rejected"}
    override("error")
    assert page_csms.ask("ClearCache", {})[2] == "SecurityError"
    for kind, shown in (("delay", "7 s"), ("silent", "ClearCache")):
        override(kind)
        expect(page.locator("#overrides li")).to_contain_text(shown)
        wanted = page.evaluate("station.tester.overrides.ClearCache")
        assert (wanted["kind"], wanted["seconds"]) == (kind, 7)
    override("edit")
    page_csms.send('[2,"edited","ClearCache",{}]')
    page.fill("#edit-text", '[3,"edited",{"status":"Perhaps"}]')
    page.click("#edit-dialog button")
    assert page_csms.wait(lambda frame: frame[1] == "edited") == [3, "edited", {"status": "Perhaps"}]
    page.click("#overrides button")
    assert page_csms.ask("ClearCache", {})[2] == {"status": "Accepted"}


def test_hostile_texts_stay_texts(page: Page, saved_page: str, page_csms: PageCsms) -> None:
    """Markup from a CSMS stays text in the log, in details, as status and as configuration."""
    page_csms.answers["Authorize"] = {"idTagInfo": {"status": HOSTILE}}
    connect(page, saved_page, page_csms)
    page_csms.ask(HOSTILE, {HOSTILE: HOSTILE})
    page_csms.ask("ChangeConfiguration", {"key": "CpoName", "value": HOSTILE})
    page_csms.send(HOSTILE)
    page.click("#plug")
    page.click("#tap")
    expect(page.locator("#log-rows")).to_contain_text("<img src=x")
    for row in page.locator(".entry").all()[:8]:
        row.click()
    page.click("#tab-variables")
    assert page.locator("img").count() == 0
    assert page.title() == "Charge point simulator · ChargeSentinel"


def test_every_message_has_a_form_made_from_its_schema(page: Page, saved_page: str, page_csms: PageCsms) -> None:
    """There is a form for each action of a charge point; the untouched form gives a payload that fits the schema."""
    for version, count in COUNTS.items():
        page.goto("about:blank")
        connect(page, saved_page, page_csms, version)
        payloads = page.evaluate(UNTOUCHED)
        assert len(payloads) == count
        for action, payload in payloads.items():
            wrong = violations(version, action, "request", payload)
            assert [each for each in wrong if "is not a 'date-time'" not in each] == [], (version, action)
        page.select_option("#action", "DataTransfer")
        page.fill("#message-form [name=vendorId]", version)
        page.click("#message-form button[type=submit]")
        expect(page.locator("#form-outcome")).to_contain_text("Answer")
        assert page_csms.calls("DataTransfer")[-1] == {"vendorId": version}


COUNTS = {"1.6": 14, "2.0.1": 25, "2.1": 37}
"""How many actions a charge point may send."""

UNTOUCHED = """() => Object.fromEntries(
  [...byId("action").options].filter(({ value }) => value).map(({ value }) => {
    byId("action").value = value;
    byId("action").dispatchEvent(new Event("change"));
    return [value, messagesView.form.payload()];
  })
)"""
"""Choose each action and read its form as it is."""


def test_an_event_sent_by_hand_leaves_no_hole_in_the_numbers(page: Page, saved_page: str, page_csms: PageCsms) -> None:
    """After a TransactionEvent from the form, the station's own events continue its numbering."""
    connect(page, saved_page, page_csms, "2.0.1")
    page.evaluate("station.variables.find('MeterValueSampleInterval').value = '3600'")
    page.click("#plug")
    page.click("#tap")
    expect(page.locator("#status")).to_have_text("Charging")
    page.wait_for_function("() => !station.outbox.pending && !station.outbox.queue.length")
    page.select_option("#action", "TransactionEvent")
    page.click("#message-form button[type=submit]")
    expect(page.locator("#form-outcome")).to_contain_text("Answer")
    page.click("#tap")
    page_csms.wait(lambda frame: frame[0] == 2 and frame[3].get("eventType") == "Ended")
    numbers = [event["seqNo"] for event in page_csms.calls("TransactionEvent")]
    assert numbers == list(range(len(numbers)))


def test_raw_frames_go_out_as_typed_with_hints_from_the_schema(
    page: Page, saved_page: str, page_csms: PageCsms
) -> None:
    connect(page, saved_page, page_csms)
    page.click("#tab-raw")
    hint = page.locator("#raw-hint")
    page.fill("#raw", '[2,"1","Heartbeat",{}]')
    expect(hint).to_contain_text("fits the schema")
    page.fill("#raw", '[2,"1","Authorize",{}]')
    expect(hint).to_contain_text("/idTag is missing")
    page.fill("#raw", '[2,"1","Reset",{"type":"Hard"}]')
    expect(hint).to_contain_text("Only the CSMS sends")
    page.fill("#raw", "[2,,]")
    expect(hint).to_contain_text("not JSON")
    page.fill("#raw", '[2,  "spaced" ,"Heartbeat", {}]')
    page.click("#raw-send")
    expect(hint).to_have_text("Sent.")
    page_csms.wait(lambda frame: frame[1] == "spaced")
    assert ("cp-to-csms", '[2,  "spaced" ,"Heartbeat", {}]') in page_csms.frames


@pytest.mark.parametrize("version", [*(pytest.param(each, marks=pytest.mark.long) for each in ("1.6", "2.0.1")), "2.1"])
def test_a_raw_frame_can_begin_as_any_message_with_its_members_listed(
    page: Page, saved_page: str, version: str
) -> None:
    """The editor offers every message of a charge point, pretty-printed and valid, with a list of its members."""
    page.goto(f"{saved_page}?version={version}&lang=en")
    page.click("#tab-raw")
    begun = page.evaluate(BEGUN)
    assert len(begun) == COUNTS[version]
    for action, (text, hint) in begun.items():
        assert json.loads(text)[2] == action
        assert "fits the schema" in hint, action
    page.select_option("#raw-action", "MeterValues")
    page.click("#raw-members summary")
    members = page.inner_text("#raw-schema")
    assert "meterValue[].sampledValue[].measurand" in members and "Energy.Active.Import.Register" in members
    page.click("#language")
    page.fill("#raw", "[2,,]")
    expect(page.locator("#raw-hint")).to_have_text("JSON değil")
    page.fill("#raw", '[2,"1","Authorize",{}]')
    expect(page.locator("#raw-hint")).to_contain_text("eksik")


BEGUN = """() => Object.fromEntries(
  [...byId("raw-action").options].filter(({ value }) => value).map(({ value }) => {
    byId("raw-action").value = value;
    byId("raw-action").dispatchEvent(new Event("change"));
    return [value, [byId("raw").value, byId("raw-hint").textContent]];
  })
)"""
"""Begin with each action and read the frame and what the page says of it."""


def test_the_log_tells_sides_and_faults_apart_and_leads_to_the_answer(
    page: Page, saved_page: str, page_csms: PageCsms
) -> None:
    connect(page, saved_page, page_csms)
    page_csms.ask("MakeCoffee", {})
    page.wait_for_function("() => !station.outbox.pending")
    rows = page.locator(".entry")
    page.select_option("#log-kind", "fault")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("NotImplemented")
    rows.click()
    expect(page.locator("#detail-title")).to_have_text("CALLERROR MakeCoffee")
    page.click("#detail-pair")
    expect(page.locator("#detail-title")).to_have_text("CALL MakeCoffee")
    page.click("#detail-pair")
    expect(page.locator("#detail-title")).to_have_text("CALLERROR MakeCoffee")
    for kind, own, other in (("cp-to-csms", "out", "in"), ("csms-to-cp", "in", "out")):
        page.select_option("#log-kind", kind)
        expect(page.locator(f".entry.{other}")).to_have_count(0)
        expect(page.locator(f".entry.{own}")).not_to_have_count(0)
    page.fill("#log-filter", "(no such")
    expect(page.locator("#log-empty")).to_have_text("No entry matches.")


def test_a_link_sets_the_station_up_and_nonsense_in_it_fits_the_form(page: Page, saved_page: str) -> None:
    """The instrument shows the settings of the link; values out of range are moved into the form's ranges."""
    page.goto(f"{saved_page}?maxPower=11000&connectors=3&kind=dc&lang=en")
    expect(page.locator("#connectors button")).to_have_count(3)
    expect(page.locator("#gauge-max")).to_have_text("11.0 kW")
    page.goto(f"{saved_page}?maxPower=-5&connectors=99&sampleInterval=-1&kind=steam&version=3&theme=pink&lang=en")
    expect(page.locator("#connectors button")).to_have_count(4)
    assert page.evaluate("byId('station-form').checkValidity()")


def test_a_password_goes_as_basic_auth_and_not_into_the_log(page: Page, page_csms: PageCsms) -> None:
    """On a served page, the browser sends the password when the CSMS asks for it."""
    page_csms.asks_for_password = True
    with Program("simulator", "--listen", "127.0.0.1:0") as simulator:
        page.goto(f"{simulator.wait_for(r'simulator at (http://.+)')[1]}?url={page_csms.url}/CP-1&lang=en")
        page.fill("#password", "0123456789abcdef")
        expect(page.locator("#password-hint")).to_contain_text("HTTP Basic")
        page.click("#connect")
        expect(page.locator("#state-text")).to_have_text("Connected")
    sent = {name.lower(): value for name, value in page_csms.headers[0].items()}
    assert sent["authorization"] == "Basic Q1AtMTowMTIzNDU2Nzg5YWJjZGVm"
    assert "0123456789abcdef" not in page.inner_text("body")


def test_the_log_filters_pauses_clears_and_is_saved_as_a_trace(
    page: Page, saved_page: str, page_csms: PageCsms, tmp_path: Path
) -> None:
    connect(page, saved_page, page_csms)
    page_csms.ask("ClearCache", {})
    page.fill("#log-filter", "clearcache")
    expect(page.locator(".entry")).to_have_count(2)
    page.fill("#log-filter", "")
    page.click("#log-pause")
    shown = page.locator("#log-count").inner_text()
    page_csms.ask("ClearCache", {})
    assert page.locator("#log-count").inner_text().split(" ")[0] == shown.split(" ")[0]
    page.click("#log-pause")
    expect(page.locator("#log-count")).not_to_have_text(shown)
    with page.expect_download() as downloading:
        page.click("#log-save")
    target = tmp_path / downloading.value.suggested_filename
    downloading.value.save_as(target)
    lines = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    saved = [(line["direction"], line["raw"]) for line in lines]
    for direction in ("cp-to-csms", "csms-to-cp"):
        # Compare each side's frames separately, because frames that cross arrive in another order.
        assert [each for each in saved if each[0] == direction] == [
            each for each in page_csms.frames if each[0] == direction
        ]
    for line in lines:
        jsonschema.validate(line, TRACE)
    with Program("check", target) as check:
        assert check.finish() == 0, check.report()
    page.click("#log-clear")
    expect(page.locator(".entry")).to_have_count(0)


TRACE = {
    "required": [
        "schemaVersion",
        "timestamp",
        "transport",
        "direction",
        "messageType",
        "messageId",
        "action",
        "payload",
    ],
    "properties": {
        "schemaVersion": {"const": "1.1"},
        "transport": {"const": "json"},
        "direction": {"enum": ["cp-to-csms", "csms-to-cp"]},
        "messageType": {"enum": ["CALL", "CALLRESULT", "CALLERROR"]},
        "connectorId": {"type": "integer", "minimum": 0},
        "payload": {"type": "object"},
    },
}
"""What Open OCPP Trace 1.1 asks of the frames of this test."""


def test_the_connection_form_says_what_is_wrong_and_counts_down(browser: Browser, saved_page: str) -> None:
    """Cases: a password that a page from disk cannot send, mistyped addresses, an absent CSMS, and Disconnect."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{saved_page}?lang=en")
        page.fill("#password", "0123456789abcdef")
        expect(page.locator("#password-hint")).to_contain_text("opened as a file cannot send it")
        page.fill("#password", "")
        for typed, told in (("http://localhost/CP", "ws://"), ("ws:// /CP", "cannot connect to this address")):
            page.fill("#url", typed)
            page.press("#url", "Tab")
            page.fill("#id", "CP")
            page.click("#connect")
            expect(page.locator("#url-fault")).to_contain_text(told)
            expect(page.locator("#url")).to_have_attribute("aria-invalid", "true")
            expect(page.locator("#url")).to_be_focused()
        page.fill("#url", "ws://localhost/CP")
        expect(page.locator("#url-fault")).to_be_hidden()
        assert page.evaluate("station.link.state") == "closed"
        page.fill("#url", "ws://127.0.0.1:9/CP")
        page.click("#connect")
        expect(page.locator("#state-text")).to_contain_text("Retry in")
        expect(page.locator("#url-fault")).to_contain_text("Cannot connect")
        page.click("#disconnect")
        expect(page.locator("#state-text")).to_have_text("Disconnected")
        expect(page.locator("#url-fault")).to_be_hidden()
