"""Judge whether the members of a sampled value fit each other: its measurand, unit, phase and context."""

from __future__ import annotations

import base64
import binascii

from inspector.protocol.frame import Frame
from inspector.protocol.vocabulary import OcppVersion
from inspector.rules.fields import elements, member, seconds, string
from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.kit import Known
from inspector.rules.rule import ASIDE, V2X, V21, Faults, Topic, aside, call, rule
from inspector.rules.state.transactions_v2x import Event, Transactions2x
from inspector.rules.topics.example_frames import NOW, Payload, cp, script, started, transaction_event
from inspector.rules.topics.metering.sampled_values import UNITS_2X

_DEFAULT = "Energy.Active.Import.Register"
_FITTING = {
    "Current": {"A"},
    "Energy.Active": {"Wh", "kWh"},
    "Energy.Reactive": {"varh", "kvarh"},
    "Energy.Apparent": {"VAh", "kVAh"},
    "Frequency": {"Hz", "RPM"},
    "Power.Active": {"W", "kW"},
    "Power.Reactive": {"var", "kvar"},
    "Power.Offered": {"W", "kW", "VA", "kVA"},
    "SoC": {"Percent"},
    "Voltage": {"V"},
}
"""For each kind of measurand, the standardized units in which it is measured."""
_USUAL = frozenset(
    {
        ("Energy.Active.Import.Register", "Wh"),
        ("Energy.Active.Import.Register", "kWh"),
        ("Power.Active.Import", "W"),
        ("Power.Active.Import", "kW"),
        ("Current.Import", "A"),
        ("Voltage", "V"),
        ("SoC", "Percent"),
    }
)
"""The most frequent measurands and their units, which need no closer look."""
_WITHOUT_PHASE = frozenset({"SoC", "RPM"})
_CONTEXTS = {"MeterValueClock": "Sample.Clock", "MeterValuePeriodic": "Sample.Periodic", "Trigger": "Trigger"}
"""For each trigger of an event with meter values, their context."""
_LITTLE_WH = 1000.0
LATE_S = 120.0
"""A reading that was taken so long after the start of a transaction is not of its start."""


def _values(*samples: Payload, evse: int = 1, at: str = NOW) -> str:
    return cp("MeterValues", {"evseId": evse, "meterValue": [{"timestamp": at, "sampledValue": list(samples)}]})


def _event(trigger: str, context: str) -> str:
    value = {"timestamp": NOW, "sampledValue": [{"value": 1.0, "context": context}]}
    return transaction_event("Updated", trigger, 1, meterValue=[value])


def _signed(**more: str) -> str:
    signature = {"signedMeterData": "YQ==", "encodingMethod": "EDL", **more}
    return _values({"value": 1000, "signedMeterValue": signature})


def _register(value: float) -> Payload:
    return {"meterValue": [{"timestamp": NOW, "sampledValue": [{"value": value}]}]}


def _second(value: float) -> str:
    return started(**_register(value)).replace('"t1"', '"t2"')


_FIRST = (
    started(**_register(5000.0)),
    transaction_event("Ended", "StopAuthorized", 1, {"stoppedReason": "Local"}, **_register(9000.0)),
)


class SampleMeanings2x(Topic):
    """The rules about the members of sampled values; a reading of each EVSE is kept for the next transaction."""

    scope = "station"
    versions = V2X

    def setup(self) -> None:
        self._registers: Known[tuple[int, str], tuple[str, float]] = Known()  # last register, by EVSE and location
        self._updated: Known[str, None] = Known()  # transactions with an event that had meter values
        self._transactions = self.station.topic(Transactions2x)

    @rule(
        "meter.other-unit",
        call("MeterValues", "TransactionEvent"),
        title="A sampled value has the unit of another measurand",
        severity=Severity.WARNING,
        spec="OCPP 2.x J01.FR.07, J02.FR.03",
        remedy="Name the measurand that was measured. Without measurand a value is Energy.Active.Import.Register.",
        bad=script(_values({"value": 16.0, "unitOfMeasure": {"unit": "A"}})),
        good=script(_values({"value": 16.0, "unitOfMeasure": {"unit": "A"}, "measurand": "Current.Import"})),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def other_unit(self, frame: Frame) -> Faults:
        payload = frame.payload
        if "meterValue" not in payload:
            return None
        event = self._transactions.event if frame.action == "TransactionEvent" else None
        based = event is not None and (event.kind != "Updated" or event.transaction.transaction_id not in self._updated)
        if based and event is not None:
            self._updated.note(event.transaction.transaction_id, None)
        usual = _CONTEXTS.get(event.trigger or "") if event is not None and event.kind == "Updated" else None
        for i, value in enumerate(elements(payload, "meterValue")):
            at = string(value, "timestamp")
            for j, sample in enumerate(elements(value, "sampledValue")):
                measure = sample.get("unitOfMeasure")
                fault = self._unit(sample) if measure is not None else None
                if fault is None and "phase" in sample:
                    fault = aside(self.phase, sample)
                if fault is None and "location" in sample:
                    fault = aside(self.location, sample)
                if fault is None and "context" in sample and (usual is None or sample["context"] != usual):
                    fault = aside(self.context, sample, payload, event, at)
                if fault is None and based and event is not None and at is not None:
                    fault = aside(self.rebased, sample, event, at)
                if fault is None and "signedMeterValue" in sample and self.session.version is OcppVersion.V21:
                    signed = member(sample, "signedMeterValue")
                    fault = aside(self.public_key, signed) or aside(self.signing_method, signed)
                if fault is not None:
                    return fault._replace(pointer=f"/3/meterValue/{i}/sampledValue/{j}{fault.pointer or ''}")
        return None

    def _unit(self, sample: Payload) -> Fault | None:
        measure = sample.get("unitOfMeasure")
        unit = measure.get("unit") if type(measure) is dict else None
        if type(unit) is not str or unit not in UNITS_2X:
            return None
        measurand = sample.get("measurand", _DEFAULT)
        if type(measurand) is str and (measurand, unit) in _USUAL:
            return None
        kind = str(measurand).split(".")
        fitting = _FITTING.get(".".join(kind[:2])) or _FITTING.get(kind[0])
        if fitting is None or unit in fitting:
            return None
        said = str(measurand)[:40] if "measurand" in sample else f"no measurand, which means {_DEFAULT},"
        return Fault(f"{said} has the unit {unit}", "/unitOfMeasure/unit", key=f"{said} {unit}")

    @rule(
        "meter.phase",
        ASIDE,
        title="A sampled value has a phase, but its measurand is not measured on phases",
        severity=Severity.WARNING,
        spec="OCPP 2.x J01.FR.10, J02.FR.06",
        remedy="Set phase only for measurands that have phases, such as current, voltage, power and energy.",
        bad=script(_values({"value": 50, "measurand": "SoC", "phase": "L1"})),
        good=script(_values({"value": 50, "measurand": "SoC"}, {"value": 1, "phase": "L1"})),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def phase(self, sample: Payload) -> Fault | None:
        measurand = sample.get("measurand")
        if type(measurand) is not str or measurand not in _WITHOUT_PHASE:
            return None
        return Fault(f"{measurand} of phase {str(sample['phase'])[:10]}", "/phase", key=measurand)

    @rule(
        "meter.location",
        ASIDE,
        title="The state of charge of a car is measured outside the car",
        severity=Severity.WARNING,
        spec="OCPP 2.x J01.FR.09, J02.FR.05",
        remedy="Set location to where the value is measured: EV for SoC.",
        bad=script(_values({"value": 50, "measurand": "SoC", "location": "Inlet"})),
        good=script(_values({"value": 50, "measurand": "SoC", "location": "EV"})),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def location(self, sample: Payload) -> Fault | None:
        place = sample.get("location")
        if sample.get("measurand") != "SoC" or type(place) is not str or place == "EV":
            return None
        severity = Severity.INFO if place == "Outlet" else None  # that is what a missing location means
        return Fault(f"SoC with the location {place[:20]}", "/location", key=place[:20], severity=severity)

    @rule(
        "meter.context",
        ASIDE,
        title="The context of a sampled value contradicts the message that it comes in",
        severity=Severity.WARNING,
        spec="OCPP 2.x J01.FR.08, J02.FR.04, and the description of ReadingContextEnumType",
        remedy="Set context to the cause of the reading: Transaction.Begin and Transaction.End for the first and "
        "the last of a transaction, Sample.Clock, Sample.Periodic or Trigger for those between.",
        bad=script(started(), _event("MeterValueClock", "Sample.Periodic")),
        good=script(started(), _event("MeterValueClock", "Sample.Clock")),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def context(self, sample: Payload, payload: Payload, event: Event | None, at: str | None) -> Fault | None:
        context, kind, trigger = sample.get("context"), payload.get("eventType"), payload.get("triggerReason")
        if type(context) is not str:
            return None
        wanted = _CONTEXTS.get(trigger) if kind == "Updated" and type(trigger) is str else None
        said = None
        if event is None:
            if context in ("Transaction.Begin", "Transaction.End") and payload.get("evseId") == 0:
                said = f"{context} in MeterValues of the whole station"
        elif context == "Transaction.End" and event.kind in ("Started", "Updated"):
            said = f"{context} in an event {kind}"
        elif context == "Transaction.Begin" and wanted is not None:
            begun = seconds(event.transaction.started[1]) if event.transaction.started is not None else None
            taken = seconds(at)
            if begun is not None and taken is not None and taken - begun > LATE_S:
                said = f"{context} of {(at or '')[:30]}, long after the start of {event.transaction}"
        elif wanted is not None and context in _CONTEXTS.values() and context != wanted:
            said = f"{context} in an event with triggerReason {trigger}"
        return Fault(said, "/context", key=f"{context} {kind} {trigger}"[:80]) if said is not None else None

    @rule(
        "meter.rebased",
        ASIDE,
        title="A register restarts at 0 with each transaction",
        severity=Severity.INFO,
        spec="OCPP 2.x J02.FR.17",
        remedy="Report registers as the meter has them, so that a missing amount between transactions can be seen.",
        bad=script(*_FIRST, _second(0.0)),
        good=script(*_FIRST, _second(9000.0)),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def rebased(self, sample: Payload, event: Event, at: str) -> Fault | None:
        evse, value = event.transaction.evse, sample.get("value")
        if evse is None or sample.get("measurand", _DEFAULT) != _DEFAULT or "phase" in sample:
            return None
        measure = member(sample, "unitOfMeasure")
        if not isinstance(value, int | float) or measure.get("multiplier"):
            return None
        energy, name = float(value) * (1000 if measure.get("unit") == "kWh" else 1), event.transaction.transaction_id
        key = (evse, str(sample.get("location", "Outlet"))[:20])
        last = self._registers.get(key)
        if last is not None and last[0] == name and energy < last[1]:
            return None
        self._registers.note(key, (name, energy))
        if last is None or last[0] == name or energy >= min(last[1] / 2, _LITTLE_WH) or event.offline:
            return None
        text = f"the register of EVSE {evse} was at {last[1]:g} Wh; in the next transaction it is at {energy:g} Wh"
        return Fault(text, "/value", key=str(evse))

    @rule(
        "meter.public-key",
        ASIDE,
        title="The public key of a signed meter value is not in the recommended form",
        severity=Severity.INFO,
        spec="OCPP 2.1 J02.FR.23",
        remedy="Write publicKey as oca:base16:asn1: and the key as printed on the meter, with its encoding and type.",
        bad=script(_signed(publicKey="3056301006072A", signingMethod="ECDSA-secp256r1-SHA256")),
        good=script(_signed(publicKey="oca:base16:asn1:3056301006072A", signingMethod="ECDSA-secp256r1-SHA256")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def public_key(self, signed: Payload) -> Fault | None:
        key = string(signed, "publicKey")
        if not key or _recommended(key):
            return None
        return Fault("publicKey does not begin with oca:", "/signedMeterValue/publicKey")

    @rule(
        "meter.signing-method",
        ASIDE,
        title="A signed meter value does not name the method of its signature",
        severity=Severity.INFO,
        spec="OCPP 2.1 J02.FR.24",
        remedy="Set signingMethod unless the signed data names the method itself, as OCMF does.",
        bad=script(_signed(publicKey="oca:base16:asn1:3056301006072A")),
        good=script(_signed(publicKey="oca:base16:asn1:3056301006072A", signingMethod="ECDSA-secp256r1-SHA256")),
        versions=V21,
        side=Side.CHARGE_POINT,
    )
    def signing_method(self, signed: Payload) -> Fault | None:
        if not signed.get("publicKey") or signed.get("signingMethod") or signed.get("encodingMethod") == "OCMF":
            return None
        return Fault("signingMethod is missing", "/signedMeterValue")


def _recommended(key: str) -> bool:
    """Return whether a key has the marker of the recommended form, also if all of it is encoded in Base64."""
    if key.lower().startswith("oca:"):
        return True
    try:
        return base64.b64decode(key[:400] + "=" * (-len(key[:400]) % 4)).lower().startswith(b"oca:")
    except (binascii.Error, ValueError):
        return False
