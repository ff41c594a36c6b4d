"""What transactions and events say about tariffs in OCPP 2.1: which one is used, which was refused, and problems."""

from __future__ import annotations

import re

from inspector.protocol.frame import Frame
from inspector.rules.context import AtClose
from inspector.rules.fields import elements, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known, Promise, found
from inspector.rules.rule import V2X, V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import NOW, Payload, cp, script, started, transaction_event
from inspector.rules.topics.tariffs.known_v21 import TOKEN, KnownTariffs, authorized, enabled, tariff

_PRICE = re.compile(
    r"\d[^a-z]{0,9}(kwh|eur|usd|gbp|chf|€|\$|£|ct\b|cent)|(€|\$|£|eur|usd|gbp)\s?\d|tariff", re.IGNORECASE
)
_IN_USE = {"idTokenInfo": {"status": "Accepted"}}


def problem(value: str = "true", kind: str = "HardWiredNotification", trigger: str = "Alerting") -> str:
    """NotifyEvent for the variable Problem of TariffCostCtrlr."""
    one = {
        "eventId": 1,
        "timestamp": NOW,
        "trigger": trigger,
        "actualValue": value,
        "eventNotificationType": kind,
        "component": {"name": "TariffCostCtrlr"},
        "variable": {"name": "Problem"},
    }
    return cp("NotifyEvent", {"generatedAt": NOW, "seqNo": 0, "eventData": [one]})


def begun(info: Payload | None = None) -> str:
    """The Started of a transaction with a token and energy."""
    return started({"chargingState": "Charging", **(info or {})}, idToken=TOKEN, answer=_IN_USE)


def ended(info: Payload | None = None, sequence: int = 1, **more: object) -> str:
    """The Ended of that transaction."""
    return transaction_event("Ended", "StopAuthorized", sequence, {"stoppedReason": "Local", **(info or {})}, **more)


def refused(**info: object) -> str:
    """The event of a driver who does not accept the tariff."""
    return transaction_event("Updated", "TariffNotAccepted", 1, dict(info))


def costs(**more: object) -> Payload:
    """Costs of 3.00 EUR for 10 kWh with tariff "A"; None leaves a member out."""
    total = {"currency": "EUR", "typeOfCost": "NormalCost", "energy": {"exclTax": 3.0}, "total": {"exclTax": 3.0}}
    told = {
        "chargingPeriods": [{"startPeriod": NOW, "tariffId": "A"}],
        "totalCost": total,
        "totalUsage": {"energy": 10.0, "chargingTime": 600, "idleTime": 0},
        **more,
    }
    return {name: value for name, value in told.items() if value is not None}


def _message(content: str) -> str:
    told = {"status": "Accepted", "personalMessage": {"format": "UTF8", "content": content}}
    return cp("Authorize", {"idToken": TOKEN}, {"idTokenInfo": told})


class TariffEvents21(Topic):
    """Rules about tariffs in events."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._charged: Known[str, int] = Known()  # by transaction: the frame that first said that it uses energy
        self._refused: Known[str, None] = Known()  # transactions whose tariff the driver has not accepted
        self._retried: Known[str, None] = Known()  # tariffs of drivers that came after the problem
        self._problem = False  # whether TariffCostCtrlr.Problem was reported as true
        self._known = self.station.topic(KnownTariffs)
        self._transactions = self.station.topic(Transactions2x)

    @rule(
        "tariff.not-accepted",
        call("TransactionEvent"),
        title="A transaction goes on with a tariff that the driver has not accepted",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I07.FR.30, I08.FR.20",
        remedy="After TariffNotAccepted end the authorization: deliver no energy, and report no tariff and no costs.",
        bad=script(begun(), refused(tariffId="A")),
        good=script(begun(), refused(chargingState="SuspendedEVSE")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def not_accepted(self, frame: Frame) -> Faults:
        trigger = frame.payload.get("triggerReason")
        if trigger != "TariffNotAccepted" and not self._refused:
            return None
        info = member(frame.payload, "transactionInfo")
        name = string(info, "transactionId") or ""
        if trigger == "TariffNotAccepted":
            self._refused.note(name, None)
        elif trigger in ("Authorized", "RemoteStart", "TariffChanged"):
            self._refused.pop(name, None)
        if name not in self._refused:
            return None
        what = "tariffId" if "tariffId" in info else "costDetails" if "costDetails" in frame.payload else ""
        if not what and trigger != "TariffNotAccepted" and info.get("chargingState") == "Charging":
            what = "energy"
        if what:
            return Fault(
                f"the driver has not accepted the tariff, but there is {what}", "/3", key=f"{name[:36]} {what}"
            )
        reason = info.get("stoppedReason")
        if trigger == "TariffNotAccepted" and frame.payload.get("eventType") == "Ended" and reason != "DeAuthorized":
            text = f"the driver has not accepted the tariff, but stoppedReason is {str(reason)[:20]}"
            return Fault(text, "/3/transactionInfo/stoppedReason", key=name[:36])
        return None

    @rule(
        "tariff.not-named",
        call("TransactionEvent"),
        title="A transaction does not name its tariff",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I07.FR.32, I08.FR.22",
        remedy="Give transactionInfo.tariffId in the next TransactionEvent once the driver has accepted the tariff.",
        bad=script(authorized(tariff()), begun(), ended()),
        good=script(authorized(tariff()), begun({"tariffId": "A"}), ended(costDetails=costs())),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._known.contents,
    )
    def not_named(self, frame: Frame) -> Faults:
        known = self._known
        if not known.drivers and not known.defaults:
            return None
        info = member(frame.payload, "transactionInfo")
        name = string(info, "transactionId") or ""
        if info.get("chargingState") == "Charging" and name not in self._charged:
            self._charged.note(name, frame.frame_id)
        event = self._transactions.event
        if event is None or event.kind != "Ended" or event.repeated or name not in self._charged:
            return None
        one = event.transaction
        if name in known.named or "tariffId" in info or not one.started or self._problem or name in self._refused:
            return None
        token = known.tokens.get(name) or (string(member(frame.payload, "idToken"), "idToken") or "").lower()
        wanted = string(known.drivers.get(token, {}), "tariffId")
        if wanted is None and token:
            for number, there in known.defaults.items():
                if (
                    there.sure
                    and there.valid_from is None
                    and there.evse in (0, one.evse)
                    and there.frame_id < self._charged[name]
                ):
                    wanted = number
        if wanted is None or known.on("Tariff") is False:
            return None
        return Fault(
            f"{one} has used tariff {wanted[:60]!r}, but has not named it", "/3/transactionInfo", key=name[:36]
        )

    @track(call("TransactionEvent"), dormant=lambda topic: not topic._known.contents)
    def finished(self, frame: Frame) -> None:
        if frame.payload.get("eventType") != "Ended" or not self._known.drivers:
            return
        name = string(member(frame.payload, "transactionInfo"), "transactionId") or ""
        token = self._known.tokens.get(name)
        gone = self._known.drivers.pop(token, None) if token is not None else None
        if gone is not None:
            self._known.finished.note(string(gone, "tariffId") or "", None)

    @rule(
        "tariff.problem",
        call("NotifyEvent"),
        title="A problem with tariffs or costs is reported in the wrong form",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I08.FR.31, I08.FR.36, I08.FR.37, I12.FR.19, I12.FR.44",
        remedy="Report TariffCostCtrlr.Problem with trigger Alerting, eventNotificationType HardWiredNotification and "
        "the value true or false, or from a Delta monitor.",
        bad=script(problem(trigger="Delta")),
        good=script(problem()),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def problem_form(self, frame: Frame) -> Faults:
        for index, one in enumerate(elements(frame.payload, "eventData")):
            if found(one, "variable/name") != "Problem" or found(one, "component/name") != "TariffCostCtrlr":
                continue
            value, kind = string(one, "actualValue"), one.get("eventNotificationType")
            at = f"/3/eventData/{index}"
            if value is not None and value.lower() not in ("true", "false"):
                return Fault(f"the value is {value[:20]!r}; expected true or false", f"{at}/actualValue", key="value")
            self._problem = (value or "").lower() == "true"
            self._retried.clear()
            wired = kind == "HardWiredNotification"
            if wired != (one.get("trigger") == "Alerting"):
                text = f"trigger {str(one.get('trigger'))[:20]} with {str(kind)[:30]}"
                return Fault(text, f"{at}/eventNotificationType", key="kind")
        return None

    problem_stays = Promise(
        "tariff.problem-stays",
        "TransactionEvent",
        promised=lambda topic, frame: topic.solved(frame),
        kept_by=call("NotifyEvent"),
        keeps=lambda topic, frame: None if topic._problem else "problem",
        early=False,
        at_close=AtClose.LATE,
        text="the tariff or its costs work again, but TariffCostCtrlr.Problem was not reported as false within {wait}",
        title="The end of a problem with tariffs or costs is not reported",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I08.FR.36, I12.FR.44",
        remedy="Send NotifyEvent with the value false for TariffCostCtrlr.Problem once tariffs and costs work again.",
        bad=script(problem(), begun({"tariffId": "A"}), ended(costDetails=costs()), "+ 5m"),
        good=script(problem(), begun({"tariffId": "A"}), ended(costDetails=costs()), problem("false"), "+ 5m"),
        versions=V21,
        side=Side.CHARGE_POINT,
    )

    def solved(self, frame: Frame) -> str | None:
        """Return "problem" if a tariff or the costs work again, although a problem was reported."""
        if not self._problem:
            return None
        if string(member(frame.request, "transactionInfo"), "tariffId") in self._retried:
            return "problem"
        told = member(frame.request, "costDetails")
        ended = frame.request.get("eventType") == "Ended"
        return "problem" if ended and told and told.get("failureToCalculate") is not True else None

    @track(result("Authorize"))
    def retried(self, frame: Frame) -> None:
        name = string(member(frame.payload, "tariff"), "tariffId")
        if self._problem and name is not None:
            self._retried.note(name, None)


class TariffMessages2x(Topic):
    """The rule about tariffs in personal messages."""

    versions = V2X

    def setup(self) -> None:
        self._configuration = self.station.topic(ConfigurationState)

    @rule(
        "tariff.message",
        result("Authorize", "TransactionEvent"),
        title="A tariff is sent to a station that can show none",
        severity=Severity.WARNING,
        spec="OCPP 2.x I01.FR.02",
        remedy="Send tariff information only to stations that support tariffs or display messages.",
        bad=script(
            enabled("Tariff", value="false", variable="Available"),
            enabled("Tariff", value="false", variable="Available")
            .replace("TariffCostCtrlr", "DisplayMessageCtrlr")
            .replace(',"instance":"Tariff"', ""),
            _message("0.30 EUR/kWh"),
        ),
        good=script(
            enabled("Tariff", value="true", variable="Available"),
            enabled("Tariff", value="false", variable="Available")
            .replace("TariffCostCtrlr", "DisplayMessageCtrlr")
            .replace(',"instance":"Tariff"', ""),
            _message("0.30 EUR/kWh"),
        ),
        versions=V2X,
        side=Side.CSMS,
        plain=False,
    )
    def message(self, frame: Frame) -> Faults:
        info = frame.payload.get("idTokenInfo")
        told = info.get("personalMessage") if type(info) is dict else None
        if told is None:
            told = frame.payload.get("updatedPersonalMessage")
        if type(told) is not dict or not _PRICE.search(string(told, "content") or ""):
            return None
        tariffs = self._configuration.variable("TariffCostCtrlr", "Available", instance="Tariff")
        display = self._configuration.variable("DisplayMessageCtrlr", "Available")
        if (tariffs or "").lower() != "false" or (display or "").lower() != "false":
            return None
        return Fault("the station supports neither tariffs nor display messages, but a price is sent", "/2")
