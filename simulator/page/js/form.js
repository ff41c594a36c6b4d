// Make a form from a JSON schema, and read a payload back from it.

class SchemaForm {
  /** @param {HTMLElement} box @param {Schema} schema @param {any} value to start from */
  constructor(box, schema, value) {
    this.root = schema;
    this.read = this.#object(box, schema, value, 0);
  }

  /** The payload in the form, without empty optional members. @returns {Payload} */
  payload() {
    return this.read() ?? {};
  }

  /**
   * Add the fields of an object's members: required ones first, optional objects and lists behind a checkbox.
   * @param {HTMLElement} box @param {Schema} schema @param {any} value @param {number} depth
   * @returns {() => any}
   */
  #object(box, schema, value, depth) {
    const fields = make("div", { class: "fields" });
    box.append(fields);
    const must = new Set(schema.required ?? []);
    const names = Object.keys(schema.properties ?? {}).filter((name) => name !== "customData");
    /** @type {[string, () => any][]} */
    const readers = [];
    // Required members come first, nested ones last.
    const rank = (/** @type {string} */ name) =>
      (must.has(name) ? 0 : 2) +
      (/object|array/.test(Schemas.resolve(schema.properties[name], this.root).type) ? 1 : 0);
    for (const name of names.sort((a, b) => rank(a) - rank(b))) {
      const rule = Schemas.resolve(schema.properties[name], this.root);
      readers.push([name, this.#member(fields, name, rule, value?.[name], must.has(name), depth)]);
    }
    return () => {
      /** @type {Payload} */
      const read = {};
      for (const [name, reader] of readers) {
        const member = reader();
        if (member !== undefined) read[name] = member;
      }
      return read;
    };
  }

  /** @param {HTMLElement} box @param {string} name @param {Schema} rule @param {any} value @param {boolean} must @param {number} depth @returns {() => any} */
  #member(box, name, rule, value, must, depth) {
    if (rule.type === "object") return this.#nested(box, name, rule, value, must, depth);
    if (rule.type === "array") return this.#list(box, name, rule, value, must, depth);
    const input = this.#input(rule, value, must);
    input.name = name;
    box.append(
      make(
        "label",
        { class: must ? "field must" : "field", title: (rule.description ?? "").trim().slice(0, 300) || undefined },
        make("span", { text: name }),
        input,
      ),
    );
    return () => {
      if (input.value === "" && !(must && rule.type === "string" && !rule.enum)) return undefined;
      if (rule.type === "integer" || rule.type === "number") return Number(input.value);
      if (rule.type === "boolean") return input.value === "true";
      return input.value;
    };
  }

  /** @param {Schema} rule @param {any} value @param {boolean} must */
  #input(rule, value, must) {
    const options = rule.enum ?? (rule.type === "boolean" ? ["true", "false"] : null);
    if (options) {
      const select = make(
        "select",
        {},
        ...(must ? [] : [make("option", { value: "", text: "–" })]),
        ...options.map((/** @type {string} */ each) => make("option", { text: each })),
      );
      if (value !== undefined) select.value = String(value);
      return select;
    }
    const numeric = rule.type === "integer" || rule.type === "number";
    const input = make("input", {
      type: numeric ? "number" : "text",
      step: numeric ? (rule.type === "integer" ? 1 : "any") : undefined,
      maxlength: rule.maxLength,
      placeholder: must ? undefined : t("optional"),
      spellcheck: "false",
    });
    if (value !== undefined) input.value = String(value);
    return input;
  }

  /** @param {HTMLElement} box @param {string} name @param {Schema} rule @param {any} value @param {boolean} must @param {number} depth @returns {() => any} */
  #nested(box, name, rule, value, must, depth) {
    const group = make("fieldset", {});
    box.append(group);
    if (must || value !== undefined) {
      group.append(make("legend", { text: name }));
      return this.#object(group, rule, value ?? Schemas.example(rule, this.root), depth + 1);
    }
    /** @type {(() => any) | null} */
    let reader = null;
    const body = make("div", {});
    const toggle = make("input", {
      type: "checkbox",
      onchange: () => {
        body.replaceChildren();
        reader = toggle.checked ? this.#object(body, rule, Schemas.example(rule, this.root), depth + 1) : null;
      },
    });
    group.append(
      make(
        "label",
        { class: "check" },
        toggle,
        make("span", {}, name, make("small", { class: "muted", text: ` ${t("optional")}` })),
      ),
      body,
    );
    return () => reader?.();
  }

  /** @param {HTMLElement} box @param {string} name @param {Schema} rule @param {any} value @param {boolean} must @param {number} depth @returns {() => any} */
  #list(box, name, rule, value, must, depth) {
    /** @type {Set<() => any>} */
    const readers = new Set();
    const group = make("fieldset", { class: "list" }, make("legend", { text: `${name} []` }));
    const items = Schemas.resolve(rule.items ?? {}, this.root);
    /** @param {any} start */
    const add = (start) => {
      const row = make("div", {});
      const reader =
        items.type === "object"
          ? this.#object(row, items, start, depth + 1)
          : this.#member(row, name, items, start, true, depth + 1);
      readers.add(reader);
      row.append(
        make("button", {
          type: "button",
          class: "quiet",
          text: t("remove"),
          onclick: () => {
            readers.delete(reader);
            row.remove();
          },
        }),
      );
      group.insertBefore(row, more);
    };
    const more = make("button", {
      type: "button",
      text: t("additem", { name }),
      onclick: () => add(Schemas.example(items, this.root)),
    });
    group.append(more);
    box.append(group);
    for (const each of value ?? (must ? [Schemas.example(items, this.root)] : [])) add(each);
    return () => (readers.size || must ? [...readers].map((reader) => reader()) : undefined);
  }
}
