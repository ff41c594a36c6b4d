// Write the station's messages in OCPP 2.0.1 and 2.1.

class Dialect2x {
  /** @param {Station} station */
  constructor(station) {
    this.station = station;
    this.needsCable = false;
  }

  /** @param {string} reason BootReasonEnumType */
  boot(reason) {
    const { vendor, model, serial, firmware } = this.station.identity;
    return { reason, chargingStation: { vendorName: vendor, model, serialNumber: serial, firmwareVersion: firmware } };
  }

  /** @param {string} token @param {string} kind IdTokenEnumType */
  authorize(token, kind) {
    return { idToken: { idToken: token, type: kind } };
  }

  /** @param {Payload} answer @returns {{status: string, parent?: string}} */
  verdict(answer) {
    return { status: answer.idTokenInfo?.status ?? "Accepted", parent: answer.idTokenInfo?.groupIdToken?.idToken };
  }

  /** @param {Connector | null} connector @param {string} status */
  status(connector, status) {
    return {
      timestamp: this.station.clock.stamp(),
      connectorStatus: status,
      evseId: connector?.id ?? 1,
      connectorId: 1,
    };
  }

  /** @param {Connector} connector */
  statusOf(connector) {
    return connector.status2x();
  }

  /** 2.x has no status for the station as a whole. */
  stationStatus() {
    return null;
  }

  /** @param {Connector} connector @param {Transaction} tx */
  started(connector, tx) {
    const trigger = tx.remoteStartId === undefined ? "Authorized" : "RemoteStart";
    const measurands = this.station.variables.list("SampledDataCtrlr.TxStartedMeasurands");
    tx.state = connector.plugged ? "EVConnected" : "Idle";
    const event = this.#event(
      connector,
      tx,
      "Started",
      trigger,
      this.#meterValue(connector, "Transaction.Begin", measurands),
    );
    event.timestamp = iso(tx.startedAt);
    event.idToken = { idToken: tx.token, type: tx.kind };
    event.evse = { id: connector.id, connectorId: 1 };
    if (tx.reservationId !== undefined) event.reservationId = tx.reservationId;
    this.#say(tx, event);
  }

  /** @param {Connector} connector @param {Transaction} tx @param {string} trigger */
  changed(connector, tx, trigger) {
    this.#say(tx, this.#event(connector, tx, "Updated", trigger));
  }

  /** @param {Connector} connector @param {Transaction} tx @param {string} context @param {string[]} measurands */
  sampled(connector, tx, context, measurands) {
    const trigger =
      context === "Sample.Clock" ? "MeterValueClock" : context === "Trigger" ? "Trigger" : "MeterValuePeriodic";
    this.#say(tx, this.#event(connector, tx, "Updated", trigger, this.#meterValue(connector, context, measurands)));
  }

  /** @param {Connector} connector @param {Transaction} tx @param {StopCause} cause */
  stopped(connector, tx, cause) {
    const measurands = this.station.variables.list("StopTxnSampledData");
    const event = this.#event(
      connector,
      tx,
      "Ended",
      cause.trigger,
      this.#meterValue(connector, "Transaction.End", measurands),
    );
    event.transactionInfo.stoppedReason = cause.reason2x;
    event.transactionInfo.chargingState = connector.plugged ? "EVConnected" : "Idle";
    Object.assign(event, this.station.tariffs.costs(connector, tx));
    if (cause.token) event.idToken = { idToken: cause.token, type: tx.kind };
    this.#say(tx, event);
  }

  /**
   * @param {Connector} connector @param {Transaction} tx @param {string} eventType @param {string} trigger @param {Payload[]} [meterValue]
   * @returns {Payload} without empty members, which 2.x forbids (part 4 section 4.1.5)
   */
  #event(connector, tx, eventType, trigger, meterValue) {
    /** @type {Payload} */
    const event = { eventType, timestamp: this.station.clock.stamp(), triggerReason: trigger, seqNo: tx.seqNo++ };
    event.transactionInfo = { transactionId: tx.id, chargingState: tx.state, ...tx.once };
    delete tx.once;
    if (tx.remoteStartId !== undefined) event.transactionInfo.remoteStartId = tx.remoteStartId;
    if (!this.station.online()) event.offline = true;
    if (meterValue) event.meterValue = meterValue;
    if (connector.plugged && this.station.supply.kind === "ac" && tx.state === "Charging")
      event.numberOfPhasesUsed = this.station.supply.phases;
    return event;
  }

  /** @param {Transaction} tx @param {Payload} event */
  #say(tx, event) {
    const optional = event.eventType === "Updated" && event.triggerReason === "MeterValuePeriodic";
    this.station.say("TransactionEvent", event, { transaction: tx.ref, optional });
  }

  /** @param {Connector | null} connector @param {string} context @param {string[]} measurands @returns {Payload[] | undefined} */
  #meterValue(connector, context, measurands) {
    const meter = connector?.meter ?? this.station.mainMeter();
    const sampledValue = meter.sample(measurands, this.station.supply).map(({ unit, ...sample }) => ({
      ...sample,
      context,
      ...(unit ? { unitOfMeasure: { unit } } : {}),
    }));
    return sampledValue.length ? [{ timestamp: this.station.clock.stamp(), sampledValue }] : undefined;
  }

  /** @param {Connector | null} connector @param {string} context @param {string[]} measurands @returns {Payload} */
  meterValues(connector, context, measurands) {
    return { evseId: connector?.id ?? 0, meterValue: this.#meterValue(connector, context, measurands) };
  }

  /** 2.x has no StopTxnAlignedData: clock-aligned readings are sent when they are taken. @param {Connector} _connector @param {Transaction} _tx @param {string[]} _measurands */
  kept(_connector, _tx, _measurands) {}
}
