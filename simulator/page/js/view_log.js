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
    this.row = 30;
    this.paused = false;
    /** @type {Entry | null} */
    this.selected = null;
    this.due = false;
    this.rows = byId("log-rows");
    this.space = byId("log-space");
    log.onEntry = (entry, dropped) => this.#took(entry, dropped);
    this.rows.addEventListener("scroll", () => this.#later());
    this.rows.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#key(event));
    new ResizeObserver(() => {
      const root = parseFloat(getComputedStyle(document.documentElement).fontSize);
      this.row = Math.round(parseFloat(getComputedStyle(this.rows).getPropertyValue("--row")) * root);
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
    }
    if (dropped && this.shown[0] === dropped) this.shown.shift();
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
    if (language !== this.language) for (const entry of this.log.entries) entry.head = undefined;
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

  /** Draw the visible rows, newest first: the row at the top is the last entry. */
  #draw() {
    const total = this.shown.length;
    setText(byId("log-count"), t("log.count", { shown: figure(total, 0), all: figure(this.log.entries.length, 0) }));
    setText(byId("log-empty"), total ? "" : t(this.log.entries.length ? "log.nothing" : "log.empty"));
    const { row } = this;
    this.space.style.height = `${total * row}px`;
    const first = Math.max(0, Math.floor(this.rows.scrollTop / row) - 4);
    const last = Math.min(total, first + Math.ceil(this.rows.clientHeight / row) + 8);
    const wanted = [];
    for (let index = first; index < last; index += 1)
      wanted.push(this.#row(this.shown[total - 1 - index], index, total));
    this.space.replaceChildren(...wanted);
    if (this.selected) this.rows.setAttribute("aria-activedescendant", `entry-${this.selected.n}`);
    else this.rows.removeAttribute("aria-activedescendant");
  }

  /** @param {Entry} entry @param {number} index @param {number} total */
  #row(entry, index, total) {
    const direction = { "cp-to-csms": "out", "csms-to-cp": "in", event: "event" }[entry.direction];
    const answer = entry.type && entry.type !== "CALL" && entry.type !== "SEND";
    const row = make(
      "div",
      {
        class: `entry ${direction}${answer ? " answer" : ""}${entry.fault ? " bad" : ""}`,
        role: "option",
        id: `entry-${entry.n}`,
        "aria-selected": String(entry === this.selected),
        "aria-posinset": index + 1,
        "aria-setsize": total,
        onclick: () => this.select(entry),
      },
      make("time", {}, timeOf(entry.at).slice(0, 8), make("small", { text: timeOf(entry.at).slice(8) })),
      make("b", { "aria-hidden": "true", text: { out: "→", in: "←", event: "•" }[direction] }),
      make(
        "span",
        { class: "what" },
        entry.direction === "event" ? t(entry.action, entry.values) : entry.action || "?",
        make("small", { text: entry.fault ? t(entry.fault) : gistOf(entry.raw) }),
      ),
      make("span", {
        class: "late",
        text: entry.latency === undefined ? "" : `${figure(entry.latency, entry.latency < 10 ? 1 : 0)} ms`,
      }),
    );
    row.style.top = `${index * this.row}px`;
    return row;
  }

  /** @param {Entry | null} entry */
  select(entry) {
    this.selected = entry;
    byId("log-detail").hidden = !entry;
    if (entry) {
      setText(byId("detail-title"), entry.direction === "event" ? t("log") : `${entry.type} ${entry.action}`);
      byId("detail-text").replaceChildren(...(entry.raw ? coloured(readable(entry.raw)) : [t(entry.action, entry.values)]));
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
    const top = (this.shown.length - 1 - at) * this.row;
    if (top < this.rows.scrollTop) this.rows.scrollTop = top;
    if (top + this.row > this.rows.scrollTop + this.rows.clientHeight)
      this.rows.scrollTop = top + this.row - this.rows.clientHeight;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = { ArrowDown: -1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (event.key === "Escape") this.select(null);
    if (!step) return;
    event.preventDefault();
    const at = this.selected ? this.shown.indexOf(this.selected) : this.shown.length;
    const index = Math.min(this.shown.length - 1, Math.max(0, at + step));
    this.#show(this.shown[index]);
  }
}

/** @param {number} at milliseconds since 1970 */
function timeOf(at) {
  return clock.millis(at);
}

/** The start of a row: time, direction, kind. @param {Entry} entry */
function headOf(entry) {
  if (entry.direction === "event") return `${timeOf(entry.at)} · ${t(entry.action, entry.values)}`;
  return `${timeOf(entry.at)} ${entry.direction === "cp-to-csms" ? "→" : "←"} ${entry.type} ${entry.action}`;
}

/** @param {Entry} entry */
const lineOf = (entry) => `${headOf(entry)} ${entry.raw}`.trimEnd();
