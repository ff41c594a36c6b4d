// The rules with how often each was applied, their switches, and the form that adds one.
import { $, api, element, redraw, say, smallButton, table } from "./shared/elements.js";
import { t } from "./words.js";

const COLUMNS = [{ name: "Name" }, { name: "Matches", wrap: true }, { name: "Does", wrap: true }, { name: "Applied", number: true }, { name: "On" }, { name: "" }];
const words = (value) => Object.entries(value).map(([name, one]) => `${name} ${typeof one === "object" ? JSON.stringify(one) : one}`).join(", ");
const code = (value) => element("code", { textContent: words(value) || t("every frame") });
const path = (name) => `rules/${encodeURIComponent(name)}`;

export function showRules(rules, file, refresh) {
  redraw($("rules"), [rules, file], () => {
    if (!rules.length) return [element("p", { className: "quiet", textContent: t("No rule yet.") })];
    const made = table(COLUMNS, rules.map((one) => {
      const box = element("input", { type: "checkbox", checked: one.on });
      box.setAttribute("aria-label", t("Rule {name} is on", { name: one.name }));
      box.dataset.key = `on ${one.name}`;
      box.onchange = () => say($("switched"), async () => { await api("PATCH", path(one.name), { on: box.checked }); await refresh(); return ""; });
      const remove = smallButton(t("Remove"), t("Remove the rule {name}", { name: one.name }), () =>
        say($("switched"), async () => { await api("DELETE", path(one.name)); await refresh(); return ""; }));
      remove.dataset.key = `remove ${one.name}`;
      return [one.name, code(one.match), code(one.do), one.applied, box, one.from === "file" ? t("in {file}", { file: file ?? "" }) : remove];
    }));
    rules.forEach((one, at) => made.tBodies[0].rows[at].classList.toggle("off", !one.on));
    return [made];
  });
}

function jsonOrText(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** What the form says that a rule does, as in a file of rules. */
function deed(values) {
  const number = (text) => (text === "" ? true : Number(text));
  const timed = values.time.trim() || true;
  switch (values.verb) {
    case "hold": case "stall": return { [values.verb]: timed };
    case "delay": return { delay: values.time.trim() };
    case "edit": return { edit: [values.value === "" ? { pointer: values.pointer, remove: true } : { pointer: values.pointer, value: jsonOrText(values.value) }] };
    case "duplicate": return { duplicate: number(values.copies) };
    case "answer": return { answer: jsonOrText(values.payload) };
    case "error": return { error: { code: values.error } };
    case "close": return { close: number(values.code) };
    default: return { [values.verb]: true };
  }
}

async function added(body) {
  const answer = await api("POST", "rules", body);
  const refused = Object.entries(answer.cannot_apply_to).map(([id, why]) => t("not for the running session of {id}: {why}", { id, why }));
  return [t("added {names}", { names: answer.added.join(", ") }), ...refused].join("; ");
}

function fit() {
  for (const label of document.querySelectorAll("#add [data-for]")) label.hidden = !label.dataset.for.split(" ").includes($("verb").value);
}

$("verb").onchange = fit;
fit();
$("add").onsubmit = (event) => {
  event.preventDefault();
  const values = Object.fromEntries(new FormData(event.target));
  const match = Object.fromEntries(["charge_point", "from", "action", "type"].filter((name) => values[name]).map((name) => [name, values[name]]));
  if (values.times) match.times = Number(values.times);
  say($("added"), async () => {
    const said = await added({ name: values.name, match, do: deed(values) });
    event.target.reset();
    fit();
    return said;
  });
};
$("add-toml").onsubmit = (event) => {
  event.preventDefault();
  say($("added"), () => added({ toml: event.target.elements.toml.value }));
};
