// The newest frames of all sessions, as they come.
import { duration } from "./ladder.js";

const base = document.body.dataset.base;
const feed = document.getElementById("feed");
const form = document.getElementById("filters");
const pause = document.getElementById("pause");
const POLL_MS = 500;
const KEEP = 400;
let newest = Number(feed.dataset.newest);
let paused = false;

const cell = (kind, ...children) => {
  const made = document.createElement("td");
  if (kind) made.className = kind;
  made.append(...children);
  return made;
};
const tag = (name, kind, text) => {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.textContent = text;
  return made;
};

const row = (frame) => {
  const made = document.createElement("tr");
  made.className = "row-new";
  const time = tag("time", "", frame.ts.slice(11, 23));
  time.dateTime = frame.ts;
  time.title = new Date(frame.ts).toLocaleString();
  const link = tag("a", "", frame.charge_point_id ?? "unnamed");
  link.href = `${base}/sessions/${frame.session_id}#f${frame.id}`;
  const way = frame.direction === "cp-to-csms" ? "CP → CSMS" : "CP ← CSMS";
  const what = [tag("b", "", frame.action ?? "no action"), " "];
  if (![2, 3].includes(frame.msg_type)) what.push(tag("span", "cs-badge cs-other", frame.type), " ");
  if (frame.severity) what.push(tag("span", `cs-badge cs-${frame.severity}`, frame.severity), " ");
  what.push(tag("span", "muted", frame.summary));
  made.append(
    cell("", time), cell("", link), cell("", tag("span", `cs-arrow cs-${frame.direction}`, way)),
    cell("what", ...what), cell("number", duration(frame.latency_us)),
  );
  return made;
};

pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? "Resume" : "Pause";
});
let typed = 0;
form.addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(() => location.assign(`${location.pathname}?${query()}`), 500);
});
form.addEventListener("submit", (event) => event.preventDefault());
const query = () => {
  const chosen = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) chosen.set(name, value);
  return chosen;
};

const beat = async () => {
  if (!paused && !document.hidden) {
    const asked = query();
    asked.set("after", newest);
    asked.set("limit", 200);
    const answer = await fetch(`${base}/-/live.json?${asked}`).catch(() => null);
    if (answer?.ok) {
      const found = await answer.json();
      const came = found.newest - newest;
      newest = found.newest;
      if (found.frames.length) {
        feed.querySelector(".empty")?.closest("tr").remove();
        feed.prepend(...found.frames.map(row).reverse());
        while (feed.rows.length > KEEP) feed.lastElementChild.remove();
      }
      document.getElementById("rate").textContent = came ? `${Math.round((came * 1000) / POLL_MS).toLocaleString()} frames/s` : "quiet";
    }
  }
  setTimeout(beat, POLL_MS);
};
beat();
