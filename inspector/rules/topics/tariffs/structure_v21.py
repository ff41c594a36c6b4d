"""What is wrong with the structure of a tariff of OCPP 2.1, by itself; judges nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator

from inspector.rules.fields import member, string
from inspector.rules.topics.example_frames import Payload
from inspector.rules.topics.tariffs.known_v21 import prices

_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
_BOUNDS = ("Energy", "Current", "Power", "Time", "ChargingTime", "IdleTime")


def mistakes(one: Payload) -> Iterator[str]:
    """Yield the faults in the structure of a tariff."""
    given = [(name, each) for name, found in prices(one) for each in found]
    if not given and one:
        yield "the tariff has no prices"
    for name, each in given:
        conditions = member(each, "conditions")
        for time in ("startTimeOfDay", "endTimeOfDay"):
            said = conditions.get(time)
            if said is not None and not (type(said) is str and _TIME.fullmatch(said)):
                yield f"{time} of {name} is {str(said)[:20]!r}"
        for what in _BOUNDS:
            least, most = conditions.get(f"min{what}"), conditions.get(f"max{what}")
            if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
                yield f"min{what} of {name} is above max{what}"
        begins, ends = string(conditions, "validFromDate"), string(conditions, "validToDate")
        if begins is not None and ends is not None and begins > ends:
            yield f"validFromDate of {name} is after validToDate"
    least, most = (member(one, bound).get("exclTax") for bound in ("minCost", "maxCost"))
    if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
        yield "minCost is above maxCost"
