"""Judge what must follow an accepted boot, and boots that are not needed.

At most CONNECTORS_LIMIT connectors of each charge point are remembered.
"""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.rules.context import AtClose, Moment, SessionContext
from inspector.rules.durations import duration
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import (
    CLOSED,
    DEADLINE,
    V2X,
    V16,
    V21,
    Faults,
    Topic,
    call,
    result,
    rule,
    track,
)
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.device_model import DeviceModel
from inspector.rules.state.registration import RESTART_REASONS, Registration, RegistrationState

CONNECTORS_LIMIT = 500
RESTART_S = 5.0
"""No charge point restarts and reconnects in fewer seconds."""
RECONNECT_S = 120.0
"""If a charge point connects within so many seconds after the CSMS has closed its connection, it has not restarted."""

type Connector = tuple[int, int]
"""(EVSE, connector). In 1.6 the EVSE is 0, and connector 0 is the charge point itself."""

_ACCEPTED = '< [3,"%s",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":300}]'
_BOOT = {
    "1.6": '> [2,"%s","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]',
    "2x": '> [2,"%s","BootNotification",{"reason":"%s","chargingStation":{"model":"M","vendorName":"V"}}]',
}
_STATUS_16 = (
    '> [2,"s%d","StatusNotification",{"connectorId":%d,"errorCode":"NoError","status":"Available"}]\n< [3,"s%d",{}]'
)
_STATUS_2X = (
    '> [2,"s","StatusNotification",{"timestamp":"2026-01-01T12:00:00Z",'
    '"connectorStatus":"Available","evseId":1,"connectorId":1}]\n< [3,"s",{}]'
)
_LOST = 'close {"closed_by":"csms","csms_close_code":1001}\n+ 20s\nopen'
_INSTALLS = ("Installing", "Installed", "InstallRebooting")


def _boot(version: str, number: str, reason: str = "PowerUp") -> str:
    boot = _BOOT[version] % (number if version == "1.6" else (number, reason))
    return f"{boot}\n{_ACCEPTED % number}"


class BootAfter(Topic):
    """The rules about what follows an accepted boot of one charge point."""

    scope = "station"

    def setup(self) -> None:
        self._boot = self.station.topic(RegistrationState)
        self._configuration = self.station.topic(ConfigurationState)
        self._known: dict[Connector, None] = {}  # all connectors that were ever reported
        self._reported: set[Connector] = set()  # connectors that were reported since the last accepted boot
        self._accepted: Frame | None = None  # the latest accepted boot, while the deadline for reports is open
        self._restart_due = False  # whether a request or a status has announced a restart
        self._closed: tuple[int, str | None] | None = None  # monotonic time of the last close, and who closed

    @track(CLOSED)
    def closed(self, session: SessionContext, moment: Moment) -> None:
        self._closed = (moment.mono_ns, session.facts.get("closed_by"))

    @track(result("Reset"))
    def resetting(self, frame: Frame) -> None:
        if frame.payload.get("status") in ("Accepted", "Scheduled"):
            self._restart_due = True

    @track(call("FirmwareStatusNotification", "SignedFirmwareStatusNotification"))
    def installing(self, frame: Frame) -> None:
        if frame.payload.get("status") in _INSTALLS:
            self._restart_due = True

    @track(result("ChangeConfiguration", "SetVariables"))
    def set(self, frame: Frame) -> None:
        if b"RebootRequired" in frame.raw:
            self._restart_due = True

    @track(call("StatusNotification"))
    def status(self, frame: Frame) -> None:
        self._report(integer(frame.payload, "evseId"), integer(frame.payload, "connectorId"))

    @track(call("NotifyEvent"), versions=V21)
    def event(self, frame: Frame) -> None:
        for data in elements(frame.payload, "eventData"):
            if member(data, "variable").get("name") == "AvailabilityState":
                evse = member(member(data, "component"), "evse")
                self._report(integer(evse, "id"), integer(evse, "connectorId"))

    def _report(self, evse: int | None, connector: int | None) -> None:
        old = self.session.version is OcppVersion.V16
        if connector is None or (not old and not evse):
            return
        place = (0 if old else evse or 0, connector)
        if place in self._known:
            self._reported.add(place)
        elif len(self._known) < CONNECTORS_LIMIT:
            self._known[place] = None
            self._reported.add(place)

    @track(result("BootNotification"))
    def accepted(self, frame: Frame) -> None:
        """Set a deadline for the status of every connector. This runs before RegistrationState is updated."""
        if frame.direction is Direction.FROM_CSMS and frame.payload.get("status") == "Accepted":
            self._reported.clear()
            if self._accepted is None:
                self.station.deadline(frame, self.settings.status_after_boot_s, self.no_status, at_close=AtClose.LATE)
            self._accepted = frame

    @rule(
        "boot.no-status",
        DEADLINE,
        title="A connector is not reported after the boot was accepted",
        severity=Severity.WARNING,
        side=Side.CHARGE_POINT,
        spec="OCPP 1.6 §4.9 and errata 3.22; B01.FR.05",
        remedy="Send StatusNotification for every connector (1.6 also for connector 0; 2.1 may send NotifyEvent) once "
        "the boot is accepted.",
        bad={version: f"open\n{_boot(version, 'b')}\n+ 61s" for version in _BOOT},
        good={
            "1.6": f"open\n{_boot('1.6', 'b')}\n{_STATUS_16 % (0, 0, 0)}\n{_STATUS_16 % (1, 1, 1)}\n+ 61s",
            "2x": f"open\n{_boot('2x', 'b')}\n{_STATUS_2X}\n+ 61s",
        },
    )
    def no_status(self, moment: Moment) -> Faults:
        accepted, allowed_s = self._accepted, self.settings.status_after_boot_s
        if accepted is not None and moment.mono_ns - accepted.mono_ns < allowed_s * 1e9:
            self.station.deadline(
                accepted, allowed_s, self.no_status, at_close=AtClose.LATE
            )  # there was a newer boot: wait from that one
            return None
        self._accepted = None
        if self._boot.answered is not accepted or self._boot.connection not in self.station.sessions:
            return None  # there was another answer to a boot, or the connection was lost
        within = f"within {duration(allowed_s)} of the accepted boot"
        expected = set(self._known)
        if self.session.version is OcppVersion.V16:
            known = self._configuration.number("NumberOfConnectors")
            count = 1 if known is None else max(known, 0)  # a Local Controller has none
            expected |= {(0, number) for number in range(min(count, CONNECTORS_LIMIT) + 1)}
        elif not self._reported and not self._known and self._has_none():
            return None
        elif not self._reported:
            return Fault(f"no connector was reported {within}")
        missing = sorted(expected - self._reported)
        if not missing:
            return None
        names = ", ".join(
            f"EVSE {evse} connector {number}" if evse else f"connector {number}" for evse, number in missing[:8]
        )
        return Fault(f"{names}{' and more' if len(missing) > 8 else ''} not reported {within}")

    def _has_none(self) -> bool:
        """Return whether the device model shows that the station has no connectors: it is a Local Controller."""
        model = self.station.topic(DeviceModel)
        names = {name.component for name in model.variables}
        if "connector" in names:
            return False
        return model.whole or any("localcontroller" in name.replace("_", "") for name in names)

    @rule(
        "boot.needless",
        call("BootNotification"),
        title="The charge point boots when it reconnects, although it has not restarted",
        severity=Severity.WARNING,
        side=Side.CHARGE_POINT,
        spec="OCPP-J 1.6 §5.4; OCPP 2.0.1 part 4 §5.3, OCPP 2.1 part 4 §5.4",
        remedy="Do not send BootNotification after a lost connection.",
        bad={
            "1.6": f"open\n{_boot('1.6', 'b')}\n{_LOST}\n{_boot('1.6', 'c')}",
            "2x": f"open\n{_boot('2x', 'b', 'Unknown')}\n{_LOST}\n{_boot('2x', 'c', 'Unknown')}",
        },
        good={
            "1.6": f'open\n{_boot("1.6", "b")}\n{_LOST}\n> [2,"h","Heartbeat",{{}}]',
            "2x": f"open\n{_boot('2x', 'b')}\n{_LOST}\n{_boot('2x', 'c', 'Watchdog')}",
        },
        heuristic=True,
    )
    def needless(self, frame: Frame) -> Faults:
        """Judge the boot of a charge point that is already accepted.

        Frames do not show whether the charge point has restarted. It has certainly not restarted if the CSMS had closed
        the connection, or if the reconnect comes sooner than any restart. In 2.x, the boot also states the reason.
        """
        boot, restart_due = self._boot, self._restart_due
        self._restart_due = False
        if (
            boot.state is not Registration.ACCEPTED
            or restart_due
            or self._closed is None
            or boot.connection is self.session
            or boot.payload != frame.payload
            or string(frame.payload, "reason") in RESTART_REASONS
        ):
            return None
        closed_ns, closer = self._closed
        away_s = (self.session.opened_at.mono_ns - closed_ns) / 1e9
        if closer == "charge-point" or not 0 <= away_s < (RECONNECT_S if closer == "csms" else RESTART_S):
            return None
        how = "the CSMS closed" if closer == "csms" else "the loss of"
        return Fault(f"boots again, unchanged, {duration(away_s)} after {how} its connection, although it was accepted")

    @rule(
        "boot.triggered",
        call("TriggerMessage", "ExtendedTriggerMessage"),
        title="The CSMS triggers a boot of a charge point that it has accepted",
        versions=V16,
        severity=Severity.ERROR,
        spec="OCPP 1.6 §5.17 and errata 3.40",
        remedy="Trigger BootNotification only while the charge point is not accepted; Reset makes it boot.",
        bad=f'open\n{_boot("1.6", "b")}\n< [2,"1","TriggerMessage",{{"requestedMessage":"BootNotification"}}]',
        good=f'open\n{_boot("1.6", "b")}\n< [2,"1","TriggerMessage",{{"requestedMessage":"Heartbeat"}}]',
    )
    def triggered(self, frame: Frame) -> Faults:
        if (
            frame.payload.get("requestedMessage") != "BootNotification"
            or self._boot.state is not Registration.ACCEPTED
            or frame.direction is Direction.FROM_CHARGE_POINT
        ):
            return None
        return Fault("a boot is triggered, but the charge point is accepted", "/3/requestedMessage")

    @rule(
        "boot.trigger-not-rejected",
        result("TriggerMessage"),
        title="A charging station that was accepted accepts a trigger to boot again",
        versions=V2X,
        severity=Severity.ERROR,
        spec="F06.FR.17",
        remedy="Answer a trigger for BootNotification with Rejected once the boot has been accepted.",
        bad=f'open\n{_boot("2x", "b")}\n< [2,"1","TriggerMessage",{{"requestedMessage":"BootNotification"}}]\n'
        '> [3,"1",{"status":"Accepted"}]',
        good=f'open\n{_boot("2x", "b")}\n< [2,"1","TriggerMessage",{{"requestedMessage":"BootNotification"}}]\n'
        '> [3,"1",{"status":"Rejected"}]',
    )
    def trigger_not_rejected(self, frame: Frame) -> Faults:
        if (
            frame.request.get("requestedMessage") != "BootNotification"
            or self._boot.state is not Registration.ACCEPTED
            or frame.payload.get("status") != "Accepted"
        ):
            return None
        return Fault("the trigger is accepted although the last boot was accepted; expected Rejected", "/2/status")
