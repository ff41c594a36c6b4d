// The live page: the newest frames of all sessions, and the connected charge points.
import { copying } from "./panel.js";
import { duration, wayOf, whatOf } from "./shared/frame_row.js";
import { t } from "./words.js";

const base = document.body.dataset.base;
const byId = (id) => document.getElementById(id);
const [feed, form, pause, rate] = ["feed", "filters", "pause", "rate"].map(byId);
const POLL_MS = 500;
const KEEP = 400;
let newest = Number(feed.dataset.newest);
let paused = false;
const AVERAGE_MS = 5000;
const arrivals = []; // [when, how many frames]
let picked = null; // { frame, session } of the frame in the panel
let held = []; // rows that came while the reader was reading the list

const tag = (name, kind, ...children) => {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.append(...children);
  return made;
};
const link = (session, text, hash = "") => {
  const made = tag("a", "", text);
  made.href = `${base}/sessions/${session}${hash}`;
  return made;
};

const row = (frame) => {
  const time = tag("time", "", frame.ts.slice(11, 23));
  time.dateTime = frame.ts;
  const made = tag(
    "tr", `row-new${frame.severity ? ` s-${frame.severity}` : ""}`, tag("td", "", time),
    tag("td", "", link(frame.session_id, frame.charge_point_id || t("unnamed"), `#f${frame.id}`)),
    tag("td", "", tag("span", `cs-arrow cs-${frame.direction}`, wayOf(frame.direction, t))), tag("td", "what", ...whatOf(frame, t).childNodes),
    tag("td", "number", duration(frame.latency_us)),
  );
  made.dataset.frame = frame.id;
  made.dataset.session = frame.session_id;
  made.classList.toggle("chosen", frame.id === picked?.frame);
  return made;
};
const note = (text) => {
  const cell = tag("td", "empty", text);
  cell.colSpan = 5;
  return tag("tr", "empty", cell);
};

const connected = ({ sessions, more_sessions: more }) => {
  const items = sessions.map((each) => {
    const to = link(each.id, tag("b", "", each.charge_point_id || t("unnamed")));
    to.append(" ", tag("span", "muted", each.frame_count.toLocaleString("en")));
    if (each.error_count) to.append(" ", tag("span", "cs-badge cs-error", each.error_count.toLocaleString("en")));
    to.dataset.session = each.id;
    return tag("li", "", to);
  });
  if (!items.length) items.push(tag("li", "muted", t("No charge point is connected.")));
  if (more) {
    const all = tag("a", "", t("all live sessions"));
    all.href = `${base}/-/home?state=live`;
    items.push(tag("li", "", all));
  }
  // Do not replace the list while an element in it has the keyboard focus.
  if (!byId("connected").contains(document.activeElement)) byId("connected").replaceChildren(...items);
};

const chosen = () => {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) query.set(name, value);
  return query;
};
const ask = async (more) => {
  const query = chosen();
  for (const [name, value] of Object.entries(more)) query.set(name, value);
  const answer = await fetch(`${base}/-/live.json?${query}`);
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
};

pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = t(paused ? "Resume" : "Pause");
  if (paused) rate.textContent = t("paused");
});

// After a change of the filter, start again with the newest frames that match.
let typed = 0;
let mine = 0;
const refilter = async () => {
  const turn = ++mine;
  const query = chosen().toString();
  history.replaceState(null, "", `${location.pathname}${query ? `?${query}` : ""}`);
  const found = await ask({ limit: 100 }).catch(() => null);
  if (!found || turn !== mine) return;
  newest = found.newest;
  held = [];
  show();
  feed.replaceChildren(...found.frames.map(row).reverse());
  if (!found.frames.length) feed.append(note(t("No frame of late matches.")));
};
form.addEventListener("input", (event) => {
  clearTimeout(typed);
  typed = setTimeout(refilter, event.target.type === "search" ? 250 : 0);
});
form.addEventListener("submit", (event) => { event.preventDefault(); refilter(); });
// Do not move rows while the pointer is over them or the list is scrolled: then a button shows the number of new rows.
const room = feed.closest(".scroll");
const fresh = byId("news");
const around = room.parentElement; // with the button, over which the pointer is still in the feed
const reading = () => around.matches(":hover") || room.scrollTop > 0 || picked !== null;
const show = () => {
  fresh.hidden = !held.length;
  fresh.textContent = `↑ ${t("{n} new", { n: held.length >= KEEP ? `${KEEP}+` : held.length })}`;
};
const flush = () => {
  if (held.length) {
    if (feed.rows.length === 1) feed.querySelector("tr.empty")?.remove();
    feed.prepend(...held);
    while (feed.rows.length > KEEP + 1) feed.lastElementChild.remove();
    held = [];
  }
  show();
};
fresh.addEventListener("click", () => { room.scrollTop = 0; mark(null); flush(); });
around.addEventListener("pointerleave", () => { if (!reading()) flush(); });
feed.addEventListener("click", (event) => {
  const row = event.target.closest("tr[data-frame]");
  if (row && !event.target.closest("a") && !getSelection().toString()) pick(row);
});

// The panel: the chosen frame, formatted as on its own page, with a link to its session.
const [aside, shown, into] = ["side", "frame", "in-session"].map(byId);
const narrow = matchMedia("(max-width: 900px)");
const close = () => { aside.classList.remove("sheet"); mark(null); };
const mark = (one) => {
  picked = one;
  for (const row of feed.querySelectorAll("tr.chosen")) row.classList.remove("chosen");
  if (one) feed.querySelector(`tr[data-frame="${one.frame}"]`)?.classList.add("chosen");
};
let turns = 0;
const open = async (frame, session) => {
  const turn = ++turns;
  mark({ frame, session });
  into.hidden = false;
  into.href = `${base}/sessions/${session}#f${frame}`;
  aside.classList.toggle("sheet", narrow.matches);
  const answer = await fetch(`${base}/frames/${frame}?panel`);
  const markup = await answer.text();
  if (turn !== turns) return;
  shown.innerHTML = markup;
  shown.scrollTop = 0;
};
const pick = (row) => {
  open(Number(row.dataset.frame), Number(row.dataset.session));
  // On a narrow screen a sheet covers the lower half, so scroll the row to the top.
  row.scrollIntoView({ block: narrow.matches ? "start" : "nearest" });
};
copying(aside);
aside.querySelector(".close").addEventListener("click", close);
aside.addEventListener("click", (event) => {
  const to = event.target.closest("[data-goto]");
  if (!to || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const other = Number(to.dataset.goto);
  if (other) open(other, picked.session);
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, a, button, summary, #frame")) return;
  const way = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[event.key];
  const rows = [...feed.querySelectorAll("tr[data-frame]")];
  if (way && rows.length) {
    const at = rows.findIndex((row) => Number(row.dataset.frame) === picked?.frame);
    pick(rows[Math.min(Math.max(at < 0 ? 0 : at + way, 0), rows.length - 1)]);
  } else if (event.key === "Enter" && picked) location.assign(into.href);
  else if (event.key === "Escape") close();
  else return;
  event.preventDefault();
});

const average = (came) => {
  const now = performance.now();
  arrivals.push([now, came]);
  while (arrivals.length > 1 && arrivals[0][0] < now - AVERAGE_MS) arrivals.shift();
  const total = arrivals.reduce((sum, [, each]) => sum + each, 0);
  if (!total) return t("quiet");
  const per = (total * 1000) / Math.max(1000, Math.min(AVERAGE_MS, now - begun));
  return t("{n} frames a second", { n: per >= 10 ? Math.round(per).toLocaleString("en") : per.toFixed(1) });
};
const begun = performance.now();

const beat = async () => {
  const turn = mine;
  const found = await ask({ after: newest, limit: KEEP });
  if (turn !== mine) return;
  rate.textContent = average(found.newest - newest);
  newest = found.newest;
  connected(found);
  if (!found.frames.length) return;
  if (found.frames.length === KEEP) { held = []; feed.replaceChildren(note(t("Earlier frames came faster than they can be shown; their sessions have them all."))); }
  held = [...found.frames.map(row).reverse(), ...held].slice(0, KEEP);
  if (reading()) show(); else flush();
};
const beats = async () => {
  if (!paused && !document.hidden) await beat().catch(() => { rate.textContent = t("no answer; trying again"); });
  setTimeout(beats, POLL_MS);
};
beats();
