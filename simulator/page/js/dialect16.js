// Write the station's messages in OCPP 1.6.

/** @typedef {{reason16: string, reason2x: string, trigger: string, token?: string}} StopCause */

/** Reason for stopping -> its names in both versions (1.6 section 7.36; 2.x ReasonEnumType, TriggerReasonEnumType). */
const STOP_CAUSES = /** @type {Record<string, StopCause>} */ ({
  local: { reason16: "Local", reason2x: "Local", trigger: "StopAuthorized" },
  remote: { reason16: "Remote", reason2x: "Remote", trigger: "RemoteStop" },
  unplug: { reason16: "EVDisconnected", reason2x: "EVDisconnected", trigger: "EVCommunicationLost" },
  fault: { reason16: "Other", reason2x: "Other", trigger: "AbnormalCondition" },
  emergency: { reason16: "EmergencyStop", reason2x: "EmergencyStop", trigger: "AbnormalCondition" },
  deauthorized: { reason16: "DeAuthorized", reason2x: "DeAuthorized", trigger: "Deauthorized" },
  energy: { reason16: "Other", reason2x: "EnergyLimitReached", trigger: "EnergyLimitReached" },
  time: { reason16: "Other", reason2x: "TimeLimitReached", trigger: "TimeLimitReached" },
  soft: { reason16: "SoftReset", reason2x: "ImmediateReset", trigger: "ResetCommand" },
  hard: { reason16: "HardReset", reason2x: "ImmediateReset", trigger: "ResetCommand" },
  power: { reason16: "PowerLoss", reason2x: "PowerLoss", trigger: "AbnormalCondition" },
  unlock: { reason16: "UnlockCommand", reason2x: "Other", trigger: "UnlockCommand" },
  timeout: { reason16: "Other", reason2x: "Timeout", trigger: "EVConnectTimeout" },
});

class Dialect16 {
  /** @param {Station} station */
  constructor(station) {
    this.station = station;
    this.needsCable = true;
  }

  /** @param {string} _reason */
  boot(_reason) {
    const { vendor, model, serial, firmware } = this.station.identity;
    return {
      chargePointVendor: vendor,
      chargePointModel: model,
      chargePointSerialNumber: serial,
      firmwareVersion: firmware,
    };
  }

  /** @param {string} token */
  authorize(token) {
    return { idTag: token };
  }

  /** @param {Payload} answer @returns {{status: string, parent?: string}} */
  verdict(answer) {
    return { status: answer.idTagInfo?.status ?? "Accepted", parent: answer.idTagInfo?.parentIdTag };
  }

  /**
   * @param {Connector | null} connector null for the station as a whole, connector 0
   * @param {string} status
   */
  status(connector, status) {
    const errorCode = (status === "Faulted" && connector?.fault) || "NoError";
    return { connectorId: connector?.id ?? 0, status, errorCode, timestamp: this.station.clock.stamp() };
  }

  /** @param {Connector} connector */
  statusOf(connector) {
    return connector.status16();
  }

  /** The status of connector 0, which only has three statuses (1.6 section 4.9). */
  stationStatus() {
    return this.station.operative ? "Available" : "Unavailable";
  }

  /** @param {Connector} connector @param {Transaction} tx */
  started(connector, tx) {
    /** @type {Payload} */
    const payload = {
      connectorId: connector.id,
      idTag: tx.token,
      meterStart: tx.meterStart,
      timestamp: iso(tx.startedAt),
    };
    if (tx.reservationId !== undefined) payload.reservationId = tx.reservationId;
    this.station.say("StartTransaction", payload, { transaction: tx.ref });
  }

  /** @param {Connector} _connector @param {Transaction} _tx @param {string} _trigger */
  changed(_connector, _tx, _trigger) {
    // In 1.6 only StatusNotification reports this change, and `report` sends it.
  }

  /** @param {Connector} connector @param {Transaction} tx @param {string} context @param {string[]} measurands */
  sampled(connector, tx, context, measurands) {
    this.station.say("MeterValues", this.meterValues(connector, context, measurands), {
      transaction: tx.ref,
      optional: true,
    });
  }

  /** Keep a clock-aligned reading for StopTransaction (StopTxnAlignedData). @param {Connector} connector @param {Transaction} tx @param {string[]} measurands */
  kept(connector, tx, measurands) {
    if (measurands.length)
      (tx.aligned ??= []).push(...this.meterValues(connector, "Sample.Clock", measurands).meterValue);
  }

  /**
   * @param {Connector | null} connector @param {string} context @param {string[]} measurands
   * @returns {Payload} the payload; its transactionId may not be known yet, so it is added when the message is sent
   */
  meterValues(connector, context, measurands) {
    const meter = connector?.meter ?? this.station.mainMeter();
    const sampledValue = meter
      .sample(measurands, this.station.supply)
      .map((sample) => ({ ...sample, value: String(sample.value), context }));
    return { connectorId: connector?.id ?? 0, meterValue: [{ timestamp: this.station.clock.stamp(), sampledValue }] };
  }

  /** @param {Connector} connector @param {Transaction} tx @param {StopCause} cause */
  stopped(connector, tx, cause) {
    /** @type {Payload} */
    const payload = {
      transactionId: tx.id,
      meterStop: connector.meter.reading(),
      timestamp: this.station.clock.stamp(),
      reason: cause.reason16,
    };
    if (cause.token) payload.idTag = cause.token;
    const measurands = this.station.variables.list("StopTxnSampledData");
    const data = [...(tx.aligned ?? [])];
    if (measurands.length) data.push(...this.meterValues(connector, "Transaction.End", measurands).meterValue);
    if (data.length) payload.transactionData = data;
    this.station.say("StopTransaction", payload, { transaction: tx.ref });
  }
}

/** @param {number} time milliseconds since 1970 */
const iso = (time) => new Date(time).toISOString();
