// The CSMS's messages for the station's display (2.x O01 to O06), and the choice of the message to show now.

/** Milliseconds for which a message is shown before the next one of the same priority. */
const TURN = 5_000;
const PRIORITIES = ["AlwaysFront", "InFront", "NormalCycle"];

class Display {
  constructor() {
    /** @type {Payload[]} MessageInfoType, one for each id */
    this.messages = [];
  }

  /** @param {Payload} message replaces the message with the same id; AlwaysFront also that of the same priority (O01.FR.16) */
  show(message) {
    this.clear(message.id);
    if (message.priority === PRIORITIES[0])
      this.messages = this.messages.filter((each) => each.priority !== PRIORITIES[0]);
    this.messages.push(message);
  }

  /**
   * Remove the messages whose end has passed, or whose transaction has ended (O01, O02).
   * @param {number} now @param {(string | number | null | undefined)[]} transactions ids of running transactions
   */
  forget(now, transactions) {
    this.messages = this.messages.filter(
      (each) =>
        !(Date.parse(each.endDateTime) <= now) && (!each.transactionId || transactions.includes(each.transactionId)),
    );
  }

  /** @param {number} id @returns {boolean} whether there was a message with this id */
  clear(id) {
    const before = this.messages.length;
    this.messages = this.messages.filter((message) => message.id !== id);
    return this.messages.length < before;
  }

  /**
   * The text to show now: that of the applicable message with the highest priority; several such messages alternate.
   * @param {number} now @param {string} state MessageStateEnumType @param {(string | number | null | undefined)[]} transactions ids of running transactions
   */
  due(now, state, transactions) {
    const applies = this.messages.filter(
      (each) =>
        !(Date.parse(each.startDateTime) > now) &&
        !(Date.parse(each.endDateTime) <= now) &&
        (!each.state || each.state === state) &&
        (!each.transactionId || transactions.includes(each.transactionId)),
    );
    const rank = PRIORITIES.find((priority) => applies.some((each) => each.priority === priority));
    const turns = applies.filter((each) => each.priority === rank);
    return turns.length ? String(turns[Math.floor(now / TURN) % turns.length].message.content) : "";
  }
}

/** The state of the display as a MessageStateEnumType of 2.x. @param {Connector} connector */
function displayState(connector) {
  if (connector.fault) return "Faulted";
  if (!connector.operative) return "Unavailable";
  return connector.transaction ? "Charging" : "Idle";
}

/** @param {Station} station */
const forgetMessages = (station) =>
  station.display.forget(
    station.clock.now(),
    station.connectors.map(({ transaction }) => transaction?.id),
  );

/** @type {Record<string, Answerer>} */
const DISPLAY_ANSWERS = {
  SetDisplayMessage(station, { message }) {
    if (!["ASCII", "UTF8"].includes(message.message.format)) return says("NotSupportedMessageFormat");
    const { transactionId, state = "Idle" } = message;
    if (!station.variables.list("DisplayMessageCtrlr.SupportedStates").includes(state)) return says("NotSupportedState");
    if (transactionId && !station.connectors.some((each) => each.transaction?.id === transactionId))
      return says("UnknownTransaction");
    return says("Accepted", () => station.display.show(message));
  },
  GetDisplayMessages(station, { requestId, id, priority, state }) {
    forgetMessages(station);
    const messageInfo = station.display.messages.filter(
      (each) =>
        (!id || id.includes(each.id)) && (!priority || each.priority === priority) && (!state || each.state === state),
    );
    return says(messageInfo.length ? "Accepted" : "Unknown", () => {
      if (messageInfo.length) station.say("NotifyDisplayMessages", { requestId, messageInfo });
    });
  },
  ClearDisplayMessage(station, { id }) {
    forgetMessages(station);
    return says(station.display.clear(id) ? "Accepted" : "Unknown");
  },
  CostUpdated: (station, { totalCost, transactionId }) => ({
    answer: {},
    then: () => {
      for (const { transaction } of station.connectors)
        if (transaction?.id === transactionId && transaction) transaction.cost = totalCost;
    },
  }),
};
