"""Judge whether changes of availability are scheduled during transactions, and reported when they are done."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.context import AtClose, Moment, SessionContext
from inspector.rules.durations import duration
from inspector.rules.fields import integer, member
from inspector.rules.finding import ABSENT, Fault, Severity, Side
from inspector.rules.rule import DEADLINE, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.state.transactions_v16 import Transactions16
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.availability.status_v16 import Status16
from inspector.rules.topics.example_frames import joined, reported

PLACES_LIMIT = 500

type Place = tuple[int, int]
"""(connector, 0) in 1.6, (EVSE, connector) in 2.x; 0 means all of them."""

_REQUEST = {
    "1.6": '< [2,"c","ChangeAvailability",{"connectorId":1,"type":"Inoperative"}]\n',
    "2x": '< [2,"c","ChangeAvailability",{"evse":{"id":1},"operationalStatus":"Inoperative"}]\n',
}
_STARTED = {
    "1.6": '> [2,"s","StartTransaction",{"connectorId":1,"idTag":"T","meterStart":0,'
    '"timestamp":"2026-01-01T12:00:00Z"}]\n< [3,"s",{"transactionId":1,"idTagInfo":{"status":"Accepted"}}]\n',
    "2x": '> [2,"s","TransactionEvent",{"eventType":"Started","timestamp":"2026-01-01T12:00:00Z","triggerReason":'
    '"CablePluggedIn","seqNo":0,"transactionInfo":{"transactionId":"t1","chargingState":"EVConnected"},'
    '"evse":{"id":1,"connectorId":1}}]\n< [3,"s",{}]\n',
}
_ENDED = {
    "1.6": '> [2,"e","StopTransaction",{"transactionId":1,"meterStop":0,"timestamp":"2026-01-01T12:00:00Z"}]\n'
    '< [3,"e",{}]\n',
    "2x": '> [2,"e","TransactionEvent",{"eventType":"Ended","timestamp":"2026-01-01T12:00:00Z","triggerReason":'
    '"StopAuthorized","seqNo":1,"transactionInfo":{"transactionId":"t1"}}]\n< [3,"e",{}]\n',
}
_AGAIN = {version: text.replace('"c"', '"c2"') for version, text in _REQUEST.items()}
_ANSWER_AGAIN = '> [3,"c2",{"status":"%s"}]\n'
_BOOTED = {
    "1.6": '> [2,"b","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]\n'
    '< [3,"b",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":600}]\n'
    '> [2,"z","StatusNotification",{"connectorId":0,"errorCode":"NoError","status":"Available"}]\n< [3,"z",{}]\n',
    "2x": '> [2,"b","BootNotification",{"reason":"PowerUp","chargingStation":{"model":"M","vendorName":"V"}}]\n'
    '< [3,"b",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":600}]\n',
}
_CARRIED_OUT = frozenset({"Unavailable", "Faulted", "Finishing"})  # Finishing, because the car may be plugged in
_ANSWER = '> [3,"c",{"status":"%s"}]\n'


_INOPERATIVE = frozenset({"Unavailable"})
_OPERATIVE = frozenset(
    {"Available", "Occupied", "Reserved", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing"}
)
"""The statuses of connectors that are inoperative, or operative, for sure."""


class Availability(Topic):
    """The rules about ChangeAvailability."""

    scope = "station"

    def setup(self) -> None:
        self._inoperative: dict[Place, bool] = {}  # places to be made inoperative, and whether that was Scheduled
        self._awaited: set[Place] = set()  # places whose new status must be reported before a deadline
        self._evidence = self.station.topic(Observation)

    @rule(
        "availability.not-scheduled",
        result("ChangeAvailability"),
        title="A connector with a transaction is made inoperative at once, or the change is rejected",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §5.2; 2.x G03.FR.05, G04.FR.06",
        remedy="Answer Scheduled while a transaction is open, and make the change when it has ended.",
        bad=joined(_STARTED, _REQUEST, _ANSWER % "Accepted"),
        good=joined(_STARTED, _REQUEST, _ANSWER % "Scheduled"),
        side=Side.CHARGE_POINT,
    )
    def not_scheduled(self, frame: Frame) -> Faults:
        asked, status = self._asked(frame), frame.payload.get("status")
        if asked is None or status not in ("Accepted", "Rejected"):
            return None
        place, inoperative = asked
        if not inoperative or place in self._inoperative or (status == "Rejected" and "statusInfo" in frame.payload):
            return None
        running = self._running(place, self.session)
        if running is None or not self._evidence.has_sent_all(self.session):
            return None
        severity = Severity.WARNING if status == "Rejected" else None
        return Fault(f"{running} is open; expected Scheduled", "/2/status", key=str(place), severity=severity)

    def _asked(self, frame: Frame) -> tuple[Place, bool] | None:
        """Return the place that a ChangeAvailability is for, and whether to make it inoperative; None if invalid."""
        if self.session.version is OcppVersion.V16:
            connector, wanted = integer(frame.request, "connectorId"), frame.request.get("type")
            place = (connector, 0) if connector is not None else None
        else:
            evse, wanted = member(frame.request, "evse"), frame.request.get("operationalStatus")
            place = integer(evse, "id") or 0, integer(evse, "connectorId") or 0
        return (place, wanted == "Inoperative") if place and wanted in ("Inoperative", "Operative") else None

    def _running(self, place: Place, session: SessionContext) -> object | None:
        """Return an open transaction at a place, or None.

        Only transactions with a message on this connection count, because the end of others may not have been seen.
        """
        if session.version is OcppVersion.V16:
            known = self.station.topic(Transactions16)
            since = session.opened_at.mono_ns
            for old in known.open_on(place[0]) if place[0] else known.open_transactions():
                if max(old.started_ns, old.metered_ns or 0) >= since:
                    return old
            return None
        for one in self.station.topic(Transactions2x).open_transactions():
            here = place[0] in (0, one.evse) and (place[1] == 0 or one.connector in (None, place[1]))
            if here and one.connection == self._evidence.connections:
                return one
        return None

    @track(result("ChangeAvailability"))
    def answered(self, frame: Frame) -> None:
        asked = self._asked(frame)
        status = frame.payload.get("status")
        if asked is None or status not in ("Accepted", "Scheduled"):
            return
        place, inoperative = asked
        statuses = self._statuses(place)
        self.station.refresh_listeners()
        if inoperative:
            if len(self._inoperative) < PLACES_LIMIT:
                self._inoperative[place] = status == "Scheduled"
            expected = {"Available"}
        else:
            # If another ChangeAvailability covers this place or a part of it, it may stay unavailable.
            expected = {"Unavailable"} if set(self._inoperative) == {place} else set()
            self._inoperative.pop(place, None)
        if status == "Accepted" and statuses and set(statuses.values()) == expected:
            wait = self.settings.effect_timeout_s
            self.station.deadline(
                frame, wait, self.no_status, place, inoperative, statuses, frame, at_close=AtClose.LATE
            )

    @rule(
        "availability.not-carried-out",
        DEADLINE,
        title="A connector becomes available again although it was to become inoperative",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §5.2; 2.x G01.FR.05, G03.FR.05",
        remedy="Make the change once the transaction has ended, and report the connector as Unavailable.",
        bad=joined(_STARTED, _REQUEST, _ANSWER % "Scheduled", _ENDED, reported("Available"), "+ 5m"),
        good=joined(_STARTED, _REQUEST, _ANSWER % "Scheduled", _ENDED, reported("Unavailable"), "+ 5m"),
        side=Side.CHARGE_POINT,
    )
    def not_carried_out(self, moment: Moment, place: Place) -> Faults:
        self._awaited.discard(place)
        if not self._inoperative.get(place) or self.session not in self.station.sessions:
            return None
        statuses = set(self._statuses(place).values())
        if self._running(place, self.session) is not None:
            return None
        old = self.session.version is OcppVersion.V16 and place[0]
        if "Available" not in statuses and (not old or statuses & _CARRIED_OUT):
            return None
        where = " of ".join(f"{n} {i}" for n, i in zip(self._names(), reversed(place), strict=True) if i)
        wait = duration(self.settings.effect_timeout_s)
        text = f"{where or 'all'} was to become inoperative, but is not Unavailable {wait} after the transaction"
        return Fault(text, frame=ABSENT, key=str(place))

    @rule(
        "availability.not-persistent",
        DEADLINE,
        title="A connector that was made inoperative is available after a restart",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §5.2; 2.x B01.FR.07, B11.FR.02, B12.FR.06, G01.FR.02, G03.FR.08, G04.FR.09",
        remedy="Keep a connector Unavailable over restarts until ChangeAvailability makes it operative.",
        bad=joined(
            reported("Unavailable"), _REQUEST, _ANSWER % "Accepted", _BOOTED, reported("Available", "n2"), "+ 5m"
        ),
        good=joined(
            reported("Unavailable"), _REQUEST, _ANSWER % "Accepted", _BOOTED, reported("Unavailable", "n2"), "+ 5m"
        ),
        side=Side.CHARGE_POINT,
    )
    def not_persistent(self, moment: Moment, place: Place, boot: Frame) -> Faults:
        if self._inoperative.get(place) is not False or self.session not in self.station.sessions:
            return None
        if "Available" not in self._statuses(place).values():
            return None
        where = " of ".join(f"{n} {i}" for n, i in zip(self._names(), reversed(place), strict=True) if i)
        return Fault(f"{where or 'a connector'} is Available after the boot, but was made inoperative", frame=boot)

    @track(result("BootNotification"))
    def booted(self, frame: Frame) -> None:
        if frame.payload.get("status") == "Accepted":
            for place, scheduled in self._inoperative.items():
                if not scheduled:
                    wait = self.settings.status_after_boot_s
                    self.station.deadline(
                        frame, wait, self.not_persistent, place, frame.call or frame, at_close=AtClose.LATE
                    )

    @rule(
        "availability.refused",
        result("ChangeAvailability"),
        title="A change to the availability that a connector already has is refused",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §5.2; 2.x G03.FR.03, G04.FR.04",
        remedy="Answer Accepted where nothing has to change.",
        bad=joined(_REQUEST, _ANSWER % "Accepted", _AGAIN, _ANSWER_AGAIN % "Rejected"),
        good=joined(_REQUEST, _ANSWER % "Accepted", _AGAIN, _ANSWER_AGAIN % "Accepted"),
        side=Side.CHARGE_POINT,
    )
    def refused(self, frame: Frame) -> Faults:
        asked, status = self._asked(frame), frame.payload.get("status")
        if asked is None or status not in ("Rejected", "Scheduled"):
            return None
        place, inoperative = asked
        if inoperative and status == "Rejected" and self._inoperative.get(place) is False:
            return Fault("Rejected, but the same change was accepted before", "/2/status", key=str(place))
        wanted = _INOPERATIVE if inoperative else _OPERATIVE
        known = self._statuses(place).values()
        if not known or not set(known) <= wanted or self._evidence.seen_since is None:
            return None
        if not inoperative and any(one[0] in (0, place[0]) for one in self._inoperative):
            return None  # it is still to become inoperative
        if inoperative and self._running(place, self.session) is not None:
            return None
        said = "Inoperative" if inoperative else "Operative"
        text = f"{status}, but every connector concerned is already {said}: {', '.join(sorted(set(known)))[:60]}"
        return Fault(text, "/2/status", key=f"{place} {said}")

    @track(call("StatusNotification", "NotifyEvent", "StopTransaction"), dormant=lambda topic: not topic._inoperative)
    def freed(self, frame: Frame) -> None:
        for place, scheduled in self._inoperative.items():
            ended = frame.action == "StopTransaction"
            if place in self._awaited or not scheduled:
                continue
            if ended or "Available" in self._statuses(place).values():
                self._awaited.add(place)
                self.station.deadline(
                    frame, self.settings.effect_timeout_s, self.not_carried_out, place, at_close=AtClose.LATE
                )

    def _statuses(self, place: Place) -> dict[Place, str]:
        """Return the status that each connector of a place has last reported."""
        if self.session.version is OcppVersion.V16:
            known = self.station.topic(Status16).connectors
            chosen = {(number, 0): one.status for number, one in known.items() if number > 0}
            return {at: status for at, status in chosen.items() if place[0] in (0, at[0])}
        evses = self.station.topic(Evses2x).connectors
        return {at: s for at, s in evses.items() if place[0] in (0, at[0]) and place[1] in (0, at[1])}

    @rule(
        "availability.no-status",
        DEADLINE,
        title="A change of availability is not followed by a status",
        severity=Severity.WARNING,
        spec="OCPP 1.6 §5.2; 2.x G01.FR.07, G03.FR.04, G03.FR.07, G04.FR.05, G04.FR.08",
        remedy="Report the new status of each connector concerned once the change is made.",
        bad=joined(reported("Available"), _REQUEST, _ANSWER % "Accepted", "+ 5m"),
        good=joined(reported("Available"), _REQUEST, _ANSWER % "Accepted", reported("Unavailable", "n2"), "+ 5m"),
        side=Side.CHARGE_POINT,
    )
    def no_status(
        self, moment: Moment, place: Place, inoperative: bool, before: dict[Place, str], frame: Frame
    ) -> Faults:
        if self.session not in self.station.sessions or (place in self._inoperative) is not inoperative:
            return None
        if self._statuses(place) != before:
            return None
        change = "inoperative" if inoperative else "operative"
        where = " of ".join(f"{n} {i}" for n, i in zip(self._names(), reversed(place), strict=True) if i)
        still = "Available" if inoperative else "Unavailable"
        wait = self.settings.effect_timeout_s
        text = f"{where or 'all'} was accepted to become {change}, but still reports {still} {duration(wait)} later"
        return Fault(text, "/2/status", frame=frame, key=f"{place} {change}")

    def _names(self) -> tuple[str, str]:
        return ("", "connector") if self.session.version is OcppVersion.V16 else ("connector", "EVSE")
