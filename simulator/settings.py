"""The settings of a charge point: one table for the configuration keys of 1.6 and the variables of 2.x."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Setting:
    """One row of the table, with its current value.

    Attributes:
        key: the name in 1.6; None if 1.6 does not have the setting.
        component, variable: the names in 2.x, with an instance as "name/instance"; None if 2.x does not have it.
        access: "ReadWrite", "ReadOnly" or "WriteOnly"; a charge point never reports a WriteOnly value.
        kind: "integer", "boolean", "decimal", "string", "password", or "a|b|c" for a list of these values.
    """

    key: str | None
    component: str | None
    variable: str | None
    value: str
    kind: str = "integer"
    access: str = "ReadWrite"

    def takes(self, value: str) -> bool:
        """Return whether the setting accepts a value."""
        match self.kind:
            case "integer":
                return value.isascii() and value.isdigit()
            case "boolean":
                return value.lower() in ("true", "false")
            case "decimal":
                return value.replace(".", "", 1).isdigit()
            case "string":
                return len(value) <= 500
            case "password":
                # 2.0.1 requires 16 to 40 characters, 2.1 up to 64; 1.6 has 16 to 20 bytes as 32 to 40 hex digits.
                return 16 <= len(value) <= 64
            case choice:
                # An empty list is allowed: it turns off all measurands.
                return not value.strip() or all(part.strip() in choice.split("|") for part in value.split(","))


RW, RO, WO = "ReadWrite", "ReadOnly", "WriteOnly"

MEASURANDS = "Energy.Active.Import.Register|Power.Active.Import|Current.Import|Voltage|SoC"
SAMPLED = "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,SoC"

TABLE: tuple[tuple[str | None, str | None, str | None, str, str, str], ...] = (
    ("HeartbeatInterval", "OCPPCommCtrlr", "HeartbeatInterval", "300", "integer", RW),
    ("ConnectionTimeOut", "TxCtrlr", "EVConnectionTimeOut", "60", "integer", RW),
    ("MeterValueSampleInterval", "SampledDataCtrlr", "TxUpdatedInterval", "60", "integer", RW),
    ("ClockAlignedDataInterval", "AlignedDataCtrlr", "Interval", "0", "integer", RW),
    ("MeterValuesSampledData", "SampledDataCtrlr", "TxUpdatedMeasurands", SAMPLED, MEASURANDS, RW),
    ("MeterValuesAlignedData", "AlignedDataCtrlr", "Measurands", SAMPLED, MEASURANDS, RW),
    ("StopTxnSampledData", "SampledDataCtrlr", "TxEndedMeasurands", "Energy.Active.Import.Register", MEASURANDS, RW),
    ("StopTxnAlignedData", "AlignedDataCtrlr", "TxEndedMeasurands", "", MEASURANDS, RO),
    (None, "SampledDataCtrlr", "TxStartedMeasurands", "Energy.Active.Import.Register", MEASURANDS, RW),
    (None, "SampledDataCtrlr", "TxEndedInterval", "0", "integer", RO),
    (None, "AlignedDataCtrlr", "TxEndedInterval", "0", "integer", RO),
    ("AuthorizeRemoteTxRequests", "AuthCtrlr", "AuthorizeRemoteStart", "false", "boolean", RW),
    ("LocalAuthorizeOffline", "AuthCtrlr", "LocalAuthorizeOffline", "true", "boolean", RW),
    ("LocalPreAuthorize", "AuthCtrlr", "LocalPreAuthorize", "false", "boolean", RW),
    ("AllowOfflineTxForUnknownId", "AuthCtrlr", "OfflineTxForUnknownIdEnabled", "false", "boolean", RW),
    (None, "AuthCtrlr", "Enabled", "true", "boolean", RO),
    ("AuthorizationCacheEnabled", "AuthCacheCtrlr", "Enabled", "true", "boolean", RW),
    ("LocalAuthListEnabled", "LocalAuthListCtrlr", "Enabled", "true", "boolean", RW),
    ("LocalAuthListMaxLength", None, None, "200", "integer", RO),
    ("SendLocalListMaxLength", "LocalAuthListCtrlr", "ItemsPerMessage", "100", "integer", RO),
    (None, "LocalAuthListCtrlr", "BytesPerMessage", "65536", "integer", RO),
    (None, "LocalAuthListCtrlr", "Entries", "0", "integer", RO),
    ("StopTransactionOnInvalidId", "TxCtrlr", "StopTxOnInvalidId", "true", "boolean", RW),
    ("StopTransactionOnEVSideDisconnect", "TxCtrlr", "StopTxOnEVSideDisconnect", "true", "boolean", RW),
    ("MaxEnergyOnInvalidId", "TxCtrlr", "MaxEnergyOnInvalidId", "0", "integer", RO),
    (None, "TxCtrlr", "TxStartPoint", "PowerPathClosed", "string", RO),
    (None, "TxCtrlr", "TxStopPoint", "PowerPathClosed", "string", RO),
    ("TransactionMessageAttempts", "OCPPCommCtrlr", "MessageAttempts/TransactionEvent", "3", "integer", RW),
    ("TransactionMessageRetryInterval", "OCPPCommCtrlr", "MessageAttemptInterval/TransactionEvent", "2", "integer", RW),
    (None, "OCPPCommCtrlr", "MessageTimeout/Default", "30", "integer", RO),
    (None, "OCPPCommCtrlr", "OfflineThreshold", "60", "integer", RW),
    (None, "OCPPCommCtrlr", "RetryBackOffWaitMinimum", "1", "integer", RW),
    (None, "OCPPCommCtrlr", "RetryBackOffRandomRange", "1", "integer", RW),
    (None, "OCPPCommCtrlr", "RetryBackOffRepeatTimes", "5", "integer", RW),
    (None, "OCPPCommCtrlr", "NetworkConfigurationPriority", "1", "string", RO),
    (None, "OCPPCommCtrlr", "NetworkProfileConnectionAttempts", "3", "integer", RO),
    (None, "OCPPCommCtrlr", "FileTransferProtocols", "HTTP,HTTPS,FTP", "string", RO),
    ("WebSocketPingInterval", "OCPPCommCtrlr", "WebSocketPingInterval", "20", "integer", RW),
    ("UnlockConnectorOnEVSideDisconnect", "OCPPCommCtrlr", "UnlockOnEVSideDisconnect", "true", "boolean", RO),
    ("ResetRetries", "OCPPCommCtrlr", "ResetRetries", "1", "integer", RO),
    ("NumberOfConnectors", None, None, "1", "integer", RO),
    ("ConnectorPhaseRotation", None, None, "NotApplicable", "string", RW),
    ("GetConfigurationMaxKeys", None, None, "50", "integer", RO),
    (None, "DeviceDataCtrlr", "ItemsPerMessage/GetVariables", "50", "integer", RO),
    (None, "DeviceDataCtrlr", "ItemsPerMessage/SetVariables", "50", "integer", RO),
    (None, "DeviceDataCtrlr", "ItemsPerMessage/GetReport", "50", "integer", RO),
    (None, "DeviceDataCtrlr", "BytesPerMessage/GetVariables", "65536", "integer", RO),
    (None, "DeviceDataCtrlr", "BytesPerMessage/SetVariables", "65536", "integer", RO),
    (None, "DeviceDataCtrlr", "BytesPerMessage/GetReport", "65536", "integer", RO),
    ("BlinkRepeat", None, None, "3", "integer", RW),
    ("LightIntensity", None, None, "80", "integer", RW),
    (
        "SupportedFeatureProfiles",
        None,
        None,
        "Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger",
        "string",
        RO,
    ),
    ("SupportedFileTransferProtocols", None, None, "HTTP,HTTPS,FTP", "string", RO),
    ("ReserveConnectorZeroSupported", "ReservationCtrlr", "NonEvseSpecific", "true", "boolean", RO),
    (None, "ReservationCtrlr", "Available", "true", "boolean", RO),
    (None, "ReservationCtrlr", "Enabled", "true", "boolean", RO),
    ("ChargeProfileMaxStackLevel", "SmartChargingCtrlr", "ProfileStackLevel", "10", "integer", RO),
    ("ChargingScheduleAllowedChargingRateUnit", None, None, "Current,Power", "string", RO),
    (None, "SmartChargingCtrlr", "RateUnit", "A,W", "string", RO),
    ("ChargingScheduleMaxPeriods", "SmartChargingCtrlr", "PeriodsPerSchedule", "24", "integer", RO),
    ("MaxChargingProfilesInstalled", "SmartChargingCtrlr", "Entries", "20", "integer", RO),
    (None, "SmartChargingCtrlr", "Enabled", "true", "boolean", RO),
    (None, "SmartChargingCtrlr", "LimitChangeSignificance", "5.0", "decimal", RO),
    ("AuthorizationKey", "SecurityCtrlr", "BasicAuthPassword", "", "password", WO),
    ("SecurityProfile", "SecurityCtrlr", "SecurityProfile", "0", "integer", RO),
    ("CpoName", "SecurityCtrlr", "OrganizationName", "Example", "string", RW),
    ("AdditionalRootCertificateCheck", "SecurityCtrlr", "AdditionalRootCertificateCheck", "false", "boolean", RO),
    ("CertificateSignedMaxChainSize", None, None, "10000", "integer", RO),
    ("CertificateStoreMaxLength", "SecurityCtrlr", "CertificateEntries", "20", "integer", RO),
    (None, "SecurityCtrlr", "Identity", "", "string", RO),
    (None, "ClockCtrlr", "DateTime", "", "string", RO),
    (None, "ClockCtrlr", "TimeSource", "Heartbeat", "string", RO),
    (None, "ChargingStation", "Available", "true", "boolean", RO),
    (None, "ChargingStation", "AvailabilityState", "Available", "string", RO),
    (None, "ChargingStation", "SupplyPhases", "1", "integer", RO),
    (None, "ChargingStation", "Problem", "false", "boolean", RO),
)


class Settings:
    """The settings of one charge point, by 1.6 key and by 2.x component and variable."""

    def __init__(self) -> None:
        rows = [Setting(*row) for row in TABLE]
        self.by_key = {row.key: row for row in rows if row.key}
        self.by_variable = {(row.component, row.variable): row for row in rows if row.component}

    def add(self, setting: Setting) -> None:
        """Add a variable of 2.x that only some charge points have."""
        assert setting.component is not None
        self.by_variable[setting.component, setting.variable] = setting

    def find_key(self, key: str) -> Setting | None:
        """Return a setting by its 1.6 key without regard to case (CiString); None if there is no such key."""
        return next((row for name, row in self.by_key.items() if name.casefold() == key.casefold()), None)

    def number(self, key: str) -> float:
        """Return a setting as a number, by its 1.6 key."""
        return float(self.by_key[key].value)

    def flag(self, key: str) -> bool:
        """Return a setting as a boolean, by its 1.6 key."""
        return self.by_key[key].value.lower() == "true"

    def measurands(self, component: str, variable: str) -> list[str]:
        """Return the measurands that a setting lists, by its name in 2.x."""
        return [name.strip() for name in self.by_variable[component, variable].value.split(",")]

    def password(self, hexadecimal: bool) -> bytes | None:
        """Return the password that the CSMS has set; None if it has set none."""
        written = self.by_key["AuthorizationKey"].value
        if not written:
            return None
        return bytes.fromhex(written) if hexadecimal else written.encode()

    def attempts(self) -> tuple[int, float]:
        """Return how many times to try a transaction message, and the seconds to wait after the first try."""
        tries = self.number("TransactionMessageAttempts")
        return int(tries), self.number("TransactionMessageRetryInterval")

    def text(self, key: str) -> str:
        """Return a setting as text, by its 1.6 key."""
        return self.by_key[key].value
