// The chosen language, and the sentences of i18n_en.js and i18n_tr.js with their values.

/** @type {Record<string, Record<string, string>>} */
const SENTENCES = { en: ENGLISH, tr: TURKISH };
let language = "en";

/**
 * The sentence for a key in the current language, with its {names} replaced by values.
 * @param {string} key @param {Record<string, string>} [values]
 */
function t(key, values = {}) {
  const sentence = SENTENCES[language][key] ?? ENGLISH[key] ?? key;
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** Number formats, cached because making one costs more than using it a thousand times. @type {Map<string, Intl.NumberFormat>} */
const figures = new Map();

/** A number in the format of the language. @param {number} value @param {number} digits after the point */
function figure(value, digits) {
  const key = `${language} ${digits}`;
  const format =
    figures.get(key) ??
    new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  figures.set(key, format);
  return format.format(value);
}

/** The sentence that describes a flaw. @param {Flaw} flaw @param {Record<string, string>} [sentences] */
function flawText({ path, rule, limit = "" }, sentences = SENTENCES[language]) {
  return sentences[`flaw.${rule}`].replace("{where}", path || "payload").replace("{limit}", String(limit));
}

/** @param {string} wanted a language of SENTENCES */
function speak(wanted) {
  language = wanted in SENTENCES ? wanted : "en";
  document.documentElement.lang = language;
  document.title = t("title");
  for (const element of document.querySelectorAll("[data-t]"))
    element.textContent = t(element.getAttribute("data-t") ?? "");
  for (const element of document.querySelectorAll("[data-t-label]"))
    element.setAttribute("aria-label", t(element.getAttribute("data-t-label") ?? ""));
  for (const element of document.querySelectorAll("[data-t-title]"))
    element.setAttribute("title", t(element.getAttribute("data-t-title") ?? ""));
  for (const element of document.querySelectorAll("[data-t-hint]"))
    element.setAttribute("placeholder", t(element.getAttribute("data-t-hint") ?? ""));
}
