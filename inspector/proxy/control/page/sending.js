// Send any CALL in place of a peer, from a form that is made from its schema, or as JSON; or a raw frame.
import { editor } from "./checking.js";
import { $, api, element, redraw, say } from "./shared/elements.js";
import { field } from "./shared/form.js";
import { jsonView } from "./shared/json_view.js";
import { t } from "./words.js";

const UNKNOWN = "1.6"; // whose actions are offered while the version of a session is not known
let sessions = [];
let offered = ""; // the version and sender whose actions are in the list
let schema = null;
let read = () => ({});
let builds = 0;

const chosen = () => sessions.find((one) => one.charge_point === $("session").value);
const version = () => chosen()?.version ?? UNKNOWN;
const json = editor("", () => ({ version: version(), action: $("action").value, kind: "request" }));
json.area.id = "payload";
json.area.rows = 12;
json.node.firstChild.remove();
json.area.setAttribute("aria-label", "JSON");
$("json-field").append(json.node);
const written = () => $("as-json").getAttribute("aria-pressed") === "true";

function show(payload) {
  const made = field({ ...schema, description: "" }, schema.definitions ?? {}, $("action").value, payload);
  read = made.read;
  $("fields").replaceChildren(made.node);
}

function switchTo(asJson) {
  $("as-json").setAttribute("aria-pressed", String(asJson));
  $("as-form").setAttribute("aria-pressed", String(!asJson));
  $("json-field").hidden = !asJson;
  $("fields").hidden = asJson;
}

$("as-json").onclick = () => {
  if (written() || schema === null) return;
  json.set(read());
  switchTo(true);
};
$("as-form").onclick = () => {
  if (!written()) return;
  try {
    show(json.read());
    switchTo(false);
  } catch (error) {
    outcome($("action").value, error.message, true);
  }
};

async function build() {
  schema = null;
  $("fields").replaceChildren();
  const turn = (builds += 1);
  const found = await api("GET", `actions/${version()}/${encodeURIComponent($("action").value)}/request`);
  if (turn !== builds) return;
  schema = found;
  show(undefined);
  json.set(read());
}

/** Offer the actions of the chosen session's version and sender, if they are not offered already. */
async function offer() {
  const wanted = `${version()} ${$("sender").value}`;
  if (!chosen() || offered === wanted) return;
  offered = wanted;
  const names = await api("GET", `actions/${version()}`);
  const before = $("action").value;
  $("action").replaceChildren(...names[$("sender").value].map((name) => element("option", { textContent: name })));
  if (names[$("sender").value].includes(before)) $("action").value = before;
  const every = [...new Set([...names.csms, ...names.charge_point])].sort();
  $("every-action").replaceChildren(...every.map((name) => element("option", { value: name })));
  switchTo(false);
  await build();
}

const failed = (error) => { offered = ""; outcome(t("Send a frame"), error.message, true); };
const again = () => offer().catch(failed);

export function showSender(open) {
  sessions = open;
  const none = open.length === 0;
  $("nobody").hidden = !none;
  $("send").hidden = $("raw-part").hidden = none;
  const before = $("session").value;
  redraw($("session"), open.map((one) => one.charge_point), () => [...new Set(open.map((one) => one.charge_point))].map((id) => element("option", { textContent: id })));
  if (open.some((one) => one.charge_point === before)) $("session").value = before;
  again();
}

/** Choose a session in the form, and lead the reader there. */
export function compose(id) {
  $("session").value = id;
  again();
  $("session").focus();
}

function outcome(action, text, bad, ...parts) {
  $("answer").hidden = false;
  $("answer").className = bad === null ? "busy" : bad ? "bad" : "";
  $("answer").replaceChildren(element("p", {}, element("b", { textContent: action }), " ", text), ...parts);
}

function answered(action, result) {
  const payload = result.payload === null ? [] : [element("pre", { className: "readable", tabIndex: 0 }, ...jsonView(JSON.stringify(result.payload)))];
  if (result.kind === "CALLRESULT") outcome(action, t("answered"), false, ...payload);
  else if (result.kind === "CALLERROR") outcome(action, `${result.error_code}: ${result.error_description}`, true, ...payload);
  else outcome(action, t(result.kind === "timeout" ? "no answer came in time" : "the session ended before the answer"), true);
}

const to = (what) => `sessions/${encodeURIComponent($("session").value)}/${what}`;
$("session").onchange = $("sender").onchange = again;
$("action").onchange = () => build().catch(failed);
$("send").onsubmit = async (event) => {
  event.preventDefault();
  const action = $("action").value;
  try {
    if (schema === null) throw new Error(t("the form is still loading; try again"));
    const payload = written() ? json.read() : read();
    outcome(action, "…", null);
    answered(action, await api("POST", to("calls"), { as: $("sender").value, action, payload }));
  } catch (error) {
    outcome(action, error.message, true);
  }
};
$("raw").onsubmit = (event) => {
  event.preventDefault();
  say($("sent"), async () => { await api("POST", to("frames"), { as: $("sender").value, text: $("raw-text").value }); return t("sent"); });
};
