"""Rules for the DER controls that a CSMS sets (2.1, R04)."""

from __future__ import annotations

from csms.call_rules.rule import V21, Facts, Rule
from csms.schemas import Payload

FIELDS = {
    "FixedPFAbsorb": "fixedPFAbsorb",
    "FixedPFInject": "fixedPFInject",
    "FixedVar": "fixedVar",
    "LimitMaxDischarge": "limitMaxDischarge",
    "FreqDroop": "freqDroop",
    "EnterService": "enterService",
    "Gradients": "gradient",
}
"""controlType -> the member with its settings; for all other types it is `curve` (R04.FR.16)."""
SETTINGS = frozenset({*FIELDS.values(), "curve"})


def _foreign_settings(payload: Payload, facts: Facts) -> bool:
    return SETTINGS & set(payload) != {FIELDS.get(payload["controlType"], "curve")}


def _timed(payload: Payload) -> bool:
    return any({"startTime", "duration"} & set(payload[name]) for name in SETTINGS & set(payload))


RULES: tuple[Rule, ...] = (
    Rule(
        "SetDERControl", V21, "R04.FR.16", "exactly the settings that belong to controlType must be given",
        _foreign_settings,
    ),
    Rule(
        "SetDERControl", V21, "R04.FR.12", "a default control has no startTime and no duration",
        lambda payload, facts: payload["isDefault"] and _timed(payload),
    ),
    Rule(
        "SetDERControl", V21, "R04.FR.14", "EnterService and Gradients exist only as default controls",
        lambda payload, facts: not payload["isDefault"] and payload["controlType"] in ("EnterService", "Gradients"),
    ),
)  # fmt: skip
