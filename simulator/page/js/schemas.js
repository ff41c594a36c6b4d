// The JSON schemas in the page: check payloads, and describe them for forms.

/** @typedef {Record<string, any>} Schema */
/**
 * `rule` names the sentence "flaw.<rule>", which `limit` completes; `flawText` says it.
 * @typedef {{path: string, kind: "required" | "type" | "value" | "extra", rule: string, limit?: string | number}} Flaw
 */

const Schemas = {
  /** @type {Record<string, Record<string, Schema>>} */
  parsed: {},

  /** The request schemas of a version by action; parsed when first needed. @param {string} version */
  of(version) {
    Schemas.parsed[version] ??= JSON.parse(document.getElementById(`schemas-${version}`)?.textContent ?? "{}");
    return Schemas.parsed[version];
  },

  /** @param {string} version @param {string} action @returns {Schema | undefined} */
  find(version, action) {
    const all = Schemas.of(version);
    return Object.hasOwn(all, action) ? all[action] : undefined;
  },

  /** Follow `$ref` within one schema. @param {Schema} schema @param {Schema} root @returns {Schema} */
  resolve(schema, root) {
    const name = schema.$ref?.match(/^#\/definitions\/(.+)$/)?.[1];
    return name
      ? { ...root.definitions[name], description: schema.description ?? root.definitions[name].description }
      : schema;
  },

  /**
   * The mistakes in a value, in the order of the schema.
   * @param {any} value @param {Schema} schema @param {Schema} [root] @param {string} [path]
   * @returns {Flaw[]}
   */
  check(value, schema, root = schema, path = "") {
    const rule = Schemas.resolve(schema, root);
    if (rule.type && !matchesType(value, rule.type)) return [{ path, kind: "type", rule: "type", limit: rule.type }];
    if (rule.enum && !rule.enum.includes(value))
      return [{ path, kind: "value", rule: "enum", limit: rule.enum.join(", ") }];
    /** @type {Flaw[]} */
    const flaws = [];
    if (typeof value === "string") {
      if (value.length > (rule.maxLength ?? Infinity))
        flaws.push({ path, kind: "value", rule: "long", limit: rule.maxLength });
      if (rule.format === "date-time" && Number.isNaN(Date.parse(value)))
        flaws.push({ path, kind: "value", rule: "date" });
    } else if (typeof value === "number") {
      if (value < (rule.minimum ?? -Infinity) || value > (rule.maximum ?? Infinity))
        flaws.push({ path, kind: "value", rule: "range", limit: `${rule.minimum ?? "…"} – ${rule.maximum ?? "…"}` });
    } else if (Array.isArray(value)) {
      if (value.length < (rule.minItems ?? 0) || value.length > (rule.maxItems ?? Infinity)) {
        flaws.push({ path, kind: "value", rule: "items", limit: `${rule.minItems ?? 0} – ${rule.maxItems ?? "…"}` });
      }
      value.forEach((item, index) => flaws.push(...Schemas.check(item, rule.items ?? {}, root, `${path}/${index}`)));
    } else if (isObject(value)) {
      for (const name of rule.required ?? []) {
        if (!Object.hasOwn(value, name)) flaws.push({ path: `${path}/${name}`, kind: "required", rule: "missing" });
      }
      for (const [name, member] of Object.entries(value)) {
        const inner = rule.properties && Object.hasOwn(rule.properties, name) ? rule.properties[name] : undefined;
        if (inner) flaws.push(...Schemas.check(member, inner, root, `${path}/${name}`));
        else if (rule.additionalProperties === false)
          flaws.push({ path: `${path}/${name}`, kind: "extra", rule: "extra" });
      }
    }
    return flaws;
  },

  /**
   * Every member that a payload may have, by its path, with its schema.
   * @param {Schema} schema @param {Schema} [root] @param {string} [path]
   * @returns {{path: string, must: boolean, what: string}[]}
   */
  members(schema, root = schema, path = "") {
    const rule = Schemas.resolve(schema, root);
    return Object.entries(rule.properties ?? {}).flatMap(([name, member]) => {
      if (name === "customData") return [];
      const inner = Schemas.resolve(member, root);
      const items = inner.type === "array" ? Schemas.resolve(inner.items ?? {}, root) : inner;
      const here = `${path}${name}${inner.type === "array" ? "[]" : ""}`;
      const limits = [
        items.maxLength && `≤ ${items.maxLength}`,
        items.format,
        items.minimum !== undefined && `≥ ${items.minimum}`,
        items.maximum !== undefined && `≤ ${items.maximum}`,
      ].filter(Boolean);
      const what = items.enum ? items.enum.join(" | ") : [items.type, ...limits].join(" ");
      const deeper = path.split(".").length < 4 ? Schemas.members(items, root, `${here}.`) : [];
      return [{ path: here, must: (rule.required ?? []).includes(name), what }, ...deeper];
    });
  },

  /**
   * The smallest payload that fits a schema, as a start for editing.
   * @param {Schema} schema @param {Schema} [root] @param {string} [name]
   * @returns {any}
   */
  example(schema, root = schema, name = "") {
    const rule = Schemas.resolve(schema, root);
    if (rule.enum) return rule.enum[0];
    if (rule.type === "object") {
      return Object.fromEntries(
        (rule.required ?? []).map((/** @type {string} */ each) => [
          each,
          Schemas.example(rule.properties[each], root, each),
        ]),
      );
    }
    if (rule.type === "array") return [Schemas.example(rule.items ?? {}, root)];
    if (rule.type === "boolean") return false;
    if (rule.type === "integer" || rule.type === "number") return /connectorId|evseId|^id$/.test(name) ? 1 : 0;
    if (rule.format === "date-time") return new Date().toISOString();
    return "";
  },
};

/** @param {any} value @param {string} type */
function matchesType(value, type) {
  if (type === "integer") return Number.isInteger(value);
  if (type === "array") return Array.isArray(value);
  if (type === "object") return isObject(value);
  return typeof value === type;
}
