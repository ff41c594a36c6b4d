"""Judge whether a charging station reports exactly the charging profiles that it has accepted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from inspector.protocol.frame import Frame
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import elements, integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, ongoing
from inspector.rules.rule import OPENED, V2X, V21, Faults, Topic, call, event, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import NOW, Payload, cp, csms, script, started, transaction_event
from inspector.rules.topics.smart_charging.profiles import ChargingProfiles
from inspector.rules.topics.smart_charging.sent_v2x import profile, sent

_LASTING = frozenset({"TxDefaultProfile", "ChargingStationMaxProfile", "PriorityCharging"})
"""The purposes of profiles that a station keeps until they are cleared, even after a restart."""


def asked(evse: int | None = None, status: str = "Accepted", **criteria: Any) -> str:
    """Return a GetChargingProfiles and its answer; without criteria, it requests the default profiles."""
    place = {} if evse is None else {"evseId": evse}
    wanted = criteria or {"chargingProfilePurpose": "TxDefaultProfile"}
    return csms("GetChargingProfiles", {"requestId": 3, **place, "chargingProfile": wanted}, {"status": status})


def reported(*profiles: Payload, evse: int = 1, source: str = "CSO", **more: Any) -> str:
    """Return a ReportChargingProfiles with the requestId that `asked` uses, and its answer."""
    told = {"requestId": 3, "chargingLimitSource": source, "evseId": evse, "chargingProfile": list(profiles)}
    return cp("ReportChargingProfiles", {**told, **more})


_ENDED = transaction_event("Ended", "StopAuthorized", 1)
_TX = profile("TxProfile", transactionId="t1")
_DYNAMIC = profile(kind="Dynamic")


@dataclass(slots=True, eq=False)
class _Asked:
    """A GetChargingProfiles, and the ids of the profiles that the report must have."""

    payload: Payload
    wanted: set[int] = field(default_factory=set)


class ReportedProfiles(Topic):
    """The rules about ReportChargingProfiles."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._asked: Known[int, _Asked] = Known()  # the requests, by requestId
        self._updated: Known[int, float] = Known()  # by id: when a Dynamic profile was last set, in seconds since 1970
        self._limited: Known[str, float] = Known()  # by source: when its limit was last notified, likewise
        self._profiles = self.station.topic(ChargingProfiles)
        self._transactions = self.station.topic(Transactions2x)
        self._evidence = self.station.topic(Observation)

    @track(call("GetChargingProfiles"))
    def requested(self, frame: Frame) -> None:
        number = integer(frame.payload, "requestId")
        if number is not None:
            self._asked.note(number, _Asked(frame.payload))

    @rule(
        "profile.not-reported",
        result("GetChargingProfiles"),
        call("ReportChargingProfiles"),
        title="A charging profile that the station has accepted is missing in its report",
        severity=Severity.ERROR,
        spec="OCPP 2.x K09.FR.04, K09.FR.05, K09.FR.06, K01.FR.27",
        remedy="Keep accepted profiles, over restarts too, and report all that match the request.",
        bad=script(sent(profile()), asked(status="NoProfiles")),
        good=script(sent(profile()), asked(status="Accepted"), reported(profile())),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def not_reported(self, frame: Frame) -> Faults:
        answer = frame.call is not None
        number = integer(frame.request if answer else frame.payload, "requestId")
        one = self._asked.get(number if number is not None else -1)
        if one is None:
            return None
        if answer:
            one.wanted = {
                number for number, kept in self._profiles.accepted.items() if self._matches(one, number, kept)
            }
            if frame.payload.get("status") != "NoProfiles" or not one.wanted:
                return None
            return Fault(f"NoProfiles, although profile {min(one.wanted)} was accepted", "/2/status")
        one.wanted -= {integer(each, "id") for each in elements(frame.payload, "chargingProfile")}
        if frame.payload.get("tbc") is True:
            return None
        missing = sorted(one.wanted & self._profiles.accepted.keys())
        one.wanted.clear()
        return (
            Fault(f"profile {missing[0]} was accepted, but is not reported", "/3/chargingProfile") if missing else None
        )

    def _matches(self, one: _Asked, number: int, kept: Any) -> bool:
        """Return whether an accepted profile must be in the report."""
        if kept.valid_to != float("inf") or kept.place is None:
            return False
        if kept.purpose not in _LASTING and not (kept.purpose == "TxProfile" and ongoing(self, kept.transaction)):
            return False
        twins = [other for other, there in self._profiles.accepted.items() if there[:3] == kept[:3]]
        evse, criteria = integer(one.payload, "evseId"), member(one.payload, "chargingProfile")
        ids, sources = criteria.get("chargingProfileId"), criteria.get("chargingLimitSource")
        return (
            len(twins) == 1
            and ("evseId" not in one.payload or evse == kept.place)
            and (type(ids) is not list or number in ids)
            and (type(sources) is not list or "CSO" in sources)
            and criteria.get("chargingProfilePurpose") in (None, kept.purpose)
            and criteria.get("stackLevel") in (None, kept.level)
        )

    @rule(
        "profile.report-unasked",
        call("ReportChargingProfiles"),
        title="A report has charging profiles that were not requested, or names another EVSE than theirs",
        severity=Severity.WARNING,
        spec="OCPP 2.x K09.FR.04, K09.FR.05, K09.FR.06, K01.FR.14, K01.FR.15",
        remedy="Report only profiles that match all criteria of the request, each for the EVSE that it was sent to.",
        bad=script(sent(profile()), asked(1), reported(profile(), evse=2)),
        good=script(sent(profile()), asked(1), reported(profile(), evse=1)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unasked(self, frame: Frame) -> Faults:
        number, evse = integer(frame.payload, "requestId"), integer(frame.payload, "evseId")
        one = self._asked.get(number if number is not None else -1)
        if one is None:
            return None
        wanted = integer(one.payload, "evseId")
        if wanted is not None and evse is not None and wanted != evse:
            return Fault(f"a report of EVSE {evse}; EVSE {wanted} was requested", "/3/evseId", key="evse")
        criteria = member(one.payload, "chargingProfile")
        sources, source = criteria.get("chargingLimitSource"), string(frame.payload, "chargingLimitSource")
        if type(sources) is list and source is not None and source not in sources:
            return Fault(f"the source {source[:20]} was not requested", "/3/chargingLimitSource", key="source")
        ids = criteria.get("chargingProfileId")
        for index, told in enumerate(elements(frame.payload, "chargingProfile")):
            name = integer(told, "id")
            at = f"/3/chargingProfile/{index}"
            for criterion in ("chargingProfilePurpose", "stackLevel"):
                if criteria.get(criterion) not in (None, told.get(criterion)):
                    text = f"profile {name} has {criterion} {str(told.get(criterion))[:40]}"
                    return Fault(f"{text}; {criteria[criterion]} was requested", f"{at}/{criterion}", key=criterion)
            if type(ids) is list and name is not None and name not in ids:
                return Fault(f"profile {name} was not requested", f"{at}/id", key="id")
            kept = self._profiles.accepted.get(name if name is not None else -1)
            if kept is not None and None not in (kept.place, evse) and kept.place != evse:
                text = f"profile {name} is reported for EVSE {evse}; it was sent to EVSE {kept.place}"
                return Fault(text, "/3/evseId", key="place")
        return None

    @rule(
        "profile.report-outdated",
        call("ReportChargingProfiles"),
        title="A report has a charging profile that was replaced, or whose transaction has ended",
        severity=Severity.WARNING,
        spec="OCPP 2.x K01.FR.05, K02.FR.05",
        remedy="Replace a profile when another with its id is accepted. Delete a TxProfile with its transaction.",
        bad=script(started(), _ENDED, asked(chargingProfilePurpose="TxProfile"), reported(_TX)),
        good=script(started(), asked(chargingProfilePurpose="TxProfile"), reported(_TX)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def outdated(self, frame: Frame) -> Faults:
        for index, told in enumerate(elements(frame.payload, "chargingProfile")):
            number, at = integer(told, "id"), f"/3/chargingProfile/{index}"
            transaction = self._transactions.by_id.get(string(told, "transactionId") or "")
            if transaction is not None and not transaction.open and told.get("chargingProfilePurpose") == "TxProfile":
                text = f"profile {number} is reported; its {transaction} has ended"
                return Fault(text, at, key=str(number))
            kept = self._profiles.accepted.get(number if number is not None else -1)
            if kept is None:
                continue
            for name, value in (
                ("chargingProfilePurpose", kept.purpose),
                ("stackLevel", kept.level),
                ("chargingProfileKind", kept.kind),
            ):
                if value is not None and name in told and told[name] != value:
                    text = f"profile {number} is reported with {name} {str(told[name])[:40]}; {value} was accepted"
                    return Fault(text, f"{at}/{name}", key=str(number))
        return None

    @rule(
        "profile.update-time",
        call("ReportChargingProfiles"),
        title="A dynamic charging profile is reported without the time of its last update",
        severity=Severity.WARNING,
        spec="OCPP 2.1 K28.FR.05, K28.FR.09, K29.FR.06",
        remedy="Set dynUpdateTime when a Dynamic profile is accepted and at each update.",
        bad=script(sent(_DYNAMIC), asked(), reported(_DYNAMIC)),
        good=script(sent(_DYNAMIC), asked(), reported({**_DYNAMIC, "dynUpdateTime": NOW})),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def update_time(self, frame: Frame) -> Faults:
        for index, told in enumerate(elements(frame.payload, "chargingProfile")):
            if told.get("chargingProfileKind") != "Dynamic":
                continue
            number = integer(told, "id")
            if "dynUpdateTime" not in told:
                return Fault(f"profile {number} has no dynUpdateTime", f"/3/chargingProfile/{index}", key="missing")
            said = seconds(string(told, "dynUpdateTime"))
            updated = self._updated.get(number if number is not None else -1)
            if told.get("chargingProfilePurpose") == "ChargingStationExternalConstraints":
                updated = self._limited.get(string(frame.payload, "chargingLimitSource") or "")
            if said is None or updated is None or not self._evidence.timed:
                continue
            if said + min(self.settings.clock_skew_s, self._evidence.skew_s + 2) < updated:
                text = f"the dynUpdateTime of profile {number} is {told['dynUpdateTime'][:30]}; it was updated later"
                return Fault(text, f"/3/chargingProfile/{index}/dynUpdateTime", key="old")
        return None

    @track(result("SetChargingProfile", "UpdateDynamicSchedule", "PullDynamicScheduleUpdate"), versions=V21)
    def updated(self, frame: Frame) -> None:
        one = member(frame.request, "chargingProfile")
        number = integer(frame.request, "chargingProfileId")
        if frame.action == "SetChargingProfile":
            number = integer(one, "id")
            if one.get("chargingProfileKind") != "Dynamic" or "dynUpdateTime" in one:
                return
        if number is not None and frame.payload.get("status") == "Accepted":
            self._updated.note(number, frame.ts_ns / 1e9)

    @track(call("NotifyChargingLimit"), versions=V21)
    def limited(self, frame: Frame) -> None:
        source = string(member(frame.payload, "chargingLimit"), "chargingLimitSource")
        if source is not None and elements(frame.payload, "chargingSchedule"):
            self._limited.note(source, frame.ts_ns / 1e9)

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            self._limited.clear()
            self._asked.clear()  # the capture may lack some parts of the reports

    @track(event("gap"))
    def gap(self, session: SessionContext, moment: Moment, detail: dict[str, Any]) -> None:
        self._asked.clear()
