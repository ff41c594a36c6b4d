// The station's clock: it follows the CSMS's time, and ticks even in a background tab.

class StationClock {
  constructor() {
    this.offset = 0;
    this.last = 0;
  }

  /** Set the clock to the time in an answer to BootNotification or Heartbeat; ignore small differences. @param {string} currentTime */
  set(currentTime) {
    const theirs = Date.parse(currentTime);
    if (Number.isNaN(theirs)) return;
    const offset = theirs - Date.now();
    this.offset = Math.abs(offset) > 2_000 ? offset : 0;
  }

  /** Milliseconds since 1970 by the CSMS's clock. The value never decreases, so timestamps never decrease either. */
  now() {
    this.last = Math.max(this.last, Date.now() + this.offset);
    return this.last;
  }

  /** A timestamp in UTC with three decimals, which every version accepts. */
  stamp() {
    return new Date(this.now()).toISOString();
  }
}

/**
 * Call `tick` twice a second, by the timer of a worker: in a background tab browsers slow down all other timers, to one
 * call a minute.
 * @param {() => void} tick
 */
function startTicking(tick) {
  try {
    const source = new Blob(["setInterval(() => postMessage(0), 500)"], { type: "text/javascript" });
    const worker = new Worker(URL.createObjectURL(source));
    worker.onmessage = tick;
    worker.onerror = () => window.setInterval(tick, 500);
  } catch {
    window.setInterval(tick, 500);
  }
}
