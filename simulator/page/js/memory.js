// The state of a station that survives a reload of the page.

/** The state that must survive a reload, as plain data. @param {Station} station @returns {Payload} */
function remembered(station) {
  const { settings, boot, operative, wanted, firmware, transactionIds, localList, cache, clock } = station;
  return {
    version: settings.version,
    id: settings.id,
    clock: { offset: clock.offset, last: clock.last },
    connectors: station.connectors.map((connector) => connector.saved()),
    outbox: station.outbox.saved(),
    variables: station.variables.saved(),
    display: station.display.messages,
    der: station.der.all,
    tariffs: station.tariffs.defaults,
    profiles: station.profiles.all.map(({ original, target, transactionId }) => ({ original, target, transactionId })),
    ...{ boot, operative, wanted, firmware, transactionIds, localList, cache },
  };
}

/**
 * Restore the remembered station, if the settings still describe the same station.
 * @param {Station} station @param {Payload} saved
 * @returns {boolean} whether it was connected, and should be again
 */
function recall(station, saved) {
  if (saved.version !== station.settings.version || saved.id !== station.settings.id) return false;
  if (saved.connectors.length !== station.connectors.length) return false;
  const { boot, operative, transactionIds, localList, cache, firmware } = saved;
  Object.assign(station, { operative, transactionIds, localList, cache, firmware });
  // If the boot was not accepted yet, send it again.
  station.boot = boot.status === "Accepted" ? boot : { ...boot, status: "none" };
  Object.assign(station.clock, saved.clock);
  station.variables.restore(saved.variables);
  station.display.messages = saved.display ?? [];
  station.der.all = saved.der ?? [];
  station.tariffs.defaults = saved.tariffs ?? {};
  for (const { original, target, transactionId } of saved.profiles) {
    station.profiles.all.push({ ...readProfile(original, target), transactionId });
  }
  station.connectors.forEach((connector, index) => connector.restore(saved.connectors[index]));
  station.outbox.queue = saved.outbox;
  return Boolean(saved.wanted);
}
