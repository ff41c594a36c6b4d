// The work of each clock tick: let power flow, send samples that are due, end waiting times.

class Flow {
  /** @param {Station} station @param {Charging} charging */
  constructor(station, charging) {
    this.station = station;
    this.charging = charging;
    this.lastTick = 0;
  }

  /** @param {number} now milliseconds since 1970 */
  tick(now) {
    // If the machine slept, no energy flowed meanwhile.
    const seconds = Math.min(5, Math.max(0, (now - (this.lastTick || now)) / 1000));
    this.lastTick = now;
    pullDynamic(this.station, now);
    this.station.der.tick(now);
    const charging = this.station.connectors.filter((each) => each.transaction).length;
    for (const connector of this.station.connectors) {
      this.#flow(connector, now, seconds, charging);
      this.#expire(connector, now);
    }
  }

  /** @param {Connector} connector @param {number} now @param {number} seconds @param {number} sharers */
  #flow(connector, now, seconds, sharers) {
    const { station } = this;
    const { supply, variables } = station;
    const { meter, transaction: tx } = connector;
    connector.limit = station.profiles.limit(connector.id, now, underwayOf(connector), supply, sharers);
    meter.offered = connector.limit;
    const target = connector.energised() ? Math.min(meter.demand(supply), connector.limit, supply.maxPower) : 0;
    meter.advance(seconds, target, supply);
    this.#aligned(connector, now, seconds);
    if (!tx) return;
    if (tx.bill) noteUsage(tx.bill, meter.register, now, tx.state === "Charging");
    obeyLimits(station, connector, tx, now);
    this.charging.sync(connector);
    const energy = meter.register - tx.meterStart;
    connector.history.push({ at: now, power: meter.power, limit: Math.min(connector.limit, supply.maxPower), energy });
    if (connector.history.length > 2400) connector.history = connector.history.filter((_, index) => index % 2);
    const interval = variables.number("MeterValueSampleInterval") * 1000;
    if (interval > 0 && now - tx.sampledAt >= interval && (tx.accepted || !station.online())) {
      // Keep the interval in spite of the timer's jitter, unless the machine slept for longer than one.
      tx.sampledAt = now - tx.sampledAt < 2 * interval ? tx.sampledAt + interval : now;
      station.dialect.sampled(connector, tx, "Sample.Periodic", variables.list("MeterValuesSampledData"));
      station.tester.afterSample(connector);
    }
    if (tx.energyLimit && energy >= tx.energyLimit) this.charging.stop(connector, "energy");
    else if (tx.timeLimit && now - tx.startedAt >= tx.timeLimit * 1000) this.charging.stop(connector, "time");
  }

  /** Send readings at round times of the day, with or without a session (1.6 section 3.16.2, 2.x J01 and J02). @param {Connector} connector @param {number} now @param {number} seconds */
  #aligned(connector, now, seconds) {
    const { station } = this;
    const { variables, dialect } = station;
    const interval = variables.number("ClockAlignedDataInterval") * 1000;
    const day = now % 86_400_000;
    if (interval <= 0 || Math.floor(day / interval) === Math.floor((day - seconds * 1000) / interval)) return;
    const { transaction: tx } = connector;
    const measurands = variables.list("MeterValuesAlignedData");
    if (tx) {
      if (measurands.length) dialect.sampled(connector, tx, "Sample.Clock", measurands);
      dialect.kept(connector, tx, variables.list("StopTxnAlignedData"));
    } else if (measurands.length && station.online()) {
      station.say("MeterValues", dialect.meterValues(connector, "Sample.Clock", measurands));
    }
  }

  /** @param {Connector} connector @param {number} now */
  #expire(connector, now) {
    const { station } = this;
    if (connector.pending && Date.now() >= connector.pending.until) {
      connector.pending = null;
      station.note("note.timeout", { connector: String(connector.id) });
      this.charging.sync(connector);
    }
    const tx = connector.transaction;
    if (tx?.state === "Idle" && now - tx.startedAt >= station.variables.number("ConnectionTimeOut") * 1000)
      this.charging.stop(connector, "timeout");
    if (connector.reservation && now >= connector.reservation.until) station.sequences.reservationExpired(connector);
  }
}
