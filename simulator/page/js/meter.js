// A vehicle's battery, a connector's energy register, and the power that flows between them.

/** Watts per second: 0 to 7.4 kW in six seconds, like an on-board charger. */
const RAMP = 7_400 / 6;
const VOLTAGE = 230;

/**
 * The power supply of a connector. With `kind` "ac" the power is constant, with "dc" it falls as the battery fills.
 * @typedef {{kind: "ac" | "dc", maxPower: number, phases: number, batteryWh: number}} Supply
 */

class Meter {
  /** @param {number} register the initial value of the energy register, in watt-hours */
  constructor(register) {
    this.register = register;
    this.power = 0;
    /** The power that the station offers to the vehicle, in watts. */
    this.offered = Infinity;
    this.soc = 20 + Math.floor(Math.random() * 25);
    this.misread = 0;
  }

  /**
   * The power that the vehicle would take now, in watts: constant for AC, falling with the state of charge for DC.
   * @param {Supply} supply
   */
  demand(supply) {
    if (this.soc >= 100) return 0;
    if (supply.kind === "ac") return supply.maxPower * (this.soc < 97 ? 1 : (100 - this.soc) / 3 + 0.05);
    if (this.soc < 8) return supply.maxPower * (0.55 + 0.055 * this.soc);
    if (this.soc < 55) return supply.maxPower;
    return supply.maxPower * Math.max(0.08, 1 - (this.soc - 55) / 48);
  }

  /**
   * Advance the meter by some time.
   * @param {number} seconds @param {number} target the power to approach, in watts @param {Supply} supply
   */
  advance(seconds, target, supply) {
    const step = RAMP * Math.max(1, supply.maxPower / 7_400) * seconds;
    const before = this.power;
    // Power rises slowly, as the vehicle's charger does, but falls to a limit at once.
    this.power = target > before ? Math.min(target, before + step) : target;
    const energy = (((before + this.power) / 2) * seconds) / 3600;
    this.register += energy;
    if (supply.batteryWh > 0) this.soc = Math.min(100, this.soc + (energy / supply.batteryWh) * 100);
  }

  /** The register in whole watt-hours, always rounded down, so that the sent values never decrease. */
  reading() {
    return Math.floor(this.register) - this.misread;
  }

  /**
   * One reading for each requested measurand, in a form for all versions; unknown measurands are left out.
   * @param {string[]} measurands @param {Supply} supply
   * @returns {{measurand: string, value: number, unit?: string, location?: string, phase?: string}[]}
   */
  sample(measurands, supply) {
    const volts = supply.kind === "dc" ? 400 : VOLTAGE;
    const offered = Math.min(this.offered, supply.maxPower);
    const amps = this.power / (supply.kind === "dc" ? volts : volts * supply.phases);
    /** @type {Record<string, {value: number, unit?: string, location?: string}>} */
    const all = {
      "Energy.Active.Import.Register": { value: this.reading(), unit: "Wh", location: "Outlet" },
      "Power.Active.Import": { value: Math.round(this.power), unit: "W", location: "Outlet" },
      "Power.Offered": { value: Math.round(offered), unit: "W", location: "Outlet" },
      "Current.Import": { value: round1(amps), unit: "A", location: "Outlet" },
      "Current.Offered": { value: round1(offered / (volts * supply.phases)), unit: "A", location: "Outlet" },
      Voltage: { value: volts, unit: "V", location: "Outlet" },
      Frequency: { value: 50 },
      Temperature: { value: 31, unit: "Celsius", location: "Body" },
      SoC: { value: Math.round(this.soc), unit: "Percent", location: "EV" },
    };
    return measurands.filter((name) => name in all).map((measurand) => ({ measurand, ...all[measurand] }));
  }

  saved() {
    return { register: this.register, power: this.power, soc: this.soc };
  }
}

/** @param {number} value */
const round1 = (value) => Math.round(value * 10) / 10;
