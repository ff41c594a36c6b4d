// What the reader chose on any page: theme, language, and UTC or local time.
//
// A cookie keeps it: the pages of one machine differ in their ports, which cookies ignore. A page that was opened as a
// file has no cookies, so the browser's storage keeps it too.

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
    // Storage is forbidden: then the choice lasts as long as the page.
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
    // See above.
  }
}

/** The choice after this one. @param {string} name @param {string} value @returns {string} */
export function following(name, value) {
  const all = CHOICES[name];
  return all[(all.indexOf(value) + 1) % all.length];
}

/** The language that was chosen, or the browser's if it is Turkish, or English. @returns {string} */
export function preferredLanguage() {
  return preference("language") || (navigator.language.toLowerCase().startsWith("tr") ? "tr" : "en");
}
