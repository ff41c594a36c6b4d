// The hints below a connector's status: the token of the session, the limit, what to do next.

/**
 * The control that somebody at the station would use next, which is the page's primary button.
 * @param {Station} station @param {Connector} connector
 * @returns {"connect" | "plug" | "tap" | "fault" | ""} the id of its button; none while the CSMS has it out of service
 */
function nextAct(station, connector) {
  if (!station.wanted) return "connect";
  if (connector.fault) return "fault";
  if (!connector.operative && !connector.transaction) return "";
  if (connector.transaction) return connector.plugged ? "tap" : "plug";
  if (!connector.plugged) return "plug";
  return connector.finishing ? "plug" : "tap";
}

/**
 * The hints below a connector's status.
 * @param {Station} station @param {Connector} connector
 * @returns {string[]}
 */
function factsOf(station, connector) {
  const { transaction: tx, pending, reservation } = connector;
  const kept = station.online() ? 0 : station.outbox.queue.filter((item) => item.transaction).length;
  /** @type {string[]} */
  const facts = [];
  if (connector.fault) facts.push(connector.fault);
  if (tx) {
    facts.push(tx.token);
    if (typeof tx.id === "number") facts.push(t("fact.transaction", { id: String(tx.id) }));
    if (!connector.plugged) facts.push(t("fact.noplug"));
    else if (connector.locked) facts.push(t("fact.locked"));
    if (tx.cost !== undefined) facts.push(t("fact.cost", { cost: figure(tx.cost, 2) }));
    if (connector.operativeNext === false) facts.push(t("fact.outnext"));
  } else if (pending) {
    const seconds = String(Math.max(0, Math.ceil((pending.until - Date.now()) / 1000)));
    facts.push(pending.token, t("fact.pluginwithin", { seconds }));
  } else if (reservation) {
    facts.push(t("fact.reserved", { token: reservation.token, until: timeOf(reservation.until).slice(0, 5) }));
  } else if (!connector.fault) {
    const next = !connector.operative
      ? "fact.outofservice"
      : connector.finishing
        ? "fact.unplug"
        : connector.plugged
          ? "fact.tap"
          : station.wanted
            ? "fact.plug"
            : "fact.connect";
    facts.push(t(next));
  }
  if (kept) facts.push(t("fact.kept", { count: String(kept) }));
  return facts;
}
