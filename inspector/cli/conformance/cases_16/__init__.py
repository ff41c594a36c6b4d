"""The cases for OCPP 1.6. Sections are those of the specification, edition 2."""

from inspector.cli.conformance.cases_16 import charging, core, lists, maintenance, offline, remote, smart_charging
from inspector.cli.conformance.cases_16.flows import look

__all__ = ["charging", "core", "lists", "look", "maintenance", "offline", "remote", "smart_charging"]
