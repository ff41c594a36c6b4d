// Send any action, from a form that is made from its schema, or as JSON.
import { answer, complain } from "./answers.js";
import { $, api, element } from "./dom.js";
import { field } from "./shared/form.js";
import { t } from "./words.js";

let target = { path: () => "", version: null };
let built = null; // {action, schema, read}
let builds = 0; // how many forms were started

const written = () => $("as-json").getAttribute("aria-pressed") === "true";

function show(payload) {
  const made = field({ ...built.schema, description: "" }, built.schema.definitions ?? {}, built.action, payload);
  built.read = made.read;
  $("fields").replaceChildren(made.node);
}

function switchTo(json) {
  $("as-json").setAttribute("aria-pressed", String(json));
  $("as-form").setAttribute("aria-pressed", String(!json));
  $("json-field").hidden = !json;
  $("fields").hidden = json;
}

function parsed() {
  try {
    return JSON.parse($("json").value);
  } catch (error) {
    throw new Error(t("the payload is not JSON: {why}", { why: error.message }));
  }
}

$("as-json").onclick = () => {
  if (written()) return;
  if (built !== null) $("json").value = JSON.stringify(built.read(), null, 2);
  switchTo(true);
};
$("as-form").onclick = () => {
  if (!written()) return;
  try {
    show(parsed());
    switchTo(false);
  } catch (error) {
    complain($("action").value, error.message);
  }
};

async function build() {
  const action = $("action").value;
  // Clear the old form at once, so that the user does not fill it in.
  built = null;
  $("fields").replaceChildren();
  $("json").value = "";
  const turn = (builds += 1);
  const { schema, example } = await api("GET", `actions/${target.version}/${action}`);
  // Stop if the user has chosen another action meanwhile.
  if (turn !== builds) return;
  built = { action, schema, read: () => example };
  show(example);
  if (!$("json").value) $("json").value = JSON.stringify(example, null, 2);
}

/** Offer the actions of a version; `path` returns the API's path for the shown charge point. */
export async function offer(version, path, names) {
  target = { version, path };
  $("action").replaceChildren(...names.map((name) => element("option", { textContent: name })));
  switchTo(false);
  await build();
}

$("action").onchange = () => build().catch((error) => complain($("action").value, error.message));
$("send").onsubmit = (event) => {
  event.preventDefault();
  const checked = !$("unchecked").checked;
  if (checked && !written() && !event.target.reportValidity()) return;
  const action = $("action").value;
  let payload;
  const send = (checked) => api("POST", target.path("/calls"), { action, payload, checked });
  answer(action, async () => {
    if (built === null) throw new Error(t("the form is still loading; try again"));
    payload = written() ? parsed() : built.read();
    return send(checked);
  }, () => send(false));
};
