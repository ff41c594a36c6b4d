"""Judge whether single sampled values are numbers, and whether their units are spelled correctly.

`registers` reads the samples and calls these rules with those that it cannot read.
"""

from __future__ import annotations

import re

from inspector.rules.finding import Fault, Severity, Side
from inspector.rules.rule import ASIDE, V2X, V16, Topic, rule

UNITS_2X = frozenset(
    "A ASU B Celsius dB dBm Deg Fahrenheit Hz K kPa lx m ms2 N Ohm Percent RH RPM s V VA VAh var varh W Wh"
    " kVA kVAh kvar kvarh kW kWh".split()
)
"""The standardized units of 2.x (part 2 appendix 2), and the units of 1.6 with a k, which means a multiplier of 3."""

DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""Matches a decimal number. Python's float() would also accept 1_000, nan and the digits of any script."""

_BY_LETTERS = {unit.lower(): unit for unit in UNITS_2X if len(unit) > 1}
_BY_LETTERS |= {"amp": "A", "amps": "A", "ampere": "A", "volt": "V", "volts": "V", "watt": "W", "watts": "W"}
_BY_LETTERS |= {"hertz": "Hz", "%": "Percent", "a": "A", "v": "V", "w": "W"}
_HEXADECIMAL = re.compile(r"0[xX][0-9a-fA-F]+")
_WITH_UNIT = re.compile(r"[+-]?[0-9][0-9.,]*\s*[A-Za-z%°]+")
_NO_VALUE = frozenset({"nan", "inf", "infinity", "null", "none", "undefined", "n/a", "na"})


def _values(value: str) -> str:
    return (
        '> [2,"m","MeterValues",{"connectorId":1,"meterValue":[{"timestamp":"2026-01-01T12:00:00Z",'
        f'"sampledValue":[{{"value":"{value}"}}]}}]}}]\n< [3,"m",{{}}]'
    )


def _unit(unit: str) -> str:
    return (
        '> [2,"m","MeterValues",{"evseId":1,"meterValue":[{"timestamp":"2026-01-01T12:00:00Z",'
        f'"sampledValue":[{{"value":1,"unitOfMeasure":{{"unit":"{unit}"}}}}]}}]}}]\n< [3,"m",{{}}]'
    )


class SampledValues(Topic):
    """The rules about a single sampled value."""

    scope = "station"

    @rule(
        "meter.not-a-number",
        ASIDE,
        title="A sampled value is not a decimal number",
        severity=Severity.ERROR,
        spec="OCPP 1.6 §7.43",
        remedy="Write values as decimal numbers with a point and without spaces, such as 1.7. Leave out what the "
        "meter does not measure.",
        bad=_values("1,7"),
        good=_values("1.7"),
        versions=V16,
        side=Side.CHARGE_POINT,
    )
    def not_a_number(self, value: str, measurand: object) -> Fault:
        name, shown, plain = str(measurand)[:40], repr(value[:40]), value.strip()
        if DECIMAL.fullmatch(plain):
            text = f"the value of {name} is {shown}: there are blanks around the number"
            return Fault(text, severity=Severity.INFO, key=f"{name} blanks")
        kind = _kind(plain)
        return Fault(f"the value of {name} is {shown}: {kind}, not a decimal number", key=f"{name} {kind}")

    @rule(
        "meter.unit",
        ASIDE,
        title="A unit is not spelled as in the list of standardized units",
        severity=Severity.WARNING,
        spec="OCPP 2.x part 2, UnitOfMeasureType and appendix 2",
        remedy="Spell standardized units as the list does: Wh, W, A, V, Hz, Celsius, Percent.",
        bad=_unit("KWH"),
        good=_unit("kWh"),
        versions=V2X,
        side=Side.CHARGE_POINT,
    )
    def unit(self, unit: str) -> Fault | None:
        meant = _BY_LETTERS.get(re.sub(r"[^a-z%]", "", unit.lower()))
        if meant is None or meant == unit:
            return None  # vendors may define units of their own
        text = f"the unit is {unit[:20]!r}; the list spells it {meant}"
        return Fault(text, key=unit[:20])


def _kind(plain: str) -> str:
    if not plain:
        return "an empty text"
    if plain.lower().lstrip("+-") in _NO_VALUE:
        return "a word for no value"
    if DECIMAL.fullmatch(plain.replace(",", ".")):
        return "a number with a decimal comma"
    if _HEXADECIMAL.fullmatch(plain):
        return "a hexadecimal number"
    return "a number with its unit" if _WITH_UNIT.fullmatch(plain) else "a text"
