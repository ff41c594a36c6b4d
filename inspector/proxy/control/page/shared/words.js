// Translate the texts of a page. The English texts are in the page; a table has their translations.

/** @type {Record<string, string>} */
let table = {};

/** Use these translations from now on. @param {Record<string, string>} words English text -> translation */
export function learn(words) {
  table = words;
}

/** The translation of a text, with its {names} replaced by values. @param {string} text @param {Record<string, string | number>} [values] */
export function t(text, values = {}) {
  return (table[text] ?? text).replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

const ATTRIBUTES = ["placeholder", "aria-label", "title"];

/**
 * Translate the marked parts of a page: `data-t` marks the text of an element, `data-t-title` its title, and so on. The
 * value of the mark is the English text.
 * @param {ParentNode} root
 */
export function translate(root) {
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-t]"))) {
    element.dataset.t ||= element.textContent ?? "";
    element.textContent = t(element.dataset.t);
  }
  for (const name of ATTRIBUTES) {
    for (const element of root.querySelectorAll(`[data-t-${name}]`)) {
      const english = element.getAttribute(`data-t-${name}`) || element.getAttribute(name) || "";
      element.setAttribute(`data-t-${name}`, english);
      element.setAttribute(name, t(english));
    }
  }
}
