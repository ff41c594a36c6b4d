"""Common parts of rules: a member that an answer must have, a message that must follow a promise, remembered ids.

A rule made from these parts states its facts like any other rule; see `inspector.rules.rule`. The parts use limited
memory, and a rule listens to the messages that keep a promise only after the first promise.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment, SessionContext
from inspector.rules.durations import since
from inspector.rules.finding import Fault
from inspector.rules.rule import DEADLINE, Faults, Listen, Topic, call, refusal, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x

IDS_LIMIT = 1000
PROMISES_LIMIT = 100


class Known[K: Hashable, V](dict[K, V]):
    """A dict of at most IDS_LIMIT ids; beyond that, `note` drops the oldest."""

    def note(self, key: K, value: V) -> None:
        """Add an id as the newest, with its value."""
        self.pop(key, None)
        self[key] = value
        if len(self) > IDS_LIMIT:
            del self[next(iter(self))]


def found(payload: Any, path: str) -> Any:
    """Return the value in a payload at a path like "schedule/evseId"; None if there is none."""
    for name in path.split("/"):
        payload = payload.get(name) if type(payload) is dict else None
    return payload


def needs(path: str, *, status: str | None = None) -> Callable[[Any, Frame], Faults]:
    """Return a check that finds frames without the member at `path`.

    With `status`, it checks only answers with this status.
    """

    def check(topic: Any, frame: Frame) -> Faults:
        if status is not None and frame.payload.get("status") != status:
            return None
        if found(frame.payload, path) not in (None, "", []):
            return None
        said = f"the status is {status}, but" if status else f"{frame.action}:"
        return Fault(f"{said} {path.replace('/', '.')} is missing", "/2" if frame.call is not None else "/3")

    return check


def same(path: str, asked: str | None = None) -> Callable[[Any, Frame], Faults]:
    """Return a check that finds answers with another value at `path` than the request has at `asked` (or `path`)."""

    def check(topic: Any, frame: Frame) -> Faults:
        wanted, given = found(frame.request, asked or path), found(frame.payload, path)
        if wanted is None or given is None or wanted == given:
            return None
        return Fault(f"{path} is {str(given)[:50]}, but {str(wanted)[:50]} was requested", f"/2/{path}")

    return check


def ongoing(topic: Topic, transaction: str | None) -> bool | None:
    """Return whether a 2.x station has this transaction now; None if that is not known."""
    known = topic.station.topic(Transactions2x)
    one = known.by_id.get(transaction or "")
    if one is not None and one.open:
        return True
    if not topic.station.topic(Observation).has_sent_all(topic.session):
        return None  # an event of it may still be in transit
    return False if one is not None or known.would_have_been_seen(None) else None


@dataclass(slots=True, eq=False)
class _Open:
    """A CALL whose answer may promise a message, or has promised one; `key` is None before the answer."""

    key: Hashable | None = None
    early: set[Hashable] = field(default_factory=set)  # keys of messages that came before the answer


class Promise:
    """A rule of this form: after an answer that promises a message, that message has to follow.

    Assigned to an attribute of a topic, it is replaced by the rule and by the trackers that the rule needs.
    """

    def __init__(
        self,
        slug: str,
        *actions: str,
        promised: Callable[[Any, Frame], Hashable | None],
        kept_by: tuple[Listen, ...],
        keeps: Callable[[Any, Frame], Hashable | None],
        text: str,
        early: bool = True,
        seconds: Callable[[Any], float] | None = None,
        excused: Callable[[Any, Frame], bool] | None = None,
        plain: bool = True,
        at_close: AtClose = AtClose.WAITS,
        **facts: Any,
    ) -> None:
        """Describe the promise.

        Args:
            slug: the slug of the rule.
            actions: the actions of the CALLs whose answer may promise a message.
            promised: called with the topic and the answer; returns a key for the promised message, None for no promise.
            kept_by: the frames that may keep the promise.
            keeps: called with the topic and one of these frames; returns the key, or a list of keys, that it keeps.
            text: the message of the finding; `{key}` is the key, `{wait}` the time to wait.
            early: whether a frame between the CALL and its answer keeps the promise too.
            seconds: called with the topic; returns how long to wait, which is `effect_timeout_s` by default.
            excused: called with the topic and the answer after this time; returns whether the message may be missing.
            plain: False if plain answers promise nothing, see `inspector.rules.rule.PLAIN`; not together with `early`.
            at_close: what happens if the session closes first: AtClose.LATE for a message that is due at once.
            facts: the other arguments of `inspector.rules.rule.rule`.
        """
        self.slug, self.actions, self.promised, self.kept_by = slug, actions, promised, kept_by
        self.keeps, self.text, self.early, self.seconds, self.excused = keeps, text, early, seconds, excused
        self.facts, self.plain, self.at_close = facts, plain, at_close

    def __set_name__(self, owner: type[Topic], name: str) -> None:
        """Add the rule and its trackers to the topic `owner`; Python calls this when the class is created."""
        promise, state = self, f"_open_{name}"

        def opened(topic: Any, number: int, one: _Open) -> None:
            if state not in vars(topic):  # once it listens it goes on: to look up listeners again takes far longer
                vars(topic)[state] = {}
                topic.station.refresh_listeners()
            waiting: dict[int, _Open] = vars(topic)[state]
            waiting[number] = one
            if len(waiting) > PROMISES_LIMIT:
                del waiting[next(iter(waiting))]

        def dropped(topic: Any, number: int) -> _Open | None:
            waiting: dict[int, _Open] = vars(topic).get(state, {})
            return waiting.pop(number, None)

        def asked(topic: Any, frame: Frame) -> None:
            opened(topic, frame.frame_id, _Open())

        def answered(topic: Any, frame: Frame) -> None:
            number = frame.call.frame_id if frame.call is not None else -1
            one = dropped(topic, number) if promise.early else None
            key = promise.promised(topic, frame)
            if key is None or (promise.early and (one is None or key in one.early)):
                return
            one = one or _Open()
            one.key = key
            opened(topic, number, one)
            wait = promise.seconds(topic) if promise.seconds else topic.settings.effect_timeout_s
            check, ends = getattr(topic, name), promise.at_close
            topic.station.deadline(frame, wait, check, number, frame, topic.session, at_close=ends)

        def refused(topic: Any, frame: Frame) -> None:
            dropped(topic, frame.call.frame_id if frame.call is not None else -1)

        def sent(topic: Any, frame: Frame) -> None:
            if not vars(topic).get(state):
                return
            given = promise.keeps(topic, frame)
            keys = given if isinstance(given, list) else [given]
            for number, one in list(vars(topic).get(state, {}).items()):
                if one.key is None:
                    one.early.update(keys)
                elif one.key in keys:
                    dropped(topic, number)

        def broken(topic: Any, moment: Moment, number: int, answer: Frame, session: SessionContext) -> Faults:
            one = dropped(topic, number)
            if one is None or session not in topic.station.sessions:
                return None
            if promise.excused is not None and promise.excused(topic, answer):
                return None
            text = promise.text.format(key=str(one.key)[:50], wait=since(answer, moment))
            return Fault(text, "/2/status" if "status" in answer.payload else None, frame=answer, key=str(one.key)[:50])

        versions = self.facts.get("versions", owner.versions)
        setattr(owner, name, rule(self.slug, DEADLINE, **self.facts)(broken))
        listening = track(*result(*self.actions), versions=versions, plain=self.plain)
        setattr(owner, f"{name}_answered", listening(answered))
        if self.early:
            setattr(owner, f"{name}_asked", track(*call(*self.actions), versions=versions)(asked))
            setattr(owner, f"{name}_refused", track(*refusal(*self.actions), versions=versions)(refused))
        keep = track(*self.kept_by, versions=versions, dormant=lambda topic: state not in vars(topic))
        setattr(owner, f"{name}_sent", keep(sent))
