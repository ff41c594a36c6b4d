"""Whether CustomerInformation names one customer and asks for something, and what it means for the local list."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule, track
from inspector.rules.topics.example_frames import NOW, cp, csms, script

_REFERENCES = ("idToken", "customerCertificate", "customerIdentifier")


def _asked(status: str, **references: object) -> str:
    asked = {"requestId": 7, "report": True, "clear": False, **references}
    return csms("CustomerInformation", asked, {"status": status})


_TOKEN = {"idToken": "T", "type": "ISO14443"}


def _list(version: int, *tokens: dict[str, str]) -> str:
    entries = [{"idToken": token, "idTokenInfo": {"status": "Accepted"}} for token in tokens]
    listed = {"localAuthorizationList": entries} if entries else {}
    return csms("SendLocalList", {"versionNumber": version, "updateType": "Full", **listed})


_PART = {"requestId": 7, "data": "none", "seqNo": 0, "generatedAt": NOW}
_TOLD = cp("NotifyCustomerInformation", _PART)
_FIRST = cp("NotifyCustomerInformation", {**_PART, "tbc": True})


def _cleared(topic: CustomerInformation, frame: Frame) -> str | None:
    """Return a key where this answer has cleared a customer whose token is in the local list, else None."""
    token = string(member(frame.request, "idToken"), "idToken")
    if frame.payload.get("status") != "Accepted" or frame.request.get("clear") is not True or token is None:
        return None
    return "list" if token.lower() in topic.listed else None


class CustomerInformation(Topic):
    """Rules about CustomerInformation.

    Attributes:
        listed: the tokens in the local list, in lower case, as far as it was sent.
    """

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self.listed: Known[str, None] = Known()
        self._only_cleared: Known[int, None] = Known()  # requests to delete without a report

    @rule(
        "customer.reference",
        call("CustomerInformation"),
        result("CustomerInformation"),
        title="CustomerInformation does not name exactly one customer",
        severity=Severity.WARNING,
        spec="OCPP 2.x N09.FR.04, N09.FR.09, N10.FR.08",
        remedy="Send one of idToken, customerCertificate and customerIdentifier. The charging station answers "
        "Invalid where "
        "none or several are given.",
        bad=script(_asked("Invalid")),
        good=script(_asked("Rejected", customerIdentifier="C")),
        versions=V2X,
    )
    def reference(self, frame: Frame) -> Faults:
        answer = frame.call is not None
        given = [name for name in _REFERENCES if name in (frame.request if answer else frame.payload)]
        if len(given) == 1:
            return None
        said = " and ".join(given) + " are given" if given else "no customer is named"
        if not answer:
            return Fault(said, "/3", key=str(len(given)))
        status = string(frame.payload, "status")
        if status in (None, "Invalid"):
            return None
        return Fault(f"{status}, but {said}; expected Invalid", "/2/status", key=str(len(given)))

    @rule(
        "customer.no-flag",
        call("CustomerInformation"),
        result("CustomerInformation"),
        title="CustomerInformation asks neither for a report nor for a deletion",
        severity=Severity.WARNING,
        spec="OCPP 2.x N09.FR.01, N09.FR.07, N10.FR.07",
        remedy="Set report to true to get the information, clear to true to delete it. The charging station answers "
        "Rejected where both are false.",
        bad=script(_asked("Rejected", customerIdentifier="C", report=False)),
        good=script(_asked("Rejected", customerIdentifier="C", report=False, clear=True)),
        versions=V2X,
    )
    def no_flag(self, frame: Frame) -> Faults:
        answer = frame.call is not None
        asked = frame.request if answer else frame.payload
        if asked.get("report") is not False or asked.get("clear") is not False:
            return None
        if not answer:
            return Fault("report and clear are both false", "/3")
        accepted = frame.payload.get("status") == "Accepted"
        text = "Accepted, but report and clear are both false"
        return Fault(text, "/2/status", severity=Severity.INFO) if accepted else None

    @rule(
        "customer.several-parts",
        call("NotifyCustomerInformation"),
        title="The deletion of customer information is reported in more than one message",
        severity=Severity.WARNING,
        spec="OCPP 2.x N10.FR.06",
        remedy="If only clear was true, send one NotifyCustomerInformation that confirms the deletion.",
        bad=script(_asked("Accepted", customerIdentifier="C", report=False, clear=True), _FIRST),
        good=script(_asked("Accepted", customerIdentifier="C", report=False, clear=True), _TOLD),
        versions=V2X,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._only_cleared,
    )
    def several_parts(self, frame: Frame) -> Faults:
        number = integer(frame.payload, "requestId")
        if number is None or number not in self._only_cleared or frame.payload.get("tbc") is not True:
            return None
        self._only_cleared.pop(number)
        return Fault("tbc is true, but one message has to say that the data was cleared", "/3/tbc", key=str(number))

    @track(result("CustomerInformation"))
    def clearing(self, frame: Frame) -> None:
        number = integer(frame.request, "requestId")
        if number is None or frame.payload.get("status") != "Accepted":
            return
        self._only_cleared.pop(number, None)
        if frame.request.get("clear") is True and frame.request.get("report") is False:
            self._only_cleared.note(number, None)
        self.station.refresh_listeners()

    list_kept = Promise(
        "customer.list-kept",
        "CustomerInformation",
        promised=_cleared,
        kept_by=call("SendLocalList"),
        keeps=lambda topic, frame: "list",
        text="a customer in the local list was cleared, but no SendLocalList came within {wait}",
        title="A customer is cleared, but stays in the local list",
        severity=Severity.WARNING,
        spec="OCPP 2.x N10.FR.02",
        remedy="Send SendLocalList without the token of the customer.",
        bad=script(_list(1, _TOKEN), _asked("Accepted", idToken=_TOKEN, clear=True), _TOLD, "+ 5m"),
        good=script(_list(1, _TOKEN), _asked("Accepted", idToken=_TOKEN, clear=True), _TOLD, _list(2), "+ 5m"),
        versions=V2X,
        side=Side.CSMS,
    )

    @track(result("SendLocalList"))
    def list_sent(self, frame: Frame) -> None:
        if frame.payload.get("status") != "Accepted":
            return
        if frame.request.get("updateType") == "Full":
            self.listed.clear()
        for entry in elements(frame.request, "localAuthorizationList"):
            token = string(member(entry, "idToken"), "idToken")
            if token is None:
                continue
            if "idTokenInfo" in entry:
                self.listed.note(token.lower(), None)
            else:
                self.listed.pop(token.lower(), None)
