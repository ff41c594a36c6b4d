"""Judge whether a 2.1 station sets the variable Problem to false once it uses the tariff of a driver."""

from __future__ import annotations

from inspector.protocol.frame import Frame
from inspector.rules.fields import elements, member, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import found
from inspector.rules.rule import V21, Faults, Topic, call, result, rule, track
from inspector.rules.topics.example_frames import script, variable_2x
from inspector.rules.topics.tariffs.events_v21 import begun
from inspector.rules.topics.tariffs.known_v21 import KnownTariffs, authorized, tariff

_READ = variable_2x("TariffCostCtrlr", "Problem", "true")
_REPAIRED = variable_2x("TariffCostCtrlr", "Problem", "false")


class TariffProblem21(Topic):
    """The rule about the variable Problem of TariffCostCtrlr."""

    scope = "station"
    versions = V21

    def setup(self) -> None:
        self._problem = False  # whether the latest known value is true
        self._solved = False  # whether the tariff of a driver was used since
        self._known = self.station.topic(KnownTariffs)

    @rule(
        "tariff.problem-kept",
        result("GetVariables"),
        title="The variable Problem stays true although the tariff of a driver is used again",
        severity=Severity.WARNING,
        spec="OCPP 2.1 I08.FR.35",
        remedy="Set TariffCostCtrlr.Problem to false when the tariff of a driver is accepted.",
        bad=script(_READ, authorized(tariff()), begun({"tariffId": "A"}), _READ),
        good=script(_READ, authorized(tariff()), begun({"tariffId": "A"}), _REPAIRED),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def problem_kept(self, frame: Frame) -> Faults:
        for index, one in enumerate(elements(frame.payload, "getVariableResult")):
            if not is_problem(one) or one.get("attributeStatus") != "Accepted":
                continue
            true = (string(one, "attributeValue") or "").lower() == "true"
            kept = true and self._problem and self._solved
            self._problem = true
            if kept:
                text = "Problem is true, but since it was set the tariff of a driver was used"
                return Fault(text, f"/2/getVariableResult/{index}")
            self._solved = False
        return None

    @track(call("NotifyEvent"))
    def notified(self, frame: Frame) -> None:
        for one in elements(frame.payload, "eventData"):
            if is_problem(one):
                self._problem = (string(one, "actualValue") or "").lower() == "true"
                self._solved = False

    @track(call("TransactionEvent"), plain=False, dormant=lambda topic: not topic._known.contents)
    def used(self, frame: Frame) -> None:
        if not self._problem:
            return
        told, info = member(frame.payload, "costDetails"), member(frame.payload, "transactionInfo")
        if told.get("failureToCalculate") is True:
            self._solved = False
            return
        token = self._known.tokens.get(string(info, "transactionId") or "")
        name = string(self._known.drivers.get(token or "", {}), "tariffId")
        if name is not None and name == info.get("tariffId"):
            self._solved = True

    @track(result("SetDefaultTariff", "ChangeTransactionTariff", "Authorize"))
    def given(self, frame: Frame) -> None:
        # The station may have found a new problem in a new tariff.
        if frame.action != "Authorize" or "tariff" in frame.payload:
            self._solved = False


def is_problem(entry: dict[str, object]) -> bool:
    return (found(entry, "component/name"), found(entry, "variable/name")) == ("TariffCostCtrlr", "Problem")
