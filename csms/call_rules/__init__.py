"""Rules of the specification for the payloads of CALLs that a CSMS sends, beyond their schemas.

Each rule is a small predicate with the requirement that it checks. `call_order` refuses a CALL that breaks one.
"""

from __future__ import annotations

from csms.call_rules.charging_profiles import RULES as CHARGING_PROFILES
from csms.call_rules.energy_resources import RULES as ENERGY_RESOURCES
from csms.call_rules.other_calls import RULES as OTHER_CALLS
from csms.call_rules.reported import RULES as REPORTED
from csms.call_rules.rule import Facts, Rule
from csms.call_rules.transactions import RULES as TRANSACTIONS
from csms.call_rules.variables import RULES as VARIABLES
from csms.schemas import Payload, Version

__all__ = ["RULES", "Facts", "Rule", "objection"]

RULES: tuple[Rule, ...] = (*CHARGING_PROFILES, *ENERGY_RESOURCES, *VARIABLES, *OTHER_CALLS, *TRANSACTIONS, *REPORTED)
"""All rules; the first that a CALL breaks is reported."""


def objection(version: Version, action: str, payload: Payload, facts: Facts) -> str | None:
    """Return the text of the first rule that a payload breaks, with its requirement; None if it breaks no rule.

    Args:
        version: the charge point's version.
        action: an action that a CSMS sends.
        payload: a payload that fits the action's schema.
        facts: other facts that the rules need.
    """
    for rule in RULES:
        if rule.action == action and version in rule.versions and rule.broken(payload, facts):
            return f"{rule.text} ({rule.requirement})"
    return None
