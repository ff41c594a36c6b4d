// The user's settings, and how links and the browser store them.

/**
 * @typedef {{
 *   url: string, id: string, version: string, connectors: number, kind: "ac" | "dc", maxPower: number, phases: number,
 *   batteryWh: number, token: string, tokenType: string, reconnect: boolean, sampleInterval: number, energyLimit: number,
 *   timeLimit: number, vendor: string, model: string, autostart: string, lang: string, theme: string,
 * }} Settings
 */

/** @type {Settings} */
const DEFAULT_SETTINGS = {
  url: "ws://localhost:9000/CHARGER-001",
  id: "CHARGER-001",
  version: "1.6",
  connectors: 2,
  kind: "ac",
  maxPower: 7400,
  phases: 1,
  batteryWh: 60_000,
  token: "CARD-001",
  tokenType: "ISO14443",
  reconnect: true,
  sampleInterval: 5,
  energyLimit: 0,
  timeLimit: 0,
  vendor: "ChargeSentinel",
  model: "Browser",
  autostart: "",
  lang: "",
  theme: "",
};

/** The range of each number, as in the form: [smallest, largest]. @type {Record<string, [number, number]>} */
const RANGES = {
  connectors: [1, 4],
  maxPower: [100, 1_000_000],
  batteryWh: [100, 2_000_000],
  sampleInterval: [1, 86_400],
  energyLimit: [0, 1000],
  timeLimit: [0, 10_000],
};

/** Settings that only a link has; its language and its theme become preferences. */
const OF_THE_LINK = ["autostart", "lang", "theme"];

const SETTINGS_KEY = "chargesentinel.settings";

/** Use the browser's storage. If it is forbidden, the page works without it. @param {() => any} use */
function withStorage(use) {
  try {
    return use();
  } catch {
    return null;
  }
}

/**
 * The settings of this browser, overridden by those in the link.
 * @param {string} search the link's query
 * @returns {Settings}
 */
function loadSettings(search) {
  const kept = withStorage(() => JSON.parse(localStorage.getItem(SETTINGS_KEY) ?? "{}")) ?? {};
  /** @type {Record<string, any>} */
  const settings = { ...DEFAULT_SETTINGS, autostart: "" };
  const link = new URLSearchParams(search);
  for (const [name, standard] of Object.entries(DEFAULT_SETTINGS)) {
    if (typeof kept[name] === typeof standard && !OF_THE_LINK.includes(name)) settings[name] = kept[name];
    const given = link.get(name);
    if (given === null) continue;
    if (typeof standard === "number") settings[name] = Number(given) || standard;
    else if (typeof standard === "boolean") settings[name] = given !== "false" && given !== "0";
    else settings[name] = given;
  }
  if (link.has("url") && !link.has("id")) settings.id = lastSegment(settings.url) || settings.id;
  if (!(settings.version in SUBPROTOCOLS)) settings.version = "1.6";
  for (const [name, [least, most]] of Object.entries(RANGES))
    settings[name] = Math.min(most, Math.max(least, settings[name]));
  settings.connectors = Math.round(settings.connectors);
  settings.kind = settings.kind === "dc" ? "dc" : "ac";
  settings.phases = settings.phases === 3 ? 3 : 1;
  if (!["", "light", "dark"].includes(settings.theme)) settings.theme = "";
  if (!["", "en", "tr"].includes(settings.lang)) settings.lang = "";
  return /** @type {Settings} */ (settings);
}

/** @param {Settings} settings */
function keepSettings(settings) {
  withStorage(() => localStorage.setItem(SETTINGS_KEY, JSON.stringify(settings)));
}

/** A link that opens this page with these settings, but without the password. @param {Settings} settings */
function settingsLink(settings) {
  const link = new URLSearchParams();
  for (const [name, standard] of Object.entries(DEFAULT_SETTINGS)) {
    const value = /** @type {any} */ (settings)[name];
    if (value !== standard || ["url", "id", "version"].includes(name)) link.set(name, String(value));
  }
  return `${location.href.split(/[?#]/)[0]}?${link}`;
}

/** @param {string} url */
function lastSegment(url) {
  const segment =
    url
      .split(/[?#]/)[0]
      .replace(/^wss?:\/\/[^/]*/, "")
      .split("/")
      .pop() ?? "";
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/**
 * The address to connect to: the charge point's id is the last part of its path (OCPP-J section 3.1.1).
 * @param {string} url @param {string} id @param {string} password
 * @returns {{address: string} | {fault: string}} `fault` names the sentence to show
 */
function connectAddress(url, id, password) {
  let address = url.trim();
  if (!/^wss?:\/\//i.test(address)) return { fault: "fault.scheme" };
  if (!id) return { fault: "fault.id" };
  if (/\s/.test(address)) return { fault: "fault.url" };
  if (lastSegment(address) !== id) address = `${address.replace(/\/+$/, "")}/${encodeURIComponent(id)}`;
  try {
    const parsed = new URL(address);
    if (password) {
      parsed.username = encodeURIComponent(id);
      parsed.password = encodeURIComponent(password);
    }
    parsed.hash = "";
    return { address: parsed.href };
  } catch {
    return { fault: "fault.url" };
  }
}
