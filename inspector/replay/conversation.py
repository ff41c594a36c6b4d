"""Find the recorded frame that each live frame of the peer corresponds to, and note the differences."""

from __future__ import annotations

from typing import Any

from inspector.protocol.frame import AnswerStatus, Frame
from inspector.protocol.messages import Call, Malformed, Send
from inspector.protocol.vocabulary import Direction
from inspector.replay.id_mapping import IdMapping
from inspector.replay.matching import Difference, compare
from inspector.replay.outcome import Row
from inspector.replay.policy import Policy
from inspector.replay.script import Script

CANDIDATES = 10
"""How many recorded CALLs of an action are compared with a live CALL to find the most similar one."""

SAID_BEFORE = 100
"""How many of the latest frames of an action are searched for a repeated CALL: a station may have many connectors."""

FREE_ORDER = frozenset({"Heartbeat", "StatusNotification", "SecurityEventNotification", "LogStatusNotification"})
"""Actions whose CALLs may come at any place among the peer's other CALLs."""


class Conversation:
    """The recorded frames of the peer, and the live frames that correspond to them."""

    def __init__(
        self, script: Script, ours: Direction, policy: Policy, rebinding: IdMapping, said: list[Frame] | None = None
    ) -> None:
        """Prepare for a session in which this program sends the frames of the direction `ours`.

        `said` are recorded CALLs that have come and may be repeated; all sessions of a charge point share them.
        """
        self._said = said if said is not None else []
        self.policy = policy
        self.rebinding = rebinding
        self.rows: dict[int, Row] = {}  # by the number of the recorded frame
        self.extra: list[Row] = []
        self.last_in_order = 0
        self._answers = script.answers()
        self._sent: dict[int, Frame] = {}  # number of a live CALL of the player -> the recorded CALL
        self._calls: dict[str | None, list[Frame]] = {}  # recorded CALLs that have not come, by action
        self._periodic: set[str | None] = set()  # actions for which a live frame with periodic values has come
        self._odd: list[Frame] = []  # recorded frames that have not come and are neither CALLs nor first answers
        for frame in script.frames:
            if frame.direction is ours:
                continue
            if isinstance(frame.message, Call | Send):
                self._calls.setdefault(frame.action, []).append(frame)
            elif frame.answer_status is not AnswerStatus.PAIRED:
                self._odd.append(frame)

    def sent(self, live: int, recorded: Frame) -> None:
        """Note that the player sent a recorded CALL as the live frame number `live`."""
        self._sent[live] = recorded

    def heard(self, live: Frame) -> Frame | None:
        """Match a live frame of the peer; return the recorded frame it corresponds to, None for an extra frame."""
        if isinstance(live.message, Call | Send):
            return self._called(live)
        if live.answer_status is AnswerStatus.PAIRED and live.call is not None:
            return self._answered(live, self._sent.get(live.call.frame_id))
        return self._is_odd(live)

    def _answered(self, live: Frame, ours: Frame | None) -> Frame | None:
        recorded = self._answers.get(ours.frame_id) if ours is not None else None
        if recorded is None:
            self._too_many(live, "unanswered", f"an answer to {live.action}, which got none in the recording")
            return None
        return self._stands_for(recorded, live)

    def _is_odd(self, live: Frame) -> Frame | None:
        for index, recorded in enumerate(self._odd):
            if _oddity(recorded) == _oddity(live):
                return self._stands_for(self._odd.pop(index), live)
        if isinstance(live.message, Malformed):
            self._too_many(live, "well-formed", f"a malformed frame: {live.message.problems[0].text}")
        elif live.answer_status is AnswerStatus.DUPLICATE:
            self._too_many(live, "answered-once", f"a second answer to {live.action}")
        else:
            self._too_many(live, "answers-a-call", f"an answer to {live.message.message_id!r}, which was not sent")
        return None

    def _called(self, live: Frame) -> Frame | None:
        waiting = self._calls.get(live.action)
        if not waiting:
            free = self.policy.may_be_extra(live) and not self.policy.must_repeat(live)
            if free or (self.policy.may_be_extra(live) and self._repeats(live)):
                self.extra.append(Row(None, live))
            else:
                self._too_many(live, "recorded", f"{live.action} came once more than recorded")
            return None
        recurring = self.policy.may_stay_away(live)
        if recurring:
            self._periodic.add(live.action)
        alike = [frame for frame in waiting[:CANDIDATES] if self.policy.may_stay_away(frame) is recurring]
        if recurring and not alike:
            self.extra.append(Row(None, live))
            return None
        nearest, distance = self._nearest(alike or waiting[:CANDIDATES], live)
        if distance and self.policy.may_be_extra(live) and self._repeats(live):
            self.extra.append(Row(None, live))
            return None
        waiting.remove(nearest)
        return self._stands_for(nearest, live)

    def _nearest(self, candidates: list[Frame], live: Frame) -> tuple[Frame, int]:
        best, least = candidates[0], -1
        for frame in candidates:
            distance = self._distance(frame, live)
            if least < 0 or distance < least:
                best, least = frame, distance
            if distance == 0:
                break
        return best, least

    def _repeats(self, live: Frame) -> bool:
        """Return whether the peer has sent the same CALL before, as in the recording."""
        alike = [frame for frame in self._said if frame.action == live.action]
        return any(self._distance(frame, live) == 0 for frame in alike[-SAID_BEFORE:])

    def _distance(self, recorded: Frame, live: Frame) -> int:
        expected = self.rebinding.expected(recorded.action, recorded.payload)
        found = compare(recorded, expected, live, self.policy)
        if found and any(self.rebinding.unbound(recorded.action, recorded.payload)):
            # An id that has no live value yet is not a difference: this frame may provide the value.
            found = [difference for difference in found if difference.matcher != "bound-id"]
        return len(found)

    def _stands_for(self, recorded: Frame, live: Frame) -> Frame:
        if type(recorded.message) is type(live.message):
            self.rebinding.learn(recorded.action, recorded.payload, live.payload)
        expected = self.rebinding.expected(recorded.action, recorded.payload)
        found = compare(recorded, expected, live, self.policy)
        if self._has_a_place(recorded):
            if recorded.frame_id < self.last_in_order:
                sentence = f"{recorded.action} came after frame {self.last_in_order}, recorded before it"
                found.append(Difference("order", None, sentence))
            self.last_in_order = max(self.last_in_order, recorded.frame_id)
        if recorded.frame_id in self.rows:
            found.append(Difference("in-time", None, f"{recorded.action} came too late: it had been given up"))
        self.rows[recorded.frame_id] = Row(recorded, live, tuple(found))
        if isinstance(recorded.message, Call | Send) and self.policy.may_be_extra(recorded):
            self._said.append(recorded)
        return recorded

    def _has_a_place(self, recorded: Frame) -> bool:
        """Return whether the order of this frame among the peer's CALLs matters."""
        if not isinstance(recorded.message, Call | Send) or recorded.action in FREE_ORDER:
            return False
        return not self.policy.may_stay_away(recorded)

    def _too_many(self, live: Frame, matcher: str, sentence: str) -> None:
        self.extra.append(Row(None, live, (Difference(matcher, None, sentence),)))

    def lost(self, recorded: Frame, why: str) -> None:
        """Note that a recorded frame of the peer has not come."""
        self.rows[recorded.frame_id] = Row(recorded, None, (Difference("comes", None, why),))

    def note_absent(self) -> None:
        """Note each action whose periodic values were recorded but never came in this run."""
        for action, left in self._calls.items():
            periodic = [frame for frame in left if self.policy.wanted_once(frame)]
            if periodic and action not in self._periodic:
                more = "" if len(periodic) == 1 else f" of the {len(periodic)} recorded"
                self.lost(periodic[0], f"the CALL {action} never came: none{more} with values of its kind")

    def is_here(self, recorded: Frame) -> bool:
        """Return whether a recorded frame of the peer has come, or is no longer expected."""
        return recorded.frame_id in self.rows

    def has_come(self, number: int) -> bool:
        """Return whether the recorded frame with this number has come."""
        row = self.rows.get(number)
        return row is not None and row.live is not None

    def is_past(self, recorded: Frame) -> bool:
        """Return whether the peer has already sent a frame that is recorded after `recorded`."""
        return self.last_in_order > recorded.frame_id

    def recorded_answer(self, recorded: Frame) -> Frame | None:
        """Return the recorded answer to a recorded CALL of the peer."""
        return self._answers.get(recorded.frame_id)

    def any_answer(self, action: str | None) -> Frame | None:
        """Return any recorded answer to a CALL of this action, to answer a CALL that was not recorded."""
        for row in self.rows.values():
            if row.recorded is None or row.recorded.action != action:
                continue
            answer = self._answers.get(row.recorded.frame_id)
            if answer is not None and not isinstance(answer.message, Malformed):
                return answer
        return None


def _oddity(frame: Frame) -> tuple[str, str | None]:
    if isinstance(frame.message, Malformed):
        return "malformed", frame.message.problems[0].kind
    answer_status = frame.answer_status.name if frame.answer_status is not None else "refusal"
    return f"{type(frame.message).__name__} {answer_status}", frame.action


def default_answer(action: str | None, now: str) -> Any:
    """Return a payload that answers a CALL without a recorded answer; None if it must be refused."""
    if action == "Heartbeat":
        return {"currentTime": now}
    if action in ("StatusNotification", "MeterValues", "SecurityEventNotification", "LogStatusNotification"):
        return {}
    return None
