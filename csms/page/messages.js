// The last messages of one charge point, newest first; a click opens one.
import { $, clock, element } from "./dom.js";

const ARROWS = { charge_point: "→", csms: "←", connection: "•" };
const WORDS = { charge_point: "from the charge point", csms: "from the CSMS", connection: "connection" };
const FAULTS = { 4: "CALLERROR", 5: "CALLRESULTERROR" };
let shown = { whose: null, newest: 0 };

/** The text of a row: [the main word, the rest, whether it is an error]. */
function summary(frame, actions) {
  let parsed;
  try { parsed = JSON.parse(frame.text); } catch { return ["not JSON", frame.text, true]; }
  if (!Array.isArray(parsed)) return ["no message", frame.text, true];
  const [kind, id, third, fourth] = parsed;
  const rest = (payload) => (payload && Object.keys(payload).length ? JSON.stringify(payload) : "");
  if (kind === 2 || kind === 6) {
    actions.set(id, third);
    return [`${third}${kind === 6 ? " (SEND)" : ""}`, rest(fourth), false];
  }
  if (kind === 3) return [`answer to ${actions.get(id) ?? "a call"}`, rest(third), false];
  if (FAULTS[kind]) return [`${FAULTS[kind]} ${third}`, `${actions.get(id) ?? ""} ${fourth ?? ""}`, true];
  return ["no message", frame.text, true];
}

function row(frame, actions) {
  const head = [
    element("time", { textContent: clock(frame.ts), dateTime: frame.ts }),
    element("span", { className: "arrow", title: WORDS[frame.source] }, ARROWS[frame.source]),
  ];
  if (frame.source === "connection") {
    return element("li", { className: frame.source }, element("div", { className: "word" }, ...head, element("span", { textContent: frame.text })));
  }
  const [word, rest, fault] = summary(frame, actions);
  const what = element("span", { className: "what" }, element("b", { textContent: word }), " ", element("span", { textContent: rest.slice(0, 200) }));
  head[1].append(element("span", { className: "offscreen", textContent: ` ${WORDS[frame.source]}: ` }));
  const line = element("summary", {}, ...head, what);
  const details = element("details", {}, line);
  // Formatted only when it is opened, because most messages never are.
  details.ontoggle = () => { if (details.childElementCount === 1) details.append(element("pre", { textContent: pretty(frame.text) })); };
  return element("li", { className: `${frame.source}${fault ? " fault" : ""}` }, details);
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 1); } catch { return text; }
}

/** Adds the new messages only, so that opened ones stay open. `frames` are sorted from the oldest. */
export function showMessages(whose, frames) {
  const list = $("frames");
  const newest = frames.at(-1)?.number ?? 0;
  if (whose !== shown.whose || newest < shown.newest) {
    shown = { whose, newest: 0 };
    list.replaceChildren();
  }
  const actions = new Map();
  for (const frame of frames) {
    if (frame.number > shown.newest) list.prepend(row(frame, actions));
    else summary(frame, actions);
  }
  while (list.childElementCount > frames.length) list.lastElementChild.remove();
  shown.newest = newest;
}
