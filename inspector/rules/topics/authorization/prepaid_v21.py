"""Judge how a CSMS answers for tokens of prepaid accounts."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import V21, Faults, Topic, result, rule
from inspector.rules.topics.example_frames import NOW, Payload, cp, script


def _asked(**told: object) -> str:
    token: Payload = {"idToken": "T", "type": "ISO14443"}
    return cp("Authorize", {"idToken": token}, {"idTokenInfo": {"status": "NoCredit", **told}})


class Prepaid21(Topic):
    """The rule about prepaid accounts."""

    scope = "station"
    versions = V21

    @rule(
        "authorize.prepaid-cached",
        result("Authorize"),
        title="A token without credit may stay in the cache of the station",
        severity=Severity.WARNING,
        spec="OCPP 2.1 C17.FR.02",
        remedy="Set cacheExpiryDateTime to the current time where you answer NoCredit.",
        bad=script(_asked()),
        good=script(_asked(cacheExpiryDateTime=NOW)),
        versions=V21,
        side=Side.CSMS,
    )
    def cached(self, frame: Frame) -> Faults:
        info = member(frame.payload, "idTokenInfo")
        if info.get("status") != "NoCredit":
            return None
        told = string(info, "cacheExpiryDateTime")
        if told is None:
            return Fault("the status is NoCredit, but cacheExpiryDateTime is missing", "/2/idTokenInfo", key="missing")
        until = seconds(told)
        if until is None or until <= frame.ts_ns / 1e9 + self.settings.clock_skew_s:
            return None
        text = f"the status is NoCredit, but cacheExpiryDateTime is later: {told[:30]}"
        return Fault(text, "/2/idTokenInfo/cacheExpiryDateTime", key="later")
