"""Rebuild the judge's state from stored records, so that a restart of the recorder process changes no finding."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from inspector.recorder.faults import place_of
from inspector.recorder.pipeline import Pipeline
from inspector.recorder.recorded_session import RecordedSession
from inspector.records import CloseRecord, EventRecord, FrameRecord, OpenRecord, Record
from inspector.rules.feed import Feed
from inspector.rules.judge import SessionJudge

log = logging.getLogger("chargesentinel.recorder")


def restore(pipeline: Pipeline, steps: Iterable[tuple[Record, int]]) -> None:
    """Judge records again that an earlier process has stored; `steps` comes from `store.stored_records.reread`.

    No rows are written. New occurrences of stored findings will be counted in their rows. If reading fails, the judge
    is told of a gap, and recording continues.
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
    # Here sessions are numbered by their ids, which may be the same as numbers of the relay: use another feed.
    live = pipeline.feed
    feed = Feed(live.settings, judge=live.judge, other_views=live.other_views, failed=pipeline.rule_failed)

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
        fed = feed.take(record, frame_id)
        if isinstance(record, EventRecord) and fed.session is not None:
            fed.session.label.judge = fed.session  # another one if interventions have taken the session over
        elif isinstance(record, CloseRecord):
            pipeline.restored.pop(record.session_number, None)
        elif isinstance(record, FrameRecord) and (session := pipeline.restored.get(record.session_number)) is not None:
            session.last_frame_id, session.last_seen_ns = frame_id, record.ts_ns
