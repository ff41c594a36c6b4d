"""Follow one recording and send its spans to an OpenTelemetry collector (OTLP over HTTP)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from inspector.errors import without_userinfo
from inspector.formats.atomic import replaced
from inspector.watch.files import Files
from inspector.watch.spans import SpanFacts, SpanReader

TIMEOUT_S = 10
RETRY_AFTER_S = (1, 5, 30)


class SpanRun:
    """One run over a recording that may grow, be replaced by its next file, or not exist yet."""

    def __init__(
        self, recording: Path, endpoint: str, state: Path | None, report: Callable[[str], None], *, from_start: bool
    ) -> None:
        """Continue from the state file if there is one; otherwise begin at the end, or with `from_start` at the start.

        Args:
            recording: the recording to follow.
            endpoint: the address of the collector; without a path, `/v1/traces` is added.
            state: the state file; None to keep no state.
            report: gets a line about each failure.
        """
        self._state, self._report = state, report
        self._once = state is None
        saved = _read(state) if state is not None and not from_start else {}
        self._skips = not saved and not from_start
        self._files = Files(recording, saved.get("file"))
        self._reader = SpanReader(saved.get("position"))
        self._endpoint = _traces_address(endpoint)
        self._exporter = OTLPSpanExporter(endpoint=self._endpoint, timeout=TIMEOUT_S)
        self._failures, self._retry_at = 0, 0
        self.sent = 0
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # this class reports failures itself

    def step(self, now_ns: int) -> bool:
        """Send the next spans; return whether there are more to send at once.

        Raises:
            UnusableFile: the recording or the state file cannot be used.
        """
        if now_ns < self._retry_at:
            return False
        before, file_before = self._reader.saved(), self._files.known
        spans: list[SpanFacts] = []
        more = False
        for path in self._files.remaining():
            with self._files.opened(path) as (db, new):
                if self._skips:
                    self._reader.skip(db)
                    self._skips = False
                elif new:
                    self._reader = SpanReader()  # all rows of the next file are new
                found, more = self._reader.look(db)
            spans += found
            if more:
                break
        if spans and self._exporter.export([_span(one) for one in spans]) is not SpanExportResult.SUCCESS:
            self._reader, self._files.known = SpanReader(before), file_before
            wait = RETRY_AFTER_S[min(self._failures, len(RETRY_AFTER_S) - 1)]
            self._failures, self._retry_at = self._failures + 1, now_ns + wait * 1_000_000_000
            where = without_userinfo(self._endpoint)
            after = "" if self._once else f"; trying again in {wait} s (recording continues)"
            self._report(f"{where} does not take spans{after}")
            return False
        self._failures, self.sent = 0, self.sent + len(spans)
        self._save()
        return more

    @property
    def failing(self) -> bool:
        """Whether the collector did not take the last spans."""
        return self._failures > 0

    def _save(self) -> None:
        if self._state is not None:
            with replaced(self._state) as target:
                target.write(json.dumps({"file": self._files.known, "position": self._reader.saved()}).encode())


def _traces_address(endpoint: str) -> str:
    parts = urlsplit(endpoint)
    return endpoint if parts.path.strip("/") else urlunsplit(parts._replace(path="/v1/traces"))


def _read(state: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError, RecursionError):
        document = json.loads(state.read_text(encoding="utf-8"))
        if isinstance(document, dict):
            return document
    return {}


_RESOURCE = Resource({"service.name": "chargesentinel", "service.version": version("chargesentinel")})
_SCOPE = InstrumentationScope("chargesentinel", version("chargesentinel"))


def _span(facts: SpanFacts) -> ReadableSpan:
    parent = _context(facts.trace_id, facts.parent_id) if facts.parent_id is not None else None
    return ReadableSpan(
        facts.name,
        _context(facts.trace_id, facts.span_id),
        parent,
        _RESOURCE,
        {name: value for name, value in facts.attributes.items() if value is not None},
        (),
        [Link(_context(*ids)) for ids in facts.links],
        SpanKind.CLIENT if facts.parent_id is not None else SpanKind.INTERNAL,
        status=Status(StatusCode.ERROR, facts.failed) if facts.failed else Status(StatusCode.UNSET),
        start_time=facts.start_ns,
        end_time=facts.end_ns,
        instrumentation_scope=_SCOPE,
    )


def _context(trace_id: int, span_id: int) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
