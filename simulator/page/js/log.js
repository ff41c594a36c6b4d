// Knows what happened, at most 10,000 entries of it, and how to write it as a trace; shows nothing.

/**
 * A frame, or an event of ours. `at` is milliseconds since 1970, `latency` milliseconds from a CALL to its answer.
 * @typedef {{
 *   n: number, at: number, direction: "cp-to-csms" | "csms-to-cp" | "event", type: string, action: string, id: string,
 *   raw: string, latency?: number, fault?: string, head?: string, values?: Record<string, string>,
 * }} Entry
 */

const LOG_LIMIT = 10_000;
/** CALLs remembered to find the action and latency of their answers. */
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
   * Note a frame exactly as it crossed.
   * @param {"cp-to-csms" | "csms-to-cp"} direction @param {string} raw
   * @returns {Frame} the frame as read
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

  /** Note something that is no frame. @param {string} key of the sentence @param {Record<string, string>} [values] */
  event(key, values) {
    this.#add({ direction: "event", type: "", action: key, id: "", raw: "", values });
  }

  clear() {
    this.entries = [];
    this.onEntry(null, null);
  }

  /**
   * The frames as Open OCPP Trace 1.1, one JSON object a line; what the format has no member for goes into `meta`.
   * @param {string} version @param {string} chargePointId
   */
  trace(version, chargePointId) {
    const known = ["CALL", "CALLRESULT", "CALLERROR"];
    const lines = this.entries
      .filter((entry) => entry.direction !== "event")
      .map((entry) => {
        const frame = readFrame(entry.raw);
        const { type, action } = entry;
        /** @type {Payload} */
        const line = {
          schemaVersion: "1.1",
          timestamp: new Date(entry.at).toISOString(),
          ocppVersion: version,
          transport: "json",
          chargePointId,
          direction: entry.direction,
          messageType: known.includes(type) ? type : "CALL",
        };
        if (frame.id) line.messageId = frame.id;
        if (action || line.messageType === "CALL") line.action = action || "Unknown";
        if (frame.payload) line.payload = frame.payload;
        const connector = frame.payload?.connectorId;
        if (Number.isInteger(connector) && connector >= 0) line.connectorId = connector;
        if (type === "CALLERROR")
          line.error = { code: frame.code, description: frame.description, details: frame.details };
        line.raw = entry.raw;
        if (!known.includes(type)) line.meta = { messageType: type };
        return JSON.stringify(line);
      });
    return lines.length ? `${lines.join("\n")}\n` : "";
  }
}
