"""Judge the charging profiles that a CSMS sends, and remember those that the charge point has accepted."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.context import Moment, SessionContext
from inspector.rules.fields import integer, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import ongoing
from inspector.rules.rule import OPENED, V2X, Faults, Topic, call, result, rule, track
from inspector.rules.state.observation import Observation
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.state.transactions_v16 import Transactions16
from inspector.rules.topics.smart_charging.reading import Found, profiles_in, profiles_of, schedules_of

PROFILES_LIMIT = 500
"""At most so many accepted profiles of one charge point are remembered; beyond that, the oldest is forgotten."""

_SET = call("SetChargingProfile")
_STARTS = call("RemoteStartTransaction", "RequestStartTransaction")
_STATION_MAX = frozenset({"ChargePointMaxProfile", "ChargingStationMaxProfile"})
_OK = '> [3,"p",{"status":"Accepted"}]'


def _profile(
    periods: str = '{"startPeriod":0,"limit":16.0}',
    purpose: str = "TxDefaultProfile",
    kind: str = '"chargingProfileKind":"Relative"',
    number: int = 1,
    more: str = "",
) -> dict[str, str]:
    """Return a profile as JSON text, in the spelling of each version."""
    start = f'"stackLevel":0,"chargingProfilePurpose":"{purpose}",{kind}{more},"chargingSchedule":'
    schedule = f'"chargingRateUnit":"A","chargingSchedulePeriod":[{periods}]'
    begins = "" if "Relative" in kind else '"startSchedule":"2026-01-01T12:00:00Z",'
    return {
        "1.6": f'{{"chargingProfileId":{number},{start}{{{schedule}}}}}',
        "2x": f'{{"id":{number},{start}[{{"id":1,{begins}{schedule}}}]}}'.replace(
            "ChargePointMax", "ChargingStationMax"
        ),
    }


def _sent(profile: dict[str, str], place: int = 1, message_id: str = "p") -> dict[str, str]:
    """Return a SetChargingProfile with this profile and its answer Accepted, by version."""
    answer = _OK.replace('"p"', f'"{message_id}"')
    return {
        "1.6": f'< [2,"{message_id}","SetChargingProfile",{{"connectorId":{place},'
        f'"csChargingProfiles":{profile["1.6"]}}}]\n{answer}',
        **dict.fromkeys(
            ("2.0.1", "2.1"),
            f'< [2,"{message_id}","SetChargingProfile",{{"evseId":{place},'
            f'"chargingProfile":{profile["2x"]}}}]\n{answer}',
        ),
    }


def _started(profile: dict[str, str]) -> dict[str, str]:
    """Return a remote start with this profile and its answer Accepted, by version."""
    token = '"idToken":{"idToken":"T","type":"Central"}'
    return {
        "1.6": f'< [2,"p","RemoteStartTransaction",{{"idTag":"T","chargingProfile":{profile["1.6"]}}}]\n{_OK}',
        **dict.fromkeys(
            ("2.0.1", "2.1"),
            f'< [2,"p","RequestStartTransaction",{{"remoteStartId":1,{token},"evseId":1,'
            f'"chargingProfile":{profile["2x"]}}}]\n{_OK}',
        ),
    }


def _2x(examples: dict[str, str]) -> dict[str, str]:
    return {version: script for version, script in examples.items() if version != "1.6"}


class Kept(NamedTuple):
    """The properties of an accepted profile that decide which other profiles overlap with it."""

    place: int | None
    purpose: str | None
    level: int | None
    transaction: Any
    valid_from: float
    valid_to: float
    kind: str | None  # Absolute, Recurring, Relative or Dynamic


class ChargingProfiles(Topic):
    """The rules about the charging profiles of one charge point.

    Attributes:
        accepted: the accepted profiles by profile id, oldest first.
    """

    scope = "station"

    def setup(self) -> None:
        self.accepted: dict[int, Kept] = {}
        self._evidence = self.station.topic(Observation)

    @rule(
        "profile.first-period",
        _SET,
        _STARTS,
        title="The first period of a charging schedule does not start at 0",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §7.14 and §5.16.4; K01.FR.31",
        remedy="Begin each schedule with a period whose startPeriod is 0.",
        bad=_sent(_profile('{"startPeriod":60,"limit":16.0}')),
        good=_sent(_profile()),
    )
    def first_period(self, frame: Frame) -> Faults:
        faults = []
        for found in profiles_of(frame):
            for pointer, periods in schedules_of(found):
                start = integer(periods[0], "startPeriod") if periods else None
                if start:
                    text = f"the first period starts at {start} s; a schedule begins at 0"
                    faults.append(Fault(text, f"{pointer}/0/startPeriod"))
        return faults

    @rule(
        "profile.period-order",
        _SET,
        _STARTS,
        title="The periods of a charging schedule are not in ascending order",
        severity={
            OcppVersion.V16: Severity.WARNING,
            OcppVersion.V201: Severity.ERROR,
            OcppVersion.V21: Severity.ERROR,
        },
        spec="OCPP 1.6 §7.13; K01.FR.35",
        remedy="List the periods by startPeriod, each later than the one before.",
        bad=_sent(
            _profile('{"startPeriod":0,"limit":16.0},{"startPeriod":60,"limit":8.0},{"startPeriod":30,"limit":6.0}')
        ),
        good=_sent(_profile('{"startPeriod":0,"limit":16.0},{"startPeriod":30,"limit":8.0}')),
    )
    def period_order(self, frame: Frame) -> Faults:
        faults = []
        for found in profiles_of(frame):
            for pointer, periods in schedules_of(found):
                starts = [integer(period, "startPeriod") for period in periods]
                for index, (one, other) in enumerate(pairwise(starts), 1):
                    if one is not None and other is not None and other <= one:
                        text = f"a period that starts at {other} s follows one that starts at {one} s"
                        faults.append(Fault(text, f"{pointer}/{index}/startPeriod"))
                        break
        return faults

    @rule(
        "profile.decimals",
        _SET,
        _STARTS,
        title="A limit has more than one decimal",
        versions=V2X,
        severity=Severity.WARNING,
        spec="OCPP 2.x part 2, ChargingSchedulePeriodType",
        remedy="Round limits to one decimal; otherwise the charge point rounds them in its own way.",
        bad=_2x(_sent(_profile('{"startPeriod":0,"limit":16.25}'))),
        good=_2x(_sent(_profile('{"startPeriod":0,"limit":16.2}'))),
    )
    def decimals(self, frame: Frame) -> Faults:
        for found in profiles_of(frame):
            for pointer, periods in schedules_of(found):
                for index, period in enumerate(periods):
                    limit = period.get("limit")
                    if type(limit) is float and round(limit, 1) != limit:
                        text = f"the limit {limit} has more than one decimal"
                        return Fault(text, f"{pointer}/{index}/limit")
        return None

    @rule(
        "profile.recurrency",
        _SET,
        _STARTS,
        title="A recurrencyKind on a profile that does not recur",
        severity=Severity.ERROR,
        spec="OCPP 1.6 errata 3.56; OCPP 2.x part 2, ChargingProfileType",
        remedy="Leave recurrencyKind out unless chargingProfileKind is Recurring.",
        bad=_sent(_profile(more=',"recurrencyKind":"Daily"')),
        good=_sent(_profile(kind='"chargingProfileKind":"Recurring"', more=',"recurrencyKind":"Daily"')),
    )
    def recurrency(self, frame: Frame) -> Faults:
        for found in profiles_of(frame):
            kind = string(found.profile, "chargingProfileKind")
            if "recurrencyKind" in found.profile and kind not in (None, "Recurring"):
                text = f"a profile of kind {kind} has a recurrencyKind"
                return Fault(text, f"{found.pointer}/recurrencyKind", key=kind)
        return None

    @rule(
        "profile.place",
        _SET,
        title="The purpose of a charging profile does not allow its connector or EVSE",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §3.13.1; K01.FR.16, K04.FR.03 and the remarks of use case K01",
        remedy="Send the profile for the whole station to 0, and a TxProfile to the connector or EVSE of its "
        "transaction.",
        bad=_sent(_profile(purpose="ChargePointMaxProfile", kind='"chargingProfileKind":"Absolute"')),
        good=_sent(_profile(purpose="ChargePointMaxProfile", kind='"chargingProfileKind":"Absolute"'), place=0),
    )
    def place(self, frame: Frame) -> Faults:
        for found in profiles_of(frame):
            purpose = string(found.profile, "chargingProfilePurpose")
            member_name = "/3/connectorId" if self.session.version is OcppVersion.V16 else "/3/evseId"
            if purpose in _STATION_MAX and found.place:
                text = f"a {purpose} for {found.place}; it is valid for the whole station, 0"
                return Fault(text, member_name, key=purpose or "")
            if purpose == "TxProfile" and found.place == 0:
                text = "a TxProfile for 0; it needs the connector or EVSE of its transaction"
                return Fault(text, member_name, key="TxProfile")
        return None

    @rule(
        "profile.remote-start",
        _STARTS,
        title="The profile of a remote start is not a TxProfile, or names a transaction",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §5.11 and §3.13.1; F01.FR.09, F01.FR.11, F02.FR.17, F02.FR.19, K05.FR.02",
        remedy="Send a TxProfile without transactionId: the transaction has none yet.",
        bad=_started(_profile()),
        good=_started(_profile(purpose="TxProfile")),
    )
    def remote_start(self, frame: Frame) -> Faults:
        for found in profiles_of(frame):
            purpose = string(found.profile, "chargingProfilePurpose")
            if purpose is not None and purpose != "TxProfile":
                text = f"a remote start with a {purpose}"
                return Fault(text, f"{found.pointer}/chargingProfilePurpose", key=purpose)
            if "transactionId" in found.profile:
                return Fault("a remote start whose profile names a transaction", f"{found.pointer}/transactionId")
        return None

    @rule(
        "profile.no-transaction",
        result("SetChargingProfile"),
        title="A TxProfile is accepted although its transaction does not exist",
        severity=Severity.ERROR,
        side=Side.CHARGE_POINT,
        spec="OCPP 1.6 §5.16.2; K01.FR.09, K01.FR.33",
        remedy="Answer Rejected to a TxProfile while its transaction is not active.",
        bad={
            "1.6": 'open\n> [2,"b","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]\n'
            '< [3,"b",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":600}]\n'
            + _sent(_profile(purpose="TxProfile"))["1.6"],
            **{
                version: 'open\n> [2,"b","BootNotification",{"reason":"PowerUp","chargingStation":'
                '{"model":"M","vendorName":"V"}}]\n'
                '< [3,"b",{"status":"Accepted","currentTime":"2026-01-01T12:00:00Z","interval":600}]\n' + script
                for version, script in _2x(_sent(_profile(purpose="TxProfile", more=',"transactionId":"T"'))).items()
            },
        },
        good={
            "1.6": _sent(_profile(purpose="TxProfile"))["1.6"],
            **_2x(_sent(_profile(purpose="TxProfile", more=',"transactionId":"T"'))),
        },
    )
    def no_transaction(self, frame: Frame) -> Faults:
        if frame.payload.get("status") != "Accepted":
            return None
        for found in profiles_in(frame.request):
            if string(found.profile, "chargingProfilePurpose") != "TxProfile":
                continue
            name = found.profile.get("transactionId")
            if type(name) is str and ongoing(self, name) is False:
                return Fault(
                    f"a TxProfile was accepted for transaction {name[:36]!r}, which is not active",
                    "/2/status",
                    key="id",
                )
            if not found.place or self._evidence.seen_since is None:
                continue
            if self.session.version is OcppVersion.V16:
                known = self.station.topic(Transactions16)
                missing = not known.open_on(found.place) and known.would_have_been_seen(None, found.place)
            else:
                other = self.station.topic(Transactions2x)
                missing = not other.open_on(found.place) and other.would_have_been_seen(None, found.place)
            if missing:
                return Fault(f"a TxProfile for {found.place} was accepted; no transaction is open there", "/2/status")
        return None

    @rule(
        "profile.overlap",
        result("SetChargingProfile"),
        title="Two profiles with the same purpose, place and stack level are valid at the same time",
        severity={
            OcppVersion.V16: Severity.INFO,
            OcppVersion.V201: Severity.ERROR,
            OcppVersion.V21: Severity.ERROR,
        },
        side=Side.CSMS,
        spec="OCPP 1.6 §5.16; K01.FR.06, K01.FR.39",
        remedy="Give each profile of a purpose its own stack level, or reuse the id to replace the other profile.",
        bad={v: f"{one}\n{_sent(_profile(number=2), message_id='q')[v]}" for v, one in _sent(_profile()).items()},
        good={v: f"{one}\n{_sent(_profile(), message_id='q')[v]}" for v, one in _sent(_profile()).items()},
    )
    def overlap(self, frame: Frame) -> Faults:
        if frame.payload.get("status") != "Accepted" and self.session.version is OcppVersion.V16:
            return None  # it replaces no profile
        faults = []
        for found in profiles_in(frame.request):
            number, kept = _kept(found)
            for other, there in self.accepted.items():
                same = there[:4] == kept[:4] and kept.purpose is not None and kept.level is not None
                if other != number and same and _overlap(there, kept):
                    text = f"profile {number} is valid at the same time as profile {other}: {kept.purpose}, "
                    text += f"stack level {kept.level}"
                    if self.session.version is OcppVersion.V16:
                        text += "; it replaces it"
                    faults.append(Fault(text, found.pointer.replace("/2/", "/3/"), frame=frame.call))
                    break
        return faults

    @track(result("SetChargingProfile"))
    def keep(self, frame: Frame) -> None:
        if frame.payload.get("status") != "Accepted":
            return
        for found in profiles_in(frame.request):
            number, kept = _kept(found)
            if number is None:
                continue
            if self.session.version is OcppVersion.V16:  # it replaces a profile with the same purpose and level
                for other in [other for other, there in self.accepted.items() if there[:4] == kept[:4]]:
                    del self.accepted[other]
            self.accepted.pop(number, None)
            self.accepted[number] = kept
            if len(self.accepted) > PROFILES_LIMIT:
                del self.accepted[next(iter(self.accepted))]

    @track(result("ClearChargingProfile"))
    def forget(self, frame: Frame) -> None:
        if frame.payload.get("status") != "Accepted":
            return
        number = frame.request.get("id", frame.request.get("chargingProfileId"))
        if type(number) is int:
            self.accepted.pop(number, None)
            return
        criteria = member(frame.request, "chargingProfileCriteria") or frame.request
        purpose, level = string(criteria, "chargingProfilePurpose"), integer(criteria, "stackLevel")
        place = integer(criteria, "evseId") if "evseId" in criteria else integer(criteria, "connectorId")
        wanted = (purpose, level, place)
        for known, kept in list(self.accepted.items()):
            # A profile stays only if it certainly does not match.
            if all(None in pair or pair[0] == pair[1] for pair in zip(wanted, kept[1:3] + kept[:1], strict=True)):
                del self.accepted[known]

    @track(OPENED)
    def opened(self, session: SessionContext, moment: Moment) -> None:
        if not session.from_start:
            self.accepted.clear()  # profiles may have been cleared before the capture

    @track(call("StopTransaction", "BootNotification"))
    def ended(self, frame: Frame) -> None:
        self._forget_transactions()

    @track(call("TransactionEvent"), versions=V2X, plain=False)
    def event_ended(self, frame: Frame) -> None:
        if frame.payload.get("eventType") == "Ended":
            self._forget_transactions()

    def _forget_transactions(self) -> None:
        # A TxProfile ends with its transaction (1.6 section 3.13.1, K01.FR.14).
        if self.accepted:
            self.accepted = {n: kept for n, kept in self.accepted.items() if kept.purpose != "TxProfile"}


def _kept(found: Found) -> tuple[int | None, Kept]:
    profile = found.profile
    number = integer(profile, "chargingProfileId")
    transaction = profile.get("transactionId")
    return number if number is not None else integer(profile, "id"), Kept(
        found.place,
        string(profile, "chargingProfilePurpose"),
        integer(profile, "stackLevel"),
        transaction if isinstance(transaction, str | int) else None,
        seconds(string(profile, "validFrom")) or float("-inf"),
        seconds(string(profile, "validTo")) or float("inf"),
        string(profile, "chargingProfileKind"),
    )


def _overlap(one: Kept, other: Kept) -> bool:
    return one.valid_from < other.valid_to and other.valid_from < one.valid_to
