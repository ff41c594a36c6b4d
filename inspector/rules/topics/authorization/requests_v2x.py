"""Judge the content of the Authorize CALLs of a 2.x station."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import member
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import V2X, Faults, Topic, call, rule
from inspector.rules.state.tokens_v2x import KnownTokens2x, token_of
from inspector.rules.topics.authorization.master_pass_v2x import authorize
from inspector.rules.topics.authorization.tokens_v2x import CARD, YES, local_list
from inspector.rules.topics.example_frames import cp, script


class AuthorizeRequests2x(Topic):
    """The rules about Authorize."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._tokens = self.station.topic(KnownTokens2x)

    @rule(
        "authorize.listed",
        call("Authorize"),
        title="An Authorize is sent for a token that the local list accepts",
        severity=Severity.INFO,
        spec="OCPP 2.x C14.FR.02, C14.FR.04",
        remedy="Start with a token that is Accepted in the local list without asking the CSMS first.",
        bad=script(local_list(CARD, "Accepted"), authorize(CARD, YES)),
        good=script(local_list(CARD, "Blocked"), authorize(CARD, YES)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def listed(self, frame: Frame) -> Faults:
        token = token_of(frame.payload)
        entry = self._tokens.entry(token) if token is not None and self._tokens.listed else None
        if entry is None or entry.status != "Accepted" or self._tokens.expired(entry, frame):
            return None
        if self._tokens.flag("AuthCtrlr", "LocalPreAuthorization") is False:
            return None
        return Fault(f"Authorize for token {token}, which is Accepted in the local list", "/3/idToken")

    @rule(
        "authorize.contract",
        call("Authorize"),
        title="The Authorize of a contract certificate has no data about the certificate",
        severity=Severity.WARNING,
        spec="OCPP 2.x C07.FR.02",
        remedy="Send iso15118CertificateHashData, or the certificate itself, with a token of type eMAID.",
        bad=script(authorize({"idToken": "DE8AA1A2B3C4D5", "type": "eMAID"}, YES)),
        good=script(
            cp(
                "Authorize",
                {"idToken": {"idToken": "DE8AA1A2B3C4D5", "type": "eMAID"}, "certificate": "x"},
                {**YES, "certificateStatus": "Accepted"},
            )
        ),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def contract(self, frame: Frame) -> Faults:
        if member(frame.payload, "idToken").get("type") != "eMAID":
            return None
        if "certificate" in frame.payload or "iso15118CertificateHashData" in frame.payload:
            return None
        return Fault("the token is an eMAID, but iso15118CertificateHashData and certificate are missing", "/3")
