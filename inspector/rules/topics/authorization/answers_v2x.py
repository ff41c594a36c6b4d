"""Judge what the CSMS answers to Authorize, and how long a 2.1 station may use the answer."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.durations import duration
from inspector.rules.fields import member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.tokens_v2x import KnownTokens2x, Token, token_of
from inspector.rules.topics.example_frames import Payload, cp, script, started, variable_2x

_CARD: Payload = {"idToken": "T", "type": "ISO14443"}
_YES: Payload = {"idTokenInfo": {"status": "Accepted"}}
_SLACK_S = 30
_TIMEOUT = variable_2x("TxCtrlr", "EVConnectionTimeOut", "60")
_NO_CACHE = variable_2x("AuthCacheCtrlr", "Enabled", "false")


def _asked(kind: str = "ISO14443", **told: object) -> str:
    return cp("Authorize", {"idToken": {"idToken": "T", "type": kind}}, {"idTokenInfo": told})


class AuthorizeAnswers2x(Topic):
    """The rules about the answers to Authorize."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._granted: Known[Token, int] = Known()  # when (monotonic) the CSMS accepted tokens that are not used yet
        self._configuration = self.station.topic(ConfigurationState)
        self._tokens = self.station.topic(KnownTokens2x)

    @rule(
        "authorize.not-here",
        result("Authorize"),
        title="A token is not allowed at this location, but the answer names EVSEs for it",
        severity=Severity.WARNING,
        spec="OCPP 2.x C01.FR.22",
        remedy="Leave evseId out with the status NotAtThisLocation; answer Accepted where some EVSEs are allowed.",
        bad=script(_asked(status="NotAtThisLocation", evseId=[1])),
        good=script(_asked(status="NotAtThisLocation")),
        versions=V2X,
        side=Side.CSMS,
    )
    def not_here(self, frame: Frame) -> Faults:
        info = member(frame.payload, "idTokenInfo")
        if info.get("status") != "NotAtThisLocation" or not info.get("evseId"):
            return None
        return Fault("the status is NotAtThisLocation, but evseId has EVSEs", "/2/idTokenInfo/evseId")

    @rule(
        "authorize.key-code",
        result("Authorize"),
        title="A wrong key code is called unknown",
        severity=Severity.WARNING,
        spec="OCPP 2.x C04.FR.01",
        remedy="Answer Invalid to a key code that is not valid at the station.",
        bad=script(_asked("KeyCode", status="Unknown")),
        good=script(_asked("KeyCode", status="Invalid")),
        versions=V2X,
        side=Side.CSMS,
    )
    def key_code(self, frame: Frame) -> Faults:
        kind = string(member(frame.request, "idToken"), "type")
        status = string(member(frame.payload, "idTokenInfo"), "status")
        if kind != "KeyCode" or status not in ("Blocked", "NotAtThisLocation", "Unknown"):
            return None
        return Fault(f"the status of a KeyCode is {status}; expected Invalid", "/2/idTokenInfo/status")

    @rule(
        "authorize.outlived",
        call("TransactionEvent"),
        title="A car is plugged in too late, but the authorization is still used",
        severity=Severity.WARNING,
        spec="OCPP 2.1 C01.FR.26",
        remedy="End the authorization when no car is plugged in within TxCtrlr.EVConnectionTimeOut.",
        bad=script(_TIMEOUT, _NO_CACHE, _asked(status="Accepted"), "+ 10m", started(idToken=_CARD, answer=_YES)),
        good=script(_TIMEOUT, _NO_CACHE, _asked(status="Accepted"), "+ 30s", started(idToken=_CARD, answer=_YES)),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._granted,
    )
    def outlived(self, frame: Frame) -> Faults:
        token = token_of(frame.payload)
        since_ns = self._granted.pop(token, None) if token is not None else None
        timeout = self._configuration.variable_number("TxCtrlr", "EVConnectionTimeOut")
        if since_ns is None or not timeout or frame.payload.get("triggerReason") != "CablePluggedIn":
            return None
        late = (frame.mono_ns - since_ns) / 1e9
        if frame.payload.get("eventType") != "Started" or late <= timeout + _SLACK_S:
            return None
        if frame.payload.get("offline") is True or token in self._tokens.remote:
            return None
        return Fault(f"the car is plugged in {duration(late)} later; EVConnectionTimeOut is {timeout} s", "/3/idToken")

    @track(result("Authorize"), versions=V21)
    def granted(self, frame: Frame) -> None:
        token = token_of(frame.request)
        if token is None or token.kind == "DirectPayment":
            return
        # With a cache the driver may have shown the token again, and the station need not have asked.
        asks = self._tokens.flag("AuthCacheCtrlr", "Enabled") is not True
        if asks and member(frame.payload, "idTokenInfo").get("status") == "Accepted":
            self._granted.note(token, frame.mono_ns)
            self.station.refresh_listeners()
