// The activity log, of at most 10,000 entries, and its export as a trace.

/**
 * A frame, or an event of the page. `at` is milliseconds since 1970, `latency` milliseconds from a CALL to its answer.
 * @typedef {{
 *   n: number, at: number, direction: "cp-to-csms" | "csms-to-cp" | "event", type: string, action: string, id: string,
 *   raw: string, latency?: number, fault?: string, head?: string, gist?: string, values?: Record<string, string>,
 * }} Entry
 */

const LOG_LIMIT = 10_000;
/** How many CALLs are remembered, for the action and the latency of their answers. */
const OPEN_CALLS = 200;

class TrafficLog {
  constructor() {
    /** @type {Entry[]} oldest first */
    this.entries = [];
    this.count = 0;
    /** @type {Map<string, {action: string, at: number}>} by direction and id */
    this.calls = new Map();
    /** @type {(entry: Entry | null, dropped: Entry | null) => void} */
    this.onEntry = () => {};
  }

  /** @param {Omit<Entry, "n" | "at">} what */
  #add(what) {
    const entry = { n: (this.count += 1), at: Date.now(), ...what };
    this.entries.push(entry);
    const dropped = this.entries.length > LOG_LIMIT ? (this.entries.shift() ?? null) : null;
    this.onEntry(entry, dropped);
  }

  /**
   * Add a frame exactly as it was sent.
   * @param {"cp-to-csms" | "csms-to-cp"} direction @param {string} raw
   * @returns {Frame} the parsed frame
   */
  frame(direction, raw) {
    const frame = readFrame(raw);
    const now = performance.now();
    let action = frame.action ?? "";
    let latency;
    if (frame.type === CALL) {
      this.calls.set(`${direction} ${frame.id}`, { action, at: now });
      if (this.calls.size > OPEN_CALLS) this.calls.delete(this.calls.keys().next().value ?? "");
    } else {
      const key = `${direction === "cp-to-csms" ? "csms-to-cp" : "cp-to-csms"} ${frame.id}`;
      const call = this.calls.get(key);
      if (call) {
        action = call.action;
        latency = now - call.at;
        this.calls.delete(key);
      }
    }
    const fault = frame.fault ?? (frame.type === CALLERROR ? frame.code : undefined);
    this.#add({ direction, type: MESSAGE_TYPES[frame.type] ?? "?", action, id: frame.id, raw, latency, fault });
    return frame;
  }

  /** Add an event that is not a frame. @param {string} key of the sentence @param {Record<string, string>} [values] */
  event(key, values) {
    this.#add({ direction: "event", type: "", action: key, id: "", raw: "", values });
  }

  clear() {
    this.entries = [];
    this.onEntry(null, null);
  }

  /**
   * The frames as Open OCPP Trace 1.1, one JSON object per line. Facts without a member in the format are in `meta`.
   * @param {string} version @param {string} chargePointId
   */
  trace(version, chargePointId) {
    /** @type {Payload[]} */
    const lines = [];
    /** @type {Entry | null} */
    let opened = null;
    for (const entry of this.entries) {
      if (entry.action === "note.open") opened = entry;
      else if (entry.action === "note.closed" && lines.length) traceEnd(lines[lines.length - 1], entry);
      if (entry.direction === "event") continue;
      const line = traceLine(entry, version, chargePointId);
      if (opened) traceBegin(line, opened);
      opened = null;
      lines.push(line);
    }
    return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
  }
}

/** @param {Entry} entry of a frame @param {string} version @param {string} chargePointId @returns {Payload} */
function traceLine(entry, version, chargePointId) {
  const frame = readFrame(entry.raw);
  const { type, action } = entry;
  const known = ["CALL", "CALLRESULT", "CALLERROR"].includes(type);
  /** @type {Payload} */
  const line = {
    schemaVersion: "1.1",
    timestamp: new Date(entry.at).toISOString(),
    ocppVersion: version,
    transport: "json",
    chargePointId,
    direction: entry.direction,
    messageType: known ? type : "CALL",
  };
  if (frame.id) line.messageId = frame.id;
  if (action || line.messageType === "CALL") line.action = action || "Unknown";
  if (frame.payload) line.payload = frame.payload;
  const connector = frame.payload?.connectorId;
  if (Number.isInteger(connector) && connector >= 0) line.connectorId = connector;
  if (type === "CALLERROR") line.error = { code: frame.code, description: frame.description, details: frame.details };
  line.raw = entry.raw;
  if (!known) line.meta = { messageType: type };
  return line;
}

/** Mark a frame as the first of a connection, so that readers know that no earlier frame is missing. @param {Payload} line @param {Entry} entry */
function traceBegin(line, entry) {
  const subprotocol = SUBPROTOCOLS[line.ocppVersion];
  const facts = {
    charge_point_id: line.chargePointId,
    ocpp_version: line.ocppVersion,
    ...{ subprotocol, subprotocols_offered: [subprotocol], from_start: true },
  };
  ours(line).opened = { ...stamps(entry), facts };
}

/** Mark a frame as the last of a connection: the next one belongs to another connection. @param {Payload} line @param {Entry} entry */
function traceEnd(line, entry) {
  const { code, by } = entry.values ?? {};
  const clean = code !== "1006";
  const facts = { closed_by: by, ...(clean && { cp_close_code: Number(code), csms_close_code: Number(code) }) };
  ours(line).closed = { ...stamps(entry), facts };
}

/** The object in `meta` for facts for which the format has no member. @param {Payload} line @returns {Payload} */
function ours(line) {
  line.meta ??= {};
  return (line.meta.chargesentinel ??= {});
}

/** @param {Entry} entry */
const stamps = (entry) => ({ ts_ns: `${entry.at}000000`, mono_ns: `${entry.at}000000` });
