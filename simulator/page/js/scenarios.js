// The scenarios that a tester starts with one click; each is a list of steps of a driver and a vehicle.

const SCENARIO_NAMES = ["full", "rejected", "remote", "offline", "fault", "needs"];
/** Scenarios that 1.6 has no messages for. */
const SCENARIOS_2X = ["needs"];

class Scenarios {
  /** @param {Station} station @param {() => Connector} chosen @param {() => void} connect */
  constructor(station, chosen, connect) {
    this.station = station;
    this.chosen = chosen;
    this.connect = connect;
    this.running = "";
    this.step = "";
    this.outcome = "";
    this.onChange = () => {};
  }

  /** Start a scenario, or cancel the running one. @param {string} name @returns {Promise<void>} */
  async run(name) {
    if (this.running) {
      this.running = "";
      return;
    }
    if (SCENARIOS_2X.includes(name) && this.station.settings.version === "1.6") return;
    this.running = name;
    this.outcome = "";
    const title = { name: t(`scenario.${name}`) };
    try {
      await this.#connected();
      await this.#steps(this.chosen())[name]();
      this.outcome = t("step.done", title);
    } catch (reason) {
      if (!(reason instanceof Stopped)) throw reason;
      this.outcome = reason.cancelled
        ? t("step.cancelled", title)
        : t("step.failed", { ...title, step: t(this.step).replace("…", "") });
    } finally {
      this.running = "";
      this.step = "";
      this.onChange();
    }
  }

  /** @param {string} step @param {() => boolean} reached @param {number} seconds how long it may take */
  async #until(step, reached, seconds) {
    this.step = `step.${step}`;
    this.onChange();
    for (const end = Date.now() + seconds * 1000; !reached(); await pause(0.1)) {
      if (!this.running) throw new Stopped(true);
      if (Date.now() > end) throw new Stopped(false);
    }
  }

  async #connected() {
    if (!this.station.wanted) this.connect();
    await this.#until("connect", () => this.station.online(), 40);
  }

  /** @param {Connector} connector @returns {Record<string, () => Promise<void>>} */
  #steps(connector) {
    const { station } = this;
    const { charging, settings, clock } = station;
    const { token, tokenType } = settings;
    const interval = Math.max(1, station.variables.number("MeterValueSampleInterval"));
    const settled = () => !station.outbox.pending && !station.outbox.queue.length;
    const plug = async () => {
      charging.plug(connector);
      await this.#until("plug", settled, 20);
    };
    const begin = async () => {
      await plug();
      if (!connector.transaction) charging.tap(connector, token, tokenType);
      await this.#until("tap", () => connector.energised(), 30);
    };
    const charge = async (/** @type {number} */ samples) => {
      const until = clock.now() + (samples * interval + 1) * 1000;
      await this.#until("charge", () => clock.now() >= until || !connector.transaction, samples * interval + 30);
    };
    const end = async () => {
      charging.stop(connector, "local", connector.transaction?.token);
      await this.#until("stop", settled, 30);
      charging.unplug(connector);
      await this.#until("stop", settled, 30);
    };
    return {
      full: async () => {
        await begin();
        await charge(3);
        await end();
      },
      rejected: async () => {
        await plug();
        const verdict = charging.tap(connector, "INVALID", tokenType);
        await this.#until("tap", settled, 20);
        await verdict;
        charging.unplug(connector);
        connector.pending = null;
        if (connector.transaction) charging.stop(connector, "local", "INVALID");
        await this.#until("stop", settled, 20);
      },
      remote: async () => {
        await plug();
        await this.#until("waitstart", () => connector.energised(), 600);
        await this.#until("waitstop", () => !connector.transaction, 3600);
        charging.unplug(connector);
        await this.#until("stop", settled, 30);
      },
      offline: async () => {
        await begin();
        await charge(1);
        station.link.drop();
        await this.#until("offline", () => !station.online(), 10);
        await this.#until("connect", () => station.online() && settled(), 60);
        await charge(1);
        await end();
      },
      needs: async () => {
        await begin();
        const before = offeredProfile(station, connector);
        /** @type {Frame | null | undefined} */
        let answer;
        const needs = chargingNeeds(station, connector, Math.round(settings.batteryWh / 2));
        station.say("NotifyEVChargingNeeds", needs).then((came) => (answer = came));
        await this.#until("needs", () => answer !== undefined, 40);
        // K15.FR.03: with accepted needs a profile comes; with rejected ones the vehicle charges without it.
        if (answer?.payload?.status === "Accepted") {
          const offered = () => offeredProfile(station, connector);
          await this.#until("profile", () => Boolean(offered()) && offered() !== before, PROFILE_WAIT / 1000);
          station.say("NotifyEVChargingSchedule", chosenSchedule(station, connector, offered()));
          await this.#until("profile", settled, 30);
        }
        await charge(2);
        await end();
      },
      fault: async () => {
        await begin();
        await charge(1);
        charging.fault(connector, "GroundFailure");
        this.step = "step.fault";
        await this.#until("fault", settled, 30);
        await pause(2);
        charging.recover(connector);
        await this.#until("recover", settled, 30);
        charging.unplug(connector);
        await this.#until("stop", settled, 30);
      },
    };
  }
}

/** An error that ends a scenario early: the user cancelled it, or a step timed out. */
class Stopped extends Error {
  /** @param {boolean} cancelled */
  constructor(cancelled) {
    super(cancelled ? "cancelled" : "timed out");
    this.cancelled = cancelled;
  }
}
