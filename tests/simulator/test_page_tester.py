"""What the page offers testers: overridden answers, raw frames, forms, misbehaviours, links and the log."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.processes import Program
from tests.simulator.page_csms import PageCsms, connect
from tests.simulator.schemas import violations

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=\"document.title='stolen'\"><script>document.title='stolen'</script>"


def test_answers_can_be_rejected_delayed_left_out_refused_and_edited(
    page: Page, saved_page: str, page_csms: PageCsms
) -> None:
    connect(page, saved_page, page_csms)
    page.click("#tab-answers")

    def override(kind: str, action: str = "ClearCache") -> None:
        page.select_option("#override-action", action)
        page.select_option("#override-kind", kind)
        if kind == "delay":
            page.fill("#override-seconds", "1")
        if kind == "error":
            page.select_option("#override-code", "SecurityError")
        page.click("#override-form button")

    override("reject")
    assert page_csms.ask("ClearCache", {})[2] == {"status": "Rejected"}
    assert page_csms.ask("GetLocalListVersion", {})[2] == {"listVersion": 0}
    override("error")
    assert page_csms.ask("ClearCache", {})[2] == "SecurityError"
    override("delay")
    with pytest.raises(AssertionError):
        page_csms.ask("ClearCache", {}, seconds=0.6)
    override("silent")
    with pytest.raises(AssertionError):
        page_csms.ask("ClearCache", {}, seconds=1)
    expect(page.locator("#log-rows")).to_contain_text("left unanswered on purpose")
    override("edit")
    page_csms.send('[2,"edited","ClearCache",{}]')
    page.fill("#edit-text", '[3,"edited",{"status":"Perhaps"}]')
    page.click("#edit-dialog button")
    assert page_csms.wait(lambda frame: frame[1] == "edited") == [3, "edited", {"status": "Perhaps"}]
    page.click("#overrides button")
    assert page_csms.ask("ClearCache", {})[2] == {"status": "Accepted"}


def test_hostile_texts_stay_texts(page: Page, saved_page: str, page_csms: PageCsms) -> None:
    """Nothing a CSMS says is read as markup: in the log, in details, as status, as configuration."""
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


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
def test_every_message_has_a_form_made_from_its_schema(
    page: Page, saved_page: str, page_csms: PageCsms, version: str
) -> None:
    """Each action a charge point may send is offered; its form, untouched, reads back a payload of its shape."""
    connect(page, saved_page, page_csms, version)
    actions = [each for each in page.locator("#action option").all_inner_texts() if each != "–"]
    assert len(actions) == {"1.6": 14, "2.0.1": 25, "2.1": 37}[version]
    for action in actions:
        page.select_option("#action", action)
        payload = page.evaluate("messagesView.form.payload()")
        wrong = [each for each in violations(version, action, "request", payload) if "is not a 'date-time'" not in each]
        assert wrong == [], action
    page.select_option("#action", "DataTransfer")
    page.fill("#message-form [name=vendorId]", "org.example")
    page.click("#message-form button[type=submit]")
    assert page_csms.wait(lambda frame: frame[0] == 2 and frame[2] == "DataTransfer")[3] == {"vendorId": "org.example"}
    expect(page.locator("#form-outcome")).to_contain_text("Answer")


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
    expect(hint).to_contain_text("for the CSMS to send")
    page.fill("#raw", "[2,,]")
    expect(hint).to_contain_text("not JSON")
    page.fill("#raw", '[2,  "spaced" ,"Heartbeat", {}]')
    page.click("#raw-send")
    page_csms.wait(lambda frame: frame[1] == "spaced")
    assert ("cp-to-csms", '[2,  "spaced" ,"Heartbeat", {}]') in page_csms.frames


@pytest.mark.parametrize("version", [*(pytest.param(each, marks=pytest.mark.long) for each in ("1.6", "2.0.1")), "2.1"])
def test_a_raw_frame_can_begin_as_any_message_with_its_members_listed(
    page: Page, saved_page: str, version: str
) -> None:
    """Every message a charge point may send is offered, readable, by its schema, with all it may hold beside it."""
    page.goto(f"{saved_page}?version={version}&lang=en")
    page.click("#tab-raw")
    actions = [each for each in page.locator("#raw-action option").all_inner_texts() if each != "–"]
    assert len(actions) == {"1.6": 14, "2.0.1": 25, "2.1": 37}[version]
    for action in actions:
        page.select_option("#raw-action", action)
        assert json.loads(page.input_value("#raw"))[2] == action
        expect(page.locator("#raw-hint")).to_contain_text("fits the schema")
    page.select_option("#raw-action", "MeterValues")
    page.click("#raw-members summary")
    members = page.inner_text("#raw-schema")
    assert "meterValue[].sampledValue[].measurand" in members and "Energy.Active.Import.Register" in members
    page.click("#language")
    page.fill("#raw", "[2,,]")
    expect(page.locator("#raw-hint")).to_have_text("JSON değil")
    page.fill("#raw", '[2,"1","Authorize",{}]')
    expect(page.locator("#raw-hint")).to_contain_text("eksik")


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
    for kind, arrow in (("cp-to-csms", "→"), ("csms-to-cp", "←")):
        page.select_option("#log-kind", kind)
        shown = page.locator(".entry b")
        expect(shown.filter(has_not_text=arrow)).to_have_count(0)
        expect(shown).not_to_have_count(0)
    page.fill("#log-filter", "(no such")
    expect(page.locator("#log-empty")).to_have_text("No entry matches.")


def test_what_is_no_ocpp_is_saved_as_a_trace_too(
    page: Page, saved_page: str, page_csms: PageCsms, tmp_path: Path
) -> None:
    """Malformed frames, a SEND, a CALLRESULTERROR: `check` reads the file and judges them as the proxy would."""
    connect(page, saved_page, page_csms, "2.1")
    page.click("#tab-raw")
    odd = ["not json", '[2,"only"]', '[6,"s1","NotifyPeriodicEventStream",{}]', '[5,"e1","InternalError","",{}]']
    for text in odd:
        page.fill("#raw", text)
        page.click("#raw-send")
        expect(page.locator("#raw-hint")).to_have_text("Sent.")
    with page.expect_download() as downloading:
        page.click("#log-save")
    target = tmp_path / downloading.value.suggested_filename
    downloading.value.save_as(target)
    lines = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert [line["raw"] for line in lines if line["raw"] in odd] == odd
    for line in lines:
        jsonschema.validate(line, {"properties": {"schemaVersion": {"const": "1.1"}}} | {"required": ["timestamp"]})
    with Program("check", target, "--format", "json") as check:
        assert check.finish() == 1, check.report()
        told = json.loads("\n".join(check.out))
    assert told["frames"] == len(lines)
    assert any(finding["severity"] == "error" for finding in told["findings"])


def test_a_link_with_nonsense_in_it_gives_a_usable_station(page: Page, saved_page: str) -> None:
    """Numbers are brought into the form's ranges, unknown words fall back to the defaults."""
    page.goto(f"{saved_page}?maxPower=-5&connectors=99&sampleInterval=-1&kind=steam&version=3&theme=pink&lang=en")
    settings = page.evaluate("station.settings")
    assert (settings["maxPower"], settings["connectors"], settings["sampleInterval"]) == (100, 4, 1)
    assert (settings["kind"], settings["version"], settings["theme"]) == ("ac", "1.6", "")
    assert page.evaluate("byId('station-form').checkValidity()")


def test_misbehaviours_break_exactly_what_they_say(page: Page, saved_page: str, page_csms: PageCsms) -> None:
    connect(page, saved_page, page_csms)
    page.click("#tab-answers")
    page.check("[name=badTimestamp]")
    page.check("[name=fallingMeter]")
    page.check("[name=repeatIds]")
    page.check("[name=beforeBoot]")
    page.click("#plug")
    page.click("#tap")
    page_csms.wait(lambda frame: frame[0] == 2 and len(page_csms.calls("MeterValues")) >= 3)
    registers = [int(each["meterValue"][0]["sampledValue"][0]["value"]) for each in page_csms.calls("MeterValues")]
    assert registers[1] < registers[0]
    assert not page_csms.calls("MeterValues")[0]["meterValue"][0]["timestamp"].endswith("Z")
    sent = [json.loads(text) for direction, text in page_csms.frames if direction == "cp-to-csms"]
    ids = [frame[1] for frame in sent if frame[0] == 2]
    assert len(set(ids)) < len(ids)
    count = len(sent)
    page.click("#power-cycle")
    page_csms.wait(lambda frame: frame[0] == 2 and len(page_csms.calls("BootNotification")) == 2)
    later = [json.loads(text)[2] for direction, text in page_csms.frames if direction == "cp-to-csms"][count:]
    assert later.index("StatusNotification") < later.index("BootNotification")


def test_a_link_carries_the_settings_but_no_password(page: Page, saved_page: str, page_csms: PageCsms) -> None:
    connect(page, saved_page, page_csms, "2.0.1", maxPower="11000", connectors="3", kind="dc", vendor="A%26B")
    assert page.locator("#connectors button").count() == 3
    expect(page.locator("#gauge-max")).to_have_text("11.0 kW")
    boot = page_csms.calls("BootNotification")[0]
    assert boot["chargingStation"]["vendorName"] == "A&B"
    page.evaluate("station.password = 'a very secret password'")
    link = page.evaluate("settingsLink(station.settings)")
    assert "maxPower=11000" in link and "version=2.0.1" in link and "secret" not in link
    page.evaluate("station.save(); keepSettings(station.settings)")
    assert "secret" not in page.evaluate("JSON.stringify(localStorage) + JSON.stringify(sessionStorage)")


def test_a_password_goes_as_basic_auth_and_not_into_the_log(page: Page, page_csms: PageCsms) -> None:
    """The browser sends it when the CSMS asks for it, from a page that was served."""
    page_csms.asks_for_password = True
    with Program("simulator", "--listen", "127.0.0.1:0") as simulator:
        page.goto(f"{simulator.wait_for(r'simulator at (http://.+)')[1]}?url={page_csms.url}/CP-1&lang=en")
        page.fill("#password", "0123456789abcdef")
        expect(page.locator("#password-hint")).to_contain_text("Basic auth")
        page.click("#connect")
        expect(page.locator("#state-text")).to_have_text("Connected")
    sent = {name.lower(): value for name, value in page_csms.headers[0].items()}
    assert sent["authorization"] == "Basic Q1AtMTowMTIzNDU2Nzg5YWJjZGVm"
    assert "0123456789abcdef" not in page.inner_text("body")


def test_a_page_from_disk_says_that_it_cannot_send_a_password(page: Page, saved_page: str) -> None:
    page.goto(f"{saved_page}?lang=en")
    page.fill("#password", "0123456789abcdef")
    expect(page.locator("#password-hint")).to_contain_text("from disk cannot send it")


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
        # Each side's order is its own; frames that cross are seen in another order at the other end.
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


def test_mistyped_addresses_are_told_in_words(page: Page, saved_page: str) -> None:
    page.goto(f"{saved_page}?lang=en")
    for typed, told in (("http://localhost/CP", "ws://"), ("ws:// /CP", "not an address")):
        page.fill("#url", typed)
        page.press("#url", "Tab")
        page.fill("#id", "CP")
        page.click("#connect")
        expect(page.locator("#connection-fault")).to_contain_text(told)
    assert page.evaluate("station.link.state") == "closed"


def test_a_csms_that_is_away_is_tried_again_with_growing_waits(browser: Browser, saved_page: str) -> None:
    """The badge counts down, each attempt is later than the one before by more, and Disconnect ends it."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{saved_page}?url=ws://127.0.0.1:9/CP-1&lang=en&autostart=1")
        expect(page.locator("#state-text")).to_contain_text("Retry in")
        attempts = "log.entries.filter((entry) => entry.action === 'note.unreachable').map((entry) => entry.at)"
        expect(page.locator("#log-count")).to_contain_text("4 of 4", timeout=20_000)
        first, second, third, fourth = page.evaluate(attempts)
        assert fourth - third > second - first
        assert fourth - third >= 4000 and third - second >= 2000 and second - first >= 1000
        page.click("#disconnect")
        expect(page.locator("#state-text")).to_have_text("Disconnected")
