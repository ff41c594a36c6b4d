"""Judge what a 2.x CSMS answers about tokens, and how a station clears its authorization cache."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.fields import elements, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import ASIDE, V2X, V21, Faults, Topic, aside, call, result, rule
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.tokens_v2x import KnownTokens2x, token_of
from inspector.rules.topics.example_frames import ACCEPTED, cp, csms, script, transaction_event

_TOKEN = {"idToken": "T", "type": "ISO14443"}
_EMPTY = {"idToken": "", "type": "NoAuthorization"}
_CERTIFICATE = {"idToken": {"idToken": "DE8AA1A2B3C4D5", "type": "eMAID"}, "certificate": "-----BEGIN CERTIFICATE-----"}
LANGUAGE_TAG = re.compile(r"([A-Za-z]{2,3}|[xi])(-[A-Za-z0-9]{1,8})*")
"""The form of a language tag; no language has a name of more than three letters."""
_CANCELLED = frozenset({"Blocked", "Expired", "Invalid", "Unknown"})
"""Statuses of a token whose contract is no longer valid, although its certificate is."""
STATUS_OF = {"CertificateExpired": "Expired", "CertificateRevoked": "Invalid", "CertChainError": "Invalid"}
"""For a status of a certificate, the status that its token must have."""
_CACHE_OFF = (
    '< [2,"v","GetVariables",{"getVariableData":[{"component":{"name":"AuthCacheCtrlr"},'
    '"variable":{"name":"Enabled"}}]}]\n'
    '> [3,"v",{"getVariableResult":[{"attributeStatus":"Accepted","attributeValue":"%s",'
    '"component":{"name":"AuthCacheCtrlr"},"variable":{"name":"Enabled"}}]}]\n'
)


def _said(**info: Any) -> str:
    return cp("Authorize", {"idToken": _TOKEN}, {"idTokenInfo": {**ACCEPTED, **info}})


def _certified(certificate: str, status: str) -> str:
    return cp("Authorize", _CERTIFICATE, {"certificateStatus": certificate, "idTokenInfo": {"status": status}})


def _infos(frame: Frame) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each idTokenInfo of a frame, as (JSON pointer, idTokenInfo)."""
    if "idTokenInfo" in frame.payload:
        yield "/2/idTokenInfo", member(frame.payload, "idTokenInfo")
    for index, entry in enumerate(elements(frame.payload, "localAuthorizationList")):
        yield f"/3/localAuthorizationList/{index}/idTokenInfo", member(entry, "idTokenInfo")


class Authorization2x(Topic):
    """The rules about idTokenInfo and the authorization cache."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._configuration = self.station.topic(ConfigurationState)
        self._tokens = self.station.topic(KnownTokens2x)

    @rule(
        "authorize.languages",
        result("Authorize", "TransactionEvent"),
        call("SendLocalList"),
        title="language2 of a token is set without language1, or is the same",
        severity=Severity.WARNING,
        spec="OCPP 2.x C01.FR.10, C01.FR.11",
        remedy="Set language2 only beside another language1.",
        bad=script(_said(language2="en")),
        good=script(_said(language1="de", language2="en")),
        versions=V2X,
        side=Side.CSMS,
        plain=False,
    )
    def languages(self, frame: Frame) -> Faults:
        """Judge every idTokenInfo by several rules. One check for all is faster, because most events have none."""
        if "idTokenInfo" not in frame.payload and "localAuthorizationList" not in frame.payload:
            return None
        others = [aside(self.no_authorization_refused, frame)] if frame.action == "TransactionEvent" else []
        if frame.call is not None:
            others.append(aside(self.group_missing, frame))
        others.append(aside(self.language_tag, frame))
        if self.session.version is OcppVersion.V21:
            others.append(aside(self.group_type, frame))
        faults = [fault for fault in others if fault is not None]
        for pointer, info in _infos(frame):
            first, second = string(info, "language1"), string(info, "language2")
            if second is None or (first is not None and first.lower() != second.lower()):
                continue
            why = "language1 is missing" if first is None else "language1 is the same"
            faults.append(Fault(f"language2 is {second[:8]!r}, but {why}", f"{pointer}/language2"))
            break
        return faults

    @rule(
        "authorize.group-type",
        ASIDE,
        call("RequestStartTransaction", "ReserveNow"),
        title="The group of a token is not of type Central",
        severity=Severity.WARNING,
        spec="OCPP 2.1 C09.FR.13",
        remedy="Set groupIdToken.type to Central: the CSMS makes up the group.",
        bad=script(_said(groupIdToken={"idToken": "G", "type": "ISO14443"})),
        good=script(_said(groupIdToken={"idToken": "G", "type": "Central"})),
        versions=V21,
        side=Side.CSMS,
    )
    def group_type(self, frame: Frame) -> Fault | None:
        own = string(member(frame.payload, "groupIdToken"), "type")
        if own not in (None, "Central"):
            return Fault(f"groupIdToken is of type {own}", "/3/groupIdToken/type")
        for pointer, info in _infos(frame):
            kind = string(member(info, "groupIdToken"), "type")
            if kind not in (None, "Central"):
                return Fault(f"groupIdToken is of type {kind}", f"{pointer}/groupIdToken/type")
        return None

    @rule(
        "authorize.language-tag",
        ASIDE,
        title="The language of a token is not a language tag",
        severity=Severity.WARNING,
        spec="OCPP 2.x C01.FR.17, C04.FR.05, C05.FR.04",
        remedy='Give languages as tags of RFC 5646, such as "en" or "en-US".',
        bad=script(_said(language1="en_US")),
        good=script(_said(language1="en-US")),
        versions=V2X,
        side=Side.CSMS,
    )
    def language_tag(self, frame: Frame) -> Fault | None:
        for pointer, info in _infos(frame):
            for name in ("language1", "language2"):
                told = string(info, name)
                if told is not None and not LANGUAGE_TAG.fullmatch(told):
                    return Fault(f"{name} is {told[:8]!r}, which is not a language tag", f"{pointer}/{name}")
        return None

    @rule(
        "authorize.group-missing",
        ASIDE,
        title="The answer about a token leaves out its group",
        severity=Severity.WARNING,
        spec="OCPP 2.x C01.FR.06, C09.FR.02, C09.FR.09, C09.FR.12",
        remedy="Give groupIdToken in each idTokenInfo of a token that belongs to a group.",
        bad=script(_said(groupIdToken={"idToken": "G", "type": "Central"}), _said()),
        good=script(_said(), _said(groupIdToken={"idToken": "G", "type": "Central"})),
        versions=V2X,
        side=Side.CSMS,
    )
    def group_missing(self, frame: Frame) -> Fault | None:
        info, token = member(frame.payload, "idTokenInfo"), token_of(frame.request)
        if token is None or "groupIdToken" in info or info.get("status") != "Accepted":
            return None
        entry = self._tokens.entry(token)
        group = self._tokens.groups.get(token) or (entry.group if entry is not None else None)
        if group is None:
            return None
        text = f"groupIdToken is missing; token {token} was in group {group[:36]!r}"
        return Fault(text, "/2/idTokenInfo", key=token.value[:36])

    @rule(
        "authorize.no-authorization-refused",
        ASIDE,
        title="A NoAuthorization token is not accepted",
        severity=Severity.ERROR,
        spec="OCPP 2.x C02.FR.02",
        remedy="Answer idTokenInfo.status Accepted to a token of type NoAuthorization.",
        bad=script(
            transaction_event("Updated", "Authorized", 3, idToken=_EMPTY, answer={"idTokenInfo": {"status": "Invalid"}})
        ),
        good=script(transaction_event("Updated", "Authorized", 3, idToken=_EMPTY, answer={"idTokenInfo": ACCEPTED})),
        versions=V2X,
        side=Side.CSMS,
    )
    def no_authorization_refused(self, frame: Frame) -> Fault | None:
        if member(frame.request, "idToken").get("type") != "NoAuthorization":
            return None
        status = string(member(frame.payload, "idTokenInfo"), "status")
        if status in (None, "Accepted"):
            return None
        return Fault(
            f"the status of a NoAuthorization token is {status[:20] if status else ''}", "/2/idTokenInfo/status"
        )

    @rule(
        "authorize.certificate-status",
        result("Authorize"),
        title="The status of a contract certificate contradicts the status of its token",
        severity=Severity.WARNING,
        spec="OCPP 2.x C07.FR.13, C07.FR.14, C07.FR.15, C07.FR.16, C07.FR.17",
        remedy="Answer CertificateExpired with Expired; CertificateRevoked and CertChainError with Invalid; and "
        "ContractCancelled where the certificate is valid but the token is not.",
        bad=script(_certified("CertificateExpired", "Invalid")),
        good=script(_certified("CertificateExpired", "Expired")),
        versions=V2X,
        side=Side.CSMS,
    )
    def certificate_status(self, frame: Frame) -> Faults:
        certificate = string(frame.payload, "certificateStatus")
        status = string(member(frame.payload, "idTokenInfo"), "status")
        if certificate is None and status is not None:
            given = [name for name in ("certificate", "iso15118CertificateHashData") if name in frame.request]
            return Fault(f"{given[0]} was sent, but certificateStatus is missing", "/2", key="none") if given else None
        if certificate is None or status is None:
            return None
        fitting = STATUS_OF.get(certificate)
        if fitting is not None and status != fitting:
            return Fault(f"{certificate} with the token's status {status[:20]}; expected {fitting}", "/2")
        if certificate == "ContractCancelled" and status not in _CANCELLED:
            return Fault(
                f"certificateStatus is ContractCancelled, but the token is {status[:20]}", "/2", key="cancelled"
            )
        if certificate == "Accepted" and status in _CANCELLED:
            text = f"certificateStatus is Accepted, but the token is {status}; expected ContractCancelled"
            return Fault(text, "/2/certificateStatus", key="accepted")
        return None

    @rule(
        "authorize.cache-disabled",
        result("ClearCache"),
        title="ClearCache is accepted although the authorization cache is disabled",
        severity=Severity.WARNING,
        spec="OCPP 2.x C11.FR.04",
        remedy="Answer ClearCache with Rejected while AuthCacheCtrlr.Enabled is false.",
        bad=script(_CACHE_OFF % "false", csms("ClearCache")),
        good=script(_CACHE_OFF % "true", csms("ClearCache")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def cache_disabled(self, frame: Frame) -> Faults:
        enabled = self._configuration.variable("AuthCacheCtrlr", "Enabled")
        if frame.payload.get("status") != "Accepted" or (enabled or "").lower() != "false":
            return None
        return Fault("Accepted, though AuthCacheCtrlr.Enabled is false", "/2/status")
