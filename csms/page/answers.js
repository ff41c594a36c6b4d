// The answer to the last message that was sent, at the top of the panel on the right.
import { $, element } from "./dom.js";
import { duration } from "./shared/frame_row.js";
import { jsonView } from "./shared/json_view.js";
import { t } from "./words.js";

const part = (name, value) => element("details", { open: name === "answer" }, element("summary", { textContent: t(name) }), element("pre", { className: "readable", tabIndex: 0 }, ...jsonView(JSON.stringify(value))));

/** The outcome of a CALL: [headline, whether it is bad, parts]. */
function outcome(result, ms) {
  const after = ` ${t("after {time}", { time: duration(ms * 1000) })}`;
  const asked = result.request ? [part("request", result.request)] : [];
  if (result.kind === "CALLERROR") return [`CALLERROR ${result.error_code}${after}: ${result.error_description}`, true, asked];
  if (result.kind === "timeout") return [t("no answer") + after, true, asked];
  if (result.kind === "closed") return [t("the connection closed before the answer") + after, true, asked];
  const answer = part("answer", result.payload);
  if (result.error_code) return [t("the answer does not fit its schema: {why}", { why: result.error_description }), true, [answer, ...asked]];
  const status = result.payload?.status;
  return [(status ? `${status}` : "CALLRESULT") + after, status !== undefined && status !== "Accepted", [answer, ...asked]];
}

function show(action, text, bad, parts = []) {
  $("no-answer-yet").hidden = true;
  $("answer").hidden = false;
  $("answer").className = bad === null ? "busy" : bad ? "bad" : "";
  $("answer").replaceChildren(element("p", { className: "headline" }, element("b", { textContent: action }), " ", text), ...parts);
  // On a phone the panel is below the pressed button.
  if (bad !== null && matchMedia("(max-width: 60rem)").matches) $("answers").scrollIntoView({ block: "nearest" });
}

let turn = 0;

const REFUSED = 422; // the status of the API for a CALL that a schema or the specification forbids

/**
 * Send a message and show its outcome. `work` resolves to an outcome of the API, to a text, or to nothing.
 * If the specification forbids the message, a button sends it with `anyway`.
 */
export async function answer(action, work, anyway) {
  const mine = (turn += 1);
  const begin = performance.now();
  show(action, "…", null);
  const last = (...shown) => { if (mine === turn) show(...shown); };
  try {
    const result = await work();
    if (typeof result === "string" || !result) last(action, result ?? "", false);
    else last(result.action ?? action, ...outcome(result, performance.now() - begin));
  } catch (error) {
    const button = () => element("button", { type: "button", textContent: t("Send anyway"), onclick: () => answer(action, anyway) });
    last(action, error.message, true, anyway && error.status === REFUSED ? [button()] : []);
  }
}

/** Show why a message cannot be sent. */
export function complain(action, message) {
  turn += 1;
  show(action, message, true);
}

export function forgetAnswer() {
  turn += 1;
  $("answer").hidden = true;
  $("answer").replaceChildren();
  $("no-answer-yet").hidden = false;
}
