// Knows how the log looks: only the rows in sight exist as elements, whatever the log's length.

const ROW = 30;

class LogView {
  /** @param {TrafficLog} log @param {(text: string) => void} editRaw */
  constructor(log, editRaw) {
    this.log = log;
    /** @type {Entry[]} what the filter lets through */
    this.shown = [];
    this.words = "";
    this.paused = false;
    /** @type {Entry | null} */
    this.selected = null;
    this.due = false;
    this.rows = byId("log-rows");
    this.space = byId("log-space");
    log.onEntry = (entry, dropped) => this.#took(entry, dropped);
    this.rows.addEventListener("scroll", () => this.#later());
    this.rows.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => this.#key(event));
    new ResizeObserver(() => this.#later()).observe(this.rows);
    byId("log-filter").addEventListener("input", (/** @type {any} */ event) => this.filter(event.target.value));
    byId("log-pause").addEventListener("click", () => this.#pause(!this.paused));
    byId("log-clear").addEventListener("click", () => this.log.clear());
    byId("log-copy").addEventListener("click", () => copyText(this.shown.map((entry) => lineOf(entry)).join("\n")));
    byId("detail-close").addEventListener("click", () => this.select(null));
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
    return !this.words || `${lineOf(entry)} ${entry.raw}`.toLowerCase().includes(this.words);
  }

  /** @param {string} words */
  filter(words) {
    this.words = words.trim().toLowerCase();
    this.shown = this.log.entries.filter((entry) => this.#matches(entry));
    this.#later();
  }

  /** @param {boolean} paused what happens meanwhile is kept, and shown on resuming */
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

  /** Newest first: the row at the top is the last entry. */
  #draw() {
    const total = this.shown.length;
    setText(byId("log-count"), t("log.count", { shown: figure(total, 0), all: figure(this.log.entries.length, 0) }));
    this.space.style.height = `${total * ROW}px`;
    const first = Math.max(0, Math.floor(this.rows.scrollTop / ROW) - 4);
    const last = Math.min(total, first + Math.ceil(this.rows.clientHeight / ROW) + 8);
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
        make("small", { text: entry.fault ?? gistOf(entry.raw) }),
      ),
      make("span", {
        class: "late",
        text: entry.latency === undefined ? "" : `${figure(entry.latency, entry.latency < 10 ? 1 : 0)} ms`,
      }),
    );
    row.style.top = `${index * ROW}px`;
    return row;
  }

  /** @param {Entry | null} entry */
  select(entry) {
    this.selected = entry;
    byId("log-detail").hidden = !entry;
    if (entry) {
      setText(byId("detail-title"), entry.direction === "event" ? t("log") : `${entry.type} ${entry.action}`);
      setText(byId("detail-text"), entry.raw ? readable(entry.raw) : t(entry.action, entry.values));
      byId("detail-raw").hidden = entry.direction === "event";
    }
    this.#later();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = { ArrowDown: -1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (event.key === "Escape") this.select(null);
    if (!step) return;
    event.preventDefault();
    const at = this.selected ? this.shown.indexOf(this.selected) : this.shown.length;
    const index = Math.min(this.shown.length - 1, Math.max(0, at + step));
    if (!this.shown[index]) return;
    this.select(this.shown[index]);
    const top = (this.shown.length - 1 - index) * ROW;
    if (top < this.rows.scrollTop) this.rows.scrollTop = top;
    if (top + ROW > this.rows.scrollTop + this.rows.clientHeight)
      this.rows.scrollTop = top + ROW - this.rows.clientHeight;
  }
}

/** What tells frames of one action apart, in the order it is looked for; a dot goes one member deeper. */
const TELLING = [
  "connectorId",
  "evseId",
  "evse.id",
  "status",
  "connectorStatus",
  "eventType",
  "triggerReason",
  "requestedMessage",
  "type",
  "reason",
  "idTag",
  "idToken.idToken",
  "idTagInfo.status",
  "idTokenInfo.status",
  "transactionId",
  "key",
  "vendorId",
  "operationalStatus",
];

/** Three words on a frame's payload. @param {string} raw */
function gistOf(raw) {
  const { payload } = readFrame(raw);
  if (!payload) return "";
  const told = TELLING.map((path) =>
    path.split(".").reduce((value, name) => value?.[name], /** @type {any} */ (payload)),
  );
  const words = told.filter((word) => typeof word === "string" || typeof word === "number");
  const samples = payload.meterValue?.[0]?.sampledValue;
  const power = Array.isArray(samples) && samples.find((sample) => sample?.measurand === "Power.Active.Import");
  if (power) return [words[0], `${figure(Number(power.value) / 1000, 2)} kW`].join(" · ");
  return words.slice(0, 3).join(" · ");
}

/** @param {number} at milliseconds since 1970 */
function timeOf(at) {
  const time = new Date(at);
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}.${String(time.getMilliseconds()).padStart(3, "0")}`;
}

/** @param {Entry} entry */
function lineOf(entry) {
  if (entry.direction === "event") return `${timeOf(entry.at)} · ${t(entry.action, entry.values)}`;
  return `${timeOf(entry.at)} ${entry.direction === "cp-to-csms" ? "→" : "←"} ${entry.type} ${entry.action} ${entry.raw}`;
}

/** @param {string} raw */
function readable(raw) {
  try {
    return JSON.stringify(JSON.parse(raw), null, 2);
  } catch {
    return raw;
  }
}
