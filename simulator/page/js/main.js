// Create the parts of the page, connect them and draw them. This is the last script.

const settings = loadSettings(location.search);
const log = new TrafficLog();
const station = new Station(settings, log);
const wasConnected = station.restore();

// Theme and language in the link become preferences, as if the user had chosen them on this page.
if (settings.theme) {
  document.documentElement.dataset.theme = settings.theme;
  preferences.prefer("theme", settings.theme);
}
if (settings.lang) preferences.prefer("language", settings.lang);
speak(preferences.preferredLanguage());
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
  () => connectionView.connect(),
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

/** @param {string} chosen */
function changeLanguage(chosen) {
  speak(chosen);
  showZone();
  messagesView.draw(true);
  testerView.draw(true);
  rawView.draw(true);
  logView.filter(byId("log-filter").value);
  draw();
}
bar.wireBar("simulator", changeLanguage);
function showZone() {
  for (const unit of document.querySelectorAll(".zone")) unit.textContent = clock.isLocal() ? t("clock.local") : "UTC";
  logView.filter(byId("log-filter").value);
}
document.addEventListener("zone", showZone);
showZone();

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
  for (const name of SCENARIOS_2X) {
    const button = byId("scenarios").querySelector(`[data-scenario=${name}]`);
    if (button?.parentElement) button.parentElement.hidden = station.settings.version === "1.6";
  }
}

byId("log-save").addEventListener("click", () => {
  const { version, id } = station.settings;
  offerFile(`${id}.jsonl`, log.trace(version, id), "application/x-ndjson");
});

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
