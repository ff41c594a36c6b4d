// DER controls of 2.1 (R04): priorities, start and end, reports. They change no power, as the station feeds nothing back.

/** @typedef {{payload: Payload, superseded: boolean, active: boolean, begun: boolean, start?: number}} DerControl */

/** controlType -> the member with its settings; for all other types it is `curve` (R04.FR.16). @type {Record<string, string>} */
const DER_FIELDS = {
  FixedPFAbsorb: "fixedPFAbsorb",
  FixedPFInject: "fixedPFInject",
  FixedVar: "fixedVar",
  LimitMaxDischarge: "limitMaxDischarge",
  FreqDroop: "freqDroop",
  EnterService: "enterService",
  Gradients: "gradient",
};
const DER_SETTINGS = [...Object.values(DER_FIELDS), "curve"];
const DEFAULT_ONLY = ["EnterService", "Gradients"];

/** @param {Payload} payload @returns {string} */
const derField = (payload) => DER_FIELDS[payload.controlType] ?? "curve";
/** @param {DerControl} control @returns {Payload} */
const derSettings = ({ payload }) => payload[derField(payload)];

/** Whether a control breaks R04.FR.13, R04.FR.15 or R04.FR.17. @param {Payload} payload */
function derBroken(payload) {
  const given = DER_SETTINGS.filter((name) => payload[name] !== undefined);
  if (given.length !== 1 || given[0] !== derField(payload)) return true;
  if (!payload.isDefault) return DEFAULT_ONLY.includes(payload.controlType);
  const { startTime, duration } = payload[given[0]];
  return startTime !== undefined || duration !== undefined;
}

class DerControls {
  /** @param {Station} station */
  constructor(station) {
    this.station = station;
    /** @type {DerControl[]} */
    this.all = [];
  }

  /** The other controls of a type that are not superseded. @param {DerControl} control */
  #rivals({ payload }) {
    return this.all.filter(
      (each) =>
        !each.superseded &&
        each.payload.controlId !== payload.controlId &&
        each.payload.controlType === payload.controlType &&
        each.payload.isDefault === payload.isDefault,
    );
  }

  /** Set a control; a lower priority value has preference. @param {Payload} payload @returns {string[]} the ids that are superseded */
  set(payload) {
    /** @type {DerControl} */
    const control = { payload, superseded: false, active: false, begun: false };
    const rivals = this.#rivals(control);
    this.all = this.all.filter((each) => each.payload.controlId !== payload.controlId);
    this.all.push(control);
    const { priority } = derSettings(control);
    if (rivals.some((each) => derSettings(each).priority < priority)) {
      control.superseded = true; // R04.FR.08
      return [payload.controlId];
    }
    // An active control continues until the new one starts (R04.FR.07).
    const over = rivals.filter((each) => !each.active);
    for (const each of over) each.superseded = true; // R04.FR.03, R04.FR.06
    return over.map((each) => each.payload.controlId);
  }

  /** Start and end the controls that are due (R04.FR.10, R04.FR.20 to R04.FR.22). @param {number} now */
  tick(now) {
    for (const control of [...this.all]) {
      const { isDefault } = control.payload;
      const { startTime, duration } = derSettings(control);
      if (isDefault) continue;
      const start = (control.start ??= startTime ? Date.parse(startTime) : now);
      if (!control.begun && now >= start) this.#begin(control);
      if (duration === undefined || now < start + duration * 1000) continue;
      this.all = this.all.filter((each) => each !== control);
      if (control.active) this.#report(control, false);
    }
  }

  /** @param {DerControl} control */
  #begin(control) {
    control.begun = true;
    if (control.superseded) return;
    const over = this.#rivals(control).filter((each) => each.active);
    for (const each of over) Object.assign(each, { superseded: true, active: false });
    control.active = true;
    this.#report(control, true, over.map((each) => each.payload.controlId));
  }

  /** @param {DerControl} control @param {boolean} started @param {string[]} [superseded] */
  #report({ payload }, started, superseded = []) {
    this.station.say("NotifyDERStartStop", {
      controlId: payload.controlId,
      started,
      timestamp: this.station.clock.stamp(),
      ...(superseded.length ? { supersededIds: superseded } : {}),
    });
  }

  /** @param {Payload} request @returns {DerControl[]} */
  chosen({ controlId, controlType, isDefault }) {
    return this.all.filter(
      ({ payload }) =>
        (controlId === undefined || payload.controlId === controlId) &&
        (controlType === undefined || payload.controlType === controlType) &&
        (isDefault === undefined || payload.isDefault === isDefault),
    );
  }

  /** @param {number} requestId @param {DerControl[]} chosen @returns {Payload} ReportDERControl */
  static report(requestId, chosen) {
    /** @type {Payload} */
    const report = { requestId, tbc: false };
    for (const control of chosen) {
      const { payload, superseded } = control;
      const field = derField(payload);
      const name = field.startsWith("fixedPF") ? "fixedPF" : field;
      /** @type {Payload} */
      const entry = { id: payload.controlId, [name]: derSettings(control) };
      if (!DEFAULT_ONLY.includes(payload.controlType))
        Object.assign(entry, { isDefault: payload.isDefault, isSuperseded: superseded });
      if (field === "curve") entry.curveType = payload.controlType;
      (report[field] ??= []).push(entry);
    }
    return report;
  }
}

Object.assign(
  ANSWERS_2X,
  /** @type {Record<string, Answerer>} */ ({
    SetDERControl(station, request) {
      if (derBroken(request)) return refused("Rejected", "InvalidValue");
      const supersededIds = station.der.set(request);
      return { answer: { status: "Accepted", ...(supersededIds.length ? { supersededIds } : {}) } };
    },
    GetDERControl(station, request) {
      const chosen = station.der.chosen(request);
      if (!chosen.length) return says("NotFound");
      return says("Accepted", () =>
        station.say("ReportDERControl", DerControls.report(request.requestId, chosen)),
      );
    },
    ClearDERControl(station, request) {
      const chosen = station.der.chosen(request);
      station.der.all = station.der.all.filter((each) => !chosen.includes(each));
      // R04.FR.44: without type and id the answer is Accepted even if there was nothing.
      const everything = request.controlType === undefined && request.controlId === undefined;
      return says(chosen.length || everything ? "Accepted" : "NotFound");
    },
  }),
);
