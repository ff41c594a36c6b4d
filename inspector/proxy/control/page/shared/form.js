// Build form fields from a JSON schema, and read the payload back from them.
import { element, smallButton } from "./elements.js";
import { t } from "./words.js";

const HOUR_MS = 3_600_000;
const stamp = (later = 0) => new Date(Date.now() + later).toISOString();
// Remove the URNs in descriptions of 2.x, which do not help in a form.
const help = (schema) => (schema.description ?? "").replace(/urn:x-\S+|\r/g, "").trim();

/** A field is {node, read}: the element, and a function that returns its value. */
export function field(schema, definitions, name, value) {
  if (schema.$ref) return field(definitions[schema.$ref.split("/").pop()], definitions, name, value);
  if (schema.enum) return choice(schema, schema.enum, name, value);
  if (schema.type === "object") return group(schema, definitions, name, value ?? {});
  if (schema.type === "array") return series(schema, definitions, name, value ?? []);
  if (schema.type === "boolean") return choice(schema, ["true", "false"], name, String(value ?? false), (text) => text === "true");
  if (schema.type === "integer" || schema.type === "number") return number(schema, name, value);
  if (schema.format === "date-time") return moment(schema, name, value);
  return text(schema, name, value);
}

const labelled = (schema, name, ...controls) => element("label", { title: help(schema) }, name, ...controls);

function number(schema, name, value) {
  const input = element("input", { type: "number", value: value ?? schema.minimum ?? 0, step: schema.type === "integer" ? 1 : "any", required: true });
  for (const [bound, limit] of [["min", schema.minimum], ["max", schema.maximum]]) if (limit !== undefined) input[bound] = limit;
  return { node: labelled(schema, name, input), read: () => (input.value === "" ? null : Number(input.value)) };
}

function moment(schema, name, value) {
  const input = element("input", { value: value ?? stamp(), size: 26, spellcheck: false, placeholder: "2026-01-31T08:00:00Z" });
  const set = (words, later) => smallButton(words, t(later ? "Set {name} to an hour from now" : "Set {name} to now", { name }), () => { input.value = stamp(later); });
  const label = labelled(schema, name, input);
  return { node: element("span", { className: "optional moment" }, label, set(t("now"), 0), set("+1 h", HOUR_MS)), read: () => input.value };
}

function text(schema, name, value) {
  const input = element("input", { value: value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value) });
  if (schema.maxLength) input.maxLength = schema.maxLength;
  input.size = Math.min(36, Math.max(12, schema.maxLength ?? 20, input.value.length));
  // DataTransfer of 2.x accepts any JSON: text that is valid JSON is sent as JSON.
  const any = () => { try { return JSON.parse(input.value); } catch { return input.value; } };
  return { node: labelled(schema, name, input), read: schema.type ? () => input.value : any };
}

function choice(schema, options, name, value, convert = (chosen) => chosen) {
  const select = element("select", {}, ...options.map((option) => element("option", { textContent: option })));
  select.value = value ?? options[0];
  return { node: labelled(schema, name, select), read: () => convert(select.value) };
}

function group(schema, definitions, name, value) {
  const fields = new Map();
  const box = element("fieldset", { title: help(schema) }, element("legend", { textContent: name }));
  const required = new Set(schema.required ?? []);
  const names = Object.keys(schema.properties ?? {});
  const others = names.filter((key) => !required.has(key) && !(key in value));
  const more = element("select", { className: "more" }, element("option", { value: "", textContent: t("add…") }), ...others.map((key) => element("option", { textContent: key })));
  more.setAttribute("aria-label", t("Add an optional member of {name}", { name }));
  const nothing = element("span", { className: "quiet", textContent: t("nothing to fill in") });

  function add(key, initial) {
    const made = field(schema.properties[key], definitions, key, initial);
    fields.set(key, made);
    const row = required.has(key) ? made.node : element("span", { className: "optional" }, made.node, smallButton("×", t("Remove {name}", { name: key }), () => {
      fields.delete(key);
      row.remove();
      more.append(element("option", { textContent: key }));
      more.hidden = false;
      more.focus();
    }));
    box.insertBefore(row, more.parentNode === box ? more : null);
    return row;
  }

  for (const key of names) if (required.has(key) || key in value) add(key, value[key]);
  more.onchange = () => {
    const row = add(more.value);
    more.selectedOptions[0].remove();
    more.value = "";
    more.hidden = more.options.length === 1;
    row.querySelector("input, select, button")?.focus();
  };
  if (!fields.size && !others.length) box.append(nothing);
  box.append(more);
  more.hidden = !others.length;
  // Keep unknown members: the user may have added them as JSON, to break the rules on purpose.
  const strange = Object.entries(value).filter(([key]) => !names.includes(key));
  return { node: box, read: () => Object.fromEntries([...[...fields].map(([key, made]) => [key, made.read()]), ...strange]) };
}

function series(schema, definitions, name, values) {
  const items = [];
  const box = element("fieldset", { title: help(schema) }, element("legend", { textContent: `${name} (${t("list")})` }));
  const plus = smallButton(t("+ add"), t("Add to {name}", { name }), () => add());
  const full = () => { plus.hidden = items.length >= (schema.maxItems ?? Infinity); };
  function add(value) {
    const made = field(schema.items, definitions, `${name} ${items.length + 1}`, value);
    items.push(made);
    const row = element("span", { className: "optional" }, made.node, smallButton("×", t("Remove from {name}", { name }), () => {
      items.splice(items.indexOf(made), 1);
      row.remove();
      full();
    }));
    box.insertBefore(row, plus);
    full();
  }
  box.append(plus);
  const initial = values.length ? values : Array(schema.minItems ?? 0).fill(undefined);
  initial.forEach((value) => add(value));
  return { node: box, read: () => items.map((made) => made.read()) };
}
