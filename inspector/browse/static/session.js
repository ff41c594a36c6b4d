// The session page: brings ladder, plot, filters, panel, keyboard and live updates together.
import { Ladder } from "./ladder.js";
import { plot } from "./plot.js";
import { copying, panel } from "./panel.js";

const base = document.body.dataset.base;
const here = location.pathname.replace(/\/$/, "");
const byId = (id) => document.getElementById(id);
const POLL_MS = 700;

const get = async (address) => {
  const answer = await fetch(address, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error ?? `${answer.status}`);
  return answer.json();
};

const form = byId("filters");
const chosenFilters = () => {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) query.append(name, value);
  return query;
};
const restore = () => {
  const query = new URLSearchParams(location.search);
  for (const box of form.querySelectorAll("[name=action]")) box.checked = query.getAll("action").includes(box.value);
  for (const name of ["direction", "severity", "q"]) form.elements[name].value = query.get(name) ?? "";
};
const summarise = () => {
  const actions = new FormData(form).getAll("action");
  byId("action-summary").textContent = actions.length === 0 ? "all actions" : actions.length === 1 ? actions[0] : `${actions.length} actions`;
};

let total = 0;
let state = "closed";
let chart = null;
let shown = null; // the frame that was chosen last, for a chart that comes later
const frameOf = () => Number(/^#f(\d+)$/.exec(location.hash)?.[1] ?? NaN);

copying(byId("lines"));
const side = panel({
  goto: (id) => go(id),
});

const ladder = new Ladder(byId("ladder"), {
  onChoose: (frame) => {
    if (frameOf() !== frame.id) history.replaceState(null, "", `${location.pathname}${location.search}#f${frame.id}`);
    side.show(`${base}/frames/${frame.id}?panel`, frame);
    shown = frame;
    chart?.point(frame);
  },
  onEdge: (where) => more(where),
});

const say = (text) => { byId("count").textContent = text; };
const counted = () => {
  const shown = ladder.frames.size;
  const filtered = [...chosenFilters()].length > 0;
  say(filtered ? `${shown.toLocaleString()}${ladder.moreAfter ? "+" : ""} of ${total.toLocaleString()} frames match`
    : `${total.toLocaleString()} frames`);
};

const page = async (where) => {
  const query = chosenFilters();
  for (const [name, value] of Object.entries(where)) query.set(name, value);
  const found = await get(`${here}/frames.json?${query}`);
  total = found.frame_count;
  state = found.state;
  ladder.live = state === "live";
  return found;
};

let busy = false;
const exclusively = async (work) => {
  if (busy) return;
  busy = true;
  try { await work(); } catch (error) { say(`Could not load frames: ${error.message}`); } finally { busy = false; }
};

const load = async (around) => {
  ladder.set(await page(Number.isNaN(around) ? {} : { around }));
  counted();
  if (!Number.isNaN(around)) ladder.choose(around);
};

const more = (where) => exclusively(async () => {
  if (where === "before") ladder.prepend(await page({ before: ladder.first }));
  else ladder.append(await page({ after: ladder.last ?? 0, limit: 1000 }));
  counted();
});

const idle = async () => { while (busy) await new Promise((done) => setTimeout(done, 20)); };

// Show a frame, wherever in the session it is; where the filters hide it they are taken off.
const go = async (id) => {
  await idle();
  if (ladder.has(id)) { ladder.choose(id); return; }
  await exclusively(() => load(id));
  if (!ladder.has(id)) {
    form.reset();
    filtered();
    await idle();
    await exclusively(() => load(id));
  }
};

const filtered = () => {
  summarise();
  const query = chosenFilters().toString();
  history.replaceState(null, "", `${location.pathname}${query ? `?${query}` : ""}${location.hash}`);
};
let timer = 0;
const refilter = (delay) => {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    filtered();
    await idle();
    ladder.box.scrollTop = 0;
    await exclusively(() => load(NaN));
  }, delay);
};
form.addEventListener("input", (event) => refilter(event.target.type === "search" ? 200 : 0));
form.addEventListener("submit", (event) => { event.preventDefault(); refilter(0); });
document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll("details.choose[open]")) if (!open.contains(event.target)) open.open = false;
});

const pressed = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest("input[type=search], input[type=text], select, textarea");
  if (typing) {
    if (event.key === "Escape") { event.target.blur(); ladder.box.focus(); }
    return;
  }
  const within = event.target === ladder.box || event.target === document.body;
  if (event.key in pressed && (within || event.key.length === 1)) ladder.move(pressed[event.key]);
  else if (event.key === "n" || event.key === "N") ladder.move(event.key === "n" ? 1 : -1, (frame) => frame.severity);
  else if (event.key === "p") {
    const frame = ladder.items[ladder.frames.get(ladder.chosen)]?.frame;
    const mate = frame?.answer_id ?? frame?.call_id;
    if (mate) go(mate);
  } else if (event.key === "/") byId("text").focus();
  else if (event.key === "Enter" && within && ladder.chosen) location.assign(`${base}/frames/${ladder.chosen}`);
  else if (event.key === "Home" && within) exclusively(async () => { await load(NaN); ladder.box.scrollTop = 0; });
  else if (event.key === "End" && within) exclusively(async () => { ladder.set(await page({ end: 1 })); counted(); ladder.toEnd(); });
  else if (event.key === "Escape") side.findings();
  else return;
  event.preventDefault();
});
addEventListener("hashchange", () => { if (!Number.isNaN(frameOf()) && frameOf() !== ladder.chosen) go(frameOf()); });
document.addEventListener("click", (event) => {
  // A second click on a finding's link changes no hash.
  const link = event.target.closest('a[href^="#f"]');
  if (link && link.hash === location.hash) go(frameOf());
});

// Live: what is new is fetched while the session is open, unless the reader pauses or looks elsewhere.
const pause = byId("pause");
let paused = false;
pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? "Resume" : "Pause";
});
let beats = 0;
const beat = async () => {
  if (state !== "live") { pause.hidden = true; return; }
  pause.hidden = false;
  if (!paused && !document.hidden) {
    await exclusively(async () => {
      if (beats++ % 4 === 3) await refresh();
      if (ladder.moreAfter) {
        // The reader is somewhere in the middle: only how far it has gone since is told.
        await page({ after: ladder.last ?? 0, limit: 1 });
        counted();
        return;
      }
      const following = ladder.atEnd;
      const found = await page({ after: ladder.last ?? 0, limit: 1000 });
      if (found.frames.length || found.events.length) {
        ladder.append(found, true);
        counted();
        if (following) ladder.toEnd();
      }
      if (state !== "live") await refresh();
    });
  }
  setTimeout(beat, POLL_MS);
};
const refresh = async () => {
  const answer = await fetch(location.pathname);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ["facts", "state", "ending", "tab-findings"]) byId(id).innerHTML = fresh.getElementById(id).innerHTML;
  const list = fresh.getElementById("findings");
  if (list.innerHTML !== byId("findings").innerHTML) byId("findings").innerHTML = list.innerHTML;
  await drawPlot();
};

const drawPlot = async () => {
  const data = await get(`${here}/plot.json`);
  const worth = data.series.length || data.transactions.length || data.statuses.length;
  const came = byId("plot-card").hidden && worth;
  byId("plot-card").hidden = !worth;
  if (worth) chart = plot(byId("plot"), byId("legend"), data, { goto: go });
  if (shown) chart?.point(shown);
  // A plot that comes later pushes the ladder from under a sheet.
  if (came && document.querySelector(".panel.sheet")) ladder.box.scrollIntoView({ block: "start" });
};

restore();
summarise();
await exclusively(() => load(frameOf()));
drawPlot().catch((error) => { byId("legend").textContent = `No plot: ${error.message}`; byId("plot-card").hidden = false; });
beat();
