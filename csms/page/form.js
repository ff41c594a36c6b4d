// Builds form fields from a JSON schema and reads them back; knows no action and no charge point.

export function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

const smallButton = (text, onclick, label) => {
  const button = element("button", { type: "button", className: "small", textContent: text, onclick });
  button.setAttribute("aria-label", label);
  return button;
};

/** A field is {node, read}: what to show, and a function that returns its value. */
export function field(schema, definitions, name, value) {
  if (schema.$ref) return field(definitions[schema.$ref.split("/").pop()], definitions, name, value);
  if (schema.enum) return choice(schema.enum, name, value);
  if (schema.type === "object") return group(schema, definitions, name, value ?? {});
  if (schema.type === "array") return series(schema, definitions, name, value ?? []);
  if (schema.type === "boolean") return choice(["true", "false"], name, String(value ?? false), (text) => text === "true");
  const input = element("input", { value: value ?? "" });
  let read = () => input.value;
  if (schema.type === "integer" || schema.type === "number") {
    Object.assign(input, { type: "number", step: schema.type === "integer" ? 1 : "any" });
    for (const [bound, limit] of [["min", schema.minimum], ["max", schema.maximum]]) if (limit !== undefined) input[bound] = limit;
    read = () => Number(input.value);
  } else {
    if (schema.maxLength) input.maxLength = schema.maxLength;
    if (schema.format === "date-time") input.placeholder = "2026-01-31T08:00:00Z";
    // 2.x DataTransfer takes any JSON: what reads as JSON is sent as such.
    if (!schema.type) read = () => { try { return JSON.parse(input.value); } catch { return input.value; } };
  }
  return { node: element("label", { title: schema.description ?? "" }, name, input), read };
}

function choice(options, name, value, convert = (text) => text) {
  const select = element("select", {}, ...options.map((option) => element("option", { textContent: option })));
  select.value = value ?? options[0];
  return { node: element("label", {}, name, select), read: () => convert(select.value) };
}

function group(schema, definitions, name, value) {
  const fields = new Map();
  const box = element("fieldset", { title: schema.description ?? "" }, element("legend", { textContent: name }));
  const required = new Set(schema.required ?? []);
  const others = Object.keys(schema.properties ?? {}).filter((key) => !required.has(key) && !(key in value));
  const more = element("select", {}, element("option", { value: "", textContent: "add…" }), ...others.map((key) => element("option", { textContent: key })));
  more.setAttribute("aria-label", `Add an optional member of ${name}`);

  function add(key, initial) {
    const made = field(schema.properties[key], definitions, key, initial);
    fields.set(key, made);
    const row = required.has(key) ? made.node : element("span", { className: "optional" }, made.node, smallButton("×", () => {
      fields.delete(key);
      row.remove();
      more.append(element("option", { textContent: key }));
      more.hidden = false;
    }, `Remove ${key}`));
    box.insertBefore(row, more.parentNode === box ? more : null);
  }

  for (const key of Object.keys(schema.properties ?? {})) if (required.has(key) || key in value) add(key, value[key]);
  more.onchange = () => {
    add(more.value);
    more.selectedOptions[0].remove();
    more.value = "";
    more.hidden = more.options.length === 1;
  };
  if (others.length) box.append(more);
  if (!fields.size && !others.length) box.append("nothing to fill in");
  return { node: box, read: () => Object.fromEntries([...fields].map(([key, made]) => [key, made.read()])) };
}

function series(schema, definitions, name, values) {
  const items = [];
  const box = element("fieldset", {}, element("legend", { textContent: `${name} (list)` }));
  const plus = smallButton("+", () => add(), `Add to ${name}`);
  function add(value) {
    const made = field(schema.items, definitions, `${name} ${items.length + 1}`, value);
    items.push(made);
    const row = element("span", { className: "optional" }, made.node, smallButton("×", () => {
      items.splice(items.indexOf(made), 1);
      row.remove();
    }, `Remove from ${name}`));
    box.insertBefore(row, plus);
  }
  box.append(plus);
  const initial = values.length ? values : Array(schema.minItems ?? 0).fill(undefined);
  initial.forEach((value) => add(value));
  return { node: box, read: () => items.map((made) => made.read()) };
}
