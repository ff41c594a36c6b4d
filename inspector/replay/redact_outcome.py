"""Keeps credentials out of what is shown of a replay: the peer's live frames hold them as they came."""

from __future__ import annotations

from dataclasses import replace

from inspector.protocol.frame import Frame, reworded
from inspector.protocol.messages import parse
from inspector.redaction.redactor import Redactor
from inspector.replay.matching import Difference
from inspector.replay.outcome import Outcome, Row


def hidden(outcome: Outcome) -> Outcome:
    """The outcome as it may be printed: every secret starred out, in frames and in sentences about them."""
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

    for row in outcome.rows:  # a sentence, or an earlier frame, may quote what a later one tells to be a secret
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
