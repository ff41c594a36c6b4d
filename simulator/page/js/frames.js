// Write and parse the frames of OCPP-J: CALLs and their answers, as text.

/** @typedef {Record<string, any>} Payload */
/** @typedef {{type: number, id: string, action?: string, payload?: Payload, code?: string, description?: string, details?: Payload, fault?: string}} Frame */

const CALL = 2;
const CALLRESULT = 3;
const CALLERROR = 4;
const CALLRESULTERROR = 5;
const SEND = 6;

/** @type {Record<number, string>} */
const MESSAGE_TYPES = { 2: "CALL", 3: "CALLRESULT", 4: "CALLERROR", 5: "CALLRESULTERROR", 6: "SEND" };

/** The subprotocol to offer for each version (OCPP-J section 3.1.2). */
const SUBPROTOCOLS = /** @type {Record<string, string>} */ ({ 1.6: "ocpp1.6", "2.0.1": "ocpp2.0.1", 2.1: "ocpp2.1" });

/**
 * A unique message id of 36 characters, the longest that OCPP-J allows.
 * It does not use `crypto.randomUUID`, which is missing on plain http in a local network.
 */
function newMessageId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/**
 * Parse one frame. An invalid frame has a `fault`: the key of the sentence with the reason. Never throws.
 * @param {string} text
 * @returns {Frame}
 */
function readFrame(text) {
  let parts;
  try {
    parts = JSON.parse(text);
  } catch {
    return { type: 0, id: "", fault: "frame.json" };
  }
  if (!Array.isArray(parts)) return { type: 0, id: "", fault: "frame.array" };
  const [type, id] = parts;
  const frame = { type, id: typeof id === "string" ? id : "" };
  if (typeof id !== "string" || id === "" || id.length > 36) return { ...frame, fault: "frame.id" };
  if (type === CALL || type === SEND) {
    if (parts.length !== 4 || typeof parts[2] !== "string" || !isObject(parts[3])) {
      return { ...frame, action: String(parts[2]), fault: "frame.call" };
    }
    return { ...frame, action: parts[2], payload: parts[3] };
  }
  if (type === CALLRESULT) {
    if (parts.length !== 3 || !isObject(parts[2])) return { ...frame, fault: "frame.result" };
    return { ...frame, payload: parts[2] };
  }
  if (type === CALLERROR || type === CALLRESULTERROR) {
    return { ...frame, code: String(parts[2]), description: String(parts[3] ?? ""), details: parts[4] ?? {} };
  }
  return { ...frame, fault: "frame.type" };
}

/** @param {unknown} value */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @param {string} id @param {string} action @param {Payload} payload */
const callText = (id, action, payload) => JSON.stringify([CALL, id, action, payload]);
/** @param {string} id @param {string} action @param {Payload} payload */
const sendText = (id, action, payload) => JSON.stringify([SEND, id, action, payload]);
/** @param {string} id @param {Payload} payload */
const resultText = (id, payload) => JSON.stringify([CALLRESULT, id, payload]);
/** @param {string} id @param {string} code @param {string} description @param {Payload} [details] */
const errorText = (id, code, description, details) => JSON.stringify([CALLERROR, id, code, description, details ?? {}]);
