// Helpers for pages: elements, the API, outputs, tables. Data from charge points is always shown as text, never as markup.
import { isLocal } from "./clock.js";
import { t } from "./words.js";

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
  if (!response.ok) throw Object.assign(new Error(content.error ?? `HTTP ${response.status}`), { status: response.status });
  return content;
}

/** Run `work`, and show its result or the message of its error in an output. */
export async function say(output, work) {
  output.className = "busy";
  output.textContent = "…";
  try {
    output.textContent = await work();
    output.className = "";
  } catch (error) {
    output.className = "bad";
    output.textContent = error.message;
  }
}

/** Redraw a part of the page if its facts, the language or the time zone have changed, and restore the focus. */
export function redraw(container, facts, draw) {
  const written = JSON.stringify([document.documentElement.lang, isLocal(), facts]);
  if (container.dataset.facts === written) return;
  container.dataset.facts = written;
  const focused = container.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  container.replaceChildren(...draw());
  if (focused !== undefined) container.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

/** A table; `columns` are {name, number?, wrap?}, a cell is text or a node. */
export function table(columns, rows) {
  const head = element("tr", {}, ...columns.map((c) => element("th", { textContent: t(c.name), className: c.number ? "number" : "", scope: "col" })));
  const body = rows.map((cells) => element("tr", {}, ...cells.map((cell, n) => {
    const td = element("td", { className: columns[n].number ? "number" : columns[n].wrap ? "wrap" : "" });
    td.dataset.name = t(columns[n].name);
    if (cell instanceof Node) td.append(cell);
    else Object.assign(td, { textContent: cell ?? "–", title: cell ?? "" });
    return td;
  })));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
}
