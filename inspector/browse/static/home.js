// Keep the home page current: fetch its changed parts every 0.7 s while the page is visible.
import { t } from "./words.js";
const pause = document.getElementById("pause");
const parts = ["totals", "earlier", "attention", "sessions", "unconnected"];
const seen = new Map();
const POLL_MS = 700;
let paused = false;
pause.hidden = false;
pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = t(paused ? "Resume" : "Pause");
});

const refresh = async () => {
  const answer = await fetch(location.href);
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of parts) {
    const markup = fresh.getElementById(id).innerHTML;
    if (markup === seen.get(id)) continue;
    const part = document.getElementById(id);
    const open = part.querySelector("details")?.open;
    part.innerHTML = markup;
    if (open) part.querySelector("details")?.setAttribute("open", "");
    seen.set(id, markup);
  }
};

const beat = async () => {
  const busy = document.activeElement?.closest(parts.map((id) => `#${id}`).join(","));
  if (!paused && !document.hidden && !busy) await refresh().catch(() => {});
  setTimeout(beat, POLL_MS);
};
setTimeout(beat, POLL_MS);
