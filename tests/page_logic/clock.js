"use strict";
// A clock that stands still until a test lets time pass; it knows timers, not what they are for.

/** Let everything run that waits for no time: promises, and what they lead to. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

class FakeClock {
  /** @param {number} start milliseconds since 1970 */
  constructor(start = Date.UTC(2026, 0, 15, 10, 0, 0)) {
    this.start = start;
    this.now = start;
    this.timers = new Map();
    this.last = 0;
  }

  /** @returns {number} the timer's number, for `clear` */
  set(act, milliseconds = 0, every = 0) {
    this.last += 1;
    // Whole milliseconds, as Date.now() has them.
    this.timers.set(this.last, { at: this.now + Math.ceil(Number(milliseconds)), act, every });
    return this.last;
  }

  clear(number) {
    this.timers.delete(number);
  }

  /** Let time pass; timers run in the order they are due, each at its own moment. */
  async pass(milliseconds) {
    const end = this.now + milliseconds;
    await settled();
    for (let due = this.#next(end); due; due = this.#next(end)) {
      const [number, timer] = due;
      this.now = Math.max(this.now, timer.at);
      if (timer.every) timer.at += timer.every;
      else this.timers.delete(number);
      timer.act();
      await settled();
    }
    this.now = end;
  }

  #next(end) {
    let first = null;
    for (const entry of this.timers) if (entry[1].at <= end && (!first || entry[1].at < first[1].at)) first = entry;
    return first;
  }

  /** Let time pass from timer to timer until something is true. @throws {Error} when it is not within these milliseconds */
  async until(reached, milliseconds = 60_000, what = () => String(reached)) {
    await settled();
    for (const end = this.now + milliseconds; !reached(); ) {
      const due = this.#next(end);
      if (!due) throw new Error(`not within ${milliseconds} ms: ${what()}`);
      await this.pass(Math.max(0, due[1].at - this.now));
    }
  }
}

module.exports = { FakeClock, settled };
