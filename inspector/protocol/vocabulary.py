"""List the versions, message types, error codes and actions of OCPP, and which side may send each action.

Actions and senders: OCPP 1.6 edition 2 with the security whitepaper edition 3, OCPP 2.0.1 edition 3 part 2,
OCPP 2.1 edition 1 part 2.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class OcppVersion(StrEnum):
    """An OCPP version such as "1.6"; `subprotocol` is its name in the WebSocket handshake."""

    V16 = "1.6"
    V201 = "2.0.1"
    V21 = "2.1"

    __hash__ = str.__hash__  # Enum's hash is ten times slower, and each frame needs one

    @property
    def subprotocol(self) -> str:
        return f"ocpp{self.value}"


SUBPROTOCOLS = {version.subprotocol: version for version in OcppVersion}


class Direction(StrEnum):
    """Which side sent a frame."""

    FROM_CHARGE_POINT = "cp-to-csms"
    FROM_CSMS = "csms-to-cp"

    __hash__ = str.__hash__

    @property
    def opposite(self) -> Direction:
        return Direction.FROM_CSMS if self is Direction.FROM_CHARGE_POINT else Direction.FROM_CHARGE_POINT


SIDE_NAMES = {Direction.FROM_CHARGE_POINT: "charge point", Direction.FROM_CSMS: "CSMS"}
"""The name of the sender for each direction, for use in sentences."""


class MessageType(IntEnum):
    """The first element of every frame (OCPP-J 4.1.3; 5 and 6 since 2.1)."""

    CALL = 2
    CALLRESULT = 3
    CALLERROR = 4
    CALLRESULTERROR = 5
    SEND = 6


MESSAGE_TYPES: dict[OcppVersion | None, frozenset[int]] = {
    OcppVersion.V16: frozenset({2, 3, 4}),
    OcppVersion.V201: frozenset({2, 3, 4}),
    OcppVersion.V21: frozenset({2, 3, 4, 5, 6}),
    None: frozenset({2, 3, 4, 5, 6}),
}
"""The message types of each version; None is for a session whose version is not known yet."""

_ERROR_CODES = frozenset(
    """NotImplemented NotSupported InternalError ProtocolError SecurityError PropertyConstraintViolation
    TypeConstraintViolation GenericError""".split()
)
_ERROR_CODES_2X = _ERROR_CODES | {
    "FormatViolation",
    "OccurrenceConstraintViolation",
    "MessageTypeNotSupported",
    "RpcFrameworkError",
}
ERROR_CODES: dict[OcppVersion, frozenset[str]] = {
    # 1.6 spells "Occurence" with one r (OCPP-J 1.6 section 4.2.3).
    OcppVersion.V16: _ERROR_CODES | {"FormationViolation", "OccurenceConstraintViolation"},
    OcppVersion.V201: _ERROR_CODES_2X,
    OcppVersion.V21: _ERROR_CODES_2X,
}

_CHARGE_POINT_16 = """
Authorize BootNotification DiagnosticsStatusNotification FirmwareStatusNotification Heartbeat
LogStatusNotification MeterValues SecurityEventNotification SignCertificate
SignedFirmwareStatusNotification StartTransaction StatusNotification StopTransaction DataTransfer
"""
_CSMS_16 = """
CancelReservation CertificateSigned ChangeAvailability ChangeConfiguration ClearCache
ClearChargingProfile DeleteCertificate ExtendedTriggerMessage GetCompositeSchedule GetConfiguration
GetDiagnostics GetInstalledCertificateIds GetLocalListVersion GetLog InstallCertificate
RemoteStartTransaction RemoteStopTransaction ReserveNow Reset SendLocalList SetChargingProfile
SignedUpdateFirmware TriggerMessage UnlockConnector UpdateFirmware DataTransfer
"""
_CHARGE_POINT_201 = """
Authorize BootNotification ClearedChargingLimit FirmwareStatusNotification Get15118EVCertificate
GetCertificateStatus Heartbeat LogStatusNotification MeterValues NotifyChargingLimit
NotifyCustomerInformation NotifyDisplayMessages NotifyEVChargingNeeds NotifyEVChargingSchedule
NotifyEvent NotifyMonitoringReport NotifyReport PublishFirmwareStatusNotification
ReportChargingProfiles ReservationStatusUpdate SecurityEventNotification SignCertificate
StatusNotification TransactionEvent DataTransfer
"""
_CSMS_201 = """
CancelReservation CertificateSigned ChangeAvailability ClearCache ClearChargingProfile
ClearDisplayMessage ClearVariableMonitoring CostUpdated CustomerInformation DeleteCertificate
GetBaseReport GetChargingProfiles GetCompositeSchedule GetDisplayMessages
GetInstalledCertificateIds GetLocalListVersion GetLog GetMonitoringReport GetReport
GetTransactionStatus GetVariables InstallCertificate PublishFirmware RequestStartTransaction
RequestStopTransaction ReserveNow Reset SendLocalList SetChargingProfile SetDisplayMessage
SetMonitoringBase SetMonitoringLevel SetNetworkProfile SetVariableMonitoring SetVariables
TriggerMessage UnlockConnector UnpublishFirmware UpdateFirmware DataTransfer
"""
_CHARGE_POINT_21 = """
BatterySwap ClosePeriodicEventStream GetCertificateChainStatus NotifyDERAlarm NotifyDERStartStop
NotifyPeriodicEventStream NotifyPriorityCharging NotifySettlement OpenPeriodicEventStream
PullDynamicScheduleUpdate ReportDERControl VatNumberValidation
"""
_CSMS_21 = """
AFRRSignal AdjustPeriodicEventStream ChangeTransactionTariff ClearDERControl ClearTariffs
GetDERControl GetPeriodicEventStream GetTariffs NotifyAllowedEnergyTransfer
NotifyWebPaymentStarted RequestBatterySwap SetDERControl SetDefaultTariff UpdateDynamicSchedule
UsePriorityCharging
"""

ACTIONS_FROM: dict[OcppVersion, dict[Direction, frozenset[str]]] = {
    version: {
        Direction.FROM_CHARGE_POINT: frozenset(from_charge_point.split()),
        Direction.FROM_CSMS: frozenset(from_csms.split()),
    }
    for version, from_charge_point, from_csms in (
        (OcppVersion.V16, _CHARGE_POINT_16, _CSMS_16),
        (OcppVersion.V201, _CHARGE_POINT_201, _CSMS_201),
        (OcppVersion.V21, _CHARGE_POINT_201 + _CHARGE_POINT_21, _CSMS_201 + _CSMS_21),
    )
}
"""The actions that each side may send, by version; both sides may send DataTransfer."""

ACTIONS: dict[OcppVersion, frozenset[str]] = {
    version: senders[Direction.FROM_CHARGE_POINT] | senders[Direction.FROM_CSMS]
    for version, senders in ACTIONS_FROM.items()
}

EVERY_ACTION = frozenset().union(*ACTIONS.values())
"""The actions of all versions."""

SEND_ACTIONS = frozenset({"NotifyPeriodicEventStream"})
"""Actions that travel as SEND, not as CALL (OCPP 2.1 part 4, section 4.2.4)."""
