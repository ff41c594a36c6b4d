// The station's answers about monitoring, tariffs, DER controls and the other additions of 2.1.

/** While TariffCostCtrlr is off, a station refuses tariffs with a CALLERROR. @type {Reply} */
const NO_TARIFFS = { error: "NotSupported", why: "local cost calculation is switched off (TariffCostCtrlr.Enabled)" };

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

    AFRRSignal: () => refused("Rejected", "NoSignalWattCurve"), // Q08.FR.11
    NotifyAllowedEnergyTransfer: () => refused("Rejected", "UnsupportedRequest"),
    RequestBatterySwap: () => refused("Rejected", "NoBatteryAvailable"), // S02.FR.04
    GetPeriodicEventStream: () => ({ answer: {} }),
    AdjustPeriodicEventStream: () => refused("Rejected", "UnsupportedRequest"),
    NotifyWebPaymentStarted: () => ({ answer: {} }),
  }),
);
