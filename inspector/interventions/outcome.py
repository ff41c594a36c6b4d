"""Work out what goes over the wire in place of one frame, by the interventions that apply to it. Sends nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from inspector.interventions import intervention as kinds
from inspector.interventions.intervention import Intervention, Place
from inspector.interventions.pointers import NotThere, removed_from, set_in
from inspector.interventions.templates import Facts, filled
from inspector.protocol.frame import Frame
from inspector.protocol.messages import Call, CallError, CallResult, Send
from inspector.protocol.vocabulary import Direction, MessageType

PAYLOAD_AT: dict[type, int] = {Call: 3, CallResult: 2, Send: 3, CallError: 4}
"""The index of the payload, or of the details of a CALLERROR, in the list that a message is."""

type Between = Callable[[Intervention, float, float], float]
"""Draws a number between two limits from the luck of a rule at the charge point."""
type NewId = Callable[[], str]
"""Makes the message id of an injected CALL."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A frame to be sent.

    Attributes:
        direction: From whose side it seems to come.
        raw: Its bytes.
        made_by: The rule that made or changed it, None for the frame as it came.
        is_call: Whether it is a CALL of the proxy, whose answer must not reach the other peer.
        wait_s: How long to wait with this frame alone.
    """

    direction: Direction
    raw: bytes
    made_by: str | None = None
    is_call: bool = False
    wait_s: float = 0.0


@dataclass(slots=True)
class Outcome:
    """What happens instead of relaying one frame.

    Attributes:
        frames: The frames to send, in order; the original one is among them if it is unchanged.
        delay_s: How long to wait before sending them.
        behind: After how many later frames of the direction to send them.
        hold_s: How long they may be held for somebody to release them, None if they are not held.
        bytes_per_s: The new limit of the direction, None if it stays.
        stall_s: How long not to read from the sender: None for not at all, infinity for ever.
        close: The code and reason of a close frame to both peers.
        reset: Whether to reset both connections.
        did: What was done, as (rule, what), for the recording.
        failed: What could not be done, as (rule, why).
    """

    frames: list[Outgoing]
    delay_s: float = 0.0
    behind: int = 0
    hold_s: float | None = None
    bytes_per_s: int | None = None
    stall_s: float | None = None
    close: tuple[int, str] | None = None
    reset: bool = False
    did: list[tuple[str, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def unchanged(self) -> bool:
        """Whether no rule has done anything."""
        return not self.did


def outcome_of(frame: Frame, rules: Sequence[Intervention], facts: Facts, between: Between, new_id: NewId) -> Outcome:
    """Apply rules to a frame, in order: each gets what the one before has left of it.

    A frame that was dropped, answered or replaced by a close stays so; later rules do nothing with it.
    """
    outcome = Outcome([Outgoing(frame.direction, frame.raw)])
    for rule in rules:
        if outcome.close is not None or outcome.reset:
            break
        _apply(rule, frame, outcome, facts, between, new_id)
    return outcome


def _apply(rule: Intervention, frame: Frame, outcome: Outcome, facts: Facts, between: Between, new_id: NewId) -> None:
    did = type(rule.do).__name__.lower()
    match rule.do:
        case kinds.Delay(shortest, longest):
            outcome.delay_s += between(rule, shortest, longest)
        case kinds.Drop():
            outcome.frames = _without(frame, outcome)
        case kinds.Duplicate(copies):
            outcome.frames = _with(frame, outcome, lambda one: [one, *[replace(one, made_by=rule.name)] * (copies - 1)])
        case kinds.Reorder(behind):
            outcome.behind += behind
        case kinds.Edit(changes):
            try:
                outcome.frames = _with(frame, outcome, lambda one: [_edited(rule, frame, one, changes, facts)])
            except (NotThere, ValueError, IndexError, RecursionError) as error:
                outcome.failed.append((rule.name, f"cannot edit this frame: {error}"))
                return
        case kinds.Replace(text):
            raw = filled(text, facts).encode("utf-8", "surrogatepass")
            outcome.frames = _with(frame, outcome, lambda one: [replace(one, raw=raw, made_by=rule.name)])
        case kinds.Answer(payload):
            answer = [MessageType.CALLRESULT, frame.message_id, filled(payload, facts)]
            _answer(rule, frame, outcome, answer)
        case kinds.Error(code, description, details):
            answer = [MessageType.CALLERROR, frame.message_id, code, description, filled(details or {}, facts)]
            _answer(rule, frame, outcome, answer)
        case kinds.Hold(timeout):
            outcome.hold_s = timeout
        case kinds.Inject():
            _inject(rule, rule.do, frame, outcome, facts, new_id)
        case kinds.Throttle(rate):
            outcome.bytes_per_s = rate
        case kinds.Close(code, reason):
            outcome.frames, outcome.close = [], (code, reason)
        case kinds.Reset():
            outcome.frames, outcome.reset = [], True
        case kinds.Stall(seconds):
            outcome.stall_s = float("inf") if seconds is None else seconds
        case kinds.Refuse():
            return  # it applies to handshakes
    outcome.did.append((rule.name, did))


def _is_from(frame: Frame, one: Outgoing) -> bool:
    """Return whether a frame to be sent is the original one or was made of it."""
    return one.direction is frame.direction and not one.is_call


def _without(frame: Frame, outcome: Outcome) -> list[Outgoing]:
    return [one for one in outcome.frames if not _is_from(frame, one)]


def _with(frame: Frame, outcome: Outcome, change: Callable[[Outgoing], list[Outgoing]]) -> list[Outgoing]:
    return [new for one in outcome.frames for new in (change(one) if _is_from(frame, one) else [one])]


def _edited(rule: Intervention, frame: Frame, one: Outgoing, changes: Sequence[kinds.Change], facts: Facts) -> Outgoing:
    at = PAYLOAD_AT.get(type(frame.message))
    if at is None:
        raise NotThere("it has no payload")
    text = one.raw.decode()
    for change in changes:
        pointer = f"/{at}{change.pointer}"
        text = removed_from(text, pointer) if change.remove else set_in(text, pointer, filled(change.value, facts))
    return replace(one, raw=text.encode(), made_by=rule.name)


def _answer(rule: Intervention, frame: Frame, outcome: Outcome, answer: list[Any]) -> None:
    outcome.frames = _without(frame, outcome)
    outcome.frames.append(Outgoing(frame.direction.opposite, _dumps(answer), rule.name))


def _inject(rule: Intervention, do: kinds.Inject, frame: Frame, outcome: Outcome, facts: Facts, new_id: NewId) -> None:
    if do.text is not None:
        raw = filled(do.text, facts).encode("utf-8", "surrogatepass")
    else:
        raw = _dumps([MessageType.CALL, new_id(), do.action, filled(do.payload or {}, facts)])
    # What the CSMS is to receive seems to come from the charge point.
    injected = Outgoing(do.receiver, raw, rule.name, is_call=do.text is None, wait_s=do.wait_s)
    if do.place is Place.INSTEAD:
        outcome.frames = _without(frame, outcome)
    before = do.place is Place.BEFORE
    outcome.frames = [injected, *outcome.frames] if before else [*outcome.frames, injected]


def _dumps(elements: list[Any]) -> bytes:
    return json.dumps(elements, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
