"""What DataTransfer is used for, how vendors are named, and whether the answers about a vendor agree."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import ACTIONS, Direction, OcppVersion
from inspector.rules.fields import string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V2X, Faults, Topic, call, result, rule, track
from inspector.rules.topics.example_frames import cp, csms, script

_SHORT = 3
"""A shorter vendorId is probably a test value, so its form is not judged."""
_ALLIANCE = "org.openchargealliance"
_REFUSED = frozenset({"UnknownVendorId", "UnknownMessageId"})


def _sent(vendor: str = "com.example", status: str = "Accepted", **more: str) -> str:
    return cp("DataTransfer", {"vendorId": vendor, **more}, {"status": status})


def _asked(vendor: str = "com.example", status: str = "Accepted", **more: str) -> str:
    return csms("DataTransfer", {"vendorId": vendor, **more}, {"status": status})


class DataTransfers(Topic):
    """Rules about DataTransfer."""

    def setup(self) -> None:
        self._known: Known[tuple[Direction, str], None] = Known()  # vendors that the receiver has accepted, by sender
        self._messages: Known[tuple[Direction, str, str], None] = Known()  # and their messages
        # The refusals of each vendor, and of its messages, by sender, vendor and message ("" for the vendor).
        self._refused: Known[tuple[Direction, str, str], str] = Known()
        self._used: Known[tuple[Direction, str], None] = Known()  # vendors whose messages each side has sent

    @rule(
        "data.vendor-name",
        call("DataTransfer"),
        title="A vendorId is not a reversed domain name",
        severity=Severity.INFO,
        spec="OCPP 1.6 §4.3; 2.x P01.FR.02, P02.FR.03",
        remedy="Use a domain name of the vendor in reversed order, such as com.example.",
        bad=script(_sent("ExampleVendor")),
        good=script(_sent()),
    )
    def vendor_name(self, frame: Frame) -> Faults:
        vendor = string(frame.payload, "vendorId")
        if vendor is None or len(vendor) < _SHORT:
            return None
        if "." in vendor.strip(".") and " " not in vendor:
            return None
        return Fault(f"vendorId is {vendor[:40]!r}", "/3/vendorId", key=vendor[:40])

    @rule(
        "data.own-action",
        call("DataTransfer"),
        title="DataTransfer is used although OCPP has a message for this purpose",
        severity=Severity.WARNING,
        spec="OCPP 2.x P01.FR.01, P02.FR.02",
        remedy="Send the message of OCPP itself. Use DataTransfer only for functions that OCPP does not have.",
        bad=script(_sent(messageId="MeterValues")),
        good=script(_sent(messageId="Weather")),
        versions=V2X,
    )
    def own_action(self, frame: Frame) -> Faults:
        name = (string(frame.payload, "messageId") or "").removesuffix("Request")
        version = self.session.version
        if version is None or name not in ACTIONS[version] or name == "DataTransfer":
            return None
        if (string(frame.payload, "vendorId") or "").lower().startswith(_ALLIANCE):
            return None
        return Fault(f"messageId is {name}, which is a message of OCPP {version.value}", "/3/messageId", key=name)

    @rule(
        "data.contradicted",
        result("DataTransfer"),
        title="The answer to DataTransfer contradicts what its sender knows",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §4.3; 2.x P01.FR.05, P01.FR.06, P02.FR.06, P02.FR.07",
        remedy="Answer UnknownVendorId only for vendors that you do not implement, and UnknownMessageId only for a "
        "messageId that you do not know.",
        bad=script(_sent(), _sent(status="UnknownVendorId")),
        good=script(_sent(), _sent("com.other", "UnknownVendorId")),
    )
    def contradicted(self, frame: Frame) -> Faults:
        vendor, message = string(frame.request, "vendorId"), string(frame.request, "messageId")
        status = string(frame.payload, "status")
        if vendor is None or frame.call is None or status is None:
            return None
        asker, name = frame.call.direction, vendor.lower()
        if status not in _REFUSED:
            before = self._refused.get((asker, name, "")) or self._refused.get((asker, name, (message or "").lower()))
            if before is None or status != "Accepted":
                return None
            return Fault(f"Accepted, but the answer was {before} before", "/2/status", key=f"{name[:40]} accepted")
        if status == "UnknownVendorId":
            if (asker, name) in self._known:
                return Fault(f"UnknownVendorId, but {vendor[:40]!r} was known before", "/2/status", key=name[:40])
            if (asker.opposite, name) in self._used:
                return Fault(f"UnknownVendorId, but this side sends messages of {vendor[:40]!r} itself", "/2/status")
        elif message is None and self.session.version is not OcppVersion.V16:
            return Fault("UnknownMessageId, but the request has no messageId", "/2/status", key="none")
        elif message is not None and (asker, name, message.lower()) in self._messages:
            return Fault(f"UnknownMessageId, but {message[:40]!r} was known before", "/2/status", key=message[:40])
        return None

    @rule(
        "data.vendor-unknown",
        result("DataTransfer"),
        title="The CSMS sends messages of a vendor that the charging station does not know",
        severity=Severity.INFO,
        spec="OCPP 2.x P02.FR.01",
        remedy="Send DataTransfer only with a vendorId that the charging station implements.",
        bad=script(_asked(status="UnknownVendorId")),
        good=script(_asked(status="Rejected")),
        versions=V2X,
        side=Side.CSMS,
    )
    def unknown_to_station(self, frame: Frame) -> Faults:
        if frame.call is None or frame.call.direction is not Direction.FROM_CSMS:
            return None
        if frame.payload.get("status") != "UnknownVendorId":
            return None
        vendor = (string(frame.request, "vendorId") or "")[:40]
        return Fault(f"the station does not know {vendor!r}", "/3/vendorId", frame=frame.call, key=vendor)

    @track(result("DataTransfer"))
    def answered(self, frame: Frame) -> None:
        vendor, message = string(frame.request, "vendorId"), string(frame.request, "messageId")
        status = string(frame.payload, "status")
        if vendor is None or frame.call is None or status is None:
            return
        asker, name = frame.call.direction, vendor.lower()
        self._used.note((asker, name), None)
        if status in _REFUSED:
            self._refused.note((asker, name, "" if status == "UnknownVendorId" else (message or "").lower()), status)
        else:
            self._refused.clear()  # the receiver implements more now
        if status != "UnknownVendorId":
            self._known.note((asker, name), None)
        if message is not None and status not in _REFUSED:
            self._messages.note((asker, name, message.lower()), None)
