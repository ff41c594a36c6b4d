"""Judge whether a master pass only stops transactions."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose, Moment
from inspector.rules.durations import since
from inspector.rules.fields import member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import ASIDE, DEADLINE, V2X, Topic, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.device_model import DeviceModel
from inspector.rules.state.tokens_v2x import KnownTokens2x, Token
from inspector.rules.state.transactions_v2x import Event, Transactions2x
from inspector.rules.topics.example_frames import Payload, cp, script, started, transaction_event, variable_2x

_CARD: Payload = {"idToken": "T", "type": "ISO14443"}
_YES: Payload = {"idTokenInfo": {"status": "Accepted"}}
_MASTER: Payload = {"idTokenInfo": {"status": "Accepted", "groupIdToken": {"idToken": "MASTER", "type": "Central"}}}
_DISPLAYS = (("DisplayMessageCtrlr", "Available"), ("Display", "Available"), ("UIInput", "Available"))
_BLIND = variable_2x("DisplayMessageCtrlr", "Available", "false")
_PASS = variable_2x("AuthCtrlr", "MasterPassGroupId", "MASTER")


def authorize(token: Payload, answer: Payload) -> str:
    """Return an Authorize and its answer; `script` sets the message id."""
    return cp("Authorize", {"idToken": token}, answer)


def _presented(token: Payload, answer: Payload = _YES) -> str:
    return transaction_event("Updated", "Authorized", 1, idToken=token, answer=answer)


class MasterPass2x(Topic):
    """The rules about tokens of the group in MasterPassGroupId; `TokenUse2x` calls them."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._presented: Frame | None = None  # the answer to the latest Authorize, if it was for a master pass
        self._tokens = self.station.topic(KnownTokens2x)
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "authorize.master-pass",
        ASIDE,
        title="A transaction starts with a master pass",
        severity=Severity.ERROR,
        spec="OCPP 2.x C12.FR.09, C16.FR.03",
        remedy="Let tokens of the group in MasterPassGroupId stop transactions, but never start one.",
        bad=script(_PASS, started(), authorize(_CARD, _MASTER), _presented(_CARD, _MASTER)),
        good=script(_PASS, started(), authorize(_CARD, _YES), _presented(_CARD)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def master_pass(self, event: Event, token: Token) -> Fault | None:
        if not self._is_master(token):
            return None
        return Fault(f"token {token} is a master pass, and starts {event.transaction}", "/3/idToken")

    def _is_master(self, token: Token) -> bool:
        entry, answer = self._tokens.entry(token), self._tokens.answers.get(token)
        group = answer.group if answer is not None else entry.group if entry is not None else None
        master = self._configuration.variable("AuthCtrlr", "MasterPassGroupId") if group else None
        return bool(master) and (master or "").lower() == group

    @rule(
        "authorize.master-reason",
        ASIDE,
        title="A transaction that a master pass stopped does not say so",
        severity=Severity.WARNING,
        spec="OCPP 2.x C16.FR.08",
        remedy="Set stoppedReason to MasterPass where a token of the group in MasterPassGroupId ends the transaction.",
        bad=script(
            _PASS,
            started(),
            authorize(_CARD, _MASTER),
            transaction_event("Ended", "StopAuthorized", 1, {"stoppedReason": "Local"}, idToken=_CARD, answer=_MASTER),
        ),
        good=script(
            _PASS,
            started(),
            authorize(_CARD, _MASTER),
            transaction_event(
                "Ended", "StopAuthorized", 1, {"stoppedReason": "MasterPass"}, idToken=_CARD, answer=_MASTER
            ),
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def master_reason(self, event: Event, token: Token | None, frame: Frame) -> Fault | None:
        reason = string(event.info, "stoppedReason")
        if event.kind != "Ended" or reason == "MasterPass":
            return None
        if token is None:  # the event does not say which token was presented
            presented, self._presented = self._presented, None
            if presented is None or frame.mono_ns - presented.mono_ns > self.settings.effect_timeout_s * 1e9:
                return None
        elif not self._is_master(token):
            return None
        return Fault(f"a master pass ends {event.transaction} with stoppedReason {reason or 'missing'}", "/3")

    @rule(
        "authorize.master-not-all",
        DEADLINE,
        title="A master pass is accepted at a station without a display, but a transaction goes on",
        severity=Severity.WARNING,
        spec="OCPP 2.x C16.FR.02",
        remedy="Stop all transactions for a token of the group in MasterPassGroupId where nobody can select some.",
        bad=script(_PASS, _BLIND, started(), authorize(_CARD, _MASTER), "+ 5m"),
        good=script(
            _PASS,
            _BLIND,
            started(),
            authorize(_CARD, _MASTER),
            transaction_event("Ended", "StopAuthorized", 1, {"stoppedReason": "MasterPass"}),
            "+ 5m",
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_all(self, moment: Moment, frame: Frame, names: tuple[str, ...]) -> Fault | None:
        if self.session not in self.station.sessions:
            return None
        known = self.station.topic(Transactions2x).by_id
        left = [name for name in names if name in known and known[name].open]
        if not left:
            return None
        wait = since(frame, moment)
        return Fault(f"transaction {left[0][:36]} has not ended within {wait}", frame=frame, key=left[0][:36])

    @track(result("Authorize"))
    def presented(self, frame: Frame) -> None:
        self._presented = None
        group = string(member(member(frame.payload, "idTokenInfo"), "groupIdToken"), "idToken")
        master = self._configuration.variable("AuthCtrlr", "MasterPassGroupId")
        if not group or not master or group.lower() != master.lower():
            return
        if member(frame.payload, "idTokenInfo").get("status") != "Accepted":
            return
        self._presented = frame
        if self._has_display():
            return
        ongoing = self.station.topic(Transactions2x).open_transactions()
        names = tuple(one.transaction_id for one in ongoing[:100])
        if names:
            self.station.deadline(
                frame, self.settings.effect_timeout_s, self.not_all, frame, names, at_close=AtClose.LATE
            )

    def _has_display(self) -> bool:
        """Whether drivers may be able to select transactions at this station."""
        device = self.station.topic(DeviceModel)
        if device.whole:
            return not {"displaymessagectrlr", "display", "uiinput"}.isdisjoint(device.components)
        told = [self._configuration.variable(*name) for name in _DISPLAYS]
        return "true" in told or "false" not in told
