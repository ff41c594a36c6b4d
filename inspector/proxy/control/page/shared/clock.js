// Format times in UTC or in local time, as the reader chose.
import { prefer, preference } from "./preferences.js";

let local = preference("clock") === "local";

export const isLocal = () => local;
/** @param {boolean} on */
export const setLocal = (on) => {
  local = on;
  prefer("clock", on ? "local" : "utc");
};

/** @param {number} number @param {number} [digits] */
const two = (number, digits = 2) => String(number).padStart(digits, "0");

/** The parts of a time, which is in milliseconds since 1970 or in ISO 8601. @param {number | string} moment */
export const parts = (moment) => {
  const at = new Date(moment);
  const [year, month, day, hour, minute, second, ms] = local
    ? [at.getFullYear(), at.getMonth(), at.getDate(), at.getHours(), at.getMinutes(), at.getSeconds(), at.getMilliseconds()]
    : [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate(), at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds(), at.getUTCMilliseconds()];
  return { date: `${year}-${two(month + 1)}-${two(day)}`, minutes: `${two(hour)}:${two(minute)}`, seconds: two(second), ms: two(ms, 3) };
};

/** @param {number | string} moment */
export const date = (moment) => parts(moment).date;
/** @param {number | string} moment */
export const minutes = (moment) => parts(moment).minutes;
/** @param {number | string} moment */
export const seconds = (moment) => { const { minutes: m, seconds: s } = parts(moment); return `${m}:${s}`; };
/** @param {number | string} moment */
export const millis = (moment) => { const { minutes: m, seconds: s, ms } = parts(moment); return `${m}:${s}.${ms}`; };

/**
 * A time in the chosen zone, in the same form as a text that shows it in UTC: 2026-01-01 12:00:00, 12:00:00.123, ...
 * @param {string} iso @param {string} form
 */
export const restated = (iso, form) => {
  const shown = parts(iso);
  /** @type {Record<number, string>} */
  const time = { 5: shown.minutes, 8: `${shown.minutes}:${shown.seconds}` };
  const clockText = (/** @type {string} */ text) => time[text.length] ?? `${shown.minutes}:${shown.seconds}.${shown.ms}`.slice(0, Math.max(8, text.length));
  if (/^\d{4}-\d{2}-\d{2}$/.test(form)) return shown.date;
  if (/^\d{4}-\d{2}-\d{2} /.test(form)) return `${shown.date} ${clockText(form.slice(11))}`;
  return /^\d{2}:\d{2}/.test(form) ? clockText(form) : form;
};
