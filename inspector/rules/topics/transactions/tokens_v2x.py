"""Judge which token the events of a 2.x transaction have after an authorization or a remote start, and at the stop."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import since
from inspector.rules.fields import integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import ASIDE, DEADLINE, V2X, Faults, Topic, aside, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.tokens_v2x import KnownTokens2x, token_of
from inspector.rules.state.transactions_v2x import CONNECTED, Event, Transactions2x
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.example_frames import (
    BOOT_2X,
    Payload,
    cp,
    csms,
    script,
    started,
    status_2x,
    transaction_event,
)
from inspector.rules.topics.transactions.deauthorization_v2x import Deauthorization2x

REFUSALS = frozenset({"Blocked", "Expired", "Invalid", "Unknown"})
"""Statuses with which a token is refused at any time and place."""
UNSPECIFIC = frozenset({"CablePluggedIn", "ChargingStateChanged", "MeterValueClock", "MeterValuePeriodic"})
"""Triggers that do not say that a token was authorized."""
_UNSAID = frozenset({"ChargingStateChanged", "MeterValueClock", "MeterValuePeriodic"})
"""Triggers that do not say who has ended a transaction."""
REFUSED_S = 60.0
"""A token that was refused more than so many seconds ago may be valid by now."""

_TOKEN = {"idToken": "T", "type": "ISO14443"}
_OTHER = {"idToken": "U", "type": "ISO14443"}
_VALID: Payload = {"idTokenInfo": {"status": "Accepted"}}
_REMOTE = csms("RequestStartTransaction", {"remoteStartId": 5, "evseId": 1, "idToken": _TOKEN})
_CHARGING = {"chargingState": "Charging"}
_ENDED = {"stoppedReason": "Local"}
_BEGUN = started(idToken=_TOKEN, answer=_VALID)


def _authorize(status: str = "Accepted") -> str:
    return cp("Authorize", {"idToken": _TOKEN}, {"idTokenInfo": {"status": status}})


def _remote(token: Payload | None) -> str:
    told = {} if token is None else {"idToken": token, "answer": _VALID}
    return transaction_event("Started", "RemoteStart", 0, {"remoteStartId": 5, "chargingState": "Idle"}, **told)


def _named(payload: Payload) -> str | None:
    token = string(member(payload, "idToken"), "idToken")
    return token.lower() if token else None


def _plugged(event: Event) -> bool:
    return event.info.get("chargingState") == "EVConnected" and event.token is None and event.before is None


class Tokens2x(Topic):
    """The rules about the tokens of transactions."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._remote: Known[int, str] = Known()  # the token of each accepted remote start
        self._accepted: Known[str, int] = (
            Known()
        )  # by token that Authorize has accepted and no event has named yet: the monotonic time of the answer
        self._refused: Known[str, tuple[int, str]] = Known()  # time and status of the answer, by refused token
        self._of: Known[str, str] = Known()  # the token that each transaction began with
        self._asked: Known[str, Frame] = Known()  # Authorize CALLs for the token of an open transaction, by token
        self._grouped: Known[str, bool] = Known()  # such tokens in the group of one, and whether the station knows them
        self._needs: set[int] = set()  # EVSEs whose car uses ISO 15118
        self._transactions = self.station.topic(Transactions2x)

    @rule(
        "transaction-event.remote-token",
        call("TransactionEvent"),
        title="A remote start is reported with another token than the one requested",
        severity=Severity.ERROR,
        spec="OCPP 2.x F01.FR.04, F02.FR.12",
        remedy="Send the idToken of the RequestStartTransaction in the events of the transaction.",
        bad=script(_REMOTE, _remote(_OTHER)),
        good=script(_REMOTE, _remote(_TOKEN)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def remote_token(self, frame: Frame) -> Faults:
        event = self._transactions.event
        if event is None:
            return None
        if event.kind == "Started" and event.trigger == "ChargingStateChanged" and _plugged(event):
            return aside(self.unspecific, event, "a car is plugged in with ChargingStateChanged")
        if event.token is None and event.kind != "Ended" and not self._accepted and not self._remote:
            return None
        name, number = event.transaction.transaction_id, integer(event.info, "remoteStartId")
        wanted = self._remote.get(number) if number is not None else None
        token = _named(frame.payload) if event.token is not None else None
        fault: Fault | None = None
        if event.kind == "Ended":
            fault = aside(self.stop_trigger, event)
        if event.token is not None:
            self._accepted.pop(token or "", None)
            if event.trigger == "Authorized" and token == self._of.get(name) and self._stops(event):
                text = f"{event.transaction} stops charging with its own token"
                fault = aside(self.stop_trigger, event, text)
            if event.trigger == "StopAuthorized" and token in self._asked:
                own = token == self._of.get(name)
                if own or token in self._grouped:
                    fault = aside(self.needless_authorize, token, event, frame, own)
            if name not in self._of:
                self._of.note(name, token or "")
                if event.kind == "Updated" and event.trigger in UNSPECIFIC and event.transaction.known_from_start:
                    fault = aside(self.unspecific, event, f"the first token comes with {event.trigger}") or fault
            if wanted is not None and token is not None and token != wanted:
                text = f"the token of remote start {number} was {wanted[:36]!r}, not {token[:36]!r}"
                return Fault(text, "/3/idToken", key=str(number))
        elif name not in self._of and not event.offline and (wanted is not None or self._accepted):
            self._lacks(event, frame, wanted)
        return fault

    def _stops(self, event: Event) -> bool:
        """Whether this event is the first to report that a transaction no longer charges."""
        before = self.station.topic(Deauthorization2x).before
        return event.kind == "Updated" and before == "Charging" and event.info.get("chargingState") == "EVConnected"

    def _lacks(self, event: Event, frame: Frame, wanted: str | None) -> None:
        """Set a deadline for the token of a transaction whose event should have had it."""
        wait, severity = self.settings.effect_timeout_s, Severity.WARNING
        if wanted is None:
            wanted, since_ns = next(reversed(self._accepted.items()))
            if frame.mono_ns - since_ns > wait * 1e9 or not event.transaction.known_from_start:
                return
            evses = {evse for evse, _ in self.station.topic(Evses2x).connectors}
            if event.info.get("chargingState") != "Charging":
                if event.kind != "Started" or string(event.info, "chargingState") not in CONNECTED or len(evses) > 1:
                    return  # the token may be for another EVSE
                severity = Severity.WARNING if evses else Severity.INFO
        else:
            self._remote.pop(integer(event.info, "remoteStartId") or 0, None)
        self.station.deadline(frame, wait, self.token_not_sent, event, wanted, severity, frame, at_close=AtClose.JUDGED)

    @rule(
        "transaction-event.token-not-sent",
        DEADLINE,
        title="The events of a transaction do not name the token that was authorized for it",
        severity=Severity.WARNING,
        spec="OCPP 2.x C05.FR.05, E01.FR.10, E02.FR.20, E03.FR.01, F02.FR.05",
        remedy="Send idToken in the next TransactionEvent once the token is known, with triggerReason Authorized.",
        bad=script(
            BOOT_2X,
            status_2x("Available"),
            started(),
            _authorize(),
            transaction_event("Updated", "ChargingStateChanged", 1, _CHARGING),
            "+ 5m",
        ),
        good=script(
            started(),
            _authorize(),
            transaction_event("Updated", "Authorized", 1, idToken=_TOKEN, answer=_VALID),
            transaction_event("Updated", "ChargingStateChanged", 2, _CHARGING),
            "+ 5m",
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def token_not_sent(self, moment: Moment, event: Event, wanted: str, severity: Severity, frame: Frame) -> Faults:
        name = event.transaction.transaction_id
        if name in self._of or self.session not in self.station.sessions:
            return None
        if wanted not in self._accepted and "remoteStartId" not in event.info:
            return None
        wait = since(frame, moment)
        text = f"{event.transaction} does not name a token within {wait}, though {wanted[:36]!r} is authorized"
        return Fault(text, "/3", severity=severity, frame=frame, key=name)

    @rule(
        "transaction-event.unspecific-trigger",
        ASIDE,
        title="The trigger of an event does not say what has happened",
        severity=Severity.WARNING,
        spec="OCPP 2.x E01.FR.15, E02.FR.01, E02.FR.15, E02.FR.17, E02.FR.20, E03.FR.12",
        remedy="Use the most specific trigger: Authorized with the token, CablePluggedIn when the car is plugged in.",
        bad=script(
            BOOT_2X,
            started(),
            transaction_event("Updated", "ChargingStateChanged", 1, _CHARGING, idToken=_TOKEN, answer=_VALID),
        ),
        good=script(
            BOOT_2X,
            started(),
            transaction_event("Updated", "Authorized", 1, _CHARGING, idToken=_TOKEN, answer=_VALID),
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unspecific(self, event: Event, what: str) -> Fault | None:
        return Fault(f"{what} in {event.transaction}", "/3/triggerReason", key=event.transaction.transaction_id)

    @rule(
        "transaction-event.needless-authorize",
        ASIDE,
        title="The token of a transaction is authorized again before it stops that transaction",
        severity=Severity.WARNING,
        spec="OCPP 2.x C01.FR.03, C01.FR.04, C06.FR.03, C09.FR.07, E07.FR.01",
        remedy="End the authorization without Authorize when the token is the one that began it.",
        bad=script(
            _BEGUN,
            _authorize(),
            transaction_event("Ended", "StopAuthorized", 1, _ENDED, idToken=_TOKEN, answer=_VALID),
        ),
        good=script(_BEGUN, transaction_event("Ended", "StopAuthorized", 1, _ENDED, idToken=_TOKEN, answer=_VALID)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def needless_authorize(self, token: str, event: Event, frame: Frame, own: bool) -> Fault | None:
        asked = self._asked.pop(token)
        if frame.mono_ns - asked.mono_ns > self.settings.effect_timeout_s * 1e9:
            return None
        sure = own or self._grouped[token]
        what = "the token that {} began with" if own else "a known token in the group of {}"
        text = f"Authorize for {token[:36]!r}, {what.format(event.transaction)}"
        severity = None if sure else Severity.INFO  # the station may have no cache
        return Fault(text, "/3/idToken", frame=asked, severity=severity, key=event.transaction.transaction_id)

    @rule(
        "transaction-event.stop-trigger",
        ASIDE,
        title="A stop by the driver or the car is not reported as StopAuthorized",
        severity=Severity.WARNING,
        spec="OCPP 2.x E07.FR.02, E15.FR.04, E15.FR.05; OCPP 2.1 C16.FR.07, C20.FR.01",
        remedy="Send triggerReason StopAuthorized when a token, or the car by ISO 15118, ends the authorization.",
        bad=script(_BEGUN, transaction_event("Ended", "Authorized", 1, _ENDED, idToken=_TOKEN, answer=_VALID)),
        good=script(_BEGUN, transaction_event("Ended", "StopAuthorized", 1, _ENDED, idToken=_TOKEN, answer=_VALID)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def stop_trigger(self, event: Event, stops: str | None = None) -> Fault | None:
        if stops is not None:
            text = f"{stops}, but triggerReason is {event.trigger}"
            return Fault(text, "/3/triggerReason", key=event.transaction.transaction_id)
        one, reason = event.transaction, string(event.info, "stoppedReason")
        if one.stopped_locally or one.stopped_remotely or event.trigger == "StopAuthorized":
            return None
        by_token = event.trigger == "Authorized" and reason in (None, "Local") and one.transaction_id in self._of
        by_car = reason == "StoppedByEV"
        own = event.token is not None and _named({"idToken": event.token}) == self._of.get(one.transaction_id)
        by_token = by_token or (reason == "MasterPass" and event.kind == "Ended")
        by_token = by_token or (event.trigger in _UNSAID and (reason == "Local" or own))
        if not by_token and not by_car:
            return None
        text = f"{one} is stopped by {'the car' if by_car else 'a token'}, but triggerReason is {event.trigger}"
        points = self.station.topic(ConfigurationState).variable("TxCtrlr", "TxStopPoint") or "EnergyTransfer"
        # Nothing else has shown that the car uses ISO 15118, or that a car which takes no energy does not end it.
        unsure = by_car and one.evse not in self._needs and "EnergyTransfer" in points
        severity = Severity.INFO if unsure else None
        return Fault(text, "/3/triggerReason", key=one.transaction_id, severity=severity)

    @rule(
        "transaction-event.refused-token-accepted",
        result("TransactionEvent"),
        title="The CSMS accepts a token in a transaction right after it has refused the token",
        severity=Severity.WARNING,
        spec="OCPP 2.x E01.FR.11, E02.FR.04, E05.FR.01",
        remedy="Check the token of each TransactionEvent, and answer as Authorize was answered.",
        bad=script(_authorize("Blocked"), _BEGUN),
        good=script(_authorize(), _BEGUN),
        versions=V2X,
        side=Side.CSMS,
        dormant=lambda topic: not topic._refused,
    )
    def refused_token_accepted(self, frame: Frame) -> Faults:
        token = _named(frame.request)
        known = self._refused.get(token or "")
        if known is None or string(member(frame.payload, "idTokenInfo"), "status") != "Accepted":
            return None
        if frame.mono_ns - known[0] > REFUSED_S * 1e9 or frame.request.get("offline") is True:
            return None
        text = f"{(token or '')[:36]!r} is Accepted; Authorize was answered {known[1]} just before"
        return Fault(text, "/2/idTokenInfo/status", key=token or "")

    @track(call("Authorize"))
    def asked(self, frame: Frame) -> None:
        token = _named(frame.payload)
        if token is None:
            return
        running = [one for one in self._transactions.open_transactions()[:20] if not one.stopped_locally]
        if any(self._of.get(one.transaction_id) == token for one in running):
            self._asked.note(token, frame)
            return
        self._grouped.pop(token, None)
        sure = self._is_known(frame) if running else None
        if sure is not None:
            self._asked.note(token, frame)
            self._grouped.note(token, sure)

    def _is_known(self, frame: Frame) -> bool | None:
        """Whether the station certainly knows the token of an Authorize, in the group of a transaction; None if not."""
        known, token = self.station.topic(KnownTokens2x), token_of(frame.payload)
        if token is None:
            return None
        entry, answer = known.entry(token), known.answers.get(token)
        one = entry or (answer if known.flag("AuthCacheCtrlr", "Enabled") is not False else None)
        if one is None or one.status != "Accepted" or one.group is None:
            return None
        if entry is None and (known.outdated(one, frame) or (known.cleared_ns or -1) > one.told_ns):
            return None
        if one.until is not None and one.until < frame.ts_ns / 1e9:
            return None
        groups = {group for its, group in known.groups.items() if its.value in self._running()}
        if one.group not in groups:
            return None
        return entry is not None or known.flag("AuthCacheCtrlr", "Enabled") is True

    def _running(self) -> set[str]:
        running = self._transactions.open_transactions()[:20]
        return {self._of[one.transaction_id] for one in running if one.transaction_id in self._of}

    @track(result("Authorize"))
    def authorized(self, frame: Frame) -> None:
        token, status = _named(frame.request), string(member(frame.payload, "idTokenInfo"), "status")
        if token is None:
            return
        self._refused.pop(token, None)
        if status in REFUSALS:
            self._refused.note(token, (frame.mono_ns, status or ""))
            self.station.refresh_listeners()
        elif status == "Accepted" and token not in self._asked:
            self._accepted.note(token, frame.mono_ns)

    @track(result("RequestStartTransaction"))
    def remote_started(self, frame: Frame) -> None:
        number, token = integer(frame.request, "remoteStartId"), _named(frame.request)
        if number is not None and token is not None and frame.payload.get("status") == "Accepted":
            self._remote.note(number, token)

    @track(call("NotifyEVChargingNeeds"))
    def needs(self, frame: Frame) -> None:
        place = integer(frame.payload, "evseId")
        if place is not None and len(self._needs) < 500:
            self._needs.add(place)
