// Says the page's own words in the reader's language. English is in the page; a table has the others.

/** @type {Record<string, string>} */
let table = {};

/** Say what the table has in its words from now on. @param {Record<string, string>} words English -> the language */
export function learn(words) {
  table = words;
}

/** A text in the language, with its {names} filled in. @param {string} text @param {Record<string, string | number>} [values] */
export function t(text, values = {}) {
  return (table[text] ?? text).replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

const ATTRIBUTES = ["placeholder", "aria-label", "title"];

/**
 * Translate what is marked: `data-t` the text of an element, `data-t-title` its attribute and so on. The English text
 * is kept in the mark.
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
