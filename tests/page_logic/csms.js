"use strict";
// A CSMS and the WebSocket that leads to it, in memory; both take their time from a fake clock.

const LATENCY = 5;

/** A frame as parsed; text that is not a message has type 0. */
function parsed(text) {
  try {
    const frame = JSON.parse(text);
    return Array.isArray(frame) ? frame : [0, ""];
  } catch {
    return [0, ""];
  }
}

class FakeCsms {
  /**
   * `answers` overrides the answer to an action: a payload, or a function of the request that returns one, or
   * null for silence. While `reachable` is false, connecting fails; while `admits` is false, it is kept waiting.
   */
  constructor(clock) {
    this.clock = clock;
    this.frames = [];
    /** The charge point's frames as parsed, in order. */
    this.received = [];
    this.answers = {};
    this.connections = [];
    this.waiting = [];
    this.reachable = true;
    this.admits = true;
    this.asked = 0;
    /** Called with each frame of the charge point. */
    this.onFrame = () => {};
  }

  /** The WebSocket class to give to a page. */
  get WebSocket() {
    const csms = this;
    return class WebSocket extends FakeWebSocket {
      constructor(url, protocols) {
        super(csms, url, protocols);
      }
    };
  }

  arrive(socket) {
    if (!this.reachable) return socket.ended(1006, "");
    if (!this.admits) return this.waiting.push(socket);
    this.connections.push(socket);
    socket.opened();
  }

  /** Admit everyone who was kept waiting. */
  admit() {
    this.admits = true;
    for (const socket of this.waiting.splice(0)) this.arrive(socket);
  }

  hear(socket, text) {
    this.frames.push(["cp-to-csms", text]);
    const frame = parsed(text);
    this.received.push(frame);
    this.onFrame(frame);
    if (frame[0] !== 2 || frame.length !== 4) return;
    const answer = this.#answer(frame[2], frame[3]);
    if (answer !== null) this.send(JSON.stringify([3, frame[1], answer]), socket);
  }

  #answer(action, payload) {
    const wished = this.answers[action];
    if (typeof wished === "function") return wished(payload);
    if (wished !== undefined) return wished;
    const currentTime = new Date(this.clock.now).toISOString();
    const accepted = { status: "Accepted" };
    const usual = {
      BootNotification: { currentTime, interval: 300, ...accepted },
      Heartbeat: { currentTime },
      Authorize: typeof payload.idToken === "object" ? { idTokenInfo: accepted } : { idTagInfo: accepted },
      StartTransaction: { transactionId: 4711, idTagInfo: accepted },
    };
    return usual[action] ?? {};
  }

  send(text, socket = this.connections.at(-1)) {
    this.frames.push(["csms-to-cp", text]);
    socket.deliver(text);
  }

  /** Send a CALL; returns the answer as parsed. */
  async ask(action, payload, milliseconds = 10_000) {
    this.asked += 1;
    const id = `asked-${this.asked}`;
    this.send(JSON.stringify([2, id, action, payload]));
    return this.wait((frame) => [3, 4].includes(frame[0]) && frame[1] === id, milliseconds);
  }

  /** Return the first frame of the charge point that matches; lets time pass until it comes. */
  async wait(matches, milliseconds = 60_000) {
    const found = () => this.received.find(matches);
    await this.clock.until(found, milliseconds, () => `${matches}; ${this.lately()}`);
    return found();
  }

  /** Let time pass until a CALL of an action comes whose payload matches; returns the payload. */
  async call(action, matches = () => true, milliseconds = 60_000) {
    return (await this.wait((frame) => frame[0] === 2 && frame[2] === action && matches(frame[3]), milliseconds))[3];
  }

  lately() {
    return `the last frames:\n${this.frames.slice(-8).join("\n")}`;
  }

  /** The charge point's frames as it sent them. */
  texts() {
    return this.frames.filter(([direction]) => direction === "cp-to-csms").map(([, text]) => text);
  }

  /** The payloads of the CALLs of one action, in order. */
  calls(action) {
    return this.received
      .filter((frame) => frame[0] === 2 && frame[2] === action)
      .map((frame) => frame[3]);
  }
}

class FakeWebSocket {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSING = 2;
  static CLOSED = 3;

  constructor(csms, url, protocols) {
    this.csms = csms;
    this.url = url;
    this.protocols = [...protocols];
    this.readyState = FakeWebSocket.CONNECTING;
    csms.clock.set(() => csms.arrive(this), LATENCY);
  }

  opened() {
    if (this.readyState !== FakeWebSocket.CONNECTING) return;
    this.readyState = FakeWebSocket.OPEN;
    this.onopen?.({});
  }

  ended(code, reason) {
    this.readyState = FakeWebSocket.CLOSED;
    this.onclose?.({ code, reason });
  }

  deliver(text) {
    this.csms.clock.set(() => this.readyState === FakeWebSocket.OPEN && this.onmessage?.({ data: text }), LATENCY);
  }

  send(text) {
    if (this.readyState !== FakeWebSocket.OPEN) throw new Error("the socket is not open");
    this.csms.clock.set(() => this.csms.hear(this, text), LATENCY);
  }

  close(code, reason) {
    if (this.readyState >= FakeWebSocket.CLOSING) return;
    const wasOpen = this.readyState === FakeWebSocket.OPEN;
    this.readyState = FakeWebSocket.CLOSING;
    this.csms.clock.set(() => this.ended(wasOpen ? code : 1006, reason), LATENCY);
  }
}

module.exports = { FakeCsms, parsed };
