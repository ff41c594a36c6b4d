"""Compares two recorded sessions by meaning, with the same matchers as a replay; plays nothing."""

from __future__ import annotations

from inspector.protocol.frames import Call, Send
from inspector.protocol.vocabulary import Direction
from inspector.replay.conversation import Conversation
from inspector.replay.matching import Difference, Policy
from inspector.replay.outcome import Outcome, Row
from inspector.replay.rebinding import Rebinding
from inspector.replay.script import Script


def compare_scripts(recorded: Script, other: Script, policy: Policy) -> Outcome:
    """What `other` does differently from `recorded`, both sides compared.

    Frames are paired by meaning: CALLs by action and content, answers through their CALLs.
    """
    rebinding = Rebinding()
    sides = {
        direction: Conversation(recorded, direction.opposite, policy, rebinding) for direction in Direction
    }  # by the direction of the frames it looks at
    stands_for: dict[int, int] = {}  # a CALL of `other` -> the recorded CALL
    by_number = {frame.frame_id: frame for frame in recorded.frames}
    for frame in other.frames:
        conversation = sides[frame.direction]
        if frame.call is not None and frame.latency_ns is not None:
            call = stands_for.get(frame.call.frame_id)
            if call is not None:
                conversation.sent(frame.call.frame_id, by_number[call])
            elif frame.call.frame_id in stands_for or _is_extra(sides, frame.call.frame_id):
                continue  # the answer to a CALL that was one too many
        found = conversation.heard(frame)
        if found is not None and isinstance(frame.message, Call | Send):
            stands_for[frame.frame_id] = found.frame_id
    outcome = Outcome(recorded, "neither side")
    for frame in recorded.frames:
        conversation = sides[frame.direction]
        row = conversation.rows.get(frame.frame_id)
        if row is None:
            quiet = policy.may_stay_away(frame)
            quiet = quiet or (frame.call is not None and policy.may_stay_away(frame.call))
            missing = Difference("comes", None, f"{frame.action or 'a message without an action'} is not there")
            row = Row(frame, None, () if quiet else (missing,))
        outcome.rows.append(row)
    for conversation in sides.values():
        outcome.rows.extend(conversation.extra)
    outcome.regressions = other.findings - recorded.findings
    outcome.improvements = recorded.findings - other.findings
    return outcome


def _is_extra(sides: dict[Direction, Conversation], number: int) -> bool:
    return any(row.live is not None and row.live.frame_id == number for side in sides.values() for row in side.extra)
