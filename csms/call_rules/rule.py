"""A rule for CALLs of a CSMS, and the facts about the charge point that rules need."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field

from csms.schemas import Payload

V16, V2X, V21 = ("1.6",), ("2.0.1", "2.1"), ("2.1",)
EVERY = V16 + V2X


def _no_variable(component: str, name: str) -> str | None:
    return None


def _no_profiles(purpose: str) -> list[tuple[int, Payload]]:
    return []


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts besides the payload of a CALL that rules need."""

    token_status: Callable[[str], str]
    """Returns the status of an id token."""
    variable: Callable[[str, str], str | None] = _no_variable
    """Returns the value of a 2.x variable, or with the component "" of a 1.6 key; None if the CSMS does not know it."""
    profiles: Callable[[str], list[tuple[int, Payload]]] = _no_profiles
    """Returns the charge point's charging profiles of a purpose, each with its EVSE."""
    transactions: Set[str] | None = None
    """The ids of the charge point's open transactions; None if they are not known."""
    installed: Mapping[str, str] = field(default_factory=dict)
    """The certificates that the charge point last reported: serial number, in lower case -> hashAlgorithm."""
    has_needs: bool = False
    """Whether the charge point has sent NotifyEVChargingNeeds."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: `broken` returns whether a payload breaks it; `text` is the requirement in words."""

    action: str
    versions: tuple[str, ...]
    requirement: str
    text: str
    broken: Callable[[Payload, Facts], bool]
