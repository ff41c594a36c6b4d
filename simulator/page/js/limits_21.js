// Limits of 2.1 that change while a session runs: of the transaction, of dynamic profiles, and priority charging.

const SUPPORTED_LIMITS = ["maxEnergy", "maxTime", "maxSoC"];
/** @type {Record<string, string>} */
const LIMIT_TRIGGERS = {
  maxEnergy: "EnergyLimitReached",
  maxTime: "TimeLimitReached",
  maxSoC: "SoCLimitReached",
};

/**
 * Take the transactionLimit in an answer to TransactionEvent, and confirm it (E16.FR.03).
 * @param {Station} station @param {Connector} connector @param {Transaction} tx @param {Payload} answer
 */
function takeLimits(station, connector, tx, answer) {
  const given = answer.transactionLimit;
  if (!given || station.settings.version !== "2.1") return;
  const known = tx.limits ?? {};
  const changed = SUPPORTED_LIMITS.filter((name) => given[name] !== undefined && given[name] !== known[name]);
  if (!changed.length) return;
  const limits = Object.fromEntries(changed.map((name) => [name, given[name]]));
  tx.limits = { ...known, ...limits };
  tx.once = { ...tx.once, transactionLimit: limits };
  station.dialect.changed(connector, tx, "LimitSet");
}

/** Suspend the session if it has reached a limit, and resume it if the limit was raised (E16.FR.05, E16.FR.14). @param {Station} station @param {Connector} connector @param {Transaction} tx @param {number} now */
function obeyLimits(station, connector, tx, now) {
  if (!tx.limits) return;
  /** @type {Record<string, number>} */
  const values = {
    maxEnergy: connector.meter.register - tx.meterStart,
    maxTime: (now - tx.startedAt) / 1000,
    maxSoC: connector.meter.soc,
  };
  const reached = Object.keys(tx.limits).find((name) => values[name] >= (tx.limits ?? {})[name]);
  if (reached && !tx.paused) {
    tx.paused = true;
    tx.state = connector.chargingState();
    station.dialect.changed(connector, tx, LIMIT_TRIGGERS[reached]);
  } else if (!reached && tx.paused) {
    tx.paused = false;
  }
}

/** @param {Station} station @param {number} id @returns {Profile | undefined} */
const dynamicProfile = (station, id) =>
  station.profiles.all.find((profile) => profile.id === id && profile.kind === "Dynamic");

/** Change the limits of a dynamic profile (K28.FR.06, K28.FR.08, K28.FR.09). @param {Station} station @param {Profile} profile @param {Payload} update */
function updateDynamic(station, profile, update) {
  const { original } = profile;
  Object.assign(original.chargingSchedule[0].chargingSchedulePeriod[0], update);
  original.dynUpdateTime = station.clock.stamp();
  Object.assign(profile, readProfile(original, profile.target));
}

/** Ask for updates of dynamic profiles that are due (K28.FR.10). @param {Station} station @param {number} now */
function pullDynamic(station, now) {
  for (const profile of station.profiles.all) {
    const seconds = profile.kind === "Dynamic" ? (profile.original.dynUpdateInterval ?? 0) : 0;
    profile.pulledAt ??= now;
    if (seconds <= 0 || now - profile.pulledAt < seconds * 1000 || !station.online()) continue;
    profile.pulledAt = now;
    station.say("PullDynamicScheduleUpdate", { chargingProfileId: profile.id }).then((answer) => {
      const current = dynamicProfile(station, profile.id);
      if (current && answer?.payload?.status === "Accepted") updateDynamic(station, current, answer.payload.scheduleUpdate ?? {});
    });
  }
}

Object.assign(
  ANSWERS_2X,
  /** @type {Record<string, Answerer>} */ ({
    UpdateDynamicSchedule(station, { chargingProfileId, scheduleUpdate }) {
      const profile = dynamicProfile(station, chargingProfileId);
      if (!profile) return refused("Rejected", "InvalidProfile"); // K28.FR.11
      return says("Accepted", () => updateDynamic(station, profile, scheduleUpdate));
    },
    UsePriorityCharging(station, { transactionId, activate }) {
      const connector = station.connectors.find((each) => each.transaction?.id === transactionId);
      const tx = connector?.transaction;
      if (!connector || !tx) return refused("Rejected", "TxNotFound"); // K21.FR.02
      const held = station.profiles.all.some(
        (profile) => profile.purpose === "PriorityCharging" && [0, connector.id].includes(profile.target),
      );
      if (activate && !held) return refused("NoProfile", "NotFound"); // K21.FR.01
      if (Boolean(tx.priority) === activate) return says("Accepted");
      return says("Accepted", () => {
        tx.priority = activate;
        station.say("NotifyPriorityCharging", { transactionId, activated: activate });
      });
    },
  }),
);
