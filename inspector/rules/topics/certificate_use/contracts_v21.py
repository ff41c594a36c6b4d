"""Contract certificates that a charging station fetches for a car; ISO 15118-20 allows several of them."""

from __future__ import annotations

from typing import NamedTuple

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose
from inspector.rules.fields import integer, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise
from inspector.rules.rule import V21, Faults, Topic, call, result, rule, track
from inspector.rules.topics.example_frames import cp, script

_ACTION = "Get15118EVCertificate"
_OLD, _NEW = "urn:iso:15118:2:2013:MsgDef", "urn:iso:std:iso:15118:-20:CommonMessages"
_CHAINS = "maximumContractCertificateChains"


def _fetched(remaining: int | None = None, schema: str = _NEW, most: int | None = 3, action: str = "Install") -> str:
    asked = {"iso15118SchemaVersion": schema, "action": action, "exiRequest": "AA=="}
    asked = asked if most is None else {**asked, _CHAINS: most}  # type: ignore[dict-item]
    told = {"status": "Accepted", "exiResponse": "AA=="}
    return cp(_ACTION, asked, told if remaining is None else {**told, "remainingContracts": remaining})


class Fetched(NamedTuple):
    """The contracts of one request: how many have come, and how many remain."""

    received: int
    remaining: int


def _more(topic: ContractCertificates, frame: Frame) -> str | None:
    """Return the EXI request that must be sent again after this answer, None for none."""
    told, most = topic.fetched.get(string(frame.request, "exiRequest") or ""), integer(frame.request, _CHAINS)
    if told is None or most is None or told.remaining <= 0 or told.received >= most:
        return None
    return string(frame.request, "exiRequest")


class ContractCertificates(Topic):
    """Rules about Get15118EVCertificate.

    Attributes:
        fetched: what has been answered, by exiRequest.
    """

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self.fetched: Known[str, Fetched] = Known()

    @rule(
        "certificate.contract-chains",
        call(_ACTION),
        title="The request for a contract certificate does not fit the version of ISO 15118",
        severity=Severity.WARNING,
        spec="OCPP 2.1 M01.FR.02, M01.FR.03, M02.FR.02",
        remedy="Give maximumContractCertificateChains for ISO 15118-20, always with the action Install; leave it out "
        "for ISO 15118-2.",
        bad=script(_fetched(2, most=None)),
        good=script(_fetched(schema=_OLD, most=None)),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def chains(self, frame: Frame) -> Faults:
        schema, given = (string(frame.payload, "iso15118SchemaVersion") or "").lower(), _CHAINS in frame.payload
        if "15118:-20" in schema:
            if not given:
                return Fault(f"{_CHAINS} is missing, but the car uses ISO 15118-20", "/3", key="missing")
            if frame.payload.get("action") == "Update":
                return Fault("the action is Update; ISO 15118-20 has Install only", "/3/action", key="update")
        elif "15118:2:" in schema and given:
            return Fault(f"{_CHAINS} is given, but the car uses ISO 15118-2", f"/3/{_CHAINS}", key="given")
        return None

    @rule(
        "certificate.contracts-remaining",
        result(_ACTION),
        title="The number of remaining contracts is missing or does not count down",
        severity=Severity.WARNING,
        spec="OCPP 2.1 M01.FR.04, M01.FR.07",
        remedy="Give remainingContracts with each contract where maximumContractCertificateChains was sent, one less "
        "each time.",
        bad=script(_fetched(2), _fetched(2)),
        good=script(_fetched(2), _fetched(1), _fetched(0)),
        versions=V21,
        side=Side.CSMS,
    )
    def remaining(self, frame: Frame) -> Faults:
        if frame.payload.get("status") != "Accepted" or _CHAINS not in frame.request:
            return None
        left, exi = integer(frame.payload, "remainingContracts"), string(frame.request, "exiRequest") or ""
        before = self.fetched.pop(exi, None)
        if left is None:
            if "remainingContracts" in frame.payload:
                return None
            return Fault("remainingContracts is missing", "/2", key="missing")
        self.fetched.note(exi, Fetched(before.received + 1 if before else 1, left))
        if before is None or before.remaining <= 0 or left == before.remaining - 1:
            return None
        text = f"remainingContracts is {left}; expected {before.remaining - 1}"
        return Fault(text, "/2/remainingContracts", key="count")

    not_fetched = Promise(
        "certificate.contracts-not-fetched",
        _ACTION,
        promised=_more,
        kept_by=call(_ACTION),
        keeps=lambda topic, frame: string(frame.payload, "exiRequest"),
        early=False,
        at_close=AtClose.LATE,
        text="contracts remain, but the request for them was not sent again within {wait}",
        title="The remaining contract certificates of a car are not fetched",
        severity=Severity.WARNING,
        spec="OCPP 2.1 M01.FR.06",
        remedy="Send the same Get15118EVCertificate again as long as remainingContracts is above 0.",
        bad=script(_fetched(2), "+ 5m"),
        good=script(_fetched(1), _fetched(0), "+ 5m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self.fetched.clear()
