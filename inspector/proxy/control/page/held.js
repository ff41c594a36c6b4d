// The held frames as cards: send on, send on edited, answer, drop. A card stays as it is while one types in it.
import { editor } from "./checking.js";
import { $, api, element } from "./shared/elements.js";
import { field } from "./shared/form.js";
import { jsonView } from "./shared/json_view.js";
import { t } from "./words.js";

const cards = new Map(); // id -> card

const SHOWN_MS = 20_000;
const SENDERS = { charge_point: "charge point → CSMS", csms: "CSMS → charge point" };
const kindOf = (one) => (one.type === "CALLRESULT" ? "response" : "request");
const action = (id, name, body) => api("POST", `held/${encodeURIComponent(id)}/${name}`, body);

/** A payload that has the required members of an action's schema. */
async function example(version, name, kind) {
  try {
    const schema = await api("GET", `actions/${version}/${name}/${kind}`);
    return field(schema, schema.definitions ?? {}, name, undefined).read();
  } catch {
    return {};
  }
}

function makeCard(one, refresh) {
  const about = (kind) => () => (one.version && one.action ? { version: one.version, action: one.action, kind } : null);
  const left = element("span", { className: "left" });
  const said = element("output");
  said.setAttribute("aria-live", "polite");
  const part = element("div", { hidden: true });
  const button = (text, className, onclick) => element("button", { type: "button", className, textContent: t(text), onclick });
  const run = async (work) => {
    try {
      await work();
      said.textContent = "";
      card.done = true;
      $("h-held").focus();
      await refresh();
    } catch (error) {
      said.className = "bad";
      said.textContent = error.message;
    }
  };
  const open = (title, input, done, send) => {
    part.replaceChildren(input.node, element("p", { className: "buttons" }, button(done, "main", () => run(() => send(input.read())))));
    part.hidden = false;
    // What was typed is not sent by this button: it must not look like the one to click.
    Object.assign(release, { textContent: t("Release unchanged"), className: "" });
    said.textContent = "";
    input.area.focus();
  };
  const release = button("Release", "main", () => run(() => action(one.id, "release", {})));
  const buttons = [release];
  if (one.payload !== null) {
    buttons.push(button("Edit…", "", () => {
      const input = editor(t("Payload"), about(kindOf(one)));
      open("Edit", input, "Release edited", (payload) => action(one.id, "release", { payload }));
      input.set(one.payload ?? {});
    }));
  }
  if (one.type === "CALL") {
    buttons.push(button("Answer…", "", async () => {
      const input = editor(t("Payload of the answer"), about("response"));
      open("Answer", input, "Answer", (payload) => action(one.id, "answer", { payload }));
      input.set(one.version && one.action ? await example(one.version, one.action, "response") : {});
    }));
  }
  buttons.push(button("Drop", "danger", () => run(() => action(one.id, "drop", {}))));
  const node = element("li", { className: "held" },
    element("header", {},
      element("b", { textContent: `${one.action ?? ""} ${one.type}`.trim() }),
      element("span", { textContent: one.charge_point }),
      element("span", { className: "quiet", textContent: t(SENDERS[one.from]) }),
      element("span", { className: "quiet", textContent: `${t("rule")} ${one.rule} · ${one.id}` }), left),
    element("pre", { className: "readable", tabIndex: 0 }, ...jsonView(one.text)),
    element("p", { className: "buttons" }, ...buttons), part, said);
  const card = { node, left, language: document.documentElement.lang, done: false, touched: () => !part.hidden };
  return card;
}

/** Leave the card of a frame for a while in which somebody typed until its time was over. */
function retire(card) {
  card.node.classList.add("gone");
  card.left.textContent = t("its time is over: it was sent on unchanged");
  for (const button of card.node.querySelectorAll("button")) button.disabled = true;
  setTimeout(() => card.node.remove(), SHOWN_MS);
}

export function showHeld(held, refresh) {
  $("none-held").hidden = held.length > 0;
  $("count-held").textContent = held.length || "";
  const ids = new Set(held.map((one) => one.id));
  for (const [id, card] of cards) {
    const stale = card.language !== document.documentElement.lang && !card.touched();
    if (ids.has(id) && !stale) continue;
    cards.delete(id);
    if (card.touched() && !card.done && !ids.has(id)) retire(card);
    else card.node.remove();
  }
  held.forEach((one, at) => {
    if (!cards.has(one.id)) cards.set(one.id, makeCard(one, refresh));
    const card = cards.get(one.id);
    card.left.textContent = t("{n} s left", { n: Math.ceil(one.seconds_left) });
    if ($("held").children[at] !== card.node) $("held").insertBefore(card.node, $("held").children[at] ?? null);
  });
}
