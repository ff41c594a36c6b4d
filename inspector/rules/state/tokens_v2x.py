"""Track what the CSMS and the local list say about the tokens at a 2.x station.

The capture may show only a part of the local list; `listed_whole` is True after a Full update was accepted.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, member, seconds, string
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, Topic, call, result, track
from inspector.rules.state.configuration import ConfigurationState

LIST_LIMIT = 5000


class Token(NamedTuple):
    """The identity of a token (C01.FR.25). The value is in lower case, because it is case-insensitive."""

    value: str
    kind: str | None

    def __str__(self) -> str:
        return f"{self.value[:36]!r} ({(self.kind or 'no type')[:20]})"


class Info(NamedTuple):
    """The last information about a token, and its monotonic time in nanoseconds."""

    status: str
    group: str | None
    evses: frozenset[int]
    until: float | None  # cacheExpiryDateTime
    told_ns: int


def token_of(payload: dict[str, Any], name: str = "idToken") -> Token | None:
    """Return the token in the member `name` of a payload; None if it has none."""
    given = payload.get(name)
    if type(given) is not dict:
        return None
    value = given.get("idToken")
    return Token(value.lower(), string(given, "type")) if type(value) is str else None


def _info(given: dict[str, Any], frame: Frame) -> Info | None:
    status, group = string(given, "status"), string(member(given, "groupIdToken"), "idToken")
    if status is None:
        return None
    places = given.get("evseId")
    evses = frozenset(one for one in places[:100] if type(one) is int) if type(places) is list else frozenset()
    until = seconds(string(given, "cacheExpiryDateTime"))
    return Info(status, group.lower() if group else None, evses, until, frame.mono_ns)


LATE_S = 30.0
"""The cache may drop an entry so much later than AuthCacheCtrlr.LifeTime says."""


class KnownTokens2x(Topic):
    """The tokens of one charging station.

    Attributes:
        answers: the latest idTokenInfo of each token, in an answer to Authorize or TransactionEvent.
        groups: the latest group that an answer gave for a token.
        asked: when (monotonic) the latest Authorize for each token was sent.
        remote: tokens that came with an accepted remote start.
        unlisted: tokens that the station has asked about since the list was changed.
        listed: the known entries of the local list; None for a token that was removed from it.
        listed_whole: whether nothing but `listed` is in the list.
        placed: whether any answer names EVSEs.
        cleared_ns: when (monotonic) the cache was last cleared, None if that was not seen.
        forgotten: when (monotonic) the station was asked to clear what it knows about a customer, by the token.
    """

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self.answers: Known[Token, Info] = Known()
        self.groups: Known[Token, str] = Known()
        self.asked: Known[Token, int] = Known()
        self.remote: Known[Token, None] = Known()
        self.unlisted: Known[Token, None] = Known()
        self.listed: dict[Token, Info | None] = {}
        self.listed_whole = False
        self.placed = False
        self.cleared_ns: int | None = None
        self.forgotten: Known[Token, int] = Known()
        self._configuration = self.station.topic(ConfigurationState)

    def flag(self, component: str, variable: str) -> bool | None:
        """Return the value of a variable as a boolean; None if it is not known."""
        told = (self._configuration.variable(component, variable) or "").lower()
        return {"true": True, "false": False}.get(told)

    def entry(self, token: Token) -> Info | None:
        """Return the token's entry in the local list; None if none is known or the list is disabled."""
        return self.listed.get(token) if self.flag("LocalAuthListCtrlr", "Enabled") is not False else None

    def expired(self, entry: Info, frame: Frame) -> bool:
        """Return whether an entry of the local list has expired, at a station that supports expiry dates."""
        known = self.flag("LocalAuthListCtrlr", "SupportsExpiryDateTime") is True
        past = entry.until is not None and entry.until < frame.ts_ns / 1e9 - self.settings.clock_skew_s
        return known and past

    def outdated(self, answer: Info, frame: Frame) -> bool:
        """Whether the entry that the cache made of an answer must be gone."""
        if answer.until is not None:
            return answer.until < frame.ts_ns / 1e9 - LATE_S
        most = self._configuration.variable_number("AuthCacheCtrlr", "LifeTime")
        age_s = (frame.mono_ns - answer.told_ns) / 1e9
        return bool(most) and age_s > (most or 0) + LATE_S

    def cache_only(self, token: Token) -> bool:
        """Whether the token cannot be in the local list; the station would not have asked for one that is there."""
        if self.flag("LocalAuthListCtrlr", "Enabled") is False or (token in self.unlisted and token not in self.listed):
            return True
        return self.listed_whole and self.listed.get(token) is None

    def not_stored(self, token: Token) -> bool:
        """Whether the station can have the token neither in its cache nor in its local list."""
        if self.flag("AuthCacheCtrlr", "Enabled") is not False:
            answer, cleared_ns = self.answers.get(token), self.forgotten.get(token, self.cleared_ns)
            if cleared_ns is None or (answer is not None and answer.told_ns > cleared_ns):
                return False
        return self.cache_only(token)

    @track(call("Authorize"))
    def authorized(self, frame: Frame) -> None:
        token = token_of(frame.payload)
        if token is not None:
            self.asked.note(token, frame.mono_ns)
            if self.flag("AuthCtrlr", "LocalPreAuthorization") is not False:
                self.unlisted.note(token, None)

    @track(result("Authorize", "TransactionEvent"), plain=False)
    def answered(self, frame: Frame) -> None:
        if "idTokenInfo" not in frame.payload:
            return
        token, info = token_of(frame.request), _info(member(frame.payload, "idTokenInfo"), frame)
        if token is None or info is None:
            return
        self.answers.note(token, info)
        self.placed = self.placed or bool(info.evses)
        if info.group is not None:
            self.groups.note(token, info.group)

    @track(result("ClearCache"))
    def cleared(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted":
            self.cleared_ns = frame.mono_ns

    @track(result("CustomerInformation"))
    def customer_cleared(self, frame: Frame) -> None:
        token = token_of(frame.request)
        if token is not None and frame.request.get("clear") is True and frame.payload.get("status") == "Accepted":
            self.forgotten.note(token, frame.mono_ns)

    @track(result("RequestStartTransaction"))
    def started(self, frame: Frame) -> None:
        token = token_of(frame.request)
        if token is not None and frame.payload.get("status") == "Accepted":
            self.remote.note(token, None)

    @track(result("SendLocalList"))
    def list_sent(self, frame: Frame) -> None:
        if frame.payload.get("status") != "Accepted":
            return
        self.unlisted.clear()
        if frame.request.get("updateType") == "Full":
            self.listed.clear()
            self.listed_whole = True
        for entry in elements(frame.request, "localAuthorizationList"):
            token = token_of(entry)
            if token is None:
                continue
            if token not in self.listed and len(self.listed) >= LIST_LIMIT:
                self.listed_whole = False
                continue
            info = self.listed[token] = _info(member(entry, "idTokenInfo"), frame)
            if info is None and ("idTokenInfo" in entry or frame.request.get("updateType") == "Full"):
                self.listed_whole = False
