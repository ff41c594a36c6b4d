"""Rebuild the judge's state from what an earlier recorder stored, so that a restart changes no finding."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from inspector.recorder.faults import place_of
from inspector.recorder.pipeline import Pipeline
from inspector.recorder.recorded_session import RecordedSession
from inspector.records import CloseRecord, FrameRecord, OpenRecord, Record
from inspector.rules.feed import Feed
from inspector.rules.judge import SessionJudge

log = logging.getLogger("chargesentinel.recorder")


def restore(pipeline: Pipeline, steps: Iterable[tuple[Record, int]]) -> None:
    """Judge again what an earlier recorder has stored; `steps` are those of `store.stored_records.reread`.

    Nothing is written. Findings that are stored already continue to be counted in their rows. What cannot be read
    back counts as a gap for the judge and stops nothing.
    """
    seen: list[RecordedSession] = []
    try:
        _read_back(pipeline, steps, seen)
    except Exception as error:
        log.error(
            "%s: could not read back everything from before the restart (%s)", pipeline.writer.path, place_of(error)
        )
        for session in pipeline.restored.values():
            pipeline.feed.call_judge(session.judge, session.judge.gap, session.judge.opened_at)
        pipeline.feed.judge.gap()
    pipeline.recount()
    for session in seen:
        session.version = session.judge.version
        session.frame_count, session.error_count = pipeline.writer.session_counts(session.session_id)
        if session.judge.findings():
            pipeline.finding_rows.count_on_in_rows(session, pipeline.writer.session_findings(session.session_id))


def _read_back(pipeline: Pipeline, steps: Iterable[tuple[Record, int]], seen: list[RecordedSession]) -> None:
    # Sessions read back are numbered by their ids, not as the relay numbers them: hence a feed of their own.
    feed = Feed(pipeline.feed.settings, judge=pipeline.feed.judge, failed=pipeline.rule_failed)

    def open_session(record: OpenRecord) -> None:
        secrets = pipeline.redaction.secrets_of(record.facts.get("charge_point_id"))

        def begin(judge: SessionJudge) -> None:
            session = RecordedSession(record.session_number, judge, record.ts_ns, secrets, pipeline.file)
            pipeline.restored[record.session_number] = session
            seen.append(session)
            pipeline.redacted_frames.judged = True

        feed.open(record, begin)

    for record, frame_id in steps:
        if isinstance(record, OpenRecord):
            open_session(record)
            continue
        feed.take(record, frame_id)
        if isinstance(record, CloseRecord):
            pipeline.restored.pop(record.session_number, None)
        elif isinstance(record, FrameRecord) and (session := pipeline.restored.get(record.session_number)) is not None:
            session.last_frame_id, session.last_seen_ns = frame_id, record.ts_ns
