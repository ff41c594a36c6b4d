"""Hide secrets in the report of a replay: live frames of the peer may contain some."""

from __future__ import annotations

from dataclasses import replace

from inspector.protocol.frame import Frame, reworded
from inspector.protocol.messages import parse
from inspector.redaction.redactor import Redactor
from inspector.replay.matching import Difference
from inspector.replay.outcome import Outcome, Row


def hidden(outcome: Outcome) -> Outcome:
    """Return an outcome that is safe to print: secrets in frames and sentences are replaced by asterisks."""
    redaction = Redactor()
    secrets = redaction.secrets_of(None)

    def said(text: str) -> str:
        return redaction.sentence(secrets, text)

    def shown(frame: Frame | None) -> Frame | None:
        if frame is None:
            return None
        raw = redaction.frame(secrets, frame) or frame.raw
        action = frame.action and said(frame.action)
        if raw == frame.raw and action == frame.action:
            return frame
        return reworded(frame, raw, parse(raw, outcome.script.version, frame.binary), action=action)

    for row in outcome.rows:  # learn all secrets first: a later frame may show that an earlier text is secret
        shown(row.recorded)
        shown(row.live)

    def without(difference: Difference) -> Difference:
        pointer = difference.pointer and said(difference.pointer)
        return difference._replace(pointer=pointer, sentence=said(difference.sentence))

    rows = [Row(shown(row.recorded), shown(row.live), tuple(map(without, row.differences))) for row in outcome.rows]
    return replace(
        outcome,
        rows=rows,
        defaults=[said(text) for text in outcome.defaults],
        messages={key: said(text) for key, text in outcome.messages.items()},
        failure=outcome.failure and said(outcome.failure),
    )
