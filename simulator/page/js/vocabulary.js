// The actions that a charge point may send in each version.

/** @type {Record<string, string[]>} */
const STATION_ACTIONS = {
  1.6: (
    "Authorize BootNotification DataTransfer DiagnosticsStatusNotification FirmwareStatusNotification " +
    "Heartbeat LogStatusNotification MeterValues SecurityEventNotification SignCertificate " +
    "SignedFirmwareStatusNotification StartTransaction StatusNotification StopTransaction"
  ).split(" "),
  "2.0.1": (
    "Authorize BootNotification ClearedChargingLimit DataTransfer FirmwareStatusNotification " +
    "Get15118EVCertificate GetCertificateStatus Heartbeat LogStatusNotification MeterValues " +
    "NotifyChargingLimit NotifyCustomerInformation NotifyDisplayMessages NotifyEVChargingNeeds " +
    "NotifyEVChargingSchedule NotifyEvent NotifyMonitoringReport NotifyReport " +
    "PublishFirmwareStatusNotification ReportChargingProfiles ReservationStatusUpdate " +
    "SecurityEventNotification SignCertificate StatusNotification TransactionEvent"
  ).split(" "),
  2.1: (
    "Authorize BatterySwap BootNotification ClearedChargingLimit ClosePeriodicEventStream DataTransfer " +
    "FirmwareStatusNotification Get15118EVCertificate GetCertificateChainStatus GetCertificateStatus Heartbeat " +
    "LogStatusNotification MeterValues NotifyChargingLimit NotifyCustomerInformation NotifyDERAlarm " +
    "NotifyDERStartStop NotifyDisplayMessages NotifyEVChargingNeeds NotifyEVChargingSchedule NotifyEvent " +
    "NotifyMonitoringReport NotifyPeriodicEventStream NotifyPriorityCharging NotifyReport NotifySettlement " +
    "OpenPeriodicEventStream PublishFirmwareStatusNotification PullDynamicScheduleUpdate " +
    "ReportChargingProfiles ReportDERControl ReservationStatusUpdate SecurityEventNotification SignCertificate " +
    "StatusNotification TransactionEvent VatNumberValidation"
  ).split(" "),
};

/** Actions that are sent as SEND (type 6), which gets no answer (2.1 part 4 section 4.2.4). */
const SEND_ACTIONS = ["NotifyPeriodicEventStream"];
