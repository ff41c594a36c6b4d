// The reader's choices on any page: theme, language, and UTC or local time.
//
// A cookie stores them, as cookies are the same for all ports of a machine, and so for all pages. A page opened
// from a file has no cookies, so the browser's storage has the choices too.

/** @type {Record<string, string[]>} */
const CHOICES = { theme: ["system", "light", "dark"], language: ["en", "tr"], clock: ["utc", "local"] };
const YEAR_S = 31_536_000;

/** @param {string} name @returns {string} what was chosen, or "" */
export function preference(name) {
  const key = `chargesentinel_${name}`;
  const cookie = new RegExp(`(?:^|; )${key}=(\\w+)`).exec(globalThis.document?.cookie ?? "");
  let value = cookie?.[1] ?? "";
  try {
    value ||= localStorage.getItem(key) ?? "";
  } catch {
    // Storage is forbidden: the choice is lost with the page.
  }
  return CHOICES[name].includes(value) ? value : "";
}

/** @param {string} name @param {string} value one of CHOICES */
export function prefer(name, value) {
  const key = `chargesentinel_${name}`;
  document.cookie = `${key}=${value}; Path=/; Max-Age=${YEAR_S}; SameSite=Lax`;
  try {
    localStorage.setItem(key, value);
  } catch {
    // Storage is forbidden: the choice is lost with the page.
  }
}

/** The choice after `value` in the order of CHOICES. @param {string} name @param {string} value @returns {string} */
export function following(name, value) {
  const all = CHOICES[name];
  return all[(all.indexOf(value) + 1) % all.length];
}

/** The chosen language; without a choice Turkish if the browser prefers it, else English. @returns {string} */
export function preferredLanguage() {
  return preference("language") || (navigator.language.toLowerCase().startsWith("tr") ? "tr" : "en");
}
