"""Find the interventions that apply to a frame of one session, and follow the state that their conditions need."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

import orjson

from inspector.interventions.intervention import Comparison, Intervention, Match, Predicate, Refuse, State
from inspector.interventions.luck import Turns
from inspector.interventions.pointers import MISSING, value_at
from inspector.protocol.frame import AnswerStatus, Frame
from inspector.protocol.messages import Call, CallError, CallResult, CallResultError, Send
from inspector.protocol.vocabulary import EVERY_ACTION, Direction, MessageType

_TYPES: dict[type, MessageType] = {
    Call: MessageType.CALL,
    CallResult: MessageType.CALLRESULT,
    CallError: MessageType.CALLERROR,
    CallResultError: MessageType.CALLRESULTERROR,
    Send: MessageType.SEND,
}

_OF_STATES = frozenset({"BootNotification", "StartTransaction", "StopTransaction", "TransactionEvent"})
"""The actions from which `SessionRules.states` follow."""


class SessionRules:
    """The rules that can apply to one session."""

    def __init__(self, charge_point_id: str, rules: Iterable[Intervention], turns: Turns) -> None:
        self.charge_point_id = charge_point_id
        self.replace(rules)
        self._turns = turns
        self._booted: bool | None = False
        self._transactions: set[str] = set()
        self._started = 0
        self._transactions_known = True

    def forget_states(self) -> None:
        """Begin in the middle of a session: no state is known until a frame shows it."""
        self._booted, self._transactions_known = None, False

    def replace(self, rules: Iterable[Intervention]) -> None:
        """Apply other rules from the next frame on; the state of the charge point stays known."""
        self.rules = [rule for rule in rules if rule.match.takes_charge_point(self.charge_point_id)]
        self._by_action: dict[str, list[Match]] = {}

    def may_apply(self, sender: Direction, kind: MessageType, action: str, raw: bytes) -> bool:
        """Return whether a rule may apply to a frame, or the frame may change the state of the charge point.

        This takes much less time than to parse the frame and to apply the rules. `raw` is the frame, which begins as
        JSON of this type and action.
        """
        matches = self._by_action.get(action)
        if matches is None:
            if action in _OF_STATES or action not in EVERY_ACTION:
                return True
            mine = [rule.match for rule in self.rules if not rule.refuses_upgrades]
            matches = self._by_action[action] = [match for match in mine if match.action in (None, action)]
        payload: Any = MISSING
        for match in matches:
            if (match.sender is not None and match.sender is not sender) or (
                match.type is not None and match.type is not kind
            ):
                continue
            if match.state is not None and match.state not in self.states:
                continue
            if match.payload and payload is MISSING:
                try:
                    payload = orjson.loads(raw)[3 if kind is MessageType.CALL else 2]
                except (ValueError, LookupError):
                    return True
            if all(_holds(predicate, payload) for predicate in match.payload):
                return True
        return False

    @property
    def for_frames(self) -> bool:
        """Whether a rule can apply to a frame, so that the session has to leave the fast path."""
        return any(not rule.refuses_upgrades for rule in self.rules)

    def refusal(self, now_s: float) -> tuple[str, int] | None:
        """Return the name of the rule that refuses the handshake, and the HTTP status; None if none does."""
        for rule in self.rules:
            if (
                isinstance(rule.do, Refuse)
                and (rule.do.seconds is None or self._lasts(rule, rule.do.seconds, now_s))
                and self._turns.takes(rule, self.charge_point_id)
            ):
                return rule.name, rule.do.status
        return None

    def _lasts(self, rule: Intervention, seconds: float, now_s: float) -> bool:
        return self._turns.lasts(rule, self.charge_point_id, seconds, now_s)

    def of(self, frame: Frame) -> list[Intervention]:
        """Return the rules that apply to a frame, in the order of the file, and take the frame into account."""
        found = [
            rule
            for rule in self.rules
            if not rule.refuses_upgrades
            and self._meets(rule.match, frame)
            and self._turns.takes(rule, self.charge_point_id)
        ]
        self._follow(frame)
        return found

    def _meets(self, match: Match, frame: Frame) -> bool:
        return (
            (match.sender is None or match.sender is frame.direction)
            and (match.action is None or match.action == frame.action)
            and (match.type is None or match.type is _TYPES.get(type(frame.message)))
            and (match.state is None or match.state in self.states)
            and all(_holds(predicate, frame.payload) for predicate in match.payload)
        )

    @property
    def states(self) -> frozenset[State]:
        """The states that the charge point is in."""
        known = set()
        if self._booted is not None:
            known.add(State.BOOTED if self._booted else State.NOT_BOOTED)
        if self._transactions_known:
            known.add(State.IN_TRANSACTION if self._transactions or self._started else State.NO_TRANSACTION)
        return frozenset(known)

    def _follow(self, frame: Frame) -> None:
        """Take a frame into account: boots are accepted by their answer, transactions start and end by CALLs."""
        payload, kind = frame.payload, type(frame.message)
        if kind is CallResult and frame.action == "BootNotification" and frame.answer_status is AnswerStatus.PAIRED:
            self._booted = payload.get("status") == "Accepted"
        elif kind is not Call:
            return
        elif frame.action in ("StartTransaction", "StopTransaction", "TransactionEvent"):
            self._transactions_known = True
            self._follow_transaction(frame.action, payload)

    def _follow_transaction(self, action: str, payload: dict[str, Any]) -> None:
        if action == "StartTransaction":
            self._started += 1
        elif action == "StopTransaction":
            self._started = max(0, self._started - 1)
        else:
            self._follow_event(payload)

    def _follow_event(self, payload: dict[str, Any]) -> None:
        info = payload.get("transactionInfo")
        transaction = str(info.get("transactionId")) if isinstance(info, dict) else ""
        if payload.get("eventType") == "Ended":
            self._transactions.discard(transaction)
        elif len(self._transactions) < 1000:  # no charge point has so many; a hostile one may claim it
            self._transactions.add(transaction)


def _holds(predicate: Predicate, payload: Any) -> bool:
    value = value_at(payload, predicate.pointer)
    if predicate.test is Comparison.EXISTS:
        return (value is not MISSING) is predicate.value
    if value is MISSING:
        return False
    match predicate.test:
        case Comparison.EQUALS:
            return (type(value) is type(predicate.value) and bool(value == predicate.value)) or _same(value, predicate)
        case Comparison.LIKE:
            return isinstance(value, str) and fnmatchcase(value, predicate.value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return bool(value > predicate.value if predicate.test is Comparison.ABOVE else value < predicate.value)


def _same(value: Any, predicate: Predicate) -> bool:
    """Return whether two numbers are equal although one has a decimal point; true is not 1."""
    both = (value, predicate.value)
    return all(isinstance(one, int | float) and not isinstance(one, bool) for one in both) and both[0] == both[1]
