// Read a message of the log: its type, its action or that of its CALL, and whether it reports a fault.
import { summarise } from "./shared/frame_summary.js";

const TYPES = { 2: "CALL", 3: "CALLRESULT", 4: "CALLERROR", 5: "CALLRESULTERROR", 6: "SEND" };
// The beginning of a message: the log may have cut it, so that it is not JSON, but the beginning has type and action.
const HEAD = /^\s*\[\s*([2-6])\s*,\s*"((?:[^"\\]|\\.)*)"\s*,\s*(?:"((?:[^"\\]|\\.)*)")?/;

/** @returns {{kind: number | null, id: string | null, third: unknown}} */
function head(text) {
  try {
    const [kind, id, third] = JSON.parse(text);
    return kind in TYPES && typeof id === "string" ? { kind, id, third } : { kind: null, id: null, third: null };
  } catch {
    const found = HEAD.exec(text);
    return found ? { kind: Number(found[1]), id: found[2], third: found[3] } : { kind: null, id: null, third: null };
  }
}

/**
 * The messages in the form for frame rows, each with the action of its CALL and the latency of its answer.
 * @param {{number: number, ts: string, source: string, text: string}[]} entries oldest first
 */
export function framesOf(entries) {
  const calls = new Map();
  return entries.map(({ number, ts, source, text }) => {
    if (source === "connection") return { number, ts, note: text };
    const { kind, id, third } = head(text);
    const direction = source === "charge_point" ? "cp-to-csms" : "csms-to-cp";
    const frame = { number, ts, text, direction, msg_type: kind, type: TYPES[kind] ?? "unreadable", action: null, latency_us: null, severity: null };
    if (kind === 2 || kind === 6) {
      frame.action = String(third);
      calls.set(`${direction} ${id}`, frame);
    } else if (kind) {
      const call = calls.get(`${direction === "cp-to-csms" ? "csms-to-cp" : "cp-to-csms"} ${id}`);
      if (call) {
        frame.action = call.action;
        frame.latency_us = Math.max(0, new Date(ts) - new Date(call.ts)) * 1000;
      }
    }
    if (kind === null || kind === 4 || kind === 5) frame.severity = "error";
    frame.summary = summarise(text, kind, frame.action);
    return frame;
  });
}
