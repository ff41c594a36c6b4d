"""Define which differences count: modes, members that may differ, actions that may come more or less often."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inspector import toml_file
from inspector.errors import SettingsMistake
from inspector.protocol.frame import Frame
from inspector.protocol.messages import Call, Send

STRICT, SEMANTIC, SHAPE = "strict", "semantic", "shape"
MODES = (STRICT, SEMANTIC, SHAPE)

VOLATILE: dict[str, frozenset[str]] = {
    # Serial numbers and firmware may change from run to run; vendor and model may not.
    "BootNotification": frozenset(
        {"interval", "chargePointSerialNumber", "chargeBoxSerialNumber", "serialNumber", "firmwareVersion"}
        | {"iccid", "imsi", "meterSerialNumber"}
    ),
    # A reading depends on its time; rules check that registers never decrease.
    "MeterValues": frozenset({"value"}),
    # The number of readings depends on the time of the run, and seqNo counts them.
    "TransactionEvent": frozenset({"value", "timeSpentCharging", "seqNo", "meterValue", "signedMeterData"}),
    "StartTransaction": frozenset({"meterStart"}),
    "StopTransaction": frozenset({"meterStop", "value", "transactionData"}),
    # File names usually contain the date.
    "GetDiagnostics": frozenset({"fileName"}),
    "GetLog": frozenset({"filename"}),
    "GetCompositeSchedule": frozenset({"startPeriod", "chargingSchedulePeriod"}),  # relative to the time of the request
    "*": frozenset({"expiryDate", "cacheExpiryDateTime", "statusInfo", "customData", "offline"}),
}
"""Members whose value may differ from run to run, by action ("*" for all): semantic mode only compares their types."""


REPEATED = frozenset({"StatusNotification"})
"""Actions of the peer that may come more often than recorded, if they repeat an earlier message."""
OPTIONAL = frozenset({"Heartbeat", "MeterValues"})
"""Actions of the peer that may come more or less often than recorded."""
ABSENT = frozenset({"Heartbeat"})
"""Actions of OPTIONAL that may be absent: a short run may end before they come."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The differences between a live frame and the recorded one that count.

    Attributes:
        mode: strict (all but ids and times), semantic (all but volatile members too), shape (only members and types).
        tolerance: the share by which numbers may differ from the recorded ones; of texts, only meter readings may.
        volatile: more members that may differ, by action or "*".
        ignore: JSON pointers into payloads ("/idTagInfo/expiryDate"), by action or "*", that are not compared.
        extra_actions: actions of the peer that may come more often than recorded; None for those in REPEATED.
        optional_actions: actions of the peer that may come more or less often than recorded.
        absent_actions: those of `optional_actions` that may be absent; the others must come at least once.
        both_stored: secrets may be hidden in both sides.
    """

    mode: str = SEMANTIC
    tolerance: float = 0.0
    volatile: dict[str, frozenset[str]] = field(default_factory=dict)
    ignore: dict[str, frozenset[str]] = field(default_factory=dict)
    extra_actions: frozenset[str] | None = None
    optional_actions: frozenset[str] = OPTIONAL
    absent_actions: frozenset[str] = ABSENT
    both_stored: bool = False

    def may_stay_away(self, frame: Frame) -> bool:
        """Return whether the peer may leave out a recorded frame: a CALL that depends on time alone."""
        if not isinstance(frame.message, Call | Send):
            return False
        return frame.action in self.optional_actions or (self.mode != STRICT and _is_periodic(frame))

    def wanted_once(self, frame: Frame) -> bool:
        """Return whether at least one frame of this action must come, although each single frame may be absent."""
        return self.may_stay_away(frame) and frame.action not in self.absent_actions

    def may_be_extra(self, frame: Frame) -> bool:
        """Return whether the peer may send a frame that was not recorded; see `must_repeat`."""
        return frame.action in self._extra or self.may_stay_away(frame)

    def must_repeat(self, frame: Frame) -> bool:
        """Return whether an extra frame must repeat an earlier frame."""
        return self.extra_actions is None and not self.may_stay_away(frame)

    @property
    def _extra(self) -> frozenset[str]:
        return REPEATED if self.extra_actions is None else self.extra_actions

    def is_volatile(self, action: str | None, member: str) -> bool:
        """Return whether the value of a member may differ."""
        if self.mode == STRICT:
            return False
        return self.is_named_volatile(action, member) or any(
            member in VOLATILE.get(name, ()) for name in (action or "", "*")
        )

    def is_named_volatile(self, action: str | None, member: str) -> bool:
        """Return whether the user allowed the value of a member to differ."""
        return any(member in self.volatile.get(name, ()) for name in (action or "", "*"))

    def may_lack(self, action: str | None, member: str) -> bool:
        """Return whether a recorded member may be missing: any message may have it, or the user named it."""
        if self.mode == STRICT:
            return False
        return member in VOLATILE["*"] or self.is_named_volatile(action, member)

    def is_ignored(self, action: str | None, pointer: str) -> bool:
        """Return whether a place of a payload is excluded from the comparison."""
        return any(pointer in self.ignore.get(name, ()) for name in (action or "", "*"))


KNOWN = frozenset({"tolerance", "extra_actions", "optional_actions", "volatile", "ignore"})
"""The names in a policy file."""


def _is_periodic(frame: Frame) -> bool:
    if frame.action != "TransactionEvent" or frame.payload.get("eventType") != "Updated":
        return False
    return frame.payload.get("triggerReason") in ("MeterValuePeriodic", "MeterValueClock")


def read_policy(path: Path, mode: str = SEMANTIC) -> Policy:
    """Read a policy from a TOML file with names of KNOWN; `[volatile]` and `[ignore]` are by action or "*".

    Raises:
        SettingsMistake: the file cannot be read, or it has an unknown name or value.
    """
    document = toml_file.read(path)
    toml_file.refuse_unknown(path, "", document, KNOWN)
    tolerance = document.get("tolerance", 0.0)
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 <= tolerance < math.inf:
        raise SettingsMistake(path, "tolerance", f"must be a number from 0, got {tolerance!r}")
    extra, optional = document.get("extra_actions"), document.get("optional_actions")
    return Policy(
        mode=mode,
        tolerance=float(tolerance),
        volatile=_names(path, "volatile", document.get("volatile", {})),
        ignore=_names(path, "ignore", document.get("ignore", {})),
        extra_actions=None if extra is None else _list(path, "extra_actions", extra),
        optional_actions=OPTIONAL if optional is None else _list(path, "optional_actions", optional),
        absent_actions=ABSENT if optional is None else _list(path, "optional_actions", optional),
    )


def _list(path: Path, place: str, names: Any) -> frozenset[str]:
    return frozenset(toml_file.texts(path, place, names))


def _names(path: Path, place: str, table: Any) -> dict[str, frozenset[str]]:
    entries = toml_file.table(path, place, table)
    return {action: _list(path, f"{place}.{action}", names) for action, names in entries.items()}
