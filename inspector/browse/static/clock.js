// Times as the reader wants them, in UTC or in local time; the choice is remembered in this browser.

const KEY = "chargesentinel-clock";
const remembered = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
let local = remembered() === "local";

export const isLocal = () => local;
export const setLocal = (on) => {
  local = on;
  try { localStorage.setItem(KEY, on ? "local" : "utc"); } catch { /* it is then forgotten with the page */ }
};

const two = (number, digits = 2) => String(number).padStart(digits, "0");

// The parts of a moment, given as milliseconds since 1970 or in ISO 8601.
export const parts = (moment) => {
  const at = new Date(moment);
  const [year, month, day, hour, minute, second, ms] = local
    ? [at.getFullYear(), at.getMonth(), at.getDate(), at.getHours(), at.getMinutes(), at.getSeconds(), at.getMilliseconds()]
    : [at.getUTCFullYear(), at.getUTCMonth(), at.getUTCDate(), at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds(), at.getUTCMilliseconds()];
  return { date: `${year}-${two(month + 1)}-${two(day)}`, minutes: `${two(hour)}:${two(minute)}`, seconds: two(second), ms: two(ms, 3) };
};

export const date = (moment) => parts(moment).date;
export const minutes = (moment) => parts(moment).minutes;
export const seconds = (moment) => { const { minutes: m, seconds: s } = parts(moment); return `${m}:${s}`; };
export const millis = (moment) => { const { minutes: m, seconds: s, ms } = parts(moment); return `${m}:${s}.${ms}`; };

// The same form of a time in the chosen zone: 2026-01-01 12:00:00, 12:00:00.123, ... by the text that shows it in UTC.
export const restated = (iso, form) => {
  const shown = parts(iso);
  const time = { 5: shown.minutes, 8: `${shown.minutes}:${shown.seconds}` };
  const clockText = (text) => time[text.length] ?? `${shown.minutes}:${shown.seconds}.${shown.ms}`.slice(0, Math.max(8, text.length));
  if (/^\d{4}-\d{2}-\d{2}$/.test(form)) return shown.date;
  if (/^\d{4}-\d{2}-\d{2} /.test(form)) return `${shown.date} ${clockText(form.slice(11))}`;
  return /^\d{2}:\d{2}/.test(form) ? clockText(form) : form;
};
