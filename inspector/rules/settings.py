"""Define the settings of rules: thresholds, severities and allowed values."""

from __future__ import annotations

from dataclasses import dataclass, field

from inspector.rules.finding import Severity


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of rules. Names that end in `_s` are thresholds in seconds; `severity` and `disabled` have slugs.

    `meter_keys` has public keys of meters, by charge point ("CP-1"), connector ("CP-1/2"), or "*" for all.
    `extra_enum_values` and `longer_strings` have keys such as "BootNotification/chargePointSerialNumber".
    """

    answer_timeout_s: float = 30.0
    clock_skew_s: float = 300.0
    status_after_boot_s: float = 60.0
    reboot_after_reset_s: float = 300.0
    effect_timeout_s: float = 120.0
    max_frame_bytes: int = 0  # 0: no limit
    highest_power_w: float = 1_000_000.0
    energy_factor: float = 5.0
    energy_window_s: float = 300.0
    regular_drops: int = 4
    severity: dict[str, Severity] = field(default_factory=dict)
    disabled: frozenset[str] = frozenset()
    extra_enum_values: dict[str, frozenset[str]] = field(default_factory=dict)
    longer_strings: dict[str, int] = field(default_factory=dict)
    meter_keys: dict[str, str] = field(default_factory=dict)


DEFAULTS = Settings()
_THRESHOLDS = {
    "answer_timeout_s": "how long the other side may take to answer a CALL",
    "clock_skew_s": "how far apart clocks may be",
    "status_after_boot_s": "how long after an accepted boot each connector has to report its status",
    "reboot_after_reset_s": "how long after an accepted Reset the boot may take to come",
    "effect_timeout_s": "how long an accepted request may take to have its effect",
    "max_frame_bytes": "the longest frame you want; 0 for any",
    "highest_power_w": "the highest plausible power: a register that counts faster is wrong",
    "energy_factor": "by what factor a register may differ from power × time",
    "energy_window_s": "how long power and register are observed before they are compared",
    "regular_drops": "how many connections in a row must be lost after the same time",
}
LARGEST = 10**9
"""The largest value that a user may set as a threshold: 31 years, or a gigabyte."""


def thresholds() -> list[tuple[str, float, str]]:
    """Return every threshold with its default and its meaning."""
    return [(name, getattr(DEFAULTS, name), what) for name, what in _THRESHOLDS.items()]
