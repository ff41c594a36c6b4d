// The session page: connects ladder, plot, chips, filters, panel, keyboard and live updates.
import { Ladder } from "./ladder.js";
import { t } from "./words.js";
import { plot } from "./plot.js";
import { copying, panel } from "./panel.js";
import { stepper } from "./steps.js";


const base = document.body.dataset.base;
const here = location.pathname.replace(/\/$/, "");
const byId = (id) => document.getElementById(id);
const POLL_MS = 700;
const TALL = matchMedia("(min-height: 800px)").matches ? 200 : 172;

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
  for (const name of ["direction", "severity", "rule", "q"]) form.elements[name].value = query.get(name) ?? "";
};
const summarise = () => {
  const actions = new FormData(form).getAll("action");
  byId("action-summary").textContent = actions.length === 0 ? t("all actions") : actions.length === 1 ? actions[0] : t("{n} actions", { n: actions.length });
};

let total = 0;
let state = byId("bench").dataset.state;
let read = 0; // number of frames in the session when its end was last visible
let chart = null;
let findings = []; // the occurrences that the plot marks
let shown = null; // the last chosen frame, for a plot that is loaded later
// The frame (#f12) or missing frame (#m3.1) in the address, or null.
const named = () => {
  const [, frame, absent] = /^#(?:f(\d+)|(m\d+\.\d+))$/.exec(location.hash) ?? [];
  return frame ? Number(frame) : absent ?? null;
};
const hashOf = (id) => `#${typeof id === "number" ? `f${id}` : id}`;
const msOf = (one) => new Date(one.ts).getTime();

copying(byId("lines"));
const side = panel({ goto: (id) => go(id) });

const ladder = new Ladder(byId("ladder"), {
  onChoose: (one) => {
    if (named() !== one.id) history.replaceState(null, "", `${location.pathname}${location.search}${hashOf(one.id)}`);
    side.show(one.finding_id ? `${base}/missing/${one.finding_id}/${one.number}?panel` : `${base}/frames/${one.id}?panel`, one);
    shown = one;
    chart?.point(one);
    steps.show({ id: one.id, ms: msOf(one) });
  },
  onEdge: (where) => more(where),
  onSight: (first, last) => {
    chart?.seen(new Date(first.ts).getTime(), new Date(last.ts).getTime());
    if (ladder.atEnd) { read = total; news(); }
  },
  covered: () => side.covered(),
});
ladder.days = byId("bench").dataset.days === "1";

const say = (text) => { byId("count").textContent = text; };
const counted = () => {
  const loaded = ladder.frames.size;
  const filtered = [...chosenFilters()].length > 0;
  const frames = t(total === 1 ? "{n} frame" : "{n} frames", { n: total.toLocaleString("en") });
  const missing = ladder.absent.size ? ` · ${t("{n} missing", { n: ladder.absent.size.toLocaleString("en") })}` : "";
  say((filtered ? t("{n} of {all} match", { n: `${loaded.toLocaleString("en")}${ladder.moreAfter || ladder.moreBefore ? "+" : ""}`, all: frames }) : frames) + missing);
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
  try { await work(); } catch (error) { say(t("Could not load frames: {why}", { why: error.message })); } finally { busy = false; }
};
const idle = async () => { while (busy) await new Promise((done) => setTimeout(done, 20)); };

// Load the frames around a frame or a missing frame, or the first ones, and choose it.
const load = async (id = null) => {
  let around = id;
  if (typeof id === "string") {
    const absent = await get(`${base}/missing/${id.slice(1).replace(".", "/")}.json`);
    around = absent.before ?? absent.after;
  }
  ladder.set(await page(around === null ? {} : { around }));
  counted();
  if (id !== null) ladder.choose(id);
};

const more = (where) => exclusively(async () => {
  if (where === "before") ladder.prepend(await page({ before: ladder.first }));
  else ladder.append(await page({ after: ladder.last ?? 0, limit: 1000 }));
  counted();
});

// Show a frame or a missing frame from any place of the session; if the filters hide it, remove them.
const go = async (id) => {
  await idle();
  if (ladder.has(id)) { ladder.choose(id); return; }
  await exclusively(() => load(id));
  if (!ladder.has(id)) {
    form.reset();
    form.elements.rule.value = "";
    steps.press(null);
    filtered();
    await idle();
    await exclusively(() => load(id));
  }
};

// Go to the next (or previous) frame that has a finding and matches the filters, even if it is not loaded yet.
const step = async (way) => {
  if (ladder.move(way, (frame) => frame.severity)) return;
  await idle();
  await exclusively(async () => {
    const edge = (way > 0 ? ladder.last : ladder.first) ?? 0;
    const wanted = form.elements.severity.value || "any";
    const { frames, missing } = await page({ [way > 0 ? "after" : "before"]: edge, limit: 1, severity: wanted });
    const found = [...frames, ...missing].filter((one) => !ladder.has(one.id)).sort((a, b) => way * (msOf(a) - msOf(b)));
    if (found.length) await load(found[0].id);
    else say(t(way > 0 ? "No finding after this frame." : "No finding before this frame."));
  });
};

// Show the frame at a time.
const at = async (ms) => {
  await idle();
  await exclusively(async () => {
    const found = await page({ at: Math.round(ms) });
    if (found.around === null) return;
    ladder.set(found);
    counted();
    const id = ladder.has(found.around) ? found.around : ladder.last;
    if (id !== null) ladder.choose(id);
  });
};

const filtered = () => {
  summarise();
  const query = chosenFilters().toString();
  history.replaceState(null, "", `${location.pathname}${query ? `?${query}` : ""}${location.hash}`);
};
let timer = 0;
const refilter = (delay, then = () => {}) => {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    filtered();
    await idle();
    ladder.box.scrollTop = 0;
    await exclusively(() => load());
    await then();
  }, delay);
};
form.addEventListener("input", (event) => refilter(event.target.type === "search" ? 200 : 0));
form.addEventListener("submit", (event) => { event.preventDefault(); refilter(0); });
document.addEventListener("click", (event) => {
  for (const open of document.querySelectorAll("details.choose[open]")) if (!open.contains(event.target)) open.open = false;
});

// A chip filters the ladder by its rule, and steps through the frames that break it.
const steps = stepper(byId("chips"), {
  goto: (id) => go(id),
  pressed: ({ rule, severity }, first) => {
    form.elements.rule.value = rule ?? "";
    form.elements.severity.value = severity ?? "";
    refilter(0, async () => { if (first) await go(first); });
  },
  findings: async () => { await plotted; return findings; },
  unmarked: (rule) => { side.findings(); document.querySelector(`.verdict[data-rule="${CSS.escape(rule)}"] a`)?.focus(); },
});

const pressed = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const typing = event.target.closest("input[type=search], input[type=text], select, textarea");
  if (typing) {
    if (event.key === "Escape") { event.target.blur(); ladder.box.focus(); }
    return;
  }
  const within = event.target === ladder.box || event.target === document.body;
  if (event.key in pressed && (within || event.key.length === 1)) ladder.move(pressed[event.key]);
  else if (event.key === "n" || event.key === "N") step(event.key === "n" ? 1 : -1);
  else if (event.key === "p") {
    const frame = ladder.items[ladder.frames.get(ladder.chosen)]?.frame;
    const mate = frame?.answer_id ?? frame?.call_id;
    if (mate) go(mate);
  } else if (event.key === "f") byId("text").focus();
  else if (event.key === "Enter" && within && ladder.chosen) location.assign(typeof ladder.chosen === "number" ? `${base}/frames/${ladder.chosen}` : `${base}/missing/${ladder.chosen.slice(1).replace(".", "/")}`);
  else if (event.key === "Home" && within) toStart();
  else if (event.key === "End" && within) toEnd().then(() => ladder.choose(ladder.last));
  else if (event.key === "Escape") side.findings();
  else return;
  event.preventDefault();
});
addEventListener("hashchange", () => { if (named() !== null && named() !== ladder.chosen) go(named()); });
document.addEventListener("click", (event) => {
  // A second click on the link of a finding does not change the hash, so no `hashchange` comes.
  const link = event.target.closest('a[href^="#f"], a[href^="#m"]');
  if (link && link.hash === location.hash && named() !== null) go(named());
});

const toEnd = async () => {
  await idle();
  await exclusively(async () => {
    ladder.set(await page({ end: 1 }));
    counted();
    ladder.toEnd();
  });
};
const toStart = async () => {
  await idle();
  await exclusively(async () => { await load(); ladder.choose(ladder.first); });
};

// Fetch new frames while the session is open, unless the reader pauses or the page is hidden. The ladder follows while
// its end is visible; otherwise a button shows the number of new frames.
const pause = byId("pause");
const fresh = byId("news");
let paused = false;
const news = () => {
  const missed = total - read;
  fresh.hidden = !(missed > 0 && (state === "live" || !fresh.hidden));
  fresh.textContent = `↓ ${missed.toLocaleString("en")} new`;
};
fresh.addEventListener("click", () => { fresh.hidden = true; toEnd(); });
pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = t(paused ? "Resume" : "Pause");
});
let beats = 0;
const beat = async () => {
  if (state !== "live") { pause.hidden = true; return; }
  pause.hidden = false;
  if (!paused && !document.hidden) {
    await exclusively(async () => {
      if (beats++ % 4 === 3) await refresh();
      if (ladder.moreAfter) {
        // The reader is in the middle of the ladder: fetch only the number of frames.
        await page({ after: ladder.last ?? 0, limit: 1 });
        counted();
        news();
        return;
      }
      const following = ladder.atEnd;
      const found = await page({ after: ladder.last ?? 0, limit: 1000 });
      if (found.frames.length || found.events.length || found.missing.length) {
        ladder.append(found, true);
        counted();
        if (following) { ladder.toEnd(); read = total; }
      }
      news();
      if (state !== "live") await refresh();
    });
  }
  setTimeout(beat, POLL_MS);
};
const refresh = async () => {
  const answer = await fetch(location.pathname);
  const got = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ["facts", "brief", "state", "ending", "chips", "findings", "transactions", "tab-findings", "tab-transactions"]) {
    const markup = got.getElementById(id)?.innerHTML;
    const part = byId(id);
    if (part && markup !== undefined && markup !== part.dataset.seen && !part.contains(document.activeElement)) {
      part.innerHTML = markup;
      part.dataset.seen = markup;
    }
  }
  steps.restore({ rule: form.elements.rule.value, severity: form.elements.severity.value });
  await drawPlot();
};

const reset = byId("zoom-out");
const drawPlot = async () => {
  const data = await get(`${here}/plot.json`);
  findings = data.findings;
  const worth = data.series.length || data.transactions.length || data.statuses.length;
  byId("plot-card").hidden = !worth;
  if (worth) {
    chart = plot(byId("plot"), byId("legend"), data, {
      goto: go, at, tall: TALL, note: byId("plot-note"),
      zoomed: (range) => { reset.hidden = !range; if (range) at(range[0]); },
    });
  }
  if (shown) chart?.point(shown);
  if (ladder.known) ladder.draw();
  steps.show(shown && { id: shown.id, ms: msOf(shown) });
};
reset.addEventListener("click", () => chart?.reset());
const plotted = drawPlot().catch((error) => { byId("legend").textContent = `No plot: ${error.message}`; byId("plot-card").hidden = false; });

restore();
summarise();
steps.restore({ rule: form.elements.rule.value, severity: form.elements.severity.value });
const begin = named();
if (begin === null && state === "live" && ![...chosenFilters()].length) await toEnd();
else await exclusively(() => load(begin));
read = total;
plotted.then(() => ladder.settle());
beat();
