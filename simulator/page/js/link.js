// The WebSocket, and when to reconnect. This file knows nothing of OCPP except the names of the subprotocols.

/** @typedef {"closed" | "connecting" | "open" | "waiting"} LinkState */
/**
 * The callbacks of a link. `backOff` returns the shortest wait in seconds, how often it doubles, and the
 * random range added to it (OCPP 2.0.1 part 4, section 5.3).
 * @typedef {{
 *   onOpen: () => void, onText: (text: string) => void, onState: () => void,
 *   onClose: (code: number, reason: string, wasOpen: boolean, by: "charge-point" | "unknown") => void,
 *   backOff: () => {minimum: number, repeats: number, random: number},
 * }} LinkOwner
 */

class Link {
  /** @param {LinkOwner} owner */
  constructor(owner) {
    this.owner = owner;
    /** @type {LinkState} */
    this.state = "closed";
    /** @type {WebSocket | null} */
    this.socket = null;
    /** @type {WebSocket | null} the last WebSocket that `drop` closed, after which the station reconnects */
    this.dropped = null;
    this.url = "";
    this.subprotocol = "";
    this.reconnect = true;
    this.attempts = 0;
    /** When the next attempt is due, in milliseconds since 1970; 0 if none is due. */
    this.retryAt = 0;
    this.timer = 0;
  }

  /** @param {string} url @param {string} subprotocol @param {boolean} reconnect */
  connect(url, subprotocol, reconnect) {
    this.disconnect();
    Object.assign(this, { url, subprotocol, reconnect, attempts: 0 });
    this.#open();
  }

  #open() {
    this.retryAt = 0;
    this.#become("connecting");
    const socket = new WebSocket(this.url, [this.subprotocol]);
    this.socket = socket;
    let wasOpen = false;
    socket.onopen = () => {
      wasOpen = true;
      this.#become("open");
      this.owner.onOpen();
    };
    socket.onmessage = (event) => {
      if (socket !== this.socket) return;
      this.owner.onText(typeof event.data === "string" ? event.data : "<binary>");
    };
    socket.onclose = (event) => {
      if (socket !== this.socket) return;
      this.socket = null;
      this.owner.onClose(event.code, event.reason, wasOpen, this.dropped === socket ? "charge-point" : "unknown");
      if (this.reconnect) this.#retryLater();
      else this.#become("closed");
    };
  }

  /** Plan the next attempt, each after a longer wait, so that stations do not overload a CSMS after its restart. */
  #retryLater() {
    const { minimum, repeats, random } = this.owner.backOff();
    const wait = minimum * 2 ** Math.min(this.attempts, repeats) + Math.random() * random;
    this.attempts += 1;
    this.retryAt = Date.now() + wait * 1000;
    this.timer = window.setTimeout(() => this.#open(), wait * 1000);
    this.#become("waiting");
  }

  /** Note that the CSMS has accepted the boot: after the next loss, begin with the shortest wait. */
  settled() {
    this.attempts = 0;
  }

  /**
   * Send one text.
   * @param {string} text
   * @returns {boolean} false when there is no open socket
   */
  send(text) {
    if (this.state !== "open" || this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(text);
    return true;
  }

  /** Close the connection and do not reconnect until `connect` is called. @param {number} code @param {string} reason */
  disconnect(code = 1000, reason = "") {
    window.clearTimeout(this.timer);
    this.retryAt = 0;
    const socket = this.socket;
    this.socket = null;
    if (socket) {
      const wasOpen = this.state === "open";
      socket.close(code, reason);
      this.owner.onClose(code, reason, wasOpen, "charge-point");
    }
    this.#become("closed");
  }

  /** Drop the connection without a close frame, then reconnect as after any lost connection. */
  drop() {
    this.dropped = this.socket;
    this.socket?.close(3001, "connection dropped on purpose");
  }

  /** @param {LinkState} state */
  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.owner.onState();
  }
}
