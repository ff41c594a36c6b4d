"""What the CSMS puts into tariffs of OCPP 2.1, and what a station answers when they are set, listed and cleared."""

from __future__ import annotations

import re

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, integer, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import V21, Faults, Topic, call, result, rule
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.availability.evses_v2x import Evses2x
from inspector.rules.topics.example_frames import Payload, csms, script
from inspector.rules.topics.tariffs.known_v21 import KnownTariffs, authorized, default, enabled, prices, tariff

_TIME, _DATE = re.compile(r"([01]\d|2[0-3]):[0-5]\d"), re.compile(r"\d{4}-[01]\d-[0-3]\d")
_ZONE = re.compile(r"(Z|[+-]\d\d:?\d\d)$", re.IGNORECASE)
_FORMS = {"startTimeOfDay": _TIME, "endTimeOfDay": _TIME, "validFromDate": _DATE, "validToDate": _DATE}
_OTHER_PRICE = tariff(energy={"prices": [{"priceKwh": 0.5}]})


def listed(*told: Payload, evse: int = 0, status: str = "Accepted") -> str:
    """GetTariffs, and the answer with these assignments."""
    given = {"tariffAssignments": list(told)} if told else {}
    return csms("GetTariffs", {"evseId": evse}, {"status": status, **given})


def assigned(name: str = "A", *evses: int, kind: str = "DefaultTariff", **more: object) -> Payload:
    """An element of tariffAssignments."""
    return {"tariffId": name, "tariffKind": kind, **({"evseIds": list(evses)} if evses else {}), **more}


def cleared(*told: tuple[str | None, str], **criteria: object) -> str:
    """ClearTariffs, and an answer with these ids and statuses."""
    answer = [{**({"tariffId": name} if name else {}), "status": status} for name, status in told]
    return csms("ClearTariffs", criteria, {"clearTariffsResult": answer})


def _conditional(value: str) -> Payload:
    return tariff(energy={"prices": [{"priceKwh": 0.3, "conditions": {"startTimeOfDay": value}}]})


class TariffAnswers21(Topic):
    """Rules about tariffs that are given, and about answers."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._known = self.station.topic(KnownTariffs)
        self._transactions = self.station.topic(Transactions2x)
        self._evses = self.station.topic(Evses2x)
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "tariff.not-supported",
        result("SetDefaultTariff", "ChangeTransactionTariff"),
        title="A tariff is answered although the station has no tariffs",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I07.FR.01, I11.FR.01",
        remedy="Answer with the CALLERROR NotSupported or NotImplemented while Enabled[Tariff] is false.",
        bad=script(enabled("Tariff", value="false"), default(status="Rejected")),
        good=script(enabled("Tariff"), default()),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def not_supported(self, frame: Frame) -> Faults:
        needed = ("Tariff", "Cost") if frame.action == "ChangeTransactionTariff" else ("Tariff",)
        for instance in needed:
            for variable in ("Enabled", "Available"):
                if self._known.on(instance, variable) is False:
                    text = f"TariffCostCtrlr.{variable}[{instance}] is false, but a CALLRESULT came"
                    return Fault(f"{text}; expected the CALLERROR NotSupported", "/2", key=f"{variable} {instance}")
        return None

    @rule(
        "tariff.unsupported-content",
        result("SetDefaultTariff", "ChangeTransactionTariff"),
        title="A tariff is accepted with more elements or conditions than the station supports",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I07.FR.02, I07.FR.03, I11.FR.02, I11.FR.03",
        remedy="Answer TooManyElements above MaxElements[Tariff], and ConditionNotSupported while "
        "ConditionsSupported[Tariff] is false.",
        bad=script(enabled("Tariff", value="false", variable="ConditionsSupported"), default(_conditional("08:00"))),
        good=script(enabled("Tariff", value="false", variable="ConditionsSupported"), default()),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def unsupported_content(self, frame: Frame) -> Faults:
        if frame.payload.get("status") != "Accepted":
            return None
        one = member(frame.request, "tariff")
        most = self._configuration.variable_number("TariffCostCtrlr", "MaxElements", "Tariff")
        conditions = self._known.on("Tariff", "ConditionsSupported")
        count = sum(len(given) for _, given in prices(one))
        if most is not None and 0 < most < count:
            return Fault(f"{count} prices are accepted; MaxElements is {most}", "/2/status", key="most")
        for name, given in prices(one):
            if conditions is False and any("conditions" in each for each in given):
                text = f"{name} with conditions is accepted; ConditionsSupported is false"
                return Fault(text, "/2/status", key="conditions")
        return None

    @rule(
        "tariff.time",
        call("SetDefaultTariff", "ChangeTransactionTariff"),
        result("Authorize"),
        title="A time in a tariff is not written as the specification says",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I07.FR.17, I07.FR.18",
        remedy="Write times of day in local time as hh:mm, dates as YYYY-MM-DD, and validFrom with a time zone.",
        bad=script(default(_conditional("08:00Z"))),
        good=script(default(_conditional("08:00"))),
        versions=V21,
        side=Side.CSMS,
    )
    def time(self, frame: Frame) -> Faults:
        one = member(frame.payload, "tariff")
        at = "/2/tariff" if frame.call is not None else "/3/tariff"
        begins = string(one, "validFrom")
        if begins is not None and not _ZONE.search(begins):
            return Fault(f"validFrom is {begins[:40]!r}, without a time zone", f"{at}/validFrom", key="validFrom")
        for name, given in prices(one):
            for index, each in enumerate(given):
                conditions = member(each, "conditions")
                for member_name, form in _FORMS.items():
                    value = string(conditions, member_name)
                    if value is not None and not form.fullmatch(value):
                        wanted = "hh:mm" if form is _TIME else "YYYY-MM-DD"
                        text = f"{member_name} is {value[:40]!r}; expected {wanted} in local time"
                        place = f"{at}/{name}/prices/{index}/conditions/{member_name}"
                        return Fault(text, place, key=member_name)
        return None

    @rule(
        "tariff.content-changed",
        call("SetDefaultTariff", "ChangeTransactionTariff"),
        result("Authorize"),
        title="The CSMS gives two different tariffs the same id",
        severity=Severity.ERROR,
        spec="OCPP 2.1 I08.FR.08",
        remedy="Give a tariff another tariffId when its content changes.",
        bad=script(authorized(tariff()), authorized(_OTHER_PRICE)),
        good=script(authorized(tariff()), authorized({**_OTHER_PRICE, "tariffId": "B"})),
        versions=V21,
        side=Side.CSMS,
    )
    def content_changed(self, frame: Frame) -> Faults:
        one = member(frame.payload, "tariff")
        name = string(one, "tariffId")
        before = self._known.contents.get(name or "")
        if before is None or name is None:
            return None
        ignored = ("description", "validFrom", "customData")
        changed = [key for key in {**before, **one} if key not in ignored and before.get(key) != one.get(key)]
        if not changed:
            return None
        at = "/2/tariff" if frame.call is not None else "/3/tariff"
        return Fault(f"tariff {name[:60]!r} had another {changed[0][:30]} before", f"{at}/tariffId", key=name[:60])

    @rule(
        "tariff.not-listed",
        result("GetTariffs"),
        title="The list of tariffs lacks an accepted tariff, or has a cleared one",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I07.FR.11 to I07.FR.13, I07.FR.20 to I07.FR.22, I08.FR.06, I09.FR.01, I09.FR.02, "
        "I09.FR.05 to I09.FR.07",
        remedy="List each tariff with its validFrom and the EVSEs where it is installed or in use. Of one EVSE list "
        "only its own.",
        bad=script(default(), listed(status="NoTariff")),
        good=script(default(), listed(assigned("A", 1))),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def not_listed(self, frame: Frame) -> Faults:
        evse, status = integer(frame.request, "evseId"), frame.payload.get("status")
        if status not in ("Accepted", "NoTariff") or evse is None:
            return None
        told = elements(frame.payload, "tariffAssignments")
        for name, one in self._known.defaults.items():
            begun = one.valid_from is None or one.valid_from + self.settings.clock_skew_s < frame.ts_ns / 1e9
            if one.sure and evse in (0, one.evse or evse) and all(each.get("tariffId") != name for each in told):
                text = f"tariff {name[:60]!r} was accepted, but is not listed"
                return Fault(text, "/2/status", key="missing") if begun or status == "NoTariff" else None
        for index, each in enumerate(told):
            if fault := self._assignment(each, evse, f"/2/tariffAssignments/{index}", frame.ts_ns / 1e9):
                return fault
        return None

    def _assignment(self, told: Payload, evse: int, at: str, now: float) -> Fault | None:
        name, evses = string(told, "tariffId") or "", told.get("evseIds")
        places = evses if type(evses) is list else []
        if evse > 0 and places and evse not in places:
            return Fault(
                f"tariff {name[:60]!r} is not of EVSE {evse}, which was requested", f"{at}/evseIds", key="evse"
            )
        using = [
            one for one in self._transactions.open_transactions() if self._known.named.get(one.transaction_id) == name
        ]
        if name in self._known.cleared and not using:
            return Fault(f"tariff {name[:60]!r} was cleared, but is listed", at, key="cleared")
        if name in self._known.replaced and not using and told.get("tariffKind") == "DefaultTariff":
            return Fault(f"tariff {name[:60]!r} was replaced, but is listed", at, key="replaced")
        there = self._known.defaults.get(name)
        if there is not None and told.get("tariffKind") == "DefaultTariff" and not using:
            for other, newer in self._known.defaults.items():
                begins, before = newer.valid_from, there.valid_from or 0.0
                later = begins is not None and before < begins < now - self.settings.clock_skew_s
                if later and newer.frame_id > there.frame_id and newer.evse in (0, there.evse):
                    text = f"tariff {name[:60]!r} is listed, although {other[:60]!r} has replaced it at its validFrom"
                    return Fault(text, at, key="replaced")
        if (
            there is not None
            and there.sure
            and there.evse
            and places
            and there.evse not in places
            and evse in (0, there.evse)
        ):
            text = f"tariff {name[:60]!r} was set for EVSE {there.evse}, which evseIds lacks"
            return Fault(text, f"{at}/evseIds", key="installed")
        if there is not None and there.sure and not there.evse and evse == 0 and places:
            without = sorted({number for number, _ in self._evses.connectors} - set(places))
            if without:
                text = f"tariff {name[:60]!r} was set for every EVSE, but evseIds lacks {without[0]}"
                return Fault(text, f"{at}/evseIds", key="every")
        known = self._known.contents.get(name, {})
        if "validFrom" in known and "validFrom" not in told and told.get("tariffKind") == "DefaultTariff":
            return Fault(f"tariff {name[:60]!r} has a validFrom, which is missing", at, key="validFrom")
        if told.get("tariffKind") != "DriverTariff":
            return None
        if name in self._known.finished and not using:
            return Fault(
                f"the tariff {name[:60]!r} of a driver is listed; its transaction has ended", at, key="finished"
            )
        if not places:
            severity = Severity.INFO if "idTokens" in told else None
            return Fault(f"the tariff {name[:60]!r} of a driver has no evseIds", at, severity=severity, key="evseIds")
        lacking = [one.evse for one in using if one.evse is not None and one.evse not in places]
        if lacking and evse in (0, lacking[0]):
            text = f"tariff {name[:60]!r} is in use on EVSE {lacking[0]}, which evseIds lacks"
            return Fault(text, f"{at}/evseIds", key="use")
        return None

    @rule(
        "tariff.clear-result",
        result("ClearTariffs"),
        title="The answer to ClearTariffs contradicts the tariffs of the station",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I10.FR.01, I10.FR.02, I10.FR.03, I10.FR.05, I10.FR.06, I10.FR.07",
        remedy="Name each tariff that matches tariffIds and evseId with Accepted. Answer NoTariff, without ids, where "
        "none matches.",
        bad=script(default(), cleared((None, "NoTariff"))),
        good=script(default(), cleared(("A", "Accepted"))),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def clear_result(self, frame: Frame) -> Faults:
        wanted, evse = frame.request.get("tariffIds"), integer(frame.request, "evseId")
        asked = wanted if type(wanted) is list else None
        results = elements(frame.payload, "clearTariffsResult")
        told = {string(one, "tariffId"): string(one, "status") for one in results}
        for name, status in told.items():
            if name is not None and status == "Accepted":
                if asked is not None and name not in asked:
                    return Fault(f"tariff {name[:60]!r} is cleared, but was not named", "/2", key="unasked")
                known = self._known.defaults.get(name)
                if known is not None and known.sure and evse not in (None, known.evse) and known.evse:
                    text = f"tariff {name[:60]!r} is cleared; it is installed on EVSE {known.evse}, not on {evse}"
                    return Fault(text, "/2", key="evse")
                if name in self._known.cleared and name not in self._known.defaults and self._unused(name):
                    return Fault(f"tariff {name[:60]!r} is cleared; it was cleared before", "/2", key="again")
        for name, one in self._known.defaults.items():
            matches = (asked is None or name in asked) and evse in (None, one.evse)
            if one.sure and matches and told.get(name) != "Accepted":
                what = "is refused" if told.get(name) == "Rejected" else "is not cleared"
                return Fault(f"tariff {name[:60]!r} was accepted and matches, but {what}", "/2", key="missing")
        if None in told and told[None] == "Accepted":
            return Fault("a tariff is cleared, but its tariffId is missing", "/2/clearTariffsResult", key="nameless")
        if told and set(told.values()) == {"NoTariff"} and None not in told:
            return Fault("the status is NoTariff, but tariffId is given", "/2/clearTariffsResult", key="named")
        return None

    def _unused(self, name: str) -> bool:
        return all(one.get("tariffId") != name for one in self._known.drivers.values())
