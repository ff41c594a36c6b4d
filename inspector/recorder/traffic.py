"""The figures about traffic that a recorder process sends to its relay, for metrics."""

from __future__ import annotations

from typing import Any, NamedTuple

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

type CallKey = tuple[str, bool, str]
"""Action, whether the charge point sent the CALL, outcome."""


class Traffic(NamedTuple):
    """Figures since the recorder process started, in a form that can be sent to another process.

    Attributes:
        calls: for each kind of CALL: how many, their nanoseconds in all, and how many are in each bucket of BUCKETS_S.
        disconnects: by who ended the session and the close code.
        findings: by rule, severity and side.
        charge_points: for each id: open sessions, CALLs by outcome, findings by severity, energy in Wh, active
            transactions, and when its last frame came (nanoseconds since 1970).
    """

    calls: dict[CallKey, list[int]] = {}  # noqa: RUF012  # never changed
    disconnects: dict[tuple[str, str], int] = {}  # noqa: RUF012  # never changed
    findings: dict[tuple[str, str, str], int] = {}  # noqa: RUF012  # never changed
    energy_wh: float = 0.0
    transactions_started: int = 0
    transactions_active: int = 0
    charge_points: dict[str, tuple[Any, ...]] = {}  # noqa: RUF012  # never changed
