"use strict";
// Runs the page's scripts without a browser: every one but main.js, in the page's order, each page in a world of its own.
//
// pytest names the inputs by environment variables (see test_page_logic.py): the assembled page, the requests that
// fit the schemas, and the folder where everything a station said is kept, to be held against the schemas afterwards.

const { appendFileSync, readFileSync, writeFileSync } = require("node:fs");
const { webcrypto } = require("node:crypto");
const { join } = require("node:path");
const vm = require("node:vm");
const assert = require("node:assert/strict");
const { FakeClock } = require("./clock.js");
const { FakeCsms, parsed } = require("./csms.js");

const KEPT = process.env.CHARGESENTINEL_KEPT;
const html = readFileSync(process.env.CHARGESENTINEL_PAGE, "utf8");
/** Payloads that fit the request schemas: version, action -> [the required members only, every member]. */
const requests = JSON.parse(readFileSync(process.env.CHARGESENTINEL_REQUESTS, "utf8"));

const texts = [...html.matchAll(/<script>(.*?)<\/script>/gs)].map((found) => found[1]);
const main = texts.pop();
assert.match(main, /^const station = new Station\(/m, "the last script puts the page together");
const scripts = texts.map((text) => new vm.Script(text));
const schemas = Object.fromEntries(
  [...html.matchAll(/<script type="application\/json" id="([^"]+)">(.*?)<\/script>/gs)].map(([, id, text]) => [id, text]),
);

/** What main.js does for a station; what it does for the eye is left out. */
const BEGIN = new vm.Script(`"use strict";
  const settings = loadSettings(location.search);
  const log = new TrafficLog();
  const station = new Station(settings, log);
  const wasConnected = station.restore();
  let chosen = station.connectors[0];
  const scenarios = new Scenarios(station, () => chosen, () => station.connect());
  startTicking(() => station.tick());
`);

const VERSIONS = ["1.6", "2.0.1", "2.1"];

/** localStorage and sessionStorage, as far as the page uses them. */
class FakeStorage {
  constructor() {
    this.kept = new Map();
  }

  getItem(name) {
    return this.kept.get(name) ?? null;
  }

  setItem(name, value) {
    this.kept.set(name, String(value));
  }
}

/** Random numbers that are the same in every run. */
function randoms(seed = 1) {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

class Page {
  /**
   * Open a page. `t` is the test's context; nothing may have gone wrong in the page when the test ends.
   * `search` is the link's query; `before` is a page in the same tab before it, as in a reload; `judged: false` is for
   * stations that are told to break the schemas.
   */
  constructor(t, { search = "lang=en", before = null, judged = true } = {}) {
    this.clock = before?.clock ?? new FakeClock();
    this.csms = before?.csms ?? new FakeCsms(this.clock);
    this.stores = before?.stores ?? { local: new FakeStorage(), session: new FakeStorage() };
    this.name = t.name;
    this.errors = [];
    this.#world(search);
    if (judged) this.csms.onFrame = (frame) => this.#keep(frame);
    t.after(() => assert.deepEqual(this.errors, []));
  }

  #world(search) {
    const { clock, stores } = this;
    const setTimeout = (act, milliseconds) => clock.set(act, milliseconds);
    const setInterval = (act, milliseconds) => clock.set(act, milliseconds, milliseconds);
    const clearTimeout = (number) => clock.clear(number);
    const href = `http://simulator.example/?${search}`;
    this.world = vm.createContext({
      now: () => clock.now,
      window: { setTimeout, clearTimeout, setInterval },
      performance: { now: () => clock.now - clock.start },
      // A page has its schemas in elements.
      document: { getElementById: (id) => (id in schemas ? { textContent: schemas[id] } : null) },
      location: { href, search: `?${search}`, protocol: "http:" },
      localStorage: stores.local,
      sessionStorage: stores.session,
      navigator: { language: "en" },
      crypto: { getRandomValues: (array) => webcrypto.getRandomValues(array) },
      console: { error: (...what) => this.errors.push(what.map(String).join(" ")) },
      WebSocket: this.csms.WebSocket,
      URL,
      URLSearchParams,
    });
    this.world.random = randoms();
    vm.runInContext(
      `Math.random = random;
       Date = class extends Date {
         constructor(...given) { super(...(given.length ? given : [now()])); }
         static now() { return now(); }
       };`,
      this.world,
    );
    for (const script of scripts) script.runInContext(this.world);
    BEGIN.runInContext(this.world);
    this.station = vm.runInContext("station", this.world);
    this.scenarios = vm.runInContext("scenarios", this.world);
    this.log = vm.runInContext("log", this.world);
  }

  /** The value of an expression in the page, as plain data. `given` is what it may use by the name `given`. */
  value(expression, given) {
    this.world.givenText = JSON.stringify(given ?? null);
    const text = vm.runInContext(
      `(() => { const given = JSON.parse(givenText); return JSON.stringify(${expression}); })()`,
      this.world,
    );
    return text === undefined ? undefined : JSON.parse(text);
  }

  /** The answer that the station would give to a request, without sending anything. */
  decide(action, payload) {
    const { answer, error } = this.value("(({ answer, error }) => ({ answer, error }))(decide(station, ...given))", [
      action,
      payload,
    ]);
    if (answer) this.#record(action, "response", answer);
    return { answer, error };
  }

  get version() {
    return this.station.settings.version;
  }

  connector(id = 1) {
    return this.station.connectors[id - 1];
  }

  /** The status that the page shows for a connector. */
  status(id = 1) {
    const connector = this.connector(id);
    const status = this.station.dialect.statusOf(connector);
    return status === "Occupied" && connector.transaction ? connector.chargingState() : status;
  }

  /** The few words below the status. */
  facts(id = 1) {
    return this.value(`factsOf(station, station.connectors[${id - 1}]).join(" · ")`);
  }

  /** What the log's lines of our own say. */
  notes() {
    return this.value("log.entries.filter((e) => e.direction === 'event').map((e) => t(e.action, e.values ?? {}))");
  }

  plug(id = 1) {
    const { charging } = this.station;
    const connector = this.connector(id);
    if (connector.plugged) charging.unplug(connector);
    else charging.plug(connector);
  }

  /** Hold a card to the reader. */
  tap(id = 1, token = this.station.settings.token) {
    return this.station.charging.tap(this.connector(id), token, this.station.settings.tokenType);
  }

  async until(reached, milliseconds = 60_000) {
    await this.clock.until(reached, milliseconds, () => `${reached}; ${this.csms.lately()}`);
  }

  async becomes(status, id = 1) {
    const what = () => `${status}, but it is ${this.status(id)}; ${this.csms.lately()}`;
    await this.clock.until(() => this.status(id) === status, 60_000, what);
  }

  /** Let time pass until nothing is on its way. */
  async quiet() {
    await this.until(() => !this.station.outbox.pending && !this.station.outbox.queue.length);
    await this.clock.pass(50);
  }

  async connect() {
    assert.equal(this.station.connect(), null);
    await this.until(() => this.station.online());
  }

  /** Plug in, hold a card to the reader, wait until power flows. */
  async charge(id = 1) {
    this.plug(id);
    this.tap(id);
    await this.becomes("Charging", id);
  }

  /** Save the log as a trace; `check` has to find exactly these [rule, severity] in it. */
  keepTrace(findings) {
    const base = join(KEPT, this.name.replace(/\W+/g, "-"));
    writeFileSync(`${base}.jsonl`, this.value("log.trace(station.settings.version, station.settings.id)"));
    writeFileSync(`${base}.expected.json`, JSON.stringify(findings));
  }

  #keep(frame) {
    if (frame[0] === 2 || frame[0] === 6) this.#record(frame[2], "request", frame[3]);
    if (frame[0] !== 3) return;
    const calls = this.csms.frames.filter(([direction]) => direction === "csms-to-cp").map(([, text]) => parsed(text));
    this.#record(calls.find((call) => call[0] === 2 && call[1] === frame[1])[2], "response", frame[2]);
  }

  #record(action, kind, payload) {
    const line = { test: this.name, version: this.version, action, kind, payload };
    appendFileSync(join(KEPT, "said.jsonl"), `${JSON.stringify(line)}\n`);
  }
}

/** A page that is connected, and whose boot was accepted. */
async function connected(t, version, more = "", options = {}) {
  const page = opened(t, version, more, options);
  await page.connect();
  await page.quiet();
  return page;
}

/** A page with a CSMS to connect to. */
function opened(t, version, more = "", options = {}) {
  const search = new URLSearchParams({ url: "ws://csms.example/CP-1", version, lang: "en", sampleInterval: "1" });
  for (const [name, value] of new URLSearchParams(more)) search.set(name, value);
  return new Page(t, { search: String(search), ...options });
}

module.exports = { Page, VERSIONS, connected, opened, parsed, requests };
