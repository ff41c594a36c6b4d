"""Judge whether CustomerInformation names exactly one customer."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.finding import Fault, Severity
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule
from inspector.rules.topics.example_frames import csms, script

_REFERENCES = ("idToken", "customerCertificate", "customerIdentifier")


def _asked(status: str, **references: object) -> str:
    asked = {"requestId": 7, "report": True, "clear": False, **references}
    return csms("CustomerInformation", asked, {"status": status})


class CustomerInformation(Topic):
    """The rule about how a request names the customer."""

    versions = V2X

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
        accepted = frame.payload.get("status") == "Accepted"
        return Fault(f"Accepted, but {said}; expected Invalid", "/2/status", key=str(len(given))) if accepted else None
