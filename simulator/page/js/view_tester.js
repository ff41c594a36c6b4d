// The tester's panel of changed answers and misbehaviours, and the dialog that edits an answer.

class TesterView {
  /** @param {Station} station */
  constructor(station) {
    this.station = station;
    this.version = "";
    byId("override-kind").addEventListener("change", () => this.#fields());
    byId("override-form").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#set();
    });
    byId("active").addEventListener("click", () => {
      byId("tab-answers").click();
      byId("tab-answers").scrollIntoView({ block: "nearest" });
      byId("tab-answers").focus();
    });
    station.tester.edit = (action, text) => this.#edit(action, text);
    this.draw();
  }

  /** Redraw the parts that depend on the version or the language. @param {boolean} [anew] */
  draw(anew = false) {
    const { version } = this.station.settings;
    if (version === this.version && !anew) return;
    this.version = version;
    const theirs = Object.keys(Schemas.of(version))
      .filter((action) => !STATION_ACTIONS[version].includes(action) || action === "DataTransfer")
      .sort();
    byId("override-action").replaceChildren(
      make("option", { value: "*", text: t("everything") }),
      ...theirs.map((action) => make("option", { text: action })),
    );
    byId("override-kind").replaceChildren(
      ...OVERRIDE_KINDS.map((kind) => make("option", { value: kind, text: t(`kind.${kind}`) })),
    );
    byId("override-kind").value = "reject";
    const codes = [
      "NotImplemented",
      "NotSupported",
      "InternalError",
      "ProtocolError",
      "SecurityError",
      "FormationViolation",
      "PropertyConstraintViolation",
      "OccurenceConstraintViolation",
      "TypeConstraintViolation",
      "GenericError",
    ];
    byId("override-code").replaceChildren(...codes.map((code) => make("option", { text: spelled(version, code) })));
    byId("misbehaviours").replaceChildren(
      ...MISBEHAVIOURS.map((name) => {
        const box = make("input", {
          type: "checkbox",
          name,
          onchange: () => {
            if (box.checked) this.station.tester.misbehaving.add(name);
            else this.station.tester.misbehaving.delete(name);
            this.#count();
          },
        });
        box.checked = this.station.tester.is(name);
        return make("label", { class: "check" }, box, make("span", { text: t(`mis.${name}`) }));
      }),
    );
    this.#fields();
    this.#list();
  }

  /** Count what is changed in the tab and in the bar, from where a click leads to it. */
  #count() {
    const count = this.station.tester.active();
    setText(byId("answers-count"), count ? String(count) : "");
    byId("active").hidden = !count;
    setText(byId("active"), t(count === 1 ? "active.one" : "active.many", { count: String(count) }));
  }

  #fields() {
    const kind = byId("override-kind").value;
    byId("override-seconds-field").hidden = kind !== "delay";
    byId("override-code-field").hidden = kind !== "error";
  }

  #set() {
    const kind = /** @type {OverrideKind} */ (byId("override-kind").value);
    const action = byId("override-action").value;
    if (kind === "normal") delete this.station.tester.overrides[action];
    else
      this.station.tester.overrides[action] = {
        kind,
        seconds: Math.min(600, Number(byId("override-seconds").value) || 0),
        code: byId("override-code").value,
      };
    this.#list();
  }

  #list() {
    const { overrides } = this.station.tester;
    this.#count();
    byId("overrides").replaceChildren(
      ...Object.entries(overrides).map(([action, { kind, seconds, code }]) => {
        const detail = kind === "delay" ? ` ${seconds} s` : kind === "error" ? ` ${code}` : "";
        const name = action === "*" ? t("everything") : action;
        return make(
          "li",
          {},
          `${name}: ${t(`kind.${kind}`)}${detail}`,
          make("button", {
            type: "button",
            class: "quiet",
            "aria-label": `${t("remove")}: ${name}`,
            text: "×",
            onclick: () => {
              delete overrides[action];
              this.#list();
            },
          }),
        );
      }),
    );
  }

  /** Let the tester change an answer before it is sent. @param {string} action @param {string} text @returns {Promise<string>} */
  #edit(action, text) {
    const dialog = byId("edit-dialog");
    setText(byId("edit-title"), t("edit.title", { action }));
    byId("edit-text").value = readable(text);
    if (!dialog.open) dialog.showModal();
    return new Promise((resolve) =>
      dialog.addEventListener(
        "close",
        () => {
          // The text is indented for reading; if it was not changed, send the answer without the indentation.
          const typed = byId("edit-text").value;
          resolve(typed === readable(text) ? text : typed);
        },
        { once: true },
      ),
    );
  }
}
