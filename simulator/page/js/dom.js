// Create and find elements. Content is always text, never markup.

/**
 * The element with an id in the page's HTML.
 * @param {string} id
 * @returns {any} loosely typed, for inputs, buttons and sections alike
 */
function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/**
 * Create an element. Strings become text, so that nothing from a CSMS is ever parsed as markup.
 * @param {string} tag
 * @param {Record<string, any>} [props] `class`, `text`, `on<event>` and attributes; false and undefined are left out
 * @param {...(Node | string)} children
 * @returns {any}
 */
function make(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === false || value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "text") element.textContent = value;
    else if (name === "class") element.className = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

/** Set a text only if it changed, so that screen readers do not repeat it. @param {HTMLElement} element @param {string} text */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {string} name @param {Record<string, any>} props @param {...Node} children @returns {any} */
function svg(name, props = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(props)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}

/** Download a file. @param {string} name @param {string} text @param {string} type */
function offerFile(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  make("a", { href: address, download: name }).click();
  window.setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** Copy a text, even if the clipboard API is missing (plain http). @param {string} text */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const box = make("textarea", { class: "offscreen", "aria-hidden": "true" });
    box.value = text;
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  }
}

/**
 * Turn buttons with aria-controls into tabs; the arrow keys move between them (WAI-ARIA authoring practices).
 * @param {HTMLElement} list
 */
function wireTabs(list) {
  const tabs = /** @type {HTMLButtonElement[]} */ ([...list.querySelectorAll("[role=tab]")]);
  /** @param {HTMLButtonElement} chosen @param {boolean} focus */
  const choose = (chosen, focus) => {
    for (const tab of tabs) {
      const on = tab === chosen;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      byId(tab.getAttribute("aria-controls") ?? "").hidden = !on;
    }
    if (focus) chosen.focus();
  };
  tabs.forEach((tab, index) => {
    tab.addEventListener("click", () => choose(tab, false));
    tab.addEventListener("keydown", (event) => {
      const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
      if (step) choose(tabs[(index + step + tabs.length) % tabs.length], true);
    });
  });
  choose(tabs[0], false);
}
