// The station's answers about monitoring, tariffs, DER controls and the other additions of 2.1.

/** Without TariffCostCtrlr a station refuses tariffs with a CALLERROR. @type {Reply} */
const NO_TARIFFS = { error: "NotSupported", why: "this station has no TariffCostCtrlr: it calculates no costs" };

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
    SetDefaultTariff: () => NO_TARIFFS, // I07.FR.01
    ClearTariffs: (_station, { tariffIds = [] }) => ({
      answer: {
        clearTariffsResult: tariffIds.length
          ? tariffIds.map((/** @type {string} */ tariffId) => ({ tariffId, status: "NoTariff" }))
          : [{ status: "NoTariff" }],
      },
    }),
    ChangeTransactionTariff: () => NO_TARIFFS, // I11.FR.01

    GetDERControl: () => says("NotSupported"),
    SetDERControl: () => says("NotSupported"),
    ClearDERControl: () => says("NotSupported"),
    AFRRSignal: () => refused("Rejected", "NoSignalWattCurve"), // Q08.FR.11
    NotifyAllowedEnergyTransfer: () => refused("Rejected", "UnsupportedRequest"),
    RequestBatterySwap: () => refused("Rejected", "NoBatteryAvailable"), // S02.FR.04
    GetPeriodicEventStream: () => ({ answer: {} }),
    AdjustPeriodicEventStream: () => refused("Rejected", "UnsupportedRequest"),
    NotifyWebPaymentStarted: () => ({ answer: {} }),
  }),
);
