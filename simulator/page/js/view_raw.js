// The raw frame editor: send frames exactly as typed, and show whether they fit their schema.

class RawView {
  /** @param {Station} station @param {MessagesView} messages returns the messages that the station would send */
  constructor(station, messages) {
    this.station = station;
    this.messages = messages;
    this.version = "";
    this.described = "";
    const raw = byId("raw");
    raw.value = callText(newMessageId(), "Heartbeat", {});
    raw.addEventListener("input", () => this.#hint());
    byId("raw-action").addEventListener("change", (/** @type {any} */ event) => this.#start(event.target.value));
    byId("raw-send").addEventListener("click", () => {
      setText(byId("raw-hint"), t(station.write(raw.value) ? "raw.sent" : "raw.closed"));
    });
    byId("raw-fresh").addEventListener("click", () =>
      this.#rewrite((parts) => {
        parts[1] = newMessageId();
      }),
    );
    byId("raw-format").addEventListener("click", () => this.#rewrite(() => {}, 2));
    this.draw();
  }

  /** Show a frame in the editor. @param {string} text */
  edit(text) {
    byId("raw").value = readable(text);
    byId("tab-raw").click();
    byId("raw").focus();
    this.#hint();
  }

  /** Show a message as the station would send it now. @param {string} action */
  #start(action) {
    if (!action) return;
    const frame = [SEND_ACTIONS.includes(action) ? SEND : CALL, newMessageId(), action, this.messages.usual(action)];
    byId("raw").value = JSON.stringify(frame, null, 2);
    this.#hint();
  }

  /** @param {(parts: any[]) => void} change @param {number} [indent] as it was when not given */
  #rewrite(change, indent = byId("raw").value.includes("\n") ? 2 : 0) {
    try {
      const parts = JSON.parse(byId("raw").value);
      change(parts);
      byId("raw").value = JSON.stringify(parts, null, indent);
    } catch {
      // Text that is not JSON stays unchanged; the hint reports it.
    }
    this.#hint();
  }

  /** Show whether the typed frame fits its schema. */
  #hint() {
    const frame = readFrame(byId("raw").value);
    const { version } = this.station.settings;
    const { action = "" } = frame;
    const schema = action && Schemas.find(version, action);
    const told = frame.fault && frame.fault !== "frame.call" ? t(frame.fault) : this.#verdict(frame, schema || undefined);
    setText(byId("raw-hint"), told);
    byId("raw-hint").classList.toggle("wrong", Boolean(frame.fault));
    this.#describe(action, schema || undefined);
  }

  /** @param {Frame} frame @param {Schema} [schema] */
  #verdict(frame, schema) {
    const { version } = this.station.settings;
    const { action = "" } = frame;
    if (frame.fault) return t(frame.fault);
    if (frame.type !== CALL && frame.type !== SEND) return "";
    if (!schema) return t("raw.unknown", { action, version });
    if (!STATION_ACTIONS[version].includes(action)) return t("raw.wrongside", { action });
    const flaws = Schemas.check(frame.payload, schema);
    if (!flaws.length) return t("raw.good", { action, version });
    return flaws
      .slice(0, 3)
      .map((flaw) => flawText(flaw))
      .join(" · ");
  }

  /** List the members that the action's payload may have. @param {string} action @param {Schema} [schema] */
  #describe(action, schema) {
    byId("raw-members").hidden = !schema;
    const now = `${this.version} ${language} ${action}`;
    if (!schema || this.described === now) return;
    this.described = now;
    setText(byId("raw-members-title"), t("raw.members", { action }));
    byId("raw-schema").replaceChildren(
      ...Schemas.members(schema).map(({ path, must, what }) =>
        make("tr", {}, make("td", { class: must && "must", text: path }), make("td", { text: what })),
      ),
    );
  }

  /** Redraw the parts that depend on the version or the language. @param {boolean} [anew] */
  draw(anew = false) {
    const { version } = this.station.settings;
    if (version === this.version && !anew) return;
    this.version = version;
    byId("raw-action").replaceChildren(
      make("option", { value: "", text: "–" }),
      ...[...STATION_ACTIONS[version]].sort().map((action) => make("option", { text: action })),
    );
    this.#hint();
  }
}
