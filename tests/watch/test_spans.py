"""Spans: an OTLP receiver gets one for each CALL with its answer, linked to its session and its transaction."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from inspector.watch.span_run import SpanRun
from tests.browse.charging import SECOND, Recording, charge_201, charge_well
from tests.cli.conftest import in_this_process
from tests.database import rows
from tests.processes import Program
from tests.waiting import wait_until


class Receiver:
    """A collector: it takes spans in OTLP's binary form over HTTP."""

    def __init__(self) -> None:
        self.works = True
        self.spans: list[Span] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.works and self.path == "/v1/traces":
                    request = ExportTraceServiceRequest.FromString(body)
                    for of_resource in request.resource_spans:
                        for of_scope in of_resource.scope_spans:
                            receiver.spans.extend(of_scope.spans)
                self.send_response(200 if receiver.works else 400)
                self.end_headers()
                self.wfile.write(ExportTraceServiceResponse().SerializeToString())

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    threading.Thread(target=receiver.server.serve_forever, args=(0.05,), daemon=True).start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


def facts(span: Span) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def test_each_call_is_a_span_within_its_session_and_linked_to_its_transaction(
    tmp_path: Path, receiver: Receiver
) -> None:
    recording = Recording(tmp_path / "t.db")
    charge_well(recording, samples=3)
    charge_201(recording, samples=2)
    link = recording.connect("CP-LOST")
    link.call("Heartbeat", {})
    link.call("StartTransaction", {"connectorId": 1}, error="InternalError")
    link.close()
    path = recording.finish()
    done = in_this_process("otel", path, "--to", receiver.url, "--once")
    assert done.returncode == 0, done.stderr
    assert f"sent {len(receiver.spans)} spans" in done.stdout
    calls = [span for span in receiver.spans if span.parent_span_id]
    ((asked,),) = rows(path, "SELECT count(*) FROM frames WHERE msg_type = 2")
    assert len(calls) == asked == len({span.span_id for span in calls})
    sessions = {span.span_id: span for span in receiver.named("session")}
    for span in calls:
        session = sessions[span.parent_span_id]
        assert span.trace_id == session.trace_id
        assert facts(span)["chargesentinel.session_id"] == facts(session)["chargesentinel.session_id"]
        assert session.start_time_unix_nano <= span.start_time_unix_nano <= span.end_time_unix_nano
    transactions = {span.span_id: facts(span) for span in receiver.named("transaction")}
    assert sorted(one["ocpp.transaction_id"] for one in transactions.values()) == sorted(
        identifier for (identifier,) in rows(path, "SELECT transaction_id FROM transactions")
    )
    for name in ("StartTransaction", "MeterValues", "StopTransaction", "TransactionEvent"):
        span = receiver.named(name)[0]
        assert transactions[span.links[0].span_id]["ocpp.transaction_id"] == facts(span)["ocpp.transaction_id"]
    (boot,) = [span for span in receiver.named("BootNotification") if facts(span)["ocpp.version"] == "1.6"]
    assert round((boot.end_time_unix_nano - boot.start_time_unix_nano) / 1e6) == 142
    (lost,) = [span for span in receiver.named("Heartbeat") if facts(span)["ocpp.outcome"] == "unanswered"]
    refused = receiver.named("StartTransaction")[-1]
    assert lost.status.code == refused.status.code == Status.STATUS_CODE_ERROR
    assert (facts(refused)["ocpp.error_code"], refused.status.message) == ("InternalError", "CALLERROR InternalError")


def test_no_payload_leaves_the_recording(tmp_path: Path, receiver: Receiver) -> None:
    recording = Recording(tmp_path / "t.db")
    recording.connect("CP-1").call("Authorize", {"idTag": "TAG-OF-A-PERSON"}, {"idTagInfo": {"status": "Accepted"}})
    in_this_process("otel", recording.finish(), "--to", receiver.url, "--once")
    assert receiver.named("Authorize")
    assert "TAG-OF-A-PERSON" not in str(receiver.spans)


def test_a_collector_that_fails_gets_all_spans_later_and_a_restart_repeats_none(
    tmp_path: Path, receiver: Receiver
) -> None:
    recording = Recording(tmp_path / "t.db")
    recording.connect("CP-0").boot()
    recording.commit()
    lines: list[str] = []

    def start() -> SpanRun:
        return SpanRun(recording.path, receiver.url, tmp_path / "state.json", lines.append, from_start=False)

    run = start()
    run.step(0)
    assert receiver.spans == []  # it was there before the first start
    receiver.works = False
    link = recording.connect("CP-1")
    link.boot()
    recording.commit()
    run.step(SECOND)
    assert "trying again in 1 s" in lines[-1]
    receiver.works = True
    run.step(SECOND + 1)
    assert receiver.spans == []
    run.step(3 * SECOND)
    assert len(receiver.named("BootNotification")) == 1
    run = start()
    link.call("Heartbeat", {}, {"currentTime": link.clock})
    link.close()
    recording.commit()
    run.step(4 * SECOND)
    assert sorted(span.name for span in receiver.spans) == ["BootNotification", "Heartbeat", "session"]
    recording.finish()


def test_a_wrong_address_and_a_missing_extra_are_one_line_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = Recording(tmp_path / "t.db").finish()
    done = in_this_process("otel", recording, "--to", "localhost:4318")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "write it as http://127.0.0.1:4318" in done.stderr
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = in_this_process("proxy", "--upstream", "ws://127.0.0.1:9", "--otlp", "http://127.0.0.1:4318")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "pip install 'chargesentinel[otel]'" in done.stderr


@pytest.mark.system
def test_the_proxy_sends_the_spans_of_live_sessions(tmp_path: Path, receiver: Receiver) -> None:
    with Program("csms", "--listen", "127.0.0.1:0") as csms:
        url = csms.wait_for(r"csms at (ws://\S+)")[1]
        options = ("--listen", "127.0.0.1:0", "--db", tmp_path / "t.db", "--otlp", receiver.url)
        with Program("proxy", "--upstream", url, *options) as proxy:
            address = proxy.wait_for(r"listening on (ws://\S+)")[1]
            wait_until(lambda: (tmp_path / "t.db.otel.json").exists() or proxy.process.poll() is not None)
            with Program("charge-point", "--url", address, "--id", "CP-1", "--minutes", "0.1") as charge_point:
                assert charge_point.finish() == 0
            assert proxy.stop() == 0, proxy.report()
    assert len(receiver.named("session")) == 1
    assert len(receiver.named("transaction")) == 1
    ((asked,),) = rows(tmp_path / "t.db", "SELECT count(*) FROM frames WHERE msg_type = 2")
    assert len([span for span in receiver.spans if span.parent_span_id]) == asked
