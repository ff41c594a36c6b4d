// The bar of every page: the three switches, and links to the other parts of ChargeSentinel.
import { isLocal, setLocal } from "./clock.js";
import { following, prefer } from "./preferences.js";

/** @type {Record<string, Record<string, string>>} */
const WORDS = {
  en: {
    utc: "UTC", local: "Local time", clock: "Show times in UTC or in local time",
    theme: "Theme", system: "as the system", light: "light", dark: "dark",
    recordings: "Recordings", simulator: "Simulator", csms: "CSMS", apps: "Parts of ChargeSentinel",
  },
  tr: {
    utc: "UTC", local: "Yerel saat", clock: "Saatleri UTC veya yerel saatle göster",
    theme: "Tema", system: "sistemdeki gibi", light: "açık", dark: "koyu",
    recordings: "Kayıtlar", simulator: "Simülatör", csms: "CSMS", apps: "ChargeSentinel'in bölümleri",
  },
};
/** @type {Record<string, string>} */
const SIGNS = { system: "◐", light: "☀", dark: "☾" };
const APPS = ["recordings", "simulator", "csms"];

/**
 * Return the addresses of the other parts. `?csms=9001&simulator=http://127.0.0.1:8080` in the address bar sets them,
 * by port or by address, and a cookie keeps them until the browser is closed. Only addresses of this machine are accepted,
 * so that a foreign link cannot lead to another machine.
 * @returns {Record<string, string>}
 */
function apps() {
  /** @type {Record<string, string>} */
  const known = {};
  const cookie = /(?:^|; )chargesentinel_apps=([^;]*)/.exec(document.cookie)?.[1] ?? "";
  const given = new URLSearchParams(location.search);
  const before = new URLSearchParams(decodeURIComponent(cookie));
  for (const name of APPS) {
    const address = appAddress(given.get(name) ?? before.get(name) ?? "");
    if (address) known[name] = address;
  }
  if (APPS.some((name) => given.has(name)))
    document.cookie = `chargesentinel_apps=${encodeURIComponent(String(new URLSearchParams(known)))}; Path=/; SameSite=Lax`;
  return known;
}

/** @param {string} text a port or an address @returns {string} the address if it is on this machine, or "" */
function appAddress(text) {
  const here = location.hostname;
  if (/^\d{1,5}$/.test(text)) return here ? `http://${here}:${text}/` : "";
  try {
    const { protocol, hostname, host } = new URL(text);
    const near = [here, "localhost", "127.0.0.1", "[::1]"].includes(hostname);
    return /^https?:$/.test(protocol) && near && hostname ? `${protocol}//${host}/` : "";
  } catch {
    return "";
  }
}

/**
 * Make the switches of the bar work.
 * @param {string} own the part of ChargeSentinel to which this page belongs
 * @param {(language: string) => void} speak changes the language of the page
 */
export function wireBar(own, speak) {
  const find = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
  const root = document.documentElement;
  const places = apps();
  const spoken = () => /** @type {HTMLElement | null} */ (document.querySelector(".bar[lang]"))?.lang || root.lang;
  const show = () => {
    const words = WORDS[spoken()] ?? WORDS.en;
    const theme = root.dataset.theme || "system";
    /** @param {string} id @param {string} text @param {string} title */
    const label = (id, text, title) => {
      const button = find(id);
      if (!button) return;
      button.hidden = false;
      if (button.textContent !== text) button.textContent = text;
      button.title = title;
      button.setAttribute("aria-label", title);
    };
    label("zone", words[isLocal() ? "local" : "utc"], `${words.clock}: ${words[isLocal() ? "local" : "utc"]}`);
    label("theme", SIGNS[theme], `${words.theme}: ${words[theme]}`);
    const other = spoken() === "tr" ? "en" : "tr";
    label("language", other.toUpperCase(), other === "tr" ? "TR: Türkçe" : "EN: English");
    find("language")?.setAttribute("lang", other);
    const nav = find("apps");
    nav?.setAttribute("aria-label", words.apps);
    nav?.replaceChildren(
      ...APPS.filter((name) => name !== own && places[name]).map((name) => {
        const link = document.createElement("a");
        link.href = places[name];
        link.textContent = words[name];
        return link;
      }),
    );
  };
  find("zone")?.addEventListener("click", () => {
    setLocal(!isLocal());
    show();
    document.dispatchEvent(new Event("zone"));
  });
  find("theme")?.addEventListener("click", () => {
    root.dataset.theme = following("theme", root.dataset.theme || "system");
    prefer("theme", root.dataset.theme);
    show();
  });
  find("language")?.addEventListener("click", () => {
    const language = spoken() === "tr" ? "en" : "tr";
    prefer("language", language);
    speak(language);
    show();
  });
  show();
}
