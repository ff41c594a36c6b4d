// The queue of CALLs: one is pending at a time, and transaction messages are kept until they are answered.

/** Milliseconds after which a CALL counts as unanswered. */
const ANSWER_TIMEOUT = 30_000;
/** The most messages that are kept while offline; if there are more, the oldest meter values are dropped. */
const QUEUE_LIMIT = 2_000;

/**
 * A queued CALL. `transaction` is the transaction that it belongs to: such a CALL survives the loss of the
 * connection and is sent again unchanged, with the same id (OCPP 1.6 section 3.7.1, errata 3.1).
 * @typedef {{
 *   id: string, action: string, payload: Payload, transaction?: string, text?: string, urgent?: boolean, asked?: boolean,
 *   attempts: number, notBefore: number, sentAt?: number, optional?: boolean,
 *   done?: (answer: Frame | null) => void,
 * }} Outgoing
 */
/**
 * @typedef {{
 *   write: (text: string, item: Outgoing) => boolean,
 *   mayGo: (item: Outgoing) => boolean,
 *   prepare: (item: Outgoing) => Payload,
 *   answered: (item: Outgoing, answer: Frame | null) => void,
 *   retries: () => {attempts: number, interval: number},
 * }} OutboxOwner
 */

class Outbox {
  /** @param {OutboxOwner} owner */
  constructor(owner) {
    this.owner = owner;
    /** @type {Outgoing[]} */
    this.queue = [];
    /** @type {Outgoing | null} */
    this.pending = null;
    this.timer = 0;
    this.open = false;
  }

  /**
   * Queue a CALL. Resolves with its answer, or null if no answer came.
   * @param {string} action @param {Payload} payload @param {Partial<Outgoing>} [more]
   * @returns {Promise<Frame | null>}
   */
  call(action, payload, more = {}) {
    return new Promise((resolve) => {
      const item = { id: newMessageId(), action, payload, attempts: 0, notBefore: 0, done: resolve, ...more };
      if (!this.open && !item.transaction) return resolve(null);
      if (item.urgent) this.queue.unshift(item);
      else this.queue.push(item);
      if (this.queue.length > QUEUE_LIMIT) {
        const spare = this.queue.findIndex((queued) => queued.optional);
        if (spare >= 0) this.queue.splice(spare, 1);
      }
      this.pump();
    });
  }

  /** Send the next CALL if none is pending. */
  pump() {
    if (!this.open || this.pending) return;
    const index = this.queue.findIndex((item) => this.owner.mayGo(item));
    const item = this.queue[index];
    // A transaction message that waits for its retry delays later ones, but not a heartbeat.
    if (!item) return;
    if (item.notBefore > Date.now()) {
      const other = this.queue.findIndex((queued) => !queued.transaction && this.owner.mayGo(queued));
      if (other < 0) return;
      return this.#send(this.queue.splice(other, 1)[0]);
    }
    this.queue.splice(index, 1);
    this.#send(item);
  }

  /** @param {Outgoing} item */
  #send(item) {
    item.text ??= callText(item.id, item.action, this.owner.prepare(item));
    item.attempts += 1;
    item.sentAt = performance.now();
    this.pending = item;
    if (!this.owner.write(item.text, item)) {
      this.pending = null;
      this.queue.unshift(item);
      return;
    }
    this.timer = window.setTimeout(() => this.#finish(item, null), ANSWER_TIMEOUT);
  }

  /**
   * Handle an answer of the CSMS.
   * @param {Frame} frame
   * @returns {Outgoing | null} the CALL that it answers, or null if no CALL waits for it
   */
  answer(frame) {
    const item = this.pending;
    if (!item || item.id !== frame.id) return null;
    this.#finish(item, frame);
    return item;
  }

  /** @param {Outgoing} item @param {Frame | null} frame */
  #finish(item, frame) {
    window.clearTimeout(this.timer);
    this.pending = null;
    const { attempts, interval } = this.owner.retries();
    if (item.transaction && frame?.type !== CALLRESULT && item.attempts < attempts) {
      // After an error the message is sent as a new CALL; without an answer it is repeated with the same id.
      if (frame) Object.assign(item, { id: newMessageId(), text: undefined });
      item.notBefore = Date.now() + item.attempts * interval * 1000;
      this.queue.unshift(item);
    } else {
      this.owner.answered(item, frame);
      item.done?.(frame);
    }
    this.pump();
  }

  opened() {
    this.open = true;
  }

  /** Note that the connection is lost: keep transaction messages, drop all others. */
  closed() {
    window.clearTimeout(this.timer);
    this.open = false;
    const waiting = this.pending ? [this.pending, ...this.queue] : this.queue;
    this.pending = null;
    this.queue = waiting.filter((item) => item.transaction);
    for (const item of waiting) if (!item.transaction) item.done?.(null);
  }

  /** The messages that must survive a reload of the page. */
  saved() {
    const kept = this.pending ? [this.pending, ...this.queue] : this.queue;
    return kept.filter((item) => item.transaction).map(({ done, sentAt, ...item }) => item);
  }
}
