// The display of the chosen connector, and the controls of a person at the station.

const FAULTS = [
  "GroundFailure",
  "OverCurrentFailure",
  "HighTemperature",
  "PowerMeterFailure",
  "OverVoltage",
  "UnderVoltage",
  "WeakSignal",
  "InternalError",
  "OtherError",
];

class StationView {
  /** @param {Station} station */
  constructor(station) {
    this.station = station;
    this.chosen = 1;
    this.drawnAt = 0;
    const { charging } = station;
    byId("token").value = station.settings.token;
    byId("token").addEventListener("change", (/** @type {any} */ event) => {
      station.settings.token = event.target.value.trim() || "CARD-001";
      keepSettings(station.settings);
    });
    byId("fault-code").append(...FAULTS.map((code) => make("option", { text: code })));
    byId("plug").addEventListener("click", () =>
      this.connector.plugged ? charging.unplug(this.connector) : charging.plug(this.connector),
    );
    byId("tap").addEventListener("click", () =>
      charging.tap(this.connector, byId("token").value.trim(), station.settings.tokenType),
    );
    byId("pause").addEventListener("click", () => charging.pauseVehicle(this.connector, !this.connector.vehiclePaused));
    byId("fault").addEventListener("click", () =>
      this.connector.fault
        ? charging.recover(this.connector)
        : charging.fault(this.connector, byId("fault-code").value),
    );
    /** @type {Point[]} */
    this.drawn = [];
    /** Where the pointer is on the chart, in pixels from its left. @type {number | null} */
    this.pointed = null;
    byId("chart").addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
      this.pointed = event.clientX - byId("chart").getBoundingClientRect().left;
      this.#reading();
    });
    byId("chart").addEventListener("pointerleave", () => {
      this.pointed = null;
      this.#reading();
    });
    new ResizeObserver(() => this.#chart()).observe(byId("chart"));
  }

  get connector() {
    return this.station.connectors[this.chosen - 1] ?? this.station.connectors[0];
  }

  draw() {
    const { station, connector } = this;
    const { supply } = station;
    const { meter, transaction: tx, last } = connector;
    this.#connectors();
    const status = station.dialect.statusOf(connector);
    // In 2.x the status Occupied stands for several states, so show the charging state instead.
    const told =
      tx && status === "Occupied" && connector.chargingState() in STATUS_MATRIX ? connector.chargingState() : status;
    byId("status").dataset.status = told;
    setText(byId("status"), t(`status.${told}`));
    setText(byId("facts"), factsOf(station, connector).join(" · "));
    const running = station.connectors.map((each) => each.transaction?.id);
    const message = station.display.due(station.clock.now(), displayState(connector), running);
    byId("display").hidden = !message;
    setText(byId("display"), message);
    setText(byId("power"), figure(meter.power / 1000, 2));
    const share = (/** @type {number} */ watts) => Math.min(100, (watts / supply.maxPower) * 100);
    byId("gauge-bar").style.width = `${share(meter.power)}%`;
    byId("gauge").setAttribute("aria-valuenow", (meter.power / 1000).toFixed(2));
    byId("gauge").setAttribute("aria-valuemax", (supply.maxPower / 1000).toFixed(2));
    const limited = connector.limit < supply.maxPower;
    byId("gauge-limit").hidden = !limited;
    if (limited) byId("gauge-limit").style.left = `calc(${share(connector.limit)}% - ${connector.limit > 0 ? 3 : 0}px)`;
    setText(
      byId("gauge-note"),
      limited ? t("gauge.limit", { limit: figure(connector.limit / 1000, 2) }) : t("gauge.nolimit"),
    );
    setText(byId("gauge-max"), `${figure(supply.maxPower / 1000, 1)} kW`);
    setText(byId("energy"), figure((tx ? connector.delivered() : (last?.energy ?? 0)) / 1000, 3));
    setText(byId("duration"), clockText(tx ? (station.clock.now() - tx.startedAt) / 1000 : (last?.seconds ?? 0)));
    setText(byId("soc"), connector.plugged ? figure(meter.soc, 1) : "–");
    setText(byId("register"), figure(meter.reading(), 0));
    setText(byId("sent"), figure(station.sent, 0));
    setText(byId("received"), figure(station.received, 0));
    setText(byId("plug"), t(connector.plugged ? "unplug" : "plug"));
    setText(byId("pause"), t(connector.vehiclePaused ? "resume" : "pause"));
    byId("pause").disabled = !connector.plugged;
    setText(byId("fault"), t(connector.fault ? "recover" : "fault"));
    byId("fault-code").disabled = Boolean(connector.fault);
    const next = nextAct(station, connector);
    for (const id of ["connect", "plug", "tap", "fault"]) byId(id).classList.toggle("main", id === next);
    if (Date.now() - this.drawnAt > 900) this.#chart();
  }

  #connectors() {
    const box = byId("connectors");
    if (box.childElementCount !== this.station.connectors.length) {
      box.replaceChildren(
        ...this.station.connectors.map(({ id }) =>
          make(
            "button",
            { type: "button", onclick: () => this.choose(id) },
            make("i", { "aria-hidden": "true" }),
            make("span"),
            make("small"),
          ),
        ),
      );
    }
    this.station.connectors.forEach((connector, index) => {
      const button = box.children[index];
      button.setAttribute("aria-pressed", String(connector === this.connector));
      button.dataset.status = connector.status16();
      setText(button.children[1], t("connector", { id: String(connector.id) }));
      const { power } = connector.meter;
      setText(button.children[2], power ? `${figure(power / 1000, 1)} kW` : "");
    });
  }

  /** @param {number} id */
  choose(id) {
    this.chosen = id;
    this.drawnAt = 0;
    byId("station").dispatchEvent(new Event("chosen"));
    this.draw();
  }

  #chart() {
    this.drawnAt = Date.now();
    const { history } = this.connector;
    this.drawn = [...history];
    drawSession(byId("chart"), history, this.station.supply.maxPower, t("chart.empty"));
    const now = history.at(-1);
    const label = !now
      ? t("chart.empty")
      : t("chart.now", {
          power: figure(now.power / 1000, 1),
          limit: figure(now.limit / 1000, 1),
          energy: figure(now.energy / 1000, 2),
          duration: clockText((now.at - history[0].at) / 1000),
        });
    byId("chart").setAttribute("aria-label", label);
    this.#reading();
  }

  /** Say what the chart shows under the pointer. */
  #reading() {
    // The points that are drawn: what came since is not on the chart yet.
    const { drawn } = this;
    const points = this.pointed === null ? [] : drawn;
    const point = markSession(byId("chart"), points, this.station.supply.maxPower, this.pointed ?? 0);
    const words = point && {
      power: figure(point.power / 1000, 2),
      limit: figure(point.limit / 1000, 2),
      energy: figure(point.energy / 1000, 3),
      duration: clockText((point.at - drawn[0].at) / 1000),
    };
    setText(byId("chart-reading"), words ? t("chart.then", words) : "");
  }
}
