// Charging sessions: cards, cables, start and stop. The dialect writes the messages.

class Charging {
  /** @param {Station} station */
  constructor(station) {
    this.station = station;
  }

  // ---- actions of a person at the station

  /** @param {Connector} connector */
  plug(connector) {
    if (connector.plugged) return;
    connector.plugged = true;
    connector.vehiclePaused = false;
    if (connector.transaction) connector.transaction.parted = false;
    this.sync(connector);
    this.#progress(connector);
  }

  /** @param {Connector} connector */
  unplug(connector) {
    if (!connector.plugged) return;
    connector.plugged = false;
    connector.locked = false;
    const { transaction } = connector;
    // In 1.6 a setting decides whether unplugging ends the transaction; in 2.x it always does (TxStopPoint).
    const keeps =
      this.station.settings.version === "1.6" && !this.station.variables.flag("StopTransactionOnEVSideDisconnect");
    if (transaction && keeps) transaction.parted = true;
    else if (transaction) this.stop(connector, "unplug");
    connector.finishing = false;
    connector.meter.soc = 20 + Math.floor(Math.random() * 25);
    this.sync(connector);
  }

  /**
   * Tap a card: it starts a session, or stops the one that it started.
   * @param {Connector} connector @param {string} token @param {string} kind
   * @returns {Promise<string>} the verdict, "stopped" or "cancelled"
   */
  async tap(connector, token, kind) {
    // The card reader handles one card at a time.
    if (connector.reading) return "Refused";
    connector.reading = true;
    try {
      return await this.#read(connector, token, kind);
    } finally {
      connector.reading = false;
    }
  }

  /** @param {Connector} connector @param {string} token @param {string} kind */
  async #read(connector, token, kind) {
    const { transaction, reservation, pending } = connector;
    if (transaction) {
      // The card that started the session stops it without asking the CSMS (1.6 section 4.1).
      if (transaction.token === token) return this.#stopWith(connector, token);
      const { status, parent } = await authorize(this.station, token, kind);
      if (status === "Accepted" && parent && parent === transaction.parent) return this.#stopWith(connector, token);
      this.station.note("note.othercard", { token });
      return "Refused";
    }
    if (pending?.token === token) {
      connector.pending = null;
      this.sync(connector);
      return "cancelled";
    }
    if (connector.fault || !connector.operative) {
      this.station.note("note.unusable", { connector: String(connector.id) });
      return "Refused";
    }
    const { status, parent } = await authorize(this.station, token, kind);
    if (status !== "Accepted") {
      this.station.note("note.refused", { token, status });
      return status;
    }
    if (reservation && !isFor(reservation, token, parent)) {
      this.station.note("note.reserved", { token });
      return "Refused";
    }
    if (connector.transaction) return "Refused";
    this.#await(connector, { token, kind, parent, how: "card", until: 0 });
    return status;
  }

  /** @param {Connector} connector @param {string} token */
  #stopWith(connector, token) {
    this.stop(connector, "local", token);
    return "stopped";
  }

  /** @param {Connector} connector @param {string} code a 1.6 ChargePointErrorCode */
  fault(connector, code) {
    connector.fault = code;
    connector.pending = null;
    this.stop(connector, "fault");
    this.sync(connector);
  }

  /** @param {Connector} connector */
  recover(connector) {
    connector.fault = null;
    this.sync(connector);
  }

  /** @param {Connector} connector @param {boolean} paused */
  pauseVehicle(connector, paused) {
    connector.vehiclePaused = paused;
    this.sync(connector);
  }

  // ---- transactions

  /**
   * Start a session for a remote start, after the answer to it was sent.
   * @param {Connector} connector @param {Omit<Pending, "how" | "until">} wish
   */
  async remoteStart(connector, wish) {
    const central = wish.kind === "Central" && this.station.settings.version !== "1.6"; // C03.FR.01
    if (this.station.variables.flag("AuthorizeRemoteTxRequests") && !central) {
      const { status } = await authorize(this.station, wish.token, wish.kind);
      if (status !== "Accepted") return this.station.note("note.refused", { token: wish.token, status });
    }
    this.#await(connector, { ...wish, how: "remote", until: 0 });
  }

  /** @param {Connector} connector @param {Pending} pending */
  #await(connector, pending) {
    pending.until = Date.now() + this.station.variables.number("ConnectionTimeOut") * 1000;
    connector.pending = pending;
    connector.finishing = false;
    this.sync(connector);
    this.#progress(connector);
  }

  /** @param {Connector} connector */
  #progress(connector) {
    const { pending } = connector;
    const { station } = this;
    if (!pending || connector.transaction || !(connector.plugged || !station.dialect.needsCable)) return;
    const is2x = station.settings.version !== "1.6";
    const ref = newMessageId();
    /** @type {Transaction} */
    const tx = {
      ref,
      id: is2x ? ref : null,
      token: pending.token,
      kind: pending.kind,
      parent: pending.parent,
      startedAt: station.clock.now(),
      meterStart: connector.meter.reading(),
      seqNo: 0,
      remoteStartId: pending.remoteStartId,
      accepted: is2x || !station.online(),
      state: "EVConnected",
      sampledAt: station.clock.now(),
      energyLimit: station.settings.energyLimit * 1000,
      timeLimit: station.settings.timeLimit * 60,
    };
    if (connector.reservation) tx.reservationId = connector.reservation.id;
    connector.reservation = null;
    connector.pending = null;
    connector.transaction = tx;
    connector.locked = connector.plugged;
    connector.history = [];
    if (pending.profile)
      station.profiles.install({
        ...readProfile(pending.profile, connector.id),
        transactionId: is2x ? ref : undefined,
      });
    station.tariffs.starting(connector, tx);
    station.dialect.started(connector, tx);
    this.sync(connector);
  }

  /** @param {Connector} connector @param {string} cause a name in STOP_CAUSES @param {string} [token] */
  stop(connector, cause, token) {
    const tx = connector.transaction;
    if (!tx) return;
    const { station } = this;
    connector.meter.power = 0;
    station.dialect.stopped(connector, tx, { ...STOP_CAUSES[cause], token });
    connector.transaction = null;
    connector.locked = false;
    connector.finishing = connector.plugged;
    connector.last = {
      energy: connector.meter.register - tx.meterStart,
      seconds: (station.clock.now() - tx.startedAt) / 1000,
    };
    station.profiles.clear((profile) => profile.purpose === "TxProfile" && profile.target === connector.id);
    if (connector.operativeNext !== null) {
      connector.operative = connector.operativeNext;
      connector.operativeNext = null;
    }
    this.sync(connector);
    station.sequences.sessionEnded();
  }

  /** Handle the answer to a CALL of a transaction; null means that no answer came. @param {Outgoing} item @param {Frame | null} answer */
  answered(item, answer) {
    if (!item.transaction) return;
    const connector = this.station.connectors.find((each) => each.transaction?.ref === item.transaction);
    const tx = connector?.transaction;
    if (item.action === "StartTransaction" && answer?.payload) {
      this.station.transactionIds[item.transaction] = answer.payload.transactionId;
      if (tx) tx.id = answer.payload.transactionId;
    }
    if (item.action === "StopTransaction") delete this.station.transactionIds[item.transaction];
    if (!connector || !tx) return;
    if (answer?.payload) takeLimits(this.station, connector, tx, answer.payload);
    const judged = answer?.payload && (answer.payload.idTagInfo || answer.payload.idTokenInfo);
    if (judged) {
      const verdict = this.station.dialect.verdict(answer.payload ?? {});
      tx.parent = verdict.parent;
      if (verdict.status === "Accepted") tx.accepted = true;
      else if (this.station.variables.flag("StopTransactionOnInvalidId")) this.stop(connector, "deauthorized");
      else tx.refused = true;
    } else if (item.action === "StartTransaction") {
      // The start could not be delivered: the transaction id becomes -1 (1.6 errata 3.18), and no power flows.
      this.stop(connector, "deauthorized");
    }
    this.sync(connector);
  }

  // ---- reporting

  /** Report changes: first the state of the transaction, then the status of the connector. @param {Connector} connector */
  sync(connector) {
    const { station } = this;
    const tx = connector.transaction;
    const state = connector.chargingState();
    if (tx && tx.state !== state) {
      if (tx.state === "Idle") {
        this.report(connector);
        tx.state = "EVConnected";
        station.dialect.changed(connector, tx, "CablePluggedIn");
      }
      if (tx.state !== state) {
        tx.state = state;
        station.dialect.changed(connector, tx, "ChargingStateChanged");
      }
      connector.locked = connector.plugged;
    }
    this.report(connector);
  }

  /** @param {Connector} connector */
  report(connector) {
    const { station } = this;
    if (!station.online()) return;
    const status = station.dialect.statusOf(connector);
    const path =
      station.settings.version === "1.6"
        ? statusPath(connector.reported, status)
        : connector.reported === status
          ? []
          : [status];
    for (const step of path) {
      station.say("StatusNotification", station.dialect.status(connector, step)).then((answer) => {
        // The message was lost with the connection, so the CSMS does not know this status yet.
        if (!answer) connector.reported = null;
      });
    }
    connector.reported = status;
  }
}
