// Summarise a frame in one line, in the same way as `inspector/browse/summary.py`.
//
// No frame throws an error: an unexpected payload is shown as its plain values.

/** @typedef {any} Json */

const SUMMARY_LENGTH = 160;

/**
 * The summary of a frame, in at most SUMMARY_LENGTH characters.
 * @param {string} raw @param {number | null} type 2 to 6 @param {string | null} action of a CALL or of the CALL that is answered
 */
export function summarise(raw, type, action) {
  let text;
  try {
    text = summaryOf(JSON.parse(raw), type, action ?? "");
  } catch {
    text = raw.slice(0, 2 * SUMMARY_LENGTH).split(/\s+/).filter(Boolean).join(" ") || "empty";
  }
  return text.length <= SUMMARY_LENGTH ? text : `${text.slice(0, SUMMARY_LENGTH - 1)}…`;
}

/** @param {Json} message @param {number | null} type @param {string} action */
function summaryOf(message, type, action) {
  if (type === 4 || type === 5) return message[3] ? `${message[2]}: ${message[3]}` : String(message[2]);
  const payload = type === 3 ? message[2] : message[3];
  if (payload === undefined) throw new TypeError("no payload");
  const say = (type === 3 ? ANSWERS : CALLS)[action];
  if (!say) return plain(payload);
  try {
    return say(payload) || plain(payload);
  } catch {
    return plain(payload);
  }
}

/** The scalars of a payload, outermost first: `connectorId 1 · status Available`. @param {Json} payload */
const plain = (payload) => [...scalars(payload, 3)].map(([name, value]) => `${name} ${value}`).join(" · ");

/** @param {Json} value @param {number} depth @returns {Generator<[string, string]>} */
function* scalars(value, depth) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return;
  const nested = [];
  for (const [name, inner] of Object.entries(value)) {
    if (Array.isArray(inner) && !isRecord(inner[0])) yield [name, inner.slice(0, 4).map(word).join(", ")];
    else if (Array.isArray(inner)) nested.push(inner[0]);
    else if (isRecord(inner)) nested.push(inner);
    else yield [name, word(inner)];
  }
  if (depth) for (const inner of nested) yield* scalars(inner, depth - 1);
}

/** @param {Json} value */
const isRecord = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
/** @param {Json} value */
const word = (value) => (typeof value === "string" ? value : JSON.stringify(value));
/** @param {...Json} words */
const joined = (...words) => words.filter((each) => each !== null && each !== undefined && each !== "").map(String).join(" · ");
/** @param {string} name @param {Json} value */
const named = (name, value) => (value === null || value === undefined ? null : `${name} ${value}`);

/** A number with at most `digits` significant digits, without zeros at its end. @param {number} value @param {number} digits */
function general(value, digits) {
  const [, exponent] = value.toExponential(digits - 1).split("e");
  if (Number(exponent) >= -4 && Number(exponent) < digits) return String(Number(value.toPrecision(digits)));
  const [digitsOf] = value.toExponential(digits - 1).split("e");
  return `${Number(digitsOf)}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

/** @param {number} value */
const small = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : Math.abs(value) >= 0.001 ? general(value, 3) : "0");
/** @param {number} wattHours */
const energyText = (wattHours) => (Math.abs(wattHours) < 999.5 ? `${small(wattHours)} Wh` : `${general(wattHours / 1000, 4)} kWh`);
/** @param {number} watts */
const powerText = (watts) => (Math.abs(watts) < 999.5 ? `${small(watts)} W` : `${general(watts / 1000, 3)} kW`);

/** @param {Json} value */
function numberOf(value) {
  const number = typeof value === "string" && !value.trim() ? NaN : Number(value);
  if (value === null || !Number.isFinite(number)) throw new TypeError("not a number");
  return number;
}

/** @param {Json} payload */
function placeOf(payload) {
  const evse = payload.evse ?? {};
  return joined(named("EVSE", payload.evseId ?? evse.id), named("connector", payload.connectorId ?? evse.connectorId));
}

/** @param {Json} payload */
function idInfo(payload) {
  const info = payload.idTokenInfo ?? payload.idTagInfo ?? {};
  return joined(named("transaction", payload.transactionId), info.status);
}

/** Name of a measurand -> its place in the line. @type {Record<string, string>} */
const READINGS = {
  "Power.Active.Import": "power",
  "Energy.Active.Import.Register": "energy",
  "Current.Import": "current",
  Voltage: "voltage",
  SoC: "SoC",
};

/** The most important readings: power, energy, current, voltage, state of charge. @param {Json[]} meterValues */
function measured(meterValues) {
  /** @type {Record<string, string>} */
  const found = {};
  for (const sample of meterValues.at(-1)?.sampledValue ?? []) {
    const measurand = sample.measurand ?? "Energy.Active.Import.Register";
    const unit = sample.unit || sample.unitOfMeasure?.unit || (measurand.startsWith("Energy") ? "Wh" : "");
    const name = READINGS[measurand];
    if (name && !(name in found)) found[name] = reading(numberOf(sample.value), unit);
  }
  return joined(...Object.values(READINGS).map((name) => found[name] && (name === "SoC" ? `SoC ${found[name]}` : found[name])));
}

/** @param {number} value @param {string} unit */
function reading(value, unit) {
  if (unit === "Wh" || unit === "kWh") return energyText(value * (unit === "kWh" ? 1000 : 1));
  if (unit === "W" || unit === "kW") return powerText(value * (unit === "kW" ? 1000 : 1));
  return `${general(value, 6)} ${unit === "Percent" ? "%" : unit}`.trim();
}

/** @type {Record<string, (payload: Json) => string>} */
const CALLS = {
  BootNotification(payload) {
    const station = payload.chargingStation ?? payload;
    return joined(station.vendorName ?? station.chargePointVendor, station.model ?? station.chargePointModel, station.firmwareVersion, payload.reason);
  },
  StatusNotification(payload) {
    const error = payload.errorCode;
    return joined(placeOf(payload), payload.connectorStatus ?? payload.status, error === "NoError" ? null : error, payload.info);
  },
  Authorize: ({ idToken, idTag }) => joined(isRecord(idToken ?? idTag) ? idToken.idToken : (idToken ?? idTag)),
  StartTransaction: (payload) => joined(placeOf(payload), payload.idTag, energyText(numberOf(payload.meterStart))),
  StopTransaction: (payload) => joined(named("transaction", payload.transactionId), energyText(numberOf(payload.meterStop)), payload.reason),
  MeterValues: (payload) => joined(placeOf(payload), measured(payload.meterValue)),
  TransactionEvent: ({ eventType, seqNo, triggerReason, transactionInfo: info, meterValue }) =>
    joined(`${eventType} #${seqNo}`, triggerReason, info.chargingState, info.stoppedReason, measured(meterValue ?? [])),
  SetChargingProfile(payload) {
    const profile = payload.csChargingProfiles ?? payload.chargingProfile;
    const schedule = [profile.chargingSchedule].flat()[0];
    const limits = schedule.chargingSchedulePeriod.slice(0, 4).map((/** @type {Json} */ period) => general(numberOf(period.limit), 6));
    return joined(placeOf(payload), profile.chargingProfilePurpose, `${limits.join(" → ")} ${schedule.chargingRateUnit}`);
  },
  DataTransfer: ({ vendorId, messageId, data }) => joined(vendorId, messageId, data === undefined || data === null ? null : word(data)),
};

/** @type {Record<string, (payload: Json) => string>} */
const ANSWERS = { Authorize: idInfo, StartTransaction: idInfo, StopTransaction: idInfo, TransactionEvent: idInfo };
