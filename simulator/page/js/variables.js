// The station's configuration: keys of 1.6 and variables of 2.x, with one value for both.

/**
 * @typedef {{
 *   key?: string, component?: string, variable?: string, instance?: string, evse?: number, connector?: number, value: string,
 *   type: "integer" | "boolean" | "string" | "list" | "option", access: "RW" | "R" | "W", unit?: string, values?: string, least?: number, most?: number,
 *   live?: () => string,
 * }} Variable
 */

const MEASURANDS = [
  "Energy.Active.Import.Register",
  "Power.Active.Import",
  "Power.Offered",
  "Current.Import",
  "Current.Offered",
  "Voltage",
  "Frequency",
  "Temperature",
  "SoC",
];
const DEFAULT_MEASURANDS = "Energy.Active.Import.Register,Power.Active.Import,Current.Import,Voltage,SoC";

/**
 * A row per setting: key of 1.6 | component.variable[instance] of 2.x | value | type | access | unit or allowed values.
 * A version without the setting has a "-".
 */
const VARIABLE_TABLE = `
HeartbeatInterval | OCPPCommCtrlr.HeartbeatInterval | 300 | integer | RW | s
MeterValueSampleInterval | SampledDataCtrlr.TxUpdatedInterval | 5 | integer | RW | s
MeterValuesSampledData | SampledDataCtrlr.TxUpdatedMeasurands | ${DEFAULT_MEASURANDS} | list | RW | measurands
- | SampledDataCtrlr.TxStartedMeasurands | Energy.Active.Import.Register | list | RW | measurands
StopTxnSampledData | SampledDataCtrlr.TxEndedMeasurands | Energy.Active.Import.Register | list | RW | measurands
- | SampledDataCtrlr.TxEndedInterval | 0 | integer | R | s
ClockAlignedDataInterval | AlignedDataCtrlr.Interval | 0 | integer | RW | s
MeterValuesAlignedData | AlignedDataCtrlr.Measurands | Energy.Active.Import.Register | list | RW | measurands
StopTxnAlignedData | - | | list | RW | measurands
- | AlignedDataCtrlr.TxEndedMeasurands | | list | R | measurands
- | AlignedDataCtrlr.TxEndedInterval | 0 | integer | R | s
ConnectionTimeOut | TxCtrlr.EVConnectionTimeOut | 60 | integer | RW | s
StopTransactionOnEVSideDisconnect | - | true | boolean | RW |
- | TxCtrlr.StopTxOnEVSideDisconnect | true | boolean | R |
StopTransactionOnInvalidId | TxCtrlr.StopTxOnInvalidId | true | boolean | RW |
- | TxCtrlr.TxStartPoint | Authorized | list | R |
- | TxCtrlr.TxStopPoint | Authorized,EVConnected | list | R |
AuthorizeRemoteTxRequests | AuthCtrlr.AuthorizeRemoteStart | false | boolean | RW |
LocalPreAuthorize | AuthCtrlr.LocalPreAuthorize | false | boolean | RW |
LocalAuthorizeOffline | AuthCtrlr.LocalAuthorizeOffline | true | boolean | RW |
AllowOfflineTxForUnknownId | AuthCtrlr.OfflineTxForUnknownIdEnabled | false | boolean | RW |
AuthorizationCacheEnabled | AuthCacheCtrlr.Enabled | true | boolean | RW |
LocalAuthListEnabled | LocalAuthListCtrlr.Enabled | true | boolean | RW |
- | LocalAuthListCtrlr.Entries | 0 | integer | R |
LocalAuthListMaxLength | - | 1000 | integer | R |
SendLocalListMaxLength | LocalAuthListCtrlr.ItemsPerMessage | 250 | integer | R |
- | LocalAuthListCtrlr.BytesPerMessage | 65000 | integer | R |
TransactionMessageAttempts | OCPPCommCtrlr.MessageAttempts[TransactionEvent] | 3 | integer | RW |
TransactionMessageRetryInterval | OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent] | 10 | integer | RW | s
- | OCPPCommCtrlr.MessageTimeout[Default] | 30 | integer | R | s
- | OCPPCommCtrlr.RetryBackOffWaitMinimum | 1 | integer | RW | s
- | OCPPCommCtrlr.RetryBackOffRepeatTimes | 6 | integer | RW |
- | OCPPCommCtrlr.RetryBackOffRandomRange | 1 | integer | RW | s
- | OCPPCommCtrlr.OfflineThreshold | 60 | integer | RW | s
- | OCPPCommCtrlr.ResetRetries | 0 | integer | R |
- | OCPPCommCtrlr.NetworkProfileConnectionAttempts | 1 | integer | R |
- | OCPPCommCtrlr.NetworkConfigurationPriority | 1 | list | R |
- | OCPPCommCtrlr.UnlockOnEVSideDisconnect | true | boolean | R |
- | OCPPCommCtrlr.FileTransferProtocols | FTP,FTPS,HTTP,HTTPS,SFTP | list | R |
- | OCPPCommCtrlr.QueueAllMessages | false | boolean | R |
WebSocketPingInterval | OCPPCommCtrlr.WebSocketPingInterval | 0 | integer | R | s
ResetRetries | - | 0 | integer | RW |
UnlockConnectorOnEVSideDisconnect | - | true | boolean | R |
ConnectorPhaseRotation | - | NotApplicable | list | RW |
GetConfigurationMaxKeys | - | 50 | integer | R |
SupportedFeatureProfiles | - | Core,FirmwareManagement,LocalAuthListManagement,Reservation,SmartCharging,RemoteTrigger | list | R |
ReserveConnectorZeroSupported | - | false | boolean | R |
ChargeProfileMaxStackLevel | SmartChargingCtrlr.ProfileStackLevel | 10 | integer | R |
ChargingScheduleAllowedChargingRateUnit | - | Current,Power | list | R |
- | SmartChargingCtrlr.RateUnit | A,W | list | R |
ChargingScheduleMaxPeriods | SmartChargingCtrlr.PeriodsPerSchedule | 64 | integer | R |
MaxChargingProfilesInstalled | SmartChargingCtrlr.Entries[ChargingProfiles] | 20 | integer | R |
- | SmartChargingCtrlr.Enabled | true | boolean | R |
- | DeviceDataCtrlr.ItemsPerMessage[GetVariables] | 50 | integer | R |
- | DeviceDataCtrlr.ItemsPerMessage[SetVariables] | 50 | integer | R |
- | DeviceDataCtrlr.ItemsPerMessage[GetReport] | 50 | integer | R |
- | DeviceDataCtrlr.BytesPerMessage[GetVariables] | 65000 | integer | R |
- | DeviceDataCtrlr.BytesPerMessage[SetVariables] | 65000 | integer | R |
- | DeviceDataCtrlr.BytesPerMessage[GetReport] | 65000 | integer | R |
- | DisplayMessageCtrlr.DisplayMessages | 0 | integer | R |
- | DisplayMessageCtrlr.SupportedStates | Charging,Faulted,Idle,Unavailable | list | R |
- | DisplayMessageCtrlr.SupportedFormats | ASCII,UTF8 | list | R |
- | DisplayMessageCtrlr.SupportedPriorities | AlwaysFront,InFront,NormalCycle | list | R |
- | ReservationCtrlr.Enabled | true | boolean | R |
- | ClockCtrlr.TimeSource | Heartbeat | list | R |
CpoName | SecurityCtrlr.OrganizationName | ChargeSentinel | string | RW |
SecurityProfile | SecurityCtrlr.SecurityProfile | 0 | integer | R |
- | SecurityCtrlr.CertificateEntries | 0 | integer | R |
- | SecurityCtrlr.BasicAuthPassword | | string | W |
AuthorizationKey | - | | string | W |
`;

class Variables {
  constructor() {
    /** @type {Variable[]} */
    this.all = VARIABLE_TABLE.trim().split("\n").map(Variables.#row);
    /** @type {(variable: Variable) => void} */
    this.onSet = () => {};
  }

  /** @param {string} line @returns {Variable} */
  static #row(line) {
    const [key, path, value, type, access, detail] = line.split("|").map((cell) => cell.trim());
    const [, component, variable, instance] = path.match(/^(\w+)\.(\w+)(?:\[(\w+)\])?$/) ?? [];
    return {
      key: key === "-" ? undefined : key,
      component,
      variable,
      instance,
      value,
      type: /** @type {Variable["type"]} */ (type),
      access: /** @type {Variable["access"]} */ (access),
      unit: detail === "s" ? "s" : undefined,
      values: detail === "measurands" ? MEASURANDS.join(",") : undefined,
    };
  }

  /** Add a variable whose value is computed when it is read. @param {Variable} variable */
  add(variable) {
    this.all.push(variable);
  }

  /** @param {string} name a 1.6 key, or Component.Variable */
  find(name) {
    return this.all.find(
      (each) => each.key === name || (each.component && `${each.component}.${each.variable}` === name),
    );
  }

  /** @param {string} name */
  text(name) {
    const variable = this.find(name);
    return variable ? (variable.live?.() ?? variable.value) : "";
  }

  /** @param {string} name */
  number(name) {
    return Number(this.text(name)) || 0;
  }

  /** @param {string} name */
  flag(name) {
    return this.text(name).toLowerCase() === "true";
  }

  /** @param {string} name */
  list(name) {
    return this.text(name)
      .split(",")
      .map((part) => part.trim())
      .filter(Boolean);
  }

  /**
   * Set a variable, as the CSMS requests.
   * @param {Variable} variable @param {string} value
   * @returns {"Accepted" | "ReadOnly" | "Invalid"}
   */
  set(variable, value) {
    if (variable.access === "R" || variable.live) return "ReadOnly";
    if (variable.type === "integer" && !/^\d{1,9}$/.test(value)) return "Invalid";
    if (variable.type === "boolean" && !/^(true|false)$/i.test(value)) return "Invalid";
    if (
      variable.values &&
      !value
        .split(",")
        .map((part) => part.trim())
        .every((part) => part === "" || variable.values?.split(",").includes(part))
    )
      return "Invalid";
    if (variable.access === "W" && (value.length < 16 || value.length > 40)) return "Invalid";
    variable.value = value;
    this.onSet(variable);
    return "Accepted";
  }

  saved() {
    return Object.fromEntries(
      this.all
        .filter((each) => each.access === "RW")
        .map((each) => [each.key ?? `${each.component}.${each.variable}`, each.value]),
    );
  }

  /** @param {Record<string, string>} values */
  restore(values) {
    for (const [name, value] of Object.entries(values)) {
      const variable = this.find(name);
      if (variable && variable.access === "RW") variable.value = value;
    }
  }
}
