// Helpers for all parts of the page: elements, the API, outputs. Data from charge points is always shown as text, never as
// markup.

export const $ = (id) => document.getElementById(id);

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

export function smallButton(text, label, onclick) {
  const button = element("button", { type: "button", className: "small", textContent: text, onclick });
  button.setAttribute("aria-label", label);
  return button;
}

export async function api(method, path, body) {
  const response = await fetch(`api/${path}`, {
    method,
    headers: { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const content = response.status === 204 ? null : await response.json();
  if (!response.ok) throw new Error(content.error ?? `HTTP ${response.status}`);
  return content;
}

/** Runs `work` and shows its result in an output, or the message of its error. */
export async function say(output, work) {
  output.className = "busy";
  output.textContent = "…";
  try {
    const [text, bad] = [await work()].flat();
    output.className = bad ? "bad" : "";
    output.textContent = text;
  } catch (error) {
    output.className = "bad";
    output.textContent = error.message;
  }
}

/** Redraws a part of the page if its facts have changed, and restores the focus. */
export function redraw(container, facts, draw) {
  const written = JSON.stringify(facts);
  if (container.dataset.facts === written) return;
  container.dataset.facts = written;
  const focused = container.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  container.replaceChildren(...draw());
  if (focused !== undefined) container.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

/** A table; `columns` are {name, number?, wrap?}, a cell is text or a node. */
export function table(columns, rows) {
  const head = element("tr", {}, ...columns.map((c) => element("th", { textContent: c.name, className: c.number ? "number" : "", scope: "col" })));
  const body = rows.map((cells) => element("tr", {}, ...cells.map((cell, n) => {
    const td = element("td", { className: columns[n].number ? "number" : columns[n].wrap ? "wrap" : "" });
    td.dataset.name = columns[n].name;
    if (cell instanceof Node) td.append(cell);
    else Object.assign(td, { textContent: cell ?? "–", title: cell ?? "" });
    return td;
  })));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
}

export function clock(text) {
  const moment = new Date(text);
  return text && !isNaN(moment) ? moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false }) : "–";
}

/** The time; with the date unless it is today. */
export function when(text) {
  const moment = new Date(text);
  if (!text || isNaN(moment)) return "–";
  return moment.toDateString() === new Date().toDateString() ? clock(text) : `${moment.toLocaleDateString()} ${clock(text)}`;
}
