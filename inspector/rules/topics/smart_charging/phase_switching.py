"""Whether an EVSE of a 2.x station can switch the phase that it connects to the car; judges nothing."""

from __future__ import annotations

from inspector.rules.rule import Topic
from inspector.rules.state.device_model import DeviceModel, Name

_VARIABLE = "acphaseswitchingsupported"


def switches_phases(topic: Topic, evse: int | None) -> bool | None:
    """Return the value of ACPhaseSwitchingSupported for an EVSE; False if the station has no such variable.

    The variable belongs to SmartChargingCtrlr, of the whole station or of one EVSE; some stations have it in EVSE. None
    if it is not known.
    """
    model = topic.station.topic(DeviceModel)
    places = [("smartchargingctrlr", evse), ("smartchargingctrlr", None), ("evse", evse)]
    known = [model.variables.get(Name(component, "", place, None, _VARIABLE, "")) for component, place in places]
    values = [one.value.lower() for one in known if one is not None and one.value is not None]
    if values:
        return values[0] == "true"
    if any(one is not None and one.unknown is not None for one in known):
        return False
    if not model.whole or any(one is not None and one.listed for one in known):
        return None
    return False if model.components & {"smartchargingctrlr", "evse"} else None
