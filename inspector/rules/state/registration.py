"""Track whether the CSMS has accepted a charge point, since when, and with which heartbeat interval.

`boot_order` has the rules for messages before the acceptance, `boot_after` the rules for messages after it. These two
topics see the state before the current frame; topics after this one see the state after it.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import Direction, OcppVersion
from inspector.rules.context import Moment, SessionContext
from inspector.rules.rule import CLOSED, OPENED, Topic, call, event, refusal, result, track
from inspector.rules.state.configuration import ConfigurationState


class Registration(Enum):
    """The registration status of a charge point."""

    UNKNOWN = auto()  # no BootNotification was seen: it may have been accepted before the capture began
    UNANSWERED = auto()  # a BootNotification was sent, and not answered or answered with a CALLERROR
    PENDING = auto()
    REJECTED = auto()
    ACCEPTED = auto()


_ANSWERS = {
    "Accepted": Registration.ACCEPTED,
    "Pending": Registration.PENDING,
    "Rejected": Registration.REJECTED,
}
_TRIGGERED = {
    "SignChargePointCertificate": "SignCertificate",
    "SignChargingStationCertificate": "SignCertificate",
    "SignV2GCertificate": "SignCertificate",
    "SignV2G20Certificate": "SignCertificate",
    "SignCombinedCertificate": "SignCertificate",
}
RESTART_REASONS = frozenset(
    "ApplicationReset FirmwareUpdate LocalReset PowerUp RemoteReset ScheduledReset Watchdog".split()
)
"""The reasons in a 2.x BootNotification which mean that the station has restarted."""
ANYTHING = "*"
"""The element of `RegistrationState.asked` for a custom trigger, which may be for any message."""


class RegistrationState(Topic):
    """The registration of one charge point, across its connections.

    Attributes:
        state: its current status. It stays when a session closes, because a reconnect needs no BootNotification.
        answered: the latest CALLRESULT to a BootNotification (its payload has the status); None before the first.
        interval_s: the interval in that answer in seconds; None if it had none.
        heartbeat_s: the seconds between heartbeats: the interval in the last answer Accepted, or a later value from the
            configuration; None if it is not known.
        payload: the payload of the latest BootNotification CALL; empty before the first.
        asked: the actions that the CSMS has requested while the charge point was not accepted, with TriggerMessage or
            ExtendedTriggerMessage; in 2.x also NotifyReport, with GetBaseReport or GetReport.
        connection: the session of the latest BootNotification CALL.
        refused: whether the latest BootNotification was answered with a CALLERROR.
        lost_ns: the monotonic time when the last connection ended; None before that.
    """

    scope = "station"

    def setup(self) -> None:
        self.state = Registration.UNKNOWN
        self.answered: Frame | None = None
        self.interval_s: float | None = None
        self.heartbeat_s: float | None = None
        self.payload: dict[str, Any] = {}
        self.asked: set[str] = set()
        self.connection: SessionContext | None = None
        self.refused = False
        self.lost_ns: int | None = None
        self._before = Registration.UNKNOWN
        self._boot_wanted = False  # whether a trigger has asked an accepted charge point for a BootNotification
        self._configured: int | None = None
        self._configuration = self.station.topic(ConfigurationState)

    def waiting_s(self, mono_ns: int) -> float:
        """Return the seconds until the charge point may send its next BootNotification; 0 if it may send it now."""
        if self.answered is None or not self.interval_s or self.state not in _NOT_ACCEPTED:
            return 0.0
        return max(0.0, self.interval_s - (mono_ns - self.answered.mono_ns) / 1e9)

    def was_asked(self, action: str | None) -> bool:
        """Return whether the CSMS has requested this message from a charge point that is not accepted."""
        return action in self.asked or ANYTHING in self.asked

    def _become(self, state: Registration) -> None:
        if state is not self.state:
            self.state = state
            self.station.refresh_listeners()

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start and self.state is not Registration.ACCEPTED:
            self._become(Registration.UNKNOWN)

    @track(CLOSED)
    def closed(self, session: SessionContext, moment: Moment) -> None:
        self.lost_ns = moment.mono_ns

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        if self.state is not Registration.ACCEPTED:
            self._become(Registration.UNKNOWN)

    @track(call("TriggerMessage", "ExtendedTriggerMessage"))
    def triggered(self, frame: Frame) -> None:
        wanted = frame.payload.get("requestedMessage")
        if type(wanted) is not str or frame.direction is not Direction.FROM_CSMS:
            return
        if self.state is Registration.ACCEPTED:
            self._boot_wanted = self._boot_wanted or wanted == "BootNotification"
            return
        if len(self.asked) < len(_TRIGGERED) + 40:  # limits the memory, because a hostile CSMS may invent messages
            self.asked.add(ANYTHING if wanted == "CustomTrigger" else _TRIGGERED.get(wanted, wanted))

    @track(call("GetBaseReport", "GetReport"))
    def report_wanted(self, frame: Frame) -> None:
        if self.state is not Registration.ACCEPTED:
            self.asked.add("NotifyReport")

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        if frame.direction is not Direction.FROM_CHARGE_POINT:
            return
        self._before = self.state
        if self.state in (Registration.ACCEPTED, Registration.UNKNOWN):
            self.asked.clear()
        triggered = self._boot_wanted or frame.payload.get("reason") == "Triggered"
        if self.state is not Registration.ACCEPTED or not triggered:  # after a triggered boot, it is still accepted
            answers_unseen = self.session.unseen(Direction.FROM_CSMS, "answers")
            self._become(Registration.UNKNOWN if answers_unseen else Registration.UNANSWERED)
        self._boot_wanted = self.refused = False
        self.payload = frame.payload
        self.connection = self.session

    @track(result("BootNotification"))
    def registered(self, frame: Frame) -> None:
        if frame.direction is not Direction.FROM_CSMS:
            return
        self.refused = False
        # Some CSMSs send " Accepted" or "accepted". The rule payload.schema reports that; here it counts as Accepted.
        state = _ANSWERS.get(str(frame.payload.get("status")).strip().title())
        if state is None:
            self._become(Registration.UNKNOWN)  # the CSMS has sent an unknown status
            return
        self._become(state)
        interval = frame.payload.get("interval")
        self.interval_s = interval if type(interval) in (int, float) and interval >= 0 else None
        self.answered = frame
        if state is Registration.ACCEPTED:
            self.heartbeat_s = self.interval_s or None
        if state is not Registration.PENDING:
            self.asked.clear()

    @track(refusal("BootNotification"))
    def boot_refused(self, frame: Frame) -> None:
        self.refused = True
        if self._before in _NOT_ACCEPTED:
            self._become(self._before)

    @track(result("ChangeConfiguration", "GetConfiguration", "SetVariables", "GetVariables"))
    def configured(self, frame: Frame) -> None:
        old = self.session.version is OcppVersion.V16
        known = self._configuration
        value = (
            known.number("HeartbeatInterval") if old else known.variable_number("OCPPCommCtrlr", "HeartbeatInterval")
        )
        if value is not None and value != self._configured:
            self._configured = value
            self.heartbeat_s = float(value) or None


_NOT_ACCEPTED = (Registration.PENDING, Registration.REJECTED)
