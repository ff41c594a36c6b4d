// A JSON editor that checks its text against a schema while one types.
import { api, element } from "./shared/elements.js";
import { t } from "./words.js";

const PAUSE_MS = 250;
let made = 0;

/**
 * An editor for a payload. `about` returns {version, action, kind}, or null if there is no schema to check against.
 * The result is {node, set(payload), read()}; `read` throws an Error if the text is not JSON.
 */
export function editor(label, about) {
  const id = `editor-${(made += 1)}`;
  const area = element("textarea", { rows: 7, spellcheck: false, id });
  const faults = element("ul", { className: "checked", id: `${id}-faults` });
  faults.setAttribute("aria-live", "polite");
  area.setAttribute("aria-describedby", faults.id);
  let turn = 0;
  let timer = 0;

  const show = (bad, ...lines) => {
    area.setAttribute("aria-invalid", String(bad));
    faults.replaceChildren(...lines.map(([pointer, text, good]) => element("li", { className: good ? "good" : "" }, ...(pointer ? [element("code", { textContent: pointer }), " "] : []), text)));
  };

  async function check() {
    const mine = (turn += 1);
    let payload;
    try {
      payload = JSON.parse(area.value);
    } catch (error) {
      show(true, ["", t("not JSON: {why}", { why: error.message })]);
      return;
    }
    const known = about();
    if (known === null) {
      show(false, ["", t("valid JSON; there is no schema to check it against"), true]);
      return;
    }
    try {
      const found = await api("POST", "check", { ...known, payload });
      if (mine !== turn) return;
      if (!found.known) show(false, ["", t("valid JSON; {action} is unknown", { action: known.action }), true]);
      else if (found.faults.length) show(true, ...found.faults.map((fault) => [fault.pointer, fault.text]));
      else show(false, ["", t("fits its schema"), true]);
    } catch (error) {
      if (mine === turn) show(false, ["", error.message]);
    }
  }

  area.oninput = () => {
    clearTimeout(timer);
    timer = setTimeout(check, PAUSE_MS);
  };
  return {
    node: element("div", {}, element("label", { htmlFor: id, textContent: label }), area, faults),
    area,
    set: (payload) => { area.value = JSON.stringify(payload, null, 2); check(); },
    read: () => {
      try {
        return JSON.parse(area.value);
      } catch (error) {
        throw new Error(t("the payload is not JSON: {why}", { why: error.message }));
      }
    },
  };
}
