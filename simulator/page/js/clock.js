// Knows what time it is for the CSMS and ticks even in a background tab; knows nothing of what time is used for.

class StationClock {
  constructor() {
    this.offset = 0;
    this.last = 0;
  }

  /** Set by BootNotification and Heartbeat answers; small differences are left alone. @param {string} currentTime */
  set(currentTime) {
    const theirs = Date.parse(currentTime);
    if (Number.isNaN(theirs)) return;
    const offset = theirs - Date.now();
    this.offset = Math.abs(offset) > 2_000 ? offset : 0;
  }

  /** Milliseconds since 1970 by the CSMS's clock; never goes back, so that timestamps never do. */
  now() {
    this.last = Math.max(this.last, Date.now() + this.offset);
    return this.last;
  }

  /** UTC with three decimals, what every version accepts. */
  stamp() {
    return new Date(this.now()).toISOString();
  }
}

/**
 * Call `tick` twice a second. Browsers slow the timers of background tabs down to one a minute, a charge point
 * must go on all the same: the timer of a worker is not slowed down.
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
