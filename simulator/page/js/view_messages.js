// The buttons for core messages, and the form, made from a schema, for any other message.

class MessagesView {
  /** @param {Station} station @param {StationView} instrument */
  constructor(station, instrument) {
    this.station = station;
    this.instrument = instrument;
    this.version = "";
    /** @type {SchemaForm | null} */
    this.form = null;
    byId("action").addEventListener("change", () => this.#formFor(byId("action").value));
    byId("message-form").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#send();
    });
    this.draw();
  }

  get token() {
    return byId("token").value.trim();
  }

  /** Redraw the parts that depend on the version or the language. @param {boolean} [anew] whether to redraw in any case */
  draw(anew = false) {
    const { version } = this.station.settings;
    if (version === this.version && !anew) return;
    this.version = version;
    const actions = [...STATION_ACTIONS[version]].sort();
    byId("core").replaceChildren(
      ...Object.entries(this.#core()).map(([key, act]) =>
        make("button", { type: "button", "data-core": key, text: t(`core.${key}`), onclick: act }),
      ),
    );
    byId("action").replaceChildren(
      make("option", { value: "", text: "–" }),
      ...actions.map((action) => make("option", { text: action })),
    );
    this.#formFor("");
  }

  /** The actions of the core buttons, for the chosen connector. @returns {Record<string, () => void>} */
  #core() {
    const { station, instrument } = this;
    const { charging } = station;
    const kind = station.settings.tokenType;
    return {
      boot: () => station.link.state === "open" && station.sendBoot(),
      heartbeat: () => station.say("Heartbeat", {}),
      authorize: () => authorize(station, this.token, kind),
      status: () => station.reportAll(true),
      start: () => {
        charging.plug(instrument.connector);
        if (!instrument.connector.transaction) charging.tap(instrument.connector, this.token, kind);
      },
      meter: () => this.#sample(instrument.connector),
      stop: () => charging.stop(instrument.connector, "local", instrument.connector.transaction?.token),
      data: () => station.say("DataTransfer", { vendorId: "org.chargesentinel", messageId: "greeting", data: "hello" }),
      security: () =>
        station.say("SecurityEventNotification", { type: "SettingSystemTime", timestamp: station.clock.stamp() }),
    };
  }

  /** @param {Connector} connector */
  #sample(connector) {
    const { station } = this;
    const measurands = station.variables.list("MeterValuesSampledData");
    if (connector.transaction?.accepted)
      station.dialect.sampled(connector, connector.transaction, "Sample.Periodic", measurands);
    else station.say("MeterValues", station.dialect.meterValues(connector, "Sample.Clock", measurands));
  }

  /** @param {string} action */
  #formFor(action) {
    const box = byId("message-form");
    box.replaceChildren();
    this.form = null;
    byId("action").value = action;
    const schema = action && Schemas.find(this.version, action);
    if (!schema) return;
    this.form = new SchemaForm(box, schema, this.usual(action));
    box.append(
      make("p", { class: "hint", id: "form-outcome", role: "status" }),
      make(
        "div",
        { class: "line" },
        make("button", { type: "submit", class: "main", text: t("send.message", { action }) }),
      ),
    );
  }

  /** The payload that the station would send for an action now. @param {string} action @returns {Payload} */
  usual(action) {
    const schema = Schemas.find(this.version, action);
    return schema ? { ...Schemas.example(schema), ...this.#sensible(action) } : {};
  }

  /** The members of a message whose values the station already knows. @param {string} action @returns {Payload} */
  #sensible(action) {
    const { station, instrument } = this;
    const { connector } = instrument;
    const is16 = this.version === "1.6";
    if (action === "BootNotification") return station.dialect.boot("Triggered");
    if (action === "Authorize") return station.dialect.authorize(this.token, station.settings.tokenType);
    if (action === "StatusNotification") return station.dialect.status(connector, station.dialect.statusOf(connector));
    if (action === "MeterValues")
      return station.dialect.meterValues(connector, "Sample.Clock", station.variables.list("MeterValuesSampledData"));
    if (is16 && action === "StartTransaction")
      return { connectorId: connector.id, idTag: this.token, meterStart: connector.meter.reading() };
    if (is16 && action === "StopTransaction")
      return { transactionId: connector.transaction?.id ?? 0, meterStop: connector.meter.reading(), reason: "Local" };
    const tx = connector.transaction;
    if (action === "TransactionEvent" && tx) {
      return {
        eventType: "Updated",
        triggerReason: "MeterValuePeriodic",
        seqNo: tx.seqNo,
        transactionInfo: { transactionId: tx.id, chargingState: tx.state },
      };
    }
    return {};
  }

  async #send() {
    const { station, version } = this;
    const action = byId("action").value;
    const schema = Schemas.find(version, action);
    if (!this.form || !schema) return;
    const payload = this.form.payload();
    const [flaw] = Schemas.check(payload, schema);
    const tell = (/** @type {string} */ text) => setText(byId("form-outcome"), text);
    if (flaw) return tell(t("form.flaws", { flaw: flawText(flaw) }));
    if (!station.online() && !(action === "BootNotification" && station.link.state === "open"))
      return tell(t("form.offline"));
    if (SEND_ACTIONS.includes(action)) {
      station.write(sendText(newMessageId(), action, payload));
      return tell("");
    }
    tell("…");
    // The station's next event continues with the following sequence number.
    const tx = station.connectors.find((each) => each.transaction?.id === payload.transactionInfo?.transactionId)?.transaction;
    if (tx && action === "TransactionEvent") tx.seqNo = Math.max(tx.seqNo, payload.seqNo + 1);
    const answer = await station.say(action, payload);
    if (byId("action").value === action)
      tell(
        t("form.answer", {
          answer: answer
            ? JSON.stringify(answer.payload ?? { error: answer.code, description: answer.description })
            : "–",
        }),
      );
  }
}
