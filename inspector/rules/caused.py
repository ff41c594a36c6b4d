"""Find out which findings of a session were caused by interventions, and name the rule that caused each one.

A finding about a peer was caused by an intervention if only the other peer's view of the session has it. Such a finding
becomes a hint about the link, so that it counts against no peer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.finding import Finding, Severity, Side

MOST = 20_000
"""Frames, message ids and occurrences that are remembered of one session; the oldest one is forgotten first."""
MOST_FINDINGS = 1_000
"""The most findings of one session that interventions caused."""

type _Occurrence = tuple[str, Side, str | None, int, bool]
"""(rule, side, pointer, the frame or the time of a missing one, whether it is a time)"""


class Caused:
    """The interventions of one session and the findings that they caused."""

    def __init__(self) -> None:
        self._last: str | None = None
        self._of_frames: dict[int, str] = {}
        self._of_messages: dict[str, str] = {}
        self._messages: dict[int, str] = {}
        self._origins: dict[int, int] = {}
        self._recent: deque[int] = deque(maxlen=1_001)
        self._own: dict[_Occurrence, None] = {}
        self._found: dict[tuple[int, str], tuple[Finding, Finding]] = {}

    def note(self, frame: Frame, notes: dict[str, Any] | None) -> None:
        """Take a frame into account, with its notes about interventions."""
        number = frame.frame_id
        self._recent.append(number)
        _keep(self._messages, number, frame.message_id)
        if not notes:
            return
        did = notes.get("interventions")
        rule = notes.get("made_by") or (did[-1][0] if did else None)
        behind = notes.get("made_from")
        if isinstance(behind, int) and 0 < behind < len(self._recent):
            _keep(self._origins, number, self._recent[-1 - behind])
        if isinstance(rule, str):
            self._last = rule
            _keep(self._of_frames, number, rule)
            _keep(self._of_messages, frame.message_id, rule)

    def note_own(self, finding: Finding) -> None:
        """Take into account a finding about a peer in its own view: no intervention caused it."""
        for one in _occurrences(finding, finding.new_frames, finding.new_times):
            _keep(self._own, one, None)

    def of(self, findings: Iterable[Finding]) -> list[Finding]:
        """Return the hints that follow from findings in the view of the other peer: new ones and repeated ones."""
        hints: dict[int, Finding] = {}
        for finding in {id(one): one for one in findings}.values():
            for one in _occurrences(finding, finding.take_frames(), finding.take_times()):
                rule = self._rule(one)
                if rule is not None and not self._is_own(one) and (hint := self._counted(finding, rule, one)):
                    hints[id(hint)] = hint
        return list(hints.values())

    def findings(self) -> list[Finding]:
        """Return all hints of this session."""
        return [hint for _, hint in self._found.values()]

    def _is_own(self, one: _Occurrence) -> bool:
        rule, side, pointer, at, is_time = one
        origin = None if is_time else self._origins.get(at)
        return one in self._own or (origin is not None and (rule, side, pointer, origin, False) in self._own)

    def _rule(self, one: _Occurrence) -> str | None:
        """Return the intervention on the frame or on its exchange, else the latest one; None before the first one."""
        if one[-1]:
            return self._last
        of_message = self._of_messages.get(self._messages.get(one[3], ""))
        return self._of_frames.get(one[3]) or of_message or self._last

    def _counted(self, finding: Finding, rule: str, one: _Occurrence) -> Finding | None:
        at, is_time = one[3:]
        frame_id = None if is_time else at
        known = self._found.get((id(finding), rule))
        if known is not None:
            hint = known[1]
            hint.count += 1
            hint.last_frame_id = hint.last_frame_id if is_time else frame_id
        elif len(self._found) < MOST_FINDINGS:
            hint = Finding(
                rule_id=finding.rule_id,
                severity=Severity.INFO,
                side=Side.LINK,
                message=f"caused by the intervention {rule}: {finding.message}",
                pointer=finding.pointer,
                spec_ref=finding.spec_ref,
                ts_ns=at if is_time else finding.ts_ns,
                frame_id=frame_id,
                last_frame_id=frame_id,
                session=finding.session,
                caused_by=rule,
                blamed=(finding.severity, finding.side),
            )
            self._found[id(finding), rule] = finding, hint  # the finding keeps its id() as long as it is here
        else:
            return None
        if is_time:
            hint.missed(at)
        else:
            hint.occurred(at)
        return hint


def _occurrences(finding: Finding, frames: Iterable[int], times: Iterable[int]) -> list[_Occurrence]:
    key = finding.rule_id, finding.side, finding.pointer
    return [(*key, frame, False) for frame in frames] + [(*key, ts_ns, True) for ts_ns in times]


def _keep[K, V](known: dict[K, V], key: K, value: V) -> None:
    known[key] = value
    if len(known) > MOST:
        del known[next(iter(known))]
