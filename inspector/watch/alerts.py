"""Decide which alerts to send: each one once, and once more when it is over. Reads no clock."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from inspector.rules.finding import Severity
from inspector.units import quantity
from inspector.watch.alerts_file import Alert, AlertsFile
from inspector.watch.followed import Happened, Seen

MOST_GONE = 100_000
"""So many charge points that have left are remembered."""
_SECOND = 1_000_000_000
ALERT, OVER = "alert", "over"

type Message = dict[str, Any]
"""What is sent, as JSON values; docs/alerts.md describes it."""


class Alerts:
    """The state of all alerts. It can be saved as JSON, so that a restart repeats nothing."""

    def __init__(self, file: AlertsFile, saved: dict[str, Any] | None = None) -> None:
        """Begin with no alert, or with a saved state. Saved alerts that the file no longer has are dropped."""
        saved = saved or {}
        names = {alert.name for alert in file.alerts}
        self._file = file
        self._gone: dict[str, list[Any]] = dict(saved.get("gone", {}))
        self._active: dict[str, dict[str, dict[str, Any]]] = _of(names, saved.get("active", {}))
        """By alert and charge point: since when, whether it was sent, its text, and until when it holds."""
        self._over: dict[str, dict[str, dict[str, Any]]] = _of(names, saved.get("over", {}))
        """Alerts that are over, which has not been sent yet."""
        self._attempts: dict[str, dict[str, list[int]]] = _of(names, saved.get("attempts", {}))
        self._waits: dict[str, int] = {}
        """By alert and status: since when messages wait for others of their group."""

    def saved(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return {"gone": self._gone, "active": self._active, "over": self._over, "attempts": self._attempts}

    def step(self, seen: Seen, now_ns: int) -> list[tuple[Alert, Message]]:
        """Take what is new in the recording, and return the messages to send now."""
        for one in seen.left:
            self._gone.pop(one.charge_point_id, None)
            self._gone[one.charge_point_id] = [one.ts_ns, one.text]
        for name in seen.connected:
            self._gone.pop(name, None)
        while len(self._gone) > MOST_GONE:
            del self._gone[next(iter(self._gone))]
        messages: list[tuple[Alert, Message]] = []
        for alert in self._file.alerts:
            self._update(alert, seen, now_ns)
            if not alert.is_quiet(datetime.fromtimestamp(now_ns / _SECOND, self._file.time_zone)):
                messages += [(alert, message) for message in self._due(alert, now_ns)]
        return messages

    def _update(self, alert: Alert, seen: Seen, now_ns: int) -> None:
        active = self._active.setdefault(alert.name, {})
        over = self._over.setdefault(alert.name, {})
        holds = self._holds(alert, seen, now_ns)
        for name, (text, since_ns, until_ns) in holds.items():
            if name in over:  # it began again before its end was sent
                active[name] = over.pop(name)
            state = active.setdefault(name, {"since": since_ns, "began": now_ns, "sent": False, "times": 0})
            state |= {"text": text, "until": until_ns, "times": state["times"] + 1}
        for name, state in list(active.items()):
            if name not in holds and (state["until"] is None or now_ns >= state["until"]):
                del active[name]
                if state["sent"]:
                    over[name] = {**state, "ended": now_ns}

    def _holds(self, alert: Alert, seen: Seen, now_ns: int) -> dict[str, tuple[str, int, int | None]]:
        """Return the text, the beginning and the end of each charge point's condition, if it holds or occurred."""
        if alert.condition == "silence":
            quiet = {name: last for name, last in seen.connected.items() if now_ns - last >= alert.span_ns}
            return {
                name: (f"no message for {_long(now_ns - last)}", last, None)
                for name, last in quiet.items()
                if alert.about(name)
            }
        if alert.condition == "disconnected":
            return {
                name: (f"{text}, and has not returned for {_long(now_ns - left)}", left, None)
                for name, (left, text) in self._gone.items()
                if now_ns - left >= alert.span_ns and alert.about(name)
            }
        until = now_ns + alert.over_after_ns
        if alert.condition == "failed_attempts":
            return self._failed(alert, seen.attempts, now_ns, until)
        found = seen.gaps if alert.condition == "gap" else [one for one in seen.findings if _fits(alert, one)]
        return {
            one.charge_point_id: (one.text, one.ts_ns, until)
            for one in found
            if alert.about(one.charge_point_id) or (alert.condition == "gap" and not one.charge_point_id)
        }

    def _failed(
        self, alert: Alert, attempts: Iterable[Happened], now_ns: int, until: int
    ) -> dict[str, tuple[str, int, int | None]]:
        kept = self._attempts.setdefault(alert.name, {})
        last = {one.charge_point_id: one.text for one in attempts if alert.about(one.charge_point_id)}
        for one in attempts:
            if alert.about(one.charge_point_id):
                kept[one.charge_point_id] = [*kept.get(one.charge_point_id, []), one.ts_ns][-alert.times :]
        for name, times in list(kept.items()):
            if times[-1] < now_ns - alert.within_ns:
                del kept[name]
        within = quantity(alert.times, "failed attempt")
        return {
            name: (f"{within} to connect in {_long(alert.within_ns)}: {text}", kept[name][0], until)
            for name, text in last.items()
            if name in kept and len(kept[name]) == alert.times and kept[name][0] >= now_ns - alert.within_ns
        }

    def _due(self, alert: Alert, now_ns: int) -> list[Message]:
        active, over = self._active[alert.name], self._over[alert.name]
        waiting = {name: state for name, state in active.items() if not state["sent"]}
        begun = {name: state for name, state in waiting.items() if now_ns - state["began"] >= alert.for_ns}
        messages = []
        for status, states in ((ALERT, begun), (OVER, over)):
            wait = f"{alert.name} {status}"
            if not states:
                self._waits.pop(wait, None)
            elif now_ns - self._waits.setdefault(wait, now_ns) >= alert.group_ns:
                del self._waits[wait]
                messages.append(_message(alert, status, states, now_ns))
        if messages:
            for state in begun.values() if messages[0]["status"] == ALERT else ():
                state["sent"] = True
            if messages[-1]["status"] == OVER:
                over.clear()
        return messages


def _of(names: set[str], saved: dict[str, Any]) -> dict[str, Any]:
    return {name: state for name, state in saved.items() if name in names}


def _fits(alert: Alert, finding: Happened) -> bool:
    if alert.condition == "rule":
        return any(fnmatchcase(finding.rule, one) for one in alert.rules)
    return Severity(finding.severity).rank >= alert.severity.rank


def _message(alert: Alert, status: str, states: dict[str, dict[str, Any]], now_ns: int) -> Message:
    items = [
        {
            "charge_point": name or None,
            "since": iso(state["since"]),
            **({"over": iso(state["ended"])} if status == OVER else {}),
            "text": state["text"],
        }
        for name, state in states.items()
    ]
    facts = repr((alert.name, status, sorted((name, state["since"]) for name, state in states.items())))
    number = hashlib.sha256(facts.encode()).hexdigest()[:16]
    return {"id": number, "status": status, "alert": alert.name, "at": iso(now_ns), "items": items}


def iso(ns: int) -> str:
    """Return a time in UTC, to the second."""
    return datetime.fromtimestamp(ns / _SECOND, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _long(ns: int) -> str:
    seconds = max(0, round(ns / _SECOND))
    for size, unit in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            return quantity(seconds // size, unit)
    return quantity(seconds, "second")
