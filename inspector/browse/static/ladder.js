// The ladder: frames and events as rows of the same height. Only the visible rows exist in the document. The ladder
// draws the rows that it is given, and fetches nothing.
import * as clock from "./shared/clock.js";
import { arrow, duration, rowKinds, shape, wayOf, whatOf } from "./shared/frame_row.js";
import { idFrom } from "./steps.js";
import { t } from "./words.js";

export const ROW = 28;
const OVERSCAN = 12;
const BLOCK = 8; // the drawn part moves by this many rows
const LONG_SPAN = 60; // an exchange with more rows may be partly visible although its CALL and its answer are not
const LONG_GAP_US = 10_000_000;

const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== "") made.setAttribute(key, value);
  made.append(...children);
  return made;
};

export class Ladder {
  // `box` is the scrolling element. `onChoose(one)` is called with every chosen frame or missing frame,
  // `onEdge("before" | "after")` when the reader comes near an end beyond which there are more frames, and
  // `onSight(first, last)` with the visible frames. `covered()` returns how many pixels at the bottom of the window are
  // covered.
  constructor(box, { onChoose, onEdge, onSight = () => {}, covered = () => 0 }) {
    Object.assign(this, { box, onChoose, onEdge, onSight, covered, days: false, items: [], long: [], spans: new Map(), chosen: null, live: false, moreBefore: false, moreAfter: false });
    this.space = element("div", { class: "space", role: "presentation" });
    this.lanes = shape("svg", { class: "lanes", "aria-hidden": "true" });
    this.rows = element("div", { role: "presentation" });
    this.space.append(this.rows, this.lanes);
    box.replaceChildren(this.space);
    this.fresh = new Set();
    this.drawn = new Map(); // place -> its element, until the row changes
    box.addEventListener("scroll", () => this.#later(), { passive: true });
    box.addEventListener("wheel", () => { this.settled = false; }, { passive: true });
    box.addEventListener("pointerdown", () => { this.settled = false; });
    box.addEventListener("click", (event) => this.#clicked(event));
    // If the size of the ladder changes, keep the chosen row visible.
    new ResizeObserver(() => { if (this.settled) this.settle(); this.#later(); }).observe(box);
    document.addEventListener("zone", () => this.draw());
  }

  // Replace all rows with those of a page, or add a page before or after. Each event follows the frame it came after.
  set(page) {
    this.items = [];
    this.known = new Set();
    this.frames = new Map();
    this.absent = new Map();
    this.moreBefore = page.more_before;
    this.moreAfter = page.more_after;
    this.#insert(page, "after");
  }

  append(page, fresh = false) {
    this.moreAfter = page.more_after;
    this.#insert(page, "after", fresh);
  }

  prepend(page) {
    const height = this.box.scrollHeight;
    this.moreBefore = page.more_before;
    this.#insert(page, "before");
    this.box.scrollTop += this.box.scrollHeight - height;
  }

  #insert(page, where, fresh = false) {
    const added = [];
    const events = [...page.events, ...(page.missing ?? [])].filter((event) => !this.known.has(event.id))
      .sort((a, b) => (a.after_frame_id ?? 0) - (b.after_frame_id ?? 0) || (a.ts < b.ts ? -1 : 1));
    for (const event of events) this.known.add(event.id);
    let next = 0;
    const put = (until) => {
      while (next < events.length && (events[next].after_frame_id ?? 0) < until) added.push({ event: events[next++] });
    };
    for (const frame of page.frames) {
      if (this.frames.has(frame.id)) continue;
      put(frame.id);
      added.push({ frame });
      if (fresh) this.fresh.add(frame.id);
    }
    put(Infinity);
    if (where === "after") {
      const begin = this.items.length;
      for (const item of added) this.items.push(item);
      this.#index(begin);
    } else {
      this.items = [...added, ...this.items];
      this.#index(0);
    }
    this.draw();
  }

  // Update, from row `begin` on, the place of each frame, the frame before it, and the rows of each exchange.
  #index(begin) {
    let previous = null;
    if (begin === 0) { this.frames.clear(); this.absent.clear(); this.spans.clear(); this.long = []; }
    else previous = this.items.findLast((item, place) => place < begin && item.frame)?.frame ?? null;
    for (let place = begin; place < this.items.length; place++) {
      const item = this.items[place];
      if (item.event?.finding_id) this.absent.set(item.event.id, place);
      if (!item.frame) continue;
      const { frame } = item;
      this.frames.set(frame.id, place);
      item.gap = previous === null ? null : frame.mono_us - previous.mono_us;
      if (item.gap !== null && item.gap < 0) item.gap = null;
      previous = frame;
      if (frame.msg_type === 2) this.#open(frame, place);
      else if (frame.call_id !== null) this.#answered(frame, place);
    }
    this.space.style.height = `${(this.items.length + (this.moreBefore ? 1 : 0) + (this.moreAfter ? 1 : 0)) * ROW}px`;
  }

  #open(frame, place) {
    this.spans.set(frame.id, { id: frame.id, start: place, end: place, side: frame.direction });
  }

  #answered(frame, place) {
    const span = this.spans.get(frame.call_id);
    if (!span || span.end !== span.start) return;
    span.end = place;
    // The CALL may have been added before its answer came: store the id of the answer.
    const call = this.items[span.start].frame;
    call.answer_id ??= frame.id;
    if (span.end - span.start > LONG_SPAN) this.long.push(span);
  }

  get first() { return this.items.find((item) => item.frame)?.frame.id ?? null; }
  get last() { return this.items.findLast((item) => item.frame)?.frame.id ?? null; }
  get shift() { return this.moreBefore ? 1 : 0; }
  get atEnd() { return !this.moreAfter && this.box.scrollTop + this.box.clientHeight > this.box.scrollHeight - 2 * ROW; }

  #later() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = 0; this.draw({ moved: true }); });
  }

  // Draw the visible rows. After scrolling (`moved`), reuse drawn rows; a move within a block draws nothing.
  draw({ moved = false } = {}) {
    const { scrollTop, clientHeight, scrollHeight } = this.box;
    const sight = (y) => y / ROW - this.shift;
    const top = Math.max(0, Math.floor((sight(scrollTop) - OVERSCAN) / BLOCK) * BLOCK);
    const bottom = Math.min(this.items.length, Math.ceil((sight(scrollTop + clientHeight) + OVERSCAN) / BLOCK) * BLOCK);
    if (!moved || top !== this.top || bottom !== this.bottom) {
      const mate = this.#mate();
      const kept = moved ? this.drawn : new Map();
      this.drawn = new Map();
      for (let place = top; place < bottom; place++) this.drawn.set(place, kept.get(place) ?? this.#row(this.items[place], place, mate));
      const made = [...this.drawn.values()];
      if (this.moreBefore && top === 0) made.unshift(this.#edge("before", 0));
      if (this.moreAfter && bottom === this.items.length) made.push(this.#edge("after", this.items.length + this.shift));
      this.rows.replaceChildren(...made);
      this.#drawLanes(top, bottom, mate);
      [this.top, this.bottom] = [top, bottom];
    }
    const [first, last] = [this.#frameFrom(Math.floor(sight(scrollTop)), 1), this.#frameFrom(Math.ceil(sight(scrollTop + clientHeight)) - 1, -1)];
    if (first && last) this.onSight(first, last);
    if (this.moreBefore && scrollTop < 20 * ROW) this.onEdge("before");
    if (this.moreAfter && scrollTop + clientHeight > scrollHeight - 30 * ROW) this.onEdge("after");
  }

  #frameFrom(place, step) {
    for (let at = Math.min(Math.max(place, 0), this.items.length - 1); at >= 0 && at < this.items.length; at += step) {
      if (this.items[at].frame) return this.items[at].frame;
    }
    return null;
  }

  #time(iso) {
    const text = iso ? clock.millis(iso) : "";
    return element("time", { class: "time", datetime: iso ?? "" }, this.days && iso ? `${clock.date(iso).slice(5)} ${text}` : text);
  }

  // Yield the exchanges that are at least partly between two rows.
  *#spansIn(top, bottom) {
    const seen = new Set();
    for (let place = top; place < bottom; place++) {
      const { frame } = this.items[place];
      const span = frame && this.spans.get(frame.call_id ?? frame.id);
      if (span && !seen.has(span)) { seen.add(span); yield span; }
    }
    for (const span of this.long) if (!seen.has(span) && span.start < bottom && span.end >= top) yield span;
  }

  #mate() {
    const place = this.frames?.get(this.chosen);
    if (place === undefined) return null;
    const { frame } = this.items[place];
    return frame.answer_id ?? frame.call_id;
  }

  #edge(where, place) {
    const row = element("div", { class: "edge", style: `top:${place * ROW}px` });
    const button = element("button", { type: "button" }, t(where === "before" ? "Load earlier frames" : "Load more frames"));
    button.addEventListener("click", () => this.onEdge(where));
    row.append(button);
    return row;
  }

  #row(item, place, mate) {
    const style = `top:${(place + this.shift) * ROW}px`;
    if (item.event?.finding_id) return this.#missingRow(item.event, style);
    if (item.event) return this.#eventRow(item.event, style);
    const { frame, gap } = item;
    const chosen = frame.id === this.chosen;
    const kinds = rowKinds(frame);
    if (chosen) kinds.push("chosen");
    if (frame.id === mate) kinds.push("mate");
    if (this.fresh.delete(frame.id)) kinds.push("new");
    const row = element("div", {
      class: kinds.join(" "), id: `f${frame.id}`, role: "option", style, "data-id": frame.id,
      "aria-selected": String(chosen), "aria-label": `${frame.type} ${frame.action ?? ""} ${wayOf(frame.direction, t)}${frame.summary ? `: ${frame.summary}` : ""}`,
    });
    const waiting = frame.msg_type === 2 && frame.answer_id === null;
    row.append(
      this.#time(frame.ts),
      element("span", { class: gap > LONG_GAP_US ? "gap long" : "gap" }, gap === null ? "" : `+${duration(gap)}`),
      element("span", { class: "lane" }),
      whatOf(frame, t),
      element("span", { class: waiting ? "latency none" : "latency" }, waiting ? t(this.live ? "waiting" : "no answer") : duration(frame.latency_us)),
    );
    return row;
  }

  // The row of a missing frame: its finding, at the time of the finding.
  #missingRow(event, style) {
    const chosen = event.id === this.chosen;
    return element("div", {
      class: `row missing s-${event.severity}${chosen ? " chosen" : ""}`, id: event.id, role: "option", style, "data-id": event.id,
      "aria-selected": String(chosen), "aria-label": `${t("a frame is missing")}: ${event.rule_id}: ${event.summary}`,
    },
      this.#time(event.ts),
      element("span", { class: "gap" }),
      element("span", { class: "lane" }),
      element("span", { class: "what" }, element("b", {}, t("missing")), " ", element("span", { class: `cs-badge cs-${event.severity}` }, t(event.severity)), " ", element("i", {}, `${event.rule_id}: ${event.summary}`)),
      element("span"));
  }

  #eventRow(event, style) {
    const kind = event.kind === "gap" ? "gap-event" : event.kind;
    return element("div", { class: `row event ${kind}`, style, role: "presentation" },
      this.#time(event.ts),
      element("span", { class: "gap" }),
      element("span", { class: "lane" }),
      element("span", { class: "what" }, `${event.kind} `, element("i", {}, event.summary)),
      element("span"));
  }

  #drawLanes(top, bottom, mate) {
    const width = this.lanes.getBoundingClientRect().width || 150;
    const [left, right] = width > 100 ? [14, width - 14] : [5, width - 5];
    const height = Math.max(0, bottom - top) * ROW;
    this.lanes.setAttribute("height", height);
    this.lanes.style.top = `${(top + this.shift) * ROW}px`;
    const middle = (place) => (place - top) * ROW + ROW / 2;
    const out = [left, right].map((x) => shape("line", { class: "l-life", x1: x, x2: x, y1: 0, y2: height }));
    for (const span of this.#spansIn(top, bottom)) {
      const x = span.side === "cp-to-csms" ? right : left;
      const long = span.end > span.start ? (span.end - span.start) * ROW : ROW / 2 - 2;
      const lit = span.id === this.chosen || span.id === mate ? " l-lit" : "";
      const owner = span.side === "cp-to-csms" ? "l-cp" : "l-csms";
      if (long > 0) out.push(shape("rect", { class: `l-bar ${owner}${lit}`, x: x - 3, y: middle(span.start), width: 6, height: long, rx: 2 }));
    }
    for (let place = top; place < bottom; place++) {
      const item = this.items[place];
      const y = middle(place);
      if (item.event?.finding_id) out.push(shape("line", { class: `l-missing l-${item.event.severity}`, x1: left + 4, x2: right - 4, y1: y, y2: y }));
      else if (item.event) out.push(shape("circle", { class: "l-event", cx: this.#side(item.event, left, right), cy: y, r: 2.5 }));
      else {
        if (item.gap > LONG_GAP_US) out.push(...this.#cut(left, right, y - ROW / 2));
        out.push(...arrow(item.frame, left, right, y));
      }
    }
    this.lanes.replaceChildren(...out);
  }

  // The x of an event: the lifeline of the side that sent it, or else the middle.
  #side({ detail }, left, right) {
    const from = detail?.direction ?? detail?.from;
    if (!from) return (left + right) / 2;
    return from === "cp-to-csms" || from === "charge-point" ? left : right;
  }

  #cut(left, right, y) {
    return [left, right].flatMap((x) => [
      shape("line", { class: "l-cut", x1: x, x2: x, y1: y - 3, y2: y + 3 }),
      shape("path", { class: "l-slash", d: `M${x - 5} ${y - 1}l10 -4M${x - 5} ${y + 5}l10 -4` }),
    ]);
  }

  #clicked(event) {
    const row = event.target.closest(".row[data-id]");
    if (row) this.choose(idFrom(row.dataset.id), { scroll: false });
  }

  #place(id) { return this.frames?.get(id) ?? this.absent?.get(id); }

  has(id) { return this.#place(id) !== undefined; }

  choose(id, { scroll = true } = {}) {
    const place = this.#place(id);
    if (place === undefined) return false;
    this.chosen = id;
    if (scroll) this.reveal(place);
    this.draw();
    this.box.setAttribute("aria-activedescendant", typeof id === "number" ? `f${id}` : id);
    this.onChoose(this.items[place].frame ?? this.items[place].event);
    this.settled = true;
    // The choice may have opened a sheet that covers a part of the ladder.
    this.settle();
    return true;
  }

  // Scroll the chosen row into the window, after the page around the ladder has moved.
  settle() {
    const place = this.#place(this.chosen);
    if (place === undefined) return;
    this.reveal(place, 0);
    this.draw({ moved: true });
    this.#intoWindow(place);
  }

  // Scroll to a row if it is less than `margin` rows away from an edge.
  reveal(place, margin = 2) {
    const y = (place + this.shift) * ROW;
    const { scrollTop, clientHeight } = this.box;
    if (y < scrollTop + margin * ROW || y + ROW > scrollTop + clientHeight - margin * ROW) this.box.scrollTop = y - clientHeight / 3;
  }

  // Scroll the page to a row if that part of the ladder is outside the window or under a sheet.
  #intoWindow(place) {
    const top = this.box.getBoundingClientRect().top + (place + this.shift) * ROW - this.box.scrollTop;
    const [above, below] = [document.querySelector(".bar")?.getBoundingClientRect().bottom ?? 0, innerHeight - this.covered()];
    if (top < Math.max(0, above) || top + ROW > below) scrollBy({ top: top - Math.max(0, above) - Math.max(0, (below - Math.max(0, above)) / 3), behavior: "instant" });
  }

  // Choose the next frame or missing frame in the direction `step` (1 or -1) for which `wanted` returns true.
  move(step, wanted = () => true) {
    const start = this.#place(this.chosen) ?? (step > 0 ? -1 : this.items.length);
    for (let place = start + step; place >= 0 && place < this.items.length; place += step) {
      const { frame, event } = this.items[place];
      const one = frame ?? (event.finding_id ? event : null);
      if (one && wanted(one)) return this.choose(one.id);
    }
    return false;
  }

  toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
    this.draw();
  }
}
