"""Judge how a CSMS answers for tokens of prepaid accounts."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V21, Faults, Topic, result, rule
from inspector.rules.state.tokens_v2x import Token, token_of
from inspector.rules.topics.example_frames import NOW, Payload, cp, script


def _asked(**told: object) -> str:
    token: Payload = {"idToken": "T", "type": "ISO14443"}
    return cp("Authorize", {"idToken": token}, {"idTokenInfo": {"status": "NoCredit", **told}})


class Prepaid21(Topic):
    """The rule about prepaid accounts."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._prepaid: Known[Token, None] = Known()  # tokens that were answered with NoCredit before

    @rule(
        "authorize.prepaid-cached",
        result("Authorize"),
        title="A token of a prepaid account may stay in the cache of the station",
        severity=Severity.WARNING,
        spec="OCPP 2.1 C17.FR.01, C17.FR.02",
        remedy="Set cacheExpiryDateTime to the current time with NoCredit, and in later answers for that token.",
        bad=script(_asked()),
        good=script(_asked(cacheExpiryDateTime=NOW)),
        versions=V21,
        side=Side.CSMS,
    )
    def cached(self, frame: Frame) -> Faults:
        info, token = member(frame.payload, "idTokenInfo"), token_of(frame.request)
        status = string(info, "status")
        if status == "NoCredit" and token is not None:
            self._prepaid.note(token, None)
        if status != "NoCredit" and (status != "Accepted" or token not in self._prepaid):
            return None
        told = string(info, "cacheExpiryDateTime")
        what = f"the status is {status}" if status == "NoCredit" else "the account is prepaid"
        if told is None:
            return Fault(f"{what}, but cacheExpiryDateTime is missing", "/2/idTokenInfo", key="missing")
        until = seconds(told)
        if until is None or until <= frame.ts_ns / 1e9 + self.settings.clock_skew_s:
            return None
        text = f"{what}, but cacheExpiryDateTime is later: {told[:30]}"
        return Fault(text, "/2/idTokenInfo/cacheExpiryDateTime", key="later")
