// The station's answers about monitoring, tariffs, DER controls and the other additions of 2.1.

Object.assign(
  ANSWERS_2X,
  /** @type {Record<string, Answerer>} */ ({
    SetVariableMonitoring(station, { setMonitoringData }) {
      const setMonitoringResult = setMonitoringData.map(
        (/** @type {Payload} */ { id, type, severity, component, variable }) => {
          const found = lookUp(station, { component, variable });
          return {
            ...(id === undefined ? {} : { id }),
            status: typeof found === "string" ? found : "UnsupportedMonitorType",
            type,
            severity,
            component,
            variable,
          };
        },
      );
      return { answer: { setMonitoringResult } };
    },
    ClearVariableMonitoring: (_station, { id }) => ({
      answer: { clearMonitoringResult: id.map((/** @type {number} */ each) => ({ status: "NotFound", id: each })) },
    }),

    GetTariffs: () => says("NoTariff"),
    SetDefaultTariff: () => refused("Rejected", "UnsupportedRequest"),
    ClearTariffs: (_station, { tariffIds = [] }) => ({
      answer: {
        clearTariffsResult: tariffIds.length
          ? tariffIds.map((/** @type {string} */ tariffId) => ({ tariffId, status: "NoTariff" }))
          : [{ status: "NoTariff" }],
      },
    }),
    ChangeTransactionTariff: (station, { transactionId }) =>
      station.connectors.some((each) => each.transaction?.id === transactionId)
        ? refused("Rejected", "UnsupportedRequest")
        : says("TxNotFound"),

    GetDERControl: () => says("NotSupported"),
    SetDERControl: () => says("NotSupported"),
    ClearDERControl: () => says("NotSupported"),
    AFRRSignal: () => refused("Rejected", "UnsupportedRequest"),
    UsePriorityCharging: () => says("NoProfile"),
    UpdateDynamicSchedule: () => refused("Rejected", "InvalidProfile"),
    NotifyAllowedEnergyTransfer: () => refused("Rejected", "UnsupportedRequest"),
    RequestBatterySwap: () => refused("Rejected", "UnsupportedRequest"),
    GetPeriodicEventStream: () => ({ answer: {} }),
    AdjustPeriodicEventStream: () => refused("Rejected", "UnsupportedRequest"),
    NotifyWebPaymentStarted: () => ({ answer: {} }),
  }),
);
