"""Whether a 2.1 station uses the tariff of a driver for this driver alone, and how it handles one that has failed."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import V21, Faults, Topic, call, result, rule, track
from inspector.rules.state.configuration import ConfigurationState
from inspector.rules.state.transactions_v2x import Transactions2x
from inspector.rules.topics.example_frames import Payload, cp, script, variable_2x
from inspector.rules.topics.tariffs.events_v21 import begun, costs, ended, problem
from inspector.rules.topics.tariffs.known_v21 import KnownTariffs, authorized, tariff
from inspector.rules.topics.tariffs.problem_v21 import is_problem

_OTHER = {"idToken": "U", "type": "ISO14443"}
_ASKED = cp("Authorize", {"idToken": _OTHER}, {"idTokenInfo": {"status": "Accepted"}})
_TOTAL = {"totalCost": 3.0}
_HANDLED = "HandleFailedTariff"


def _failed(handling: str) -> tuple[str, ...]:
    """Return an Authorize whose tariff the station cannot use, and what the station is to do then."""
    return variable_2x("TariffCostCtrlr", _HANDLED, handling), authorized(tariff()), problem()


class DriverTariffs21(Topic):
    """The rules about tariffs of drivers."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._latest = ""  # the token of the latest Authorize with a tariff, in lower case, until a problem
        self._failed: Known[str, str] = Known()  # by token: the tariff that the station could not use
        self._asked: Known[str, str] = Known()  # by token: the tariff in the answer to its Authorize; "" for none
        self._owners: Known[str, set[str]] = Known()  # by tariff: the tokens to which it was given
        self._known = self.station.topic(KnownTariffs)
        self._configuration = self.station.topic(ConfigurationState)
        self._transactions = self.station.topic(Transactions2x)

    def _token(self, payload: Payload) -> str:
        told = string(member(payload, "idToken"), "idToken")
        name = string(member(payload, "transactionInfo"), "transactionId") or ""
        return self._known.tokens.get(name) or (told or "").lower()

    @rule(
        "tariff.other-driver",
        call("TransactionEvent"),
        title="A transaction uses the tariff of another driver",
        severity=Severity.ERROR,
        spec="OCPP 2.1 I08.FR.04, I07.FR.14",
        remedy="Use the tariff in the answer to Authorize only for the transaction of this token; otherwise use the "
        "default tariff.",
        bad=script(authorized(tariff()), _ASKED, begun({"tariffId": "A"}).replace('"idToken":"T"', '"idToken":"U"')),
        good=script(authorized(tariff()), _ASKED, begun({"tariffId": "A"})),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._known.contents,
    )
    def other_driver(self, frame: Frame) -> Faults:
        name, token = string(member(frame.payload, "transactionInfo"), "tariffId"), self._token(frame.payload)
        owners = self._owners.get(name or "")
        if name is not None and not owners and self._asked.get(token) == "" and (wanted := self._default(frame, name)):
            text = f"tariff {name[:60]!r} is used; the driver has none, so the default tariff {wanted[:60]!r} applies"
            return Fault(text, "/3/transactionInfo/tariffId", key=name[:60])
        if not owners or token in owners or token not in self._asked:
            return None
        text = f"tariff {(name or '')[:60]!r} was given to another token than that of the transaction"
        return Fault(text, "/3/transactionInfo/tariffId", key=(name or "")[:60])

    def _default(self, frame: Frame, told: str) -> str | None:
        """Return the default tariff that applies to the transaction of this event; None if `told` may be right."""
        known, event = self._known, self._transactions.event
        if event is None or event.transaction.evse is None or event.transaction.transaction_id in known.changed:
            return None
        if told in known.defaults or told in known.replaced or told in known.cleared:
            return None
        for name, one in known.defaults.items():
            if one.sure and one.valid_from is None and one.evse in (0, event.transaction.evse):
                return name
        return None

    @rule(
        "tariff.failed-used",
        call("TransactionEvent"),
        title="A station does not follow HandleFailedTariff after a problem with the tariff of a driver",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I08.FR.31, I08.FR.32, I08.FR.33",
        remedy="Deauthorize: deliver no energy. UseDefault: use the default tariff. CentralCost: calculate no costs.",
        bad=script(*_failed("CentralCost"), begun(), ended(costDetails=costs(), answer=_TOTAL)),
        good=script(*_failed("CentralCost"), begun(), ended(answer=_TOTAL)),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._failed,
    )
    def failed_used(self, frame: Frame) -> Faults:
        info, failed = member(frame.payload, "transactionInfo"), self._failed.get(self._token(frame.payload))
        handling = self._configuration.variable("TariffCostCtrlr", _HANDLED)
        if failed is None or handling not in ("Deauthorize", "UseDefault", "CentralCost"):
            return None
        what = ""
        if handling == "Deauthorize" and info.get("chargingState") == "Charging":
            what = "the station charges"
        elif info.get("tariffId") == failed:
            what = "the transaction uses this tariff"
        elif handling == "CentralCost" and "totalCost" in member(frame.payload, "costDetails"):
            what = "there are costDetails"
        text = f"tariff {failed[:60]!r} has failed and {_HANDLED} is {handling}, but {what}"
        return Fault(text, "/3", key=what) if what else None

    @rule(
        "cost.central-missing",
        result("TransactionEvent"),
        title="The CSMS calculates no costs although the station leaves this to it",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I08.FR.34",
        remedy="Give totalCost in the answer to Ended when the tariff has failed and HandleFailedTariff is "
        "CentralCost.",
        bad=script(*_failed("CentralCost"), begun(), ended()),
        good=script(*_failed("CentralCost"), begun(), ended(answer=_TOTAL)),
        versions=V21,
        side=Side.CSMS,
        dormant=lambda topic: not topic._failed,
    )
    def central_missing(self, frame: Frame) -> Faults:
        request = frame.request
        if request.get("eventType") != "Ended" or "totalCost" in frame.payload:
            return None
        if self._token(request) not in self._failed:
            return None
        if self._configuration.variable("TariffCostCtrlr", _HANDLED) != "CentralCost" or request.get("offline") is True:
            return None
        return Fault("the station calculates no costs of this transaction, but totalCost is missing", "/2")

    @rule(
        "tariff.problem-false",
        result("GetVariables"),
        title="The variable Problem is false although the tariff of a driver has just failed",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I08.FR.30",
        remedy="Set TariffCostCtrlr.Problem to true when the tariff of a driver cannot be used.",
        bad=script(*_failed("UseDefault"), variable_2x("TariffCostCtrlr", "Problem", "false")),
        good=script(*_failed("UseDefault"), variable_2x("TariffCostCtrlr", "Problem", "true")),
        versions=V21,
        side=Side.CHARGE_POINT,
        dormant=lambda topic: not topic._failed,
    )
    def problem_false(self, frame: Frame) -> Faults:
        if self._latest not in self._failed:
            return None
        for index, one in enumerate(elements(frame.payload, "getVariableResult")):
            if is_problem(one) and (string(one, "attributeValue") or "").lower() == "false":
                return Fault("Problem is false, but was reported as true", f"/2/getVariableResult/{index}")
        return None

    @track(result("Authorize"))
    def authorized(self, frame: Frame) -> None:
        token = (string(member(frame.request, "idToken"), "idToken") or "").lower()
        name = string(member(frame.payload, "tariff"), "tariffId")
        self._failed.pop(token, None)
        self._asked.note(token, name or "")
        self._latest = token if name is not None else ""
        if name is not None and name not in self._known.defaults:
            first, owners = not self._owners, self._owners.get(name)
            self._owners.note(name, {token} if owners is None else owners | {token})
            if first:
                self.station.refresh_listeners()

    @track(call("BootNotification"))
    def booted(self, frame: Frame) -> None:
        self._latest = ""
        self._failed.clear()

    @track(result("SetDefaultTariff", "ChangeTransactionTariff"))
    def given(self, frame: Frame) -> None:
        self._owners.pop(string(member(frame.request, "tariff"), "tariffId") or "", None)
        self._latest = ""  # a problem may be one of this tariff

    @track(call("TransactionEvent"), plain=False, dormant=lambda topic: not topic._owners)
    def used(self, frame: Frame) -> None:
        if "costDetails" in frame.payload or "tariffId" in member(frame.payload, "transactionInfo"):
            self._latest = ""  # a problem may be one of these costs

    @track(call("NotifyEvent"), dormant=lambda topic: not topic._owners)
    def notified(self, frame: Frame) -> None:
        for one in elements(frame.payload, "eventData"):
            if not is_problem(one):
                continue
            if (string(one, "actualValue") or "").lower() != "true":
                self._failed.clear()
            elif self._latest:
                first, name = not self._failed, self._asked.get(self._latest)
                self._failed.note(self._latest, name or "")
                if first:
                    self.station.refresh_listeners()
