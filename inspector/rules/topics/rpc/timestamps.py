"""Judge whether date-times have the format that OCPP requires, and a plausible time.

The schemas say which members are date-times. The times of a charge point's own messages (`timestamp`, `generatedAt`)
are compared with the time of the frame: they must not be in the future. Times in the past are reported only if they are
within the connection, because earlier messages may have been queued.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from math import inf
from typing import Any, NamedTuple

from inspector.protocol import schemas
from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.rules.durations import duration
from inspector.rules.finding import Fault, Severity
from inspector.rules.rule import ANY_CALL, ANY_RESULT, ANY_SEND, Faults, Topic, call, rule, track
from inspector.rules.topics.rpc.exchange import Exchange

EARLIEST_S = datetime(2010, 1, 1, tzinfo=UTC).timestamp()
"""A clock with an earlier time was never set, because this is before OCPP 1.5."""
QUEUED_S = 3600.0
"""For so many seconds after the CSMS has refused or not answered a message, later messages may come late."""
ODD_LIMIT = 50
"""At most so many date-times of one frame are examined closely."""

_DIGIT = re.compile(r"\d")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MINUTES = {f"T{h:02}:{m:02}": h * 3600 + m * 60 for h in range(24) for m in range(60)}
_SECONDS = {f":{s:02}Z": s for s in range(60)}
_MILLISECONDS = {f".{ms:03}": ms / 1000 for ms in range(1000)}
_DAYS: dict[str, float] = {}
_DAYS_LIMIT = 512
_OWN = frozenset({"timestamp", "generatedAt"})
_DATE_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(Z|z|[+-][0-9]{2}:[0-9]{2}|[+-][0-9]{2}(?:[0-9]{2})?)?"
)
_STATUS = {
    "1.6": '> [2,"1","StatusNotification",{"connectorId":1,"errorCode":"NoError","status":"Available",'
    '"timestamp":"%s"}]',
    "2x": '> [2,"1","StatusNotification",{"connectorStatus":"Available","evseId":1,"connectorId":1,"timestamp":"%s"}]',
}


def _has_none(version: OcppVersion, sender: Direction, kind: str, action: str) -> bool:
    return not schemas.date_times(version, action, "response" if kind == "result" else "request")


def _status(time: str) -> dict[str, str]:
    return {version: script % time for version, script in _STATUS.items()}


class DateTime(NamedTuple):
    """A parsed date-time."""

    seconds: float  # since 1970; a date-time without an offset counts as UTC
    decimals: int
    offset: str | None


def read(text: str) -> DateTime | None:
    """Return a parsed date-time (RFC 3339, but the offset may be missing or short); None if it is not a date-time."""
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        return None
    day, minute, second, fraction, offset = found.groups()
    whole = "59" if second == "60" else second  # a leap second
    sign = "Z" if offset is None or offset in "Zz" else offset
    try:
        when = datetime.fromisoformat(f"{day}T{minute}:{whole}{sign}").timestamp()
    except (ValueError, OverflowError):
        return None
    return DateTime(when, len(fraction or ""), offset)


class _Odd(NamedTuple):
    """A date-time that needs a closer look."""

    pointer: str
    text: str
    own: bool  # whether it is the time of the charge point's own message, such as `timestamp`
    top: bool  # whether it is a member of the payload itself, not of an object within it
    read: DateTime | None


class Timestamps(Topic):
    """The rules about the date-times in payloads."""

    def setup(self) -> None:
        self._odd: list[_Odd] = []
        self._skew_s = self.settings.clock_skew_s
        self._timed = self.session.dated
        self._exchange = self.session.topic(Exchange)
        self._requests: dict[str, schemas.DateTimes] = {}  # which members are date-times, by action
        self._responses: dict[str, schemas.DateTimes] = {}
        self._version: OcppVersion | None = None  # the version of these actions
        self._status_wanted_ns: int | None = None  # monotonic time of the last trigger for a StatusNotification

    @rule(
        "time.format",
        ANY_CALL,
        ANY_RESULT,
        ANY_SEND,
        title="A date-time is malformed, or has more than 3 decimals in 2.x",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §3.15; OCPP 2.x part 2 §1 (time format); RFC 3339 §5.6",
        remedy="Write date-times as 2026-01-01T12:00:00Z, with at most 3 decimals.",
        bad=_status("2026-01-01 12:00"),
        good=_status("2026-01-01T12:00:00Z"),
        moot=_has_none,
    )
    def format(self, frame: Frame) -> Faults:
        if self._odd:
            self._odd.clear()
        action, version = frame.action, self.session.version
        if action is None or version is None:
            return None
        answer = frame.answer_status is not None
        places = (self._responses if answer else self._requests).get(action)
        if places is None or version is not self._version:
            places = self._places(version, action, answer)
        if not places:
            return None
        payload = frame.payload
        own = not answer and frame.direction is Direction.FROM_CHARGE_POINT and self._timed
        if self._plain(places, payload, frame.ts_ns / 1e9 if own else None, True):
            return None
        self._look("/2" if answer else "/3", places, payload, own, True)
        found = []
        for odd in self._odd:
            if odd.read is None:
                shape = _DIGIT.sub("9", odd.text[:40])
                found.append(Fault(f"{odd.text[:60]!r} is not a date-time", odd.pointer, key=shape))
            elif odd.read.decimals > 3 and version is not OcppVersion.V16:
                text = f"{odd.text[:60]!r} has {odd.read.decimals} decimals; at most 3 are allowed"
                found.append(Fault(text, odd.pointer, key="decimals"))
        return found

    @rule(
        "time.zone",
        ANY_CALL,
        ANY_RESULT,
        ANY_SEND,
        title="A date-time without a time zone, or not in UTC",
        severity={
            OcppVersion.V16: Severity.WARNING,
            OcppVersion.V201: Severity.ERROR,
            OcppVersion.V21: Severity.ERROR,
        },
        spec="OCPP 1.6 §3.15; OCPP 2.x part 2 §1 (time format); RFC 3339 §5.6",
        remedy="Write date-times in UTC with a Z at the end.",
        bad=_status("2026-01-01T12:00:00"),
        good=_status("2026-01-01T12:00:00Z"),
        moot=_has_none,
    )
    def zone(self, frame: Frame) -> Faults:
        found = []
        for odd in self._odd:
            if odd.read is None:
                continue
            offset = odd.read.offset
            if offset is None:
                text = f"{odd.text!r} has no time zone; expected Z or an offset such as +02:00"
                found.append(Fault(text, odd.pointer))
            elif len(offset) in (3, 5):
                text = f"{odd.text!r} has the offset {offset}; an offset is written {_long(offset)}"
                found.append(Fault(text, odd.pointer, key="short"))
            elif offset not in ("Z", "z", "+00:00", "-00:00"):
                text = f"{odd.text!r} is not in UTC"
                found.append(Fault(text, odd.pointer, severity=Severity.INFO, key="not utc"))
        return found

    @rule(
        "time.skew",
        ANY_CALL,
        ANY_SEND,
        title="A charge point sends a time that cannot be right",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §4.2 and §4.6; B01.FR.06, G02.FR.06",
        remedy="Set the clock by the currentTime of BootNotification and Heartbeat. `clock_skew_s` is the "
        "difference that is tolerated.",
        bad=_status("2026-01-01T13:00:00Z"),
        good=_status("2026-01-01T12:01:00Z"),
        moot=_has_none,
    )
    def skew(self, frame: Frame) -> Faults:
        if not self._odd:
            return None
        found = []
        now, skew = frame.ts_ns / 1e9, self._skew_s
        connected = inf if frame.payload.get("offline") is True else self.session.opened_at.ts_ns / 1e9
        for odd in self._odd:
            if not odd.own or odd.read is None:
                continue
            told = odd.read.seconds
            if told < EARLIEST_S:
                found.append(Fault(f"{odd.text!r} is long past: the clock was never set", odd.pointer, key="unset"))
            elif told - now > skew:
                text = f"{odd.text!r} is {duration(told - now)} later than its frame"
                found.append(Fault(text, odd.pointer, key="future"))
            elif odd.top and now - told > skew and told >= connected and not self._delayed(frame):
                text = f"{odd.text!r} is {duration(now - told)} earlier than its frame, although the connection was up"
                found.append(Fault(text, odd.pointer, key="past"))
        return found

    @track(call("TriggerMessage", "ExtendedTriggerMessage"))
    def triggered(self, frame: Frame) -> None:
        if frame.payload.get("requestedMessage") == "StatusNotification":
            self._status_wanted_ns = frame.mono_ns

    def _delayed(self, frame: Frame) -> bool:
        """Return whether a message may have a time long before its frame.

        While the CSMS refuses messages or does not answer them, later messages wait or are sent again (1.6 section
        3.7.1, E13). A triggered StatusNotification may have the time when the status began.
        """
        troubled_ns = self._exchange.troubled_ns.get(frame.direction)
        if troubled_ns is not None and frame.mono_ns - troubled_ns < QUEUED_S * 1e9:
            return True
        wanted_ns = self._status_wanted_ns
        return (
            frame.action == "StatusNotification"
            and wanted_ns is not None
            and frame.mono_ns - wanted_ns <= self.settings.effect_timeout_s * 1e9
        )

    def _places(self, version: OcppVersion, action: str, answer: bool) -> schemas.DateTimes:
        if version is not self._version:
            self._version = version
            self._requests.clear()
            self._responses.clear()
        places = schemas.date_times(version, action, "response" if answer else "request")
        if places:  # actions that a hostile peer invents have none, so they do not fill the table
            (self._responses if answer else self._requests)[action] = places
        return places

    def _plain(self, places: schemas.DateTimes, payload: dict[str, Any], now: float | None, top: bool) -> bool:
        """Return whether every date-time has the usual form and, compared with `now`, a plausible time. Fast."""
        for name, below in places:
            value = payload.get(name)
            if value is None:
                continue
            if below is None:
                if type(value) is not str:
                    continue
                told = _usual(value)
                if told is None:
                    return False
                if now is not None and name in _OWN:
                    ahead = told - now
                    if ahead > self._skew_s or (ahead < -self._skew_s and (top or told < EARLIEST_S)):
                        return False
            elif type(value) is list:
                for element in value:
                    if type(element) is dict and not self._plain(below, element, now, False):
                        return False
            elif type(value) is dict and not self._plain(below, value, now, False):
                return False
        return True

    def _look(self, pointer: str, places: schemas.DateTimes, payload: dict[str, Any], own: bool, top: bool) -> None:
        for name, below in places:
            value = payload.get(name)
            if below is None:
                if type(value) is str and len(self._odd) < ODD_LIMIT:
                    self._odd.append(_Odd(f"{pointer}/{name}", value, own and name in _OWN, top, read(value)))
            elif type(value) is dict:
                self._look(f"{pointer}/{name}", below, value, own, False)
            elif type(value) is list:
                for index, element in enumerate(value):
                    if type(element) is dict and len(self._odd) < ODD_LIMIT:
                        self._look(f"{pointer}/{name}/{index}", below, element, own, False)


def _usual(text: str) -> float | None:
    """Return the seconds since 1970 of a date-time like 2026-01-01T12:00:00Z or 2026-01-01T12:00:00.000Z.

    Return None for any other form. It uses tables and is three times as fast as datetime, because nearly every frame
    has date-times.
    """
    length = len(text)
    if length == 24:
        fraction = text[19:23]
        rest, milliseconds = text[16:19] + text[23], _MILLISECONDS.get(fraction)
        if milliseconds is None:
            return None
    elif length == 20:
        rest, milliseconds = text[16:], 0.0
    else:
        return None
    try:
        of_day = _MINUTES[text[10:16]] + _SECONDS[rest]
    except KeyError:
        return None
    day = _DAYS.get(text[:10])
    if day is None and (day := _day(text[:10])) is None:
        return None
    return day + of_day + milliseconds


def _day(text: str) -> float | None:
    """Return the seconds from 1970 to midnight of a date, and remember them; None if the text is not a date."""
    if not _DATE.fullmatch(text):
        return None
    try:
        day = datetime.fromisoformat(f"{text}T00:00:00Z").timestamp()
    except ValueError:
        return None
    if len(_DAYS) >= _DAYS_LIMIT:
        _DAYS.clear()
    _DAYS[text] = day
    return day


def seconds(text: str) -> float | None:
    """Return a date-time in seconds since 1970; None if the text is not a date-time."""
    usual = _usual(text)
    if usual is not None:
        return usual
    told = read(text)
    return told.seconds if told is not None else None


def _long(offset: str) -> str:
    return f"{offset[:3]}:{offset[3:] or '00'}"
