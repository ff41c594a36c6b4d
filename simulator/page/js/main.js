// Puts the parts together and draws them. It is the last of the scripts.

const settings = loadSettings(location.search);
const log = new TrafficLog();
const station = new Station(settings, log);
const wasConnected = station.restore();

speak(settings.lang);
wireTabs(/** @type {HTMLElement} */ (document.querySelector("[role=tablist]")));
const connectionView = new ConnectionView(station);
const stationView = new StationView(station);
const messagesView = new MessagesView(station, stationView);
const testerView = new TesterView(station);
const limitsView = new LimitsView(station, stationView);
const rawView = new RawView(station, messagesView);
const logView = new LogView(log, (text) => rawView.edit(text));
const scenarios = new Scenarios(
  station,
  () => stationView.connector,
  () => station.connect(),
);

byId("scenarios").append(
  ...SCENARIO_NAMES.map((name) => {
    const title = make("span", { "data-t": `scenario.${name}`, text: t(`scenario.${name}`) });
    const what = make("small", { "data-t": `scenario.${name}.what`, text: t(`scenario.${name}.what`) });
    return make(
      "li",
      {},
      make(
        "button",
        { type: "button", "data-scenario": name, "aria-pressed": "false", onclick: () => scenarios.run(name) },
        title,
        what,
      ),
    );
  }),
);
scenarios.onChange = () => {
  setText(byId("scenario-step"), scenarios.running ? t(scenarios.step) : scenarios.outcome);
  for (const button of byId("scenarios").querySelectorAll("button")) {
    const own = button.dataset.scenario === scenarios.running;
    button.setAttribute("aria-pressed", String(own));
    button.disabled = Boolean(scenarios.running) && !own;
  }
};

const THEMES = ["", "light", "dark"];
function showAppearance() {
  document.documentElement.dataset.theme = settings.theme;
  setText(byId("theme-sign"), { "": "◐", light: "○", dark: "●" }[settings.theme] ?? "◐");
  setText(byId("theme-name"), t(`theme.${settings.theme || "auto"}`));
  for (const name of ["aria-label", "title"])
    byId("theme").setAttribute(name, `${t("theme")}: ${t(`theme.${settings.theme || "auto"}`)}`);
  const other = language === "en" ? "tr" : "en";
  setText(byId("language"), other.toUpperCase());
  byId("language").lang = other;
  byId("language").title = other === "tr" ? "Türkçe" : "English";
}
byId("theme").addEventListener("click", () => {
  settings.theme = THEMES[(THEMES.indexOf(settings.theme) + 1) % THEMES.length];
  keepAppearance();
});
byId("language").addEventListener("click", () => {
  settings.lang = language === "en" ? "tr" : "en";
  speak(settings.lang);
  messagesView.draw(true);
  testerView.draw(true);
  rawView.draw(true);
  logView.filter(byId("log-filter").value);
  keepAppearance();
  draw();
});
function keepAppearance() {
  const { theme, lang } = settings;
  Object.assign(station.settings, { theme, lang });
  keepSettings(station.settings);
  showAppearance();
}

let due = false;
/** Draw at most once per animation frame. */
function drawSoon() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    draw();
  });
}
function draw() {
  connectionView.draw();
  stationView.draw();
  messagesView.draw();
  testerView.draw();
  rawView.draw();
  limitsView.draw();
}

byId("log-save").addEventListener("click", () => {
  const { version, id } = station.settings;
  offerFile(`${id}.jsonl`, log.trace(version, id), "application/x-ndjson");
});

showAppearance();
station.onChange = drawSoon;
let ticks = 0;
startTicking(() => {
  station.tick();
  ticks += 1;
  if (ticks % 4 === 0) station.save();
});
window.addEventListener("pagehide", () => station.save());
draw();

if (settings.autostart && settings.autostart !== "false" && settings.autostart !== "0") {
  if (SCENARIO_NAMES.includes(settings.autostart)) scenarios.run(settings.autostart);
  else station.connect();
} else if (wasConnected) {
  station.connect();
}
