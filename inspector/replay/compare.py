"""Compare two recorded sessions by meaning, with the matchers of a replay."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest

from inspector.protocol.messages import Call, Send
from inspector.protocol.vocabulary import Direction
from inspector.replay.conversation import Conversation
from inspector.replay.id_mapping import IdMapping
from inspector.replay.matching import Difference
from inspector.replay.outcome import Outcome, Row
from inspector.replay.policy import Policy
from inspector.replay.script import Script

NEITHER = "neither side"
"""The value of `Outcome.played` for a comparison of two recordings."""


def paired(a: list[Script], b: list[Script]) -> list[tuple[Script | None, Script | None]]:
    """Pair the sessions of two recordings; None stands for a missing counterpart.

    If both recordings have the same charge points, sessions are paired by charge point, else in their order.
    """
    same = {script.charge_point_id for script in a} == {script.charge_point_id for script in b}
    if not same:
        return list(zip_longest(a, b))
    pairs: list[tuple[Script | None, Script | None]] = []
    for name in dict.fromkeys(script.charge_point_id for script in a):
        left, right = ([one for one in side if one.charge_point_id == name] for side in (a, b))
        pairs += zip_longest(left, right)
    return pairs


def compare_recordings(a: list[Script], b: list[Script], policy: Policy) -> list[Outcome]:
    """Compare each session of `b` with its counterpart in `a`; a session without a counterpart differs."""
    rebindings: dict[str, IdMapping] = {}  # a transaction may outlive a connection
    outcomes = []
    for recorded, other in paired(a, b):
        if recorded is not None and other is not None:
            rebinding = rebindings.setdefault(recorded.charge_point_id, IdMapping())
            outcomes.append(compare_scripts(recorded, other, policy, rebinding))
        elif (alone := recorded or other) is not None:
            elsewhere = (b if recorded is not None else a)[0].source
            failure = f"{elsewhere} has no such session"
            outcomes.append(Outcome(alone, NEITHER, failure=failure, peer=elsewhere))
    return outcomes


def compare_scripts(recorded: Script, other: Script, policy: Policy, rebinding: IdMapping | None = None) -> Outcome:
    """Compare both sides of `other` with those of `recorded`.

    CALLs are paired by action and content, answers by their CALLs. `rebinding` is shared by all sessions of a charge
    point.
    """
    policy = replace(policy, both_stored=True)
    rebinding = rebinding or IdMapping()
    sides = {
        direction: Conversation(recorded, direction.opposite, policy, rebinding) for direction in Direction
    }  # by the direction of the frames that each one reads
    stands_for: dict[int, int] = {}  # by frame number: CALL in `other` -> recorded CALL
    by_number = {frame.frame_id: frame for frame in recorded.frames}
    for frame in other.frames:
        conversation = sides[frame.direction]
        if frame.call is not None and frame.latency_ns is not None:
            call = stands_for.get(frame.call.frame_id)
            if call is not None:
                conversation.sent(frame.call.frame_id, by_number[call])
            elif frame.call.frame_id in stands_for or _is_extra(sides, frame.call.frame_id):
                continue  # the answer to an extra CALL
        found = conversation.heard(frame)
        if found is not None and isinstance(frame.message, Call | Send):
            stands_for[frame.frame_id] = found.frame_id
    outcome = Outcome(recorded, NEITHER, peer=other.source)
    came = {found: number for number, found in stands_for.items()}  # recorded CALL -> CALL in `other`
    answered = other.answers()
    for conversation in sides.values():
        conversation.note_absent()
    for frame in recorded.frames:
        conversation = sides[frame.direction]
        row = conversation.rows.get(frame.frame_id)
        if row is None:
            quiet = policy.may_stay_away(frame)
            if frame.call is not None and policy.may_stay_away(frame.call):
                # An answer may be absent with its CALL; if the CALL is there, its answer must be there.
                quiet = came.get(frame.call.frame_id) is None or came[frame.call.frame_id] in answered
            what = "the answer to " if frame.call is not None else "the CALL "
            missing = Difference("comes", None, f"{what}{frame.action or 'without an action'} never came")
            row = Row(frame, None, () if quiet else (missing,))
        outcome.rows.append(row)
    for conversation in sides.values():
        outcome.rows.extend(conversation.extra)
    outcome.regressions = other.findings - recorded.findings
    outcome.improvements = recorded.findings - other.findings
    outcome.messages = {key: other.examples[key] for key in outcome.regressions}
    outcome.messages |= {key: recorded.examples[key] for key in outcome.improvements}
    return outcome


def _is_extra(sides: dict[Direction, Conversation], number: int) -> bool:
    return any(row.live is not None and row.live.frame_id == number for side in sides.values() for row in side.extra)
