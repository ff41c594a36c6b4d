// Show the log. Only the visible rows exist as elements, however long the log is.

class LogView {
  /** @param {TrafficLog} log @param {(text: string) => void} editRaw */
  constructor(log, editRaw) {
    this.log = log;
    /** @type {Entry[]} the entries that match the filter */
    this.shown = [];
    /** @type {RegExp | null} */
    this.words = null;
    this.language = language;
    this.kind = "";
    /** The height of a row in pixels, as in the style sheet. */
    this.row = 28;
    /** Whether the newest row stays in sight, and how many rows came since somebody scrolled up. */
    this.following = true;
    this.unread = 0;
    this.paused = false;
    /** @type {Entry | null} */
    this.selected = null;
    this.due = false;
    this.rows = byId("log-rows");
    this.space = byId("log-space");
    log.onEntry = (entry, dropped) => this.#took(entry, dropped);
    this.rows.addEventListener("scroll", () => {
      this.following = this.#atEnd();
      if (this.following) this.unread = 0;
      this.#later();
    });
    byId("log-news").addEventListener("click", () => this.#follow());
    for (const id of ["peek", "log-fold"]) byId(id).addEventListener("click", () => this.#sheet(id === "peek"));
    this.rows.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#key(event));
    new ResizeObserver(() => {
      this.row = parseFloat(getComputedStyle(this.rows).getPropertyValue("--row"));
      // The frame that is open takes room from the rows.
      this.#show(this.selected);
      this.#later();
    }).observe(this.rows);
    byId("log-filter").addEventListener("input", (/** @type {any} */ event) => this.filter(event.target.value));
    byId("log-kind").addEventListener("change", (/** @type {any} */ event) => {
      this.kind = event.target.value;
      this.filter(byId("log-filter").value);
    });
    byId("log-pause").addEventListener("click", () => this.#pause(!this.paused));
    byId("log-clear").addEventListener("click", () => this.log.clear());
    byId("log-copy").addEventListener("click", () => copyText(this.shown.map((entry) => lineOf(entry)).join("\n")));
    byId("detail-close").addEventListener("click", () => this.select(null));
    byId("detail-pair").addEventListener("click", () => this.#show(this.#pairOf(this.selected)));
    byId("detail-copy").addEventListener("click", () => copyText(this.selected?.raw ?? ""));
    byId("detail-raw").addEventListener("click", () => editRaw(this.selected?.raw ?? ""));
    this.#draw();
  }

  /** @param {Entry | null} entry @param {Entry | null} dropped */
  #took(entry, dropped) {
    if (!entry) {
      this.shown = [];
      this.select(null);
    } else if (!this.paused && this.#matches(entry)) {
      this.shown.push(entry);
      if (!this.following) this.unread += 1;
    }
    if (dropped && this.shown[0] === dropped) {
      this.shown.shift();
      // What somebody reads stays where it is.
      if (!this.following) this.rows.scrollTop -= this.row;
    }
    this.#later();
  }

  /** @param {Entry} entry */
  #matches(entry) {
    if (this.kind === "fault" ? !entry.fault : this.kind && entry.direction !== this.kind) return false;
    if (!this.words) return true;
    // Make no copies of texts: every typed key searches up to 10,000 entries.
    return this.words.test(entry.raw) || this.words.test((entry.head ??= headOf(entry)));
  }

  /** @param {string} words */
  filter(words) {
    const plain = words.trim().replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    this.words = plain ? new RegExp(plain, "i") : null;
    // Events are searched in the current language.
    if (language !== this.language) for (const entry of this.log.entries) entry.head = entry.gist = undefined;
    this.language = language;
    this.shown = this.log.entries.filter((entry) => this.#matches(entry));
    this.#later();
  }

  /** @param {boolean} paused entries that come during a pause are shown after it */
  #pause(paused) {
    this.paused = paused;
    byId("log-pause").setAttribute("aria-pressed", String(paused));
    setText(byId("log-pause"), t(paused ? "log.resume" : "log.pause"));
    if (!paused) this.filter(byId("log-filter").value);
  }

  #later() {
    if (this.due) return;
    this.due = true;
    requestAnimationFrame(() => {
      this.due = false;
      this.#draw();
    });
  }

  #atEnd() {
    return this.rows.scrollTop + this.rows.clientHeight > this.rows.scrollHeight - 2 * this.row;
  }

  #follow() {
    this.following = true;
    this.unread = 0;
    this.#draw();
  }

  /** On a phone the log lies over the page when somebody asks for it. @param {boolean} open */
  #sheet(open) {
    document.body.classList.toggle("log-open", open);
    byId("peek").setAttribute("aria-expanded", String(open));
    this.#follow();
    byId(open ? "log-rows" : "peek").focus({ preventScroll: true });
  }

  /** Draw the visible rows, oldest first like the ladder; the newest row stays in sight until somebody scrolls up. */
  #draw() {
    const total = this.shown.length;
    setText(byId("log-count"), t("log.count", { shown: figure(total, 0), all: figure(this.log.entries.length, 0) }));
    setText(byId("log-empty"), total ? "" : t(this.log.entries.length ? "log.nothing" : "log.empty"));
    const { row } = this;
    this.space.style.height = `${total * row}px`;
    if (this.following) this.rows.scrollTop = this.rows.scrollHeight;
    byId("log-news").hidden = this.following || !this.unread;
    setText(byId("log-news"), `↓ ${t("log.news", { count: figure(this.unread, 0) })}`);
    const newest = this.log.entries.at(-1);
    setText(byId("peek-text"), newest ? peekOf(newest) : t("peek.none"));
    const first = Math.max(0, Math.floor(this.rows.scrollTop / row) - 4);
    const last = Math.min(total, first + Math.ceil(this.rows.clientHeight / row) + 8);
    const wanted = [];
    for (let index = first; index < last; index += 1)
      wanted.push(this.#row(this.shown[index], index, total));
    this.space.replaceChildren(...wanted);
    if (this.selected) this.rows.setAttribute("aria-activedescendant", `entry-${this.selected.n}`);
    else this.rows.removeAttribute("aria-activedescendant");
  }

  /** @param {Entry} entry @param {number} index @param {number} total */
  #row(entry, index, total) {
    const direction = { "cp-to-csms": "out", "csms-to-cp": "in", event: "event" }[entry.direction];
    const frame = entry.direction === "event" ? null : frameOfEntry(entry);
    const kinds = frame ? frameRow.rowKinds(frame) : ["row", "event"];
    const row = make(
      "div",
      {
        class: `entry ${kinds.join(" ")} ${direction}${entry === this.selected ? " chosen" : ""}`,
        role: "option",
        id: `entry-${entry.n}`,
        "aria-selected": String(entry === this.selected),
        "aria-posinset": index + 1,
        "aria-setsize": total,
        onclick: () => this.select(entry),
      },
      make("time", { class: "time" }, timeOf(entry.at).slice(0, 8), make("small", { text: timeOf(entry.at).slice(8) })),
      frame ? frameRow.smallLane(frame) : make("span"),
      frame ? frameRow.whatOf({ ...frame, severity: null }) : make("span", { class: "what", text: t(entry.action, entry.values) }),
      make("span", {
        class: "latency",
        text: entry.latency === undefined ? "" : frameRow.duration(entry.latency * 1000),
      }),
    );
    if (frame) row.children[2].prepend(make("span", { class: "offscreen", text: `${wayText(entry)}: ` }));
    row.style.top = `${index * this.row}px`;
    return row;
  }

  /** @param {Entry | null} entry */
  select(entry) {
    this.selected = entry;
    byId("log-detail").hidden = !entry;
    if (entry) {
      setText(byId("detail-title"), entry.direction === "event" ? t("log") : `${entry.type} ${entry.action}`);
      byId("detail-text").replaceChildren(...(entry.raw ? jsonView.jsonView(entry.raw) : [t(entry.action, entry.values)]));
      setText(byId("detail-way"), entry.direction === "event" ? timeOf(entry.at) : `${wayText(entry)} · ${timeOf(entry.at)}`);
      byId("detail-raw").hidden = entry.direction === "event";
      byId("detail-pair").hidden = !this.#pairOf(entry);
      setText(byId("detail-pair"), t(entry.type === "CALL" ? "toanswer" : "tocall"));
    }
    this.#later();
  }

  /** The answer of a CALL, or the CALL of an answer. @param {Entry | null} entry */
  #pairOf(entry) {
    if (!entry?.id || entry.direction === "event") return null;
    const at = this.log.entries.indexOf(entry);
    const matches = (/** @type {Entry} */ other) => other.id === entry.id && other.direction !== entry.direction;
    // Ids may be reused, so take the nearest entry in the right direction.
    return entry.type === "CALL"
      ? this.log.entries.slice(at, at + 500).find(matches)
      : this.log.entries.slice(Math.max(0, at - 500), at).findLast(matches);
  }

  /** Select an entry and scroll to it. @param {Entry | null | undefined} entry */
  #show(entry) {
    if (!entry) return;
    const at = this.shown.indexOf(entry);
    this.select(entry);
    if (at < 0) return;
    const top = at * this.row;
    if (top < this.rows.scrollTop) this.rows.scrollTop = top;
    if (top + this.row > this.rows.scrollTop + this.rows.clientHeight)
      this.rows.scrollTop = top + this.row - this.rows.clientHeight;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 }[event.key];
    if (event.key === "Escape") this.selected ? this.select(null) : this.#sheet(false);
    if (!step) return;
    event.preventDefault();
    const at = this.selected ? this.shown.indexOf(this.selected) : step > 0 ? this.shown.length - 2 : this.shown.length;
    const index = Math.min(this.shown.length - 1, Math.max(0, at + step));
    this.#show(this.shown[index]);
  }
}

/** @param {number} at milliseconds since 1970 */
function timeOf(at) {
  return clock.millis(at);
}

/** A frame as the rows of all pages take it. @param {Entry} entry */
function frameOfEntry(entry) {
  const kind = Number(Object.keys(MESSAGE_TYPES).find((number) => MESSAGE_TYPES[Number(number)] === entry.type)) || null;
  const broken = entry.fault && kind !== CALLERROR;
  entry.gist ??= broken ? t(entry.fault ?? "") : frameSummary.summarise(entry.raw, kind, entry.action);
  const { direction, action, type, gist } = entry;
  return { direction, action: action || "?", type, msg_type: kind, summary: gist, severity: entry.fault ? "error" : null };
}

/** The newest entry in a few words, for the bar at the bottom of a phone. @param {Entry} entry */
function peekOf(entry) {
  if (entry.direction === "event") return t(entry.action, entry.values);
  return `${entry.direction === "cp-to-csms" ? "→" : "←"} ${entry.action || "?"} ${frameOfEntry(entry).summary}`;
}

/** @param {Entry} entry */
const wayText = (entry) => t(entry.direction === "cp-to-csms" ? "way.out" : "way.in");

/** The start of a row: time, direction, kind. @param {Entry} entry */
function headOf(entry) {
  if (entry.direction === "event") return `${timeOf(entry.at)} · ${t(entry.action, entry.values)}`;
  return `${timeOf(entry.at)} ${entry.direction === "cp-to-csms" ? "→" : "←"} ${entry.type} ${entry.action}`;
}

/** @param {Entry} entry */
const lineOf = (entry) => `${headOf(entry)} ${entry.raw}`.trimEnd();
