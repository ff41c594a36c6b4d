// The connection panel and the state badge: settings, Connect and Disconnect.

/** Setting -> factor from the form's unit (kW, kWh) to the setting's (W, Wh). @type {Record<string, number>} */
const FORM_UNITS = { maxPower: 1000, batteryWh: 1000 };

class ConnectionView {
  /** @param {Station} station */
  constructor(station) {
    this.station = station;
    this.form = byId("connection-form");
    this.more = byId("station-form");
    this.wasOpen = false;
    this.#show();
    /** What is wrong with the address. @type {string | null} */
    this.fault = null;
    byId("url").addEventListener("input", () => {
      this.fault = null;
      this.#complain("url", null);
    });
    this.form.addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.connect();
    });
    // If the id is the last part of the address, a change of one field also changes the other field.
    const together = () => lastSegment(this.station.settings.url) === this.station.settings.id;
    byId("url").addEventListener("change", () => {
      const id = lastSegment(byId("url").value.trim());
      if (id && together()) byId("id").value = id;
    });
    byId("id").addEventListener("change", () => {
      if (together())
        byId("url").value = byId("url").value.replace(/[^/]*$/, encodeURIComponent(byId("id").value.trim()));
    });
    byId("password").addEventListener("input", () => {
      byId("password-hint").hidden = !byId("password").value;
      setText(byId("password-hint"), t(location.protocol === "file:" ? "password.file" : "password.hint"));
      this.station.password = byId("password").value;
    });
    for (const form of [this.form, this.more]) form.addEventListener("change", () => this.take());
    byId("disconnect").addEventListener("click", () => this.station.disconnect());
    byId("power-cycle").addEventListener("click", () => this.station.powerCycle());
    byId("copy-link").addEventListener("click", async (/** @type {any} */ event) => {
      await copyText(settingsLink(this.station.settings));
      setText(event.target, t("copied"));
      window.setTimeout(() => setText(event.target, t("copylink")), 1500);
    });
  }

  #show() {
    const { settings } = this.station;
    for (const name of ["url", "id"]) byId(name).value = /** @type {any} */ (settings)[name];
    this.form.elements.version.value = settings.version;
    byId("reconnect").checked = settings.reconnect;
    for (const input of this.more.elements) {
      const value = /** @type {any} */ (settings)[input.name];
      input.value = typeof value === "number" ? value / (FORM_UNITS[input.name] ?? 1) : value;
    }
  }

  /** Copy the forms into the settings. @returns {boolean} false if a value is out of range */
  take() {
    this.#complain("settings", this.more.checkValidity() ? null : "fault.settings");
    if (!this.more.checkValidity()) {
      byId("station-settings").open = true;
      return false;
    }
    const settings = { ...this.station.settings };
    settings.url = byId("url").value.trim();
    settings.id = byId("id").value.trim();
    settings.version = this.form.elements.version.value;
    settings.reconnect = byId("reconnect").checked;
    for (const { name, value } of this.more.elements) {
      const number = Number(value);
      /** @type {any} */ (settings)[name] =
        typeof (/** @type {any} */ (DEFAULT_SETTINGS)[name]) !== "number"
          ? value
          : name in FORM_UNITS
            ? Math.round(number * FORM_UNITS[name])
            : number;
    }
    this.station.configure(settings);
    this.station.link.reconnect = settings.reconnect;
    keepSettings(settings);
    return true;
  }

  connect() {
    if (!this.take()) return;
    const fault = this.station.connect();
    this.#complain("id", fault === "fault.id" ? fault : null);
    this.fault = fault === "fault.id" ? null : fault;
    this.draw();
    if (fault) byId(fault === "fault.id" ? "id" : "url").focus();
  }

  /** Say what is wrong beside the field. @param {"url" | "id" | "settings"} field @param {string | null} key */
  #complain(field, key) {
    byId(`${field}-fault`).hidden = !key;
    setText(byId(`${field}-fault`), key ? t(key) : "");
    if (field === "settings") return;
    if (key) byId(field).setAttribute("aria-invalid", "true");
    else byId(field).removeAttribute("aria-invalid");
  }

  draw() {
    const { link, boot, wanted, unreachable } = this.station;
    const state =
      link.state !== "open" || boot.status === "Accepted"
        ? link.state
        : boot.status === "Pending" || boot.status === "Rejected"
          ? boot.status.toLowerCase()
          : "boot";
    byId("state").dataset.state = state === "pending" || state === "rejected" ? "boot" : state;
    const seconds = String(Math.max(0, Math.ceil((link.retryAt - Date.now()) / 1000)));
    setText(byId("state-text"), t(`state.${state}`, { seconds }));
    const { id, version } = this.station.settings;
    setText(byId("who-id"), id);
    setText(byId("who-version"), version);
    this.#complain("url", this.fault ?? (wanted && link.state !== "open" && unreachable ? "note.unreachable" : null));
    setText(byId("connection-summary"), link.state === "open" ? `${id} · ${version}` : "");
    // Once connected, the room belongs to the station; whoever opens the panel again keeps it open.
    if (state === "open" && !this.wasOpen) byId("connection-details").open = false;
    if (!wanted || unreachable) byId("connection-details").open = true;
    this.wasOpen = state === "open" || (this.wasOpen && wanted && !unreachable);
    byId("connect").disabled = wanted;
    byId("disconnect").disabled = !wanted;
    for (const input of this.form.elements)
      if (input.name === "url" || input.name === "id" || input.name === "version" || input.id === "password")
        input.disabled = wanted;
    this.more.elements.connectors.disabled = wanted;
  }
}
