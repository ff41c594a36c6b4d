"""The cases for OCPP 2.0.1 and 2.1, with the ids of their requirements."""

from inspector.cli.conformance.cases_2x import (
    availability,
    charging,
    information,
    lists,
    maintenance,
    offline,
    provisioning,
    remote,
    smart_charging,
)
from inspector.cli.conformance.cases_2x.flows import look

__all__ = [
    "availability",
    "charging",
    "information",
    "lists",
    "look",
    "maintenance",
    "offline",
    "provisioning",
    "remote",
    "smart_charging",
]
