// Show charging profiles and the configuration, both of which can be changed here too.

class LimitsView {
  /** @param {Station} station @param {StationView} instrument */
  constructor(station, instrument) {
    this.station = station;
    this.instrument = instrument;
    byId("variables").tBodies[0].addEventListener("change", (/** @type {any} */ event) => this.#set(event.target));
    byId("tab-variables").addEventListener("click", () => this.#variables());
    byId("tab-limits").addEventListener("click", () => this.draw());
  }

  draw() {
    if (!byId("panel-variables").hidden) this.#values();
    if (byId("panel-limits").hidden) return;
    const { station, instrument } = this;
    const { connector } = instrument;
    const { supply, profiles, clock } = station;
    const periods = profiles.composite(connector.id, clock.now(), 3600, underwayOf(connector), supply);
    setText(byId("curve-title"), t("limits.curve", { id: String(connector.id) }));
    drawCurve(byId("curve"), periods, 3600, supply.maxPower);
    const items = profiles.all.map((profile) => {
      const unit = profile.schedule.unit;
      const curve = profile.schedule.periods
        .slice(0, 12)
        .map(({ start, limit }) => `${clockText(start)} ${limit} ${unit}`)
        .join(" · ");
      const target = profile.target ? t("connector", { id: String(profile.target) }) : t("limits.station");
      return make(
        "li",
        {},
        make("strong", { text: `${profile.purpose} ${profile.id}` }),
        make("span", {
          class: "muted",
          text: `${profile.kind}, ${t("limits.profile", { stack: String(profile.stack), target })}`,
        }),
        make("code", { text: curve }),
      );
    });
    const list = byId("profiles");
    const fresh = items.length ? items : [make("li", { class: "muted", text: t("limits.none") })];
    if (list.textContent !== fresh.map((item) => item.textContent).join("")) list.replaceChildren(...fresh);
  }

  /** The table of the configuration, with the version's names; writable values can be edited. */
  #variables() {
    const is16 = this.station.settings.version === "1.6";
    const { all } = this.station.variables;
    byId("variables").tBodies[0].replaceChildren(
      ...all
        .filter((each) => (is16 ? each.key : each.component))
        .map((each) => {
          const name = is16
            ? each.key
            : `${each.component}${each.evse ? `[${each.evse}]` : ""}.${each.variable}${each.instance ? `[${each.instance}]` : ""}`;
          const at = all.indexOf(each);
          const shown =
            each.access === "RW"
              ? make("input", { type: "text", "aria-label": name, "data-at": at, spellcheck: "false" })
              : make("span", { "data-at": at });
          return make("tr", {}, make("td", { text: name }), make("td", {}, shown));
        }),
    );
    this.#values();
  }

  /** Show the values that the CSMS has set meanwhile, except in a field that the user is editing. */
  #values() {
    const { all } = this.station.variables;
    for (const shown of /** @type {NodeListOf<any>} */ (byId("variables").tBodies[0].querySelectorAll("[data-at]"))) {
      const variable = all[Number(shown.dataset.at)];
      if (!variable || shown === document.activeElement) continue;
      const value = variable.access === "W" ? "••••" : (variable.live?.() ?? variable.value);
      if (shown.tagName !== "INPUT") setText(shown, value);
      else if (shown.value !== value) shown.value = value;
    }
  }

  /** @param {any} input */
  #set(input) {
    const variable = this.station.variables.all[Number(input.dataset.at)];
    if (this.station.variables.set(variable, input.value) !== "Accepted") input.value = variable.value;
  }
}
