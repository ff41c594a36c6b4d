// The control page: refresh what the proxy reports, once a second; the parts are in other modules.
import { showHeld } from "./held.js";
import { showRules } from "./rules.js";
import { showSender } from "./sending.js";
import { showSessions } from "./sessions.js";
import { wireBar } from "./shared/bar.js";
import { $, api } from "./shared/elements.js";
import { preferredLanguage, speak, t } from "./words.js";

const REFRESH_MS = 1000;
let running = false;

async function refresh() {
  if (running) return;
  running = true;
  try {
    const [status, sessions, held, rules] = await Promise.all(["status", "sessions", "held", "rules"].map((what) => api("GET", what)));
    const counts = [status.sessions === 1 ? t("1 session") : t("{n} sessions", { n: status.sessions }), t("{n} on the fast path", { n: status.sessions - status.editing }), status.upstream];
    $("summary").textContent = counts.join(" · ");
    $("summary").title = $("summary").textContent;
    showHeld(held, refresh);
    showSessions(sessions, refresh);
    showRules(rules, status.file, refresh);
    showSender(sessions);
    $("trouble").hidden = true;
  } catch (error) {
    $("trouble").hidden = false;
    $("trouble").textContent =
      error instanceof TypeError ? t("The proxy does not answer; it may have stopped.")
      : error.status === 401 ? t("The proxy has a new token: open the address that it printed at its start.")
      : error.message;
  } finally {
    running = false;
  }
}

speak(preferredLanguage(), refresh);
wireBar("control", (language) => speak(language, refresh));
document.addEventListener("zone", refresh);
setInterval(() => { if (!document.hidden) refresh(); }, REFRESH_MS);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
