// Summarizes a frame in a few words, and shows it with its parts in colours.

/** The members that distinguish frames of one action, in order of preference; a dot means a nested member. */
const TELLING = [
  "status",
  "connectorStatus",
  "eventType",
  "triggerReason",
  "requestedMessage",
  "type",
  "operationalStatus",
  "reason",
  "idTag",
  "idToken.idToken",
  "idTagInfo.status",
  "idTokenInfo.status",
  "transactionId",
  "key",
  "vendorId",
  "csChargingProfiles.chargingProfilePurpose",
  "chargingProfile.chargingProfilePurpose",
];
/** Where a frame names its connector or EVSE. */
const PLACES = ["connectorId", "evseId", "evse.id"];

/** @param {Payload} payload @param {string} path */
const memberAt = (payload, path) =>
  path.split(".").reduce((value, name) => (isObject(value) ? value[name] : undefined), /** @type {any} */ (payload));

/** A summary of a frame's payload. @param {string} raw */
function gistOf(raw) {
  const { payload } = readFrame(raw);
  if (!payload) return "";
  // In 2.x the connector's number means nothing when there is an evseId.
  const place = [...PLACES].reverse().map((path) => memberAt(payload, path)).find(Number.isInteger);
  const words = TELLING.map((path) => memberAt(payload, path)).filter(
    (word) => typeof word === "string" || typeof word === "number",
  );
  const samples = payload.meterValue?.[0]?.sampledValue;
  const power = Array.isArray(samples) && samples.find((sample) => sample?.measurand === "Power.Active.Import");
  if (power) words.splice(1, 9, `${figure(Number(power.value) / 1000, 2)} kW`);
  return [...(place === undefined ? [] : [`#${place}`]), ...words.slice(0, 3)].join(" · ");
}

/** @param {string} raw */
function readable(raw) {
  try {
    return JSON.stringify(JSON.parse(raw), null, 2);
  } catch {
    return raw;
  }
}

/** Indented JSON with its names, strings and other values in separate spans. @param {string} text @returns {(Node | string)[]} */
function coloured(text) {
  const parts = text.split(/("(?:[^"\\]|\\.)*"(?:\s*:)?|\b(?:true|false|null)\b|-?\d[\d.eE+-]*)/);
  return parts.map((part, index) => {
    if (index % 2 === 0) return part;
    return make("span", { class: part.endsWith(":") ? "name" : part.startsWith('"') ? "text" : "plain", text: part });
  });
}
