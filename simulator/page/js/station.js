// The station as a whole: its connection, boot, heartbeat, clock and queue. Charging is in charging.js.

const STATION_KEY = "chargesentinel.station";

/** @typedef {{status: "none" | "sent" | "Accepted" | "Pending" | "Rejected", interval: number, retryAt: number, address: string}} Boot */

class Station {
  /** @param {Settings} settings @param {TrafficLog} log */
  constructor(settings, log) {
    this.settings = settings;
    this.log = log;
    this.clock = new StationClock();
    this.variables = new Variables();
    this.#sampleEvery(settings.sampleInterval);
    this.variables.onSet = (variable) => {
      // A new password is used from the next connection on.
      if (variable.access === "W") this.password = variable.value;
    };
    this.profiles = new Profiles();
    this.display = new Display();
    this.der = new DerControls(this);
    this.tariffs = new Tariffs(this);
    this.tester = new Tester(this);
    /** @type {Boot} */
    this.boot = { status: "none", interval: 300, retryAt: 0, address: "" };
    this.bootReason = "PowerUp";
    this.operative = true;
    this.sent = 0;
    this.received = 0;
    this.lastCallAt = 0;
    /** When the connection was last lost, in milliseconds since 1970; 0 if it never was. */
    this.offlineSince = 0;
    this.wanted = false;
    /** Whether the latest attempt to connect failed. */
    this.unreachable = false;
    this.password = "";
    this.firmware = "1.0.0";
    /** @type {Record<string, string | number>} the CSMS's transaction ids, by `ref` of the transaction */
    this.transactionIds = {};
    /** @type {{version: number, entries: Record<string, Payload>}} */
    this.localList = { version: 0, entries: {} };
    /** @type {Record<string, {status: string, parent?: string}>} */
    this.cache = {};
    /** @type {Connector[]} */
    this.connectors = [];
    this.onChange = () => {};
    this.link = new Link({
      onOpen: () => this.#opened(),
      onText: (text) => this.#received(text),
      onClose: (code, reason, wasOpen, by) => this.#closed(code, reason, wasOpen, by),
      onState: () => this.onChange(),
      backOff: () => ({
        minimum: this.variables.number("OCPPCommCtrlr.RetryBackOffWaitMinimum") || 1,
        repeats: this.variables.number("OCPPCommCtrlr.RetryBackOffRepeatTimes"),
        // At most the shortest wait: otherwise a later attempt could wait for a shorter time than an earlier one.
        random: Math.min(1, this.variables.number("OCPPCommCtrlr.RetryBackOffRandomRange")),
      }),
    });
    this.outbox = new Outbox({
      write: (text, item) => this.#write(text, item),
      mayGo: (item) => this.#mayGo(item),
      prepare: (item) => this.#prepare(item),
      answered: (item, answer) => this.charging.answered(item, answer),
      retries: () => ({
        attempts: this.variables.number("TransactionMessageAttempts"),
        interval: this.variables.number("TransactionMessageRetryInterval"),
      }),
    });
    this.charging = new Charging(this);
    this.flow = new Flow(this, this.charging);
    this.sequences = new Sequences(this);
    this.dialect = this.#dialect();
    this.#build();
  }

  #dialect() {
    return this.settings.version === "1.6" ? new Dialect16(this) : new Dialect2x(this);
  }

  get identity() {
    const { vendor, model, id } = this.settings;
    return { vendor: vendor.slice(0, 20), model: model.slice(0, 20), serial: id.slice(0, 25), firmware: this.firmware };
  }

  /** @returns {Supply} */
  get supply() {
    const { kind, maxPower, phases, batteryWh } = this.settings;
    return { kind, maxPower, phases: kind === "dc" ? 1 : phases, batteryWh };
  }

  /** @param {number} seconds */
  #sampleEvery(seconds) {
    const variable = this.variables.find("MeterValueSampleInterval");
    if (variable) variable.value = String(seconds);
  }

  #build() {
    while (this.connectors.length < this.settings.connectors) {
      const register = 100_000 + Math.floor(Math.random() * 900_000);
      this.connectors.push(new Connector(this.connectors.length + 1, new Meter(register)));
    }
    this.connectors.length = this.settings.connectors;
    describeStation(this);
  }

  /** Apply new settings; with another id, version or number of connectors it is a new station, which must boot. @param {Settings} settings */
  configure(settings) {
    const before = this.settings;
    this.settings = settings;
    if (before.sampleInterval !== settings.sampleInterval) this.#sampleEvery(settings.sampleInterval);
    if (before.version !== settings.version || before.id !== settings.id || before.connectors !== settings.connectors)
      this.forget();
    this.onChange();
  }

  /** Start over as a new station. */
  forget() {
    this.boot = { status: "none", interval: 300, retryAt: 0, address: "" };
    this.bootReason = "PowerUp";
    this.outbox.queue = [];
    this.transactionIds = {};
    this.profiles.all = [];
    this.display.messages = [];
    this.der.all = [];
    Object.assign(this.tariffs, { defaults: {}, drivers: {} });
    this.connectors = [];
    this.dialect = this.#dialect();
    this.#build();
  }

  online() {
    return this.link.state === "open" && this.boot.status === "Accepted";
  }

  /** @returns {string | null} the mistake in the settings, or null when the page starts to connect */
  connect() {
    const { url, id, version, reconnect } = this.settings;
    const target = connectAddress(url, id, this.password);
    if ("fault" in target) return target.fault;
    const plain = connectAddress(url, id, "");
    const address = "address" in plain ? plain.address : "";
    if (this.boot.address && this.boot.address !== address) this.boot.status = "none";
    this.boot.address = address;
    try {
      this.link.connect(target.address, SUBPROTOCOLS[version], reconnect);
    } catch {
      // A page from https may not open ws://, and browsers refuse some other addresses too.
      this.link.disconnect();
      return location.protocol === "https:" ? "fault.secure" : "fault.url";
    }
    this.wanted = true;
    return null;
  }

  disconnect() {
    this.wanted = false;
    this.link.disconnect(1000, "disconnected by the user");
    this.unreachable = false;
    this.save();
  }

  /** Switch off and on: sessions end with PowerLoss, and the station boots again. */
  powerCycle() {
    const wasWanted = this.wanted;
    this.link.disconnect(1000, "power lost");
    for (const connector of this.connectors) this.charging.stop(connector, "power");
    this.restart("PowerUp", wasWanted);
  }

  /** @param {string} reason BootReasonEnumType @param {boolean} [connect] */
  restart(reason, connect = true) {
    this.boot.status = "none";
    const firmware = this.sequences.installed();
    this.bootReason = firmware ? "FirmwareUpdate" : reason;
    this.firmware = firmware ?? this.firmware;
    this.link.disconnect(1000, "restarting");
    for (const connector of this.connectors) {
      connector.pending = null;
      connector.reported = null;
    }
    this.note("note.restart");
    if (connect) window.setTimeout(() => this.link.state === "closed" && this.connect(), 1500);
  }

  /**
   * Queue a CALL to the CSMS.
   * @param {string} action @param {Payload} payload @param {Partial<Outgoing>} [more]
   * @returns {Promise<Frame | null>} the answer, or null if there was none
   */
  say(action, payload, more) {
    const answered = this.outbox.call(action, payload, more);
    this.onChange();
    return answered;
  }

  #opened() {
    this.unreachable = false;
    this.log.event("note.open", { address: this.boot.address });
    this.outbox.opened();
    this.tester.beforeBoot();
    if (this.boot.status !== "Accepted") return this.sendBoot();
    // After a lost connection no second boot is needed (OCPP-J section 5.4).
    this.say("Heartbeat", {}, { urgent: true }).then((answer) => this.#heartbeatAnswered(answer));
    this.outbox.pump();
    // After a long time offline 2.x requires a report of every status (B04.FR.01), after a short one only of changes.
    const away = this.offlineSince ? (Date.now() - this.offlineSince) / 1000 : 0;
    this.reportAll(this.settings.version !== "1.6" && away > this.variables.number("OCPPCommCtrlr.OfflineThreshold"));
  }

  /** @param {number} code @param {string} reason @param {boolean} wasOpen @param {string} by */
  #closed(code, reason, wasOpen, by) {
    this.outbox.closed();
    if (this.boot.status !== "Accepted") this.boot.status = "none";
    if (wasOpen) this.offlineSince = Date.now();
    // The page closes the socket itself when somebody presses Disconnect.
    this.unreachable = !wasOpen && by === "unknown";
    this.log.event(wasOpen ? "note.closed" : "note.unreachable", { code: String(code), reason, by });
    this.onChange();
  }

  /** @param {string} [reason] BootReasonEnumType */
  async sendBoot(reason = this.bootReason) {
    this.boot.status = "sent";
    this.boot.retryAt = 0;
    const answer = await this.say("BootNotification", this.dialect.boot(reason), { urgent: true });
    if (this.link.state !== "open") return;
    const { status, interval, currentTime } = answer?.payload ?? {};
    this.boot.interval = interval > 0 ? interval : 300;
    if (status === "Accepted") {
      this.clock.set(currentTime);
      this.boot.status = "Accepted";
      this.bootReason = "PowerUp";
      this.variables.all[0].value = String(this.boot.interval);
      this.reportAll(true);
      this.sequences.booted();
    } else {
      this.boot.status = status === "Pending" || status === "Rejected" ? status : "Rejected";
      this.boot.retryAt = Date.now() + this.boot.interval * 1000;
    }
    this.outbox.pump();
    this.onChange();
  }

  /** @param {Frame | null} answer */
  #heartbeatAnswered(answer) {
    if (answer?.payload) this.clock.set(answer.payload.currentTime);
    // A CSMS that no longer knows the station requires a boot first (2.x B01.FR.10).
    if (answer?.code === "SecurityError") {
      this.boot.status = "none";
      this.sendBoot();
    }
  }

  /** Report the statuses. @param {boolean} all whether to repeat those that have not changed */
  reportAll(all) {
    const station = this.dialect.stationStatus();
    if (all && station) this.say("StatusNotification", this.dialect.status(null, station));
    for (const connector of this.connectors) {
      if (all) connector.reported = null;
      this.charging.report(connector);
    }
  }

  /** Do the work that is due now. The clock calls this once or twice a second. */
  tick() {
    const now = this.clock.now();
    this.flow.tick(now);
    const { status, retryAt } = this.boot;
    if (this.link.state === "open" && retryAt && Date.now() >= retryAt && status !== "sent") this.sendBoot();
    const interval = this.variables.number("HeartbeatInterval");
    if (
      this.online() &&
      interval > 0 &&
      Date.now() - this.lastCallAt >= interval * 1000 &&
      !this.outbox.pending &&
      !this.tester.is("noHeartbeat")
    ) {
      this.lastCallAt = Date.now();
      this.say("Heartbeat", {}).then((answer) => this.#heartbeatAnswered(answer));
    }
    if (this.outbox.queue.length) this.outbox.pump();
    this.onChange();
  }

  /** @param {Outgoing} item */
  #mayGo(item) {
    if (this.boot.status === "Accepted" || item.action === "BootNotification") return true;
    return this.boot.status === "Pending" && Boolean(item.asked);
  }

  /** @param {Outgoing} item */
  #prepare(item) {
    if (item.transaction && "transactionId" in item.payload)
      return { ...item.payload, transactionId: this.transactionIds[item.transaction] ?? -1 };
    if (item.transaction && item.action === "MeterValues") {
      return { ...item.payload, transactionId: this.transactionIds[item.transaction] ?? -1 };
    }
    return item.payload;
  }

  /** @param {string} text @param {Outgoing} item */
  #write(text, item) {
    const sent = this.tester.beforeWriting(text, item);
    if (!this.link.send(sent)) return false;
    this.lastCallAt = Date.now();
    this.sent += 1;
    this.log.frame("cp-to-csms", sent);
    this.onChange();
    return true;
  }

  /** Send a text that does not come from the queue: an answer, or a tester's raw frame. @param {string} text */
  write(text) {
    if (!this.link.send(text)) return false;
    this.sent += 1;
    this.log.frame("cp-to-csms", text);
    this.onChange();
    return true;
  }

  /** @param {string} text */
  #received(text) {
    this.received += 1;
    const frame = this.log.frame("csms-to-cp", text);
    if (frame.fault) complain(this, frame);
    else if (frame.type === CALL) answerCall(this, frame);
    else if (frame.type === CALLRESULT || frame.type === CALLERROR) {
      if (this.outbox.answer(frame)) this.link.settled();
    }
    this.onChange();
  }

  /** @param {string} key @param {Record<string, string>} [values] */
  note(key, values) {
    this.log.event(key, values);
    this.onChange();
  }

  /** The station's meter: the sum of all connectors. */
  mainMeter() {
    const meter = new Meter(this.connectors.reduce((sum, connector) => sum + connector.meter.register, 0));
    meter.power = this.connectors.reduce((sum, connector) => sum + connector.meter.power, 0);
    return meter;
  }

  /** Store the state that must survive a reload of the page. */
  save() {
    withStorage(() => sessionStorage.setItem(STATION_KEY, JSON.stringify(remembered(this))));
  }

  /** @returns {boolean} whether the station was connected, and should be again */
  restore() {
    const saved = withStorage(() => JSON.parse(sessionStorage.getItem(STATION_KEY) ?? "null"));
    return Boolean(saved) && recall(this, saved);
  }
}
