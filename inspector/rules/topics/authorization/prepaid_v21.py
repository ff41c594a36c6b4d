"""Judge how a CSMS answers for tokens of prepaid accounts."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V21, Faults, Topic, result, rule
from inspector.rules.state.tokens_v2x import Token, token_of
from inspector.rules.topics.example_frames import NOW, Payload, cp, script, started


def _asked(**told: object) -> str:
    token: Payload = {"idToken": "T", "type": "ISO14443"}
    return cp("Authorize", {"idToken": token}, {"idTokenInfo": {"status": "NoCredit", **told}})


def _begun(**answer: object) -> str:
    token: Payload = {"idToken": "T", "type": "ISO14443"}
    told = {"idTokenInfo": {"status": "Accepted", "cacheExpiryDateTime": NOW}, **answer}
    return script(_asked(cacheExpiryDateTime=NOW, status="Accepted"), started(idToken=token, answer=told))


class Prepaid21(Topic):
    """The rules about prepaid accounts."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._prepaid: Known[Token, None] = Known()  # tokens that were answered with NoCredit before
        self._uncached: Known[Token, None] = Known()  # tokens that were accepted, but must not stay in the cache
        self._limited: Known[str, float] = Known()  # the limit of cost that the CSMS has set, by transaction id

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
        if token is not None:
            self._note(token, info, frame)
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

    def _note(self, token: Token, info: Payload, frame: Frame) -> None:
        status, until = string(info, "status"), seconds(string(info, "cacheExpiryDateTime"))
        before = bool(self._prepaid or self._uncached)
        self._uncached.pop(token, None)
        if status == "NoCredit":
            self._prepaid.note(token, None)
        elif status == "Accepted" and until is not None and until <= frame.ts_ns / 1e9 + self.settings.clock_skew_s:
            self._uncached.note(token, None)
        if before != bool(self._prepaid or self._uncached):
            self.station.refresh_listeners()

    @rule(
        "authorize.prepaid-limit",
        result("TransactionEvent"),
        title="A prepaid transaction gets no cost limit, or gets it twice",
        severity=Severity.WARNING,
        spec="OCPP 2.1 C17.FR.03",
        remedy="Set transactionLimit.maxCost to the balance once, in the answer to the event with the token.",
        bad=_begun(),
        good=_begun(transactionLimit={"maxCost": 20}),
        versions=V21,
        side=Side.CSMS,
        plain=False,
        dormant=lambda topic: not topic._prepaid and not topic._uncached,
    )
    def limit(self, frame: Frame) -> Faults:
        token, name = token_of(frame.request), string(member(frame.request, "transactionInfo"), "transactionId") or ""
        most = member(frame.payload, "transactionLimit").get("maxCost")
        ended = frame.request.get("eventType") == "Ended"
        if isinstance(most, int | float):
            before = self._limited.get(name)
            self._limited.note(name, most)
            if before == most and not ended:
                return Fault(f"maxCost {most} was already sent for {name[:36]}", "/2/transactionLimit", key=name)
            return None
        prepaid = token in self._prepaid
        if token is None or ended or name in self._limited or not (prepaid or token in self._uncached):
            return None
        if string(member(frame.payload, "idTokenInfo"), "status") != "Accepted":
            return None
        self._limited.note(name, -1)  # so that this is reported once
        severity = None if prepaid else Severity.INFO  # there may be another reason not to keep it in a cache
        what = "is prepaid" if prepaid else "may not be cached, like the tokens of prepaid accounts"
        return Fault(f"token {token} {what}, but maxCost is missing", "/2", severity=severity, key=name)
