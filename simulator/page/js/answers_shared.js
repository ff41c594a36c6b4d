// Carry out the requests of the CSMS that 1.6 and 2.x share.

/** @param {Station} station @param {number} id @returns {Connector | undefined} */
const connectorOf = (station, id) => station.connectors.find((connector) => connector.id === id);

/**
 * The connector for a remote start: the requested one, else the first free one, preferably with a cable.
 * @param {Station} station @param {number | undefined} id
 */
function startable(station, id) {
  const free = station.connectors.filter(
    (each) =>
      (id === undefined || each.id === id) && each.operative && !each.fault && !each.transaction && !each.pending,
  );
  return free.find((each) => each.plugged) ?? free[0];
}

/**
 * @param {Station} station @param {number} target connector or EVSE, 0 for all @param {boolean} operative
 * @returns {Reply}
 */
function changeAvailability(station, target, operative) {
  const targets = target === 0 ? station.connectors : station.connectors.filter((each) => each.id === target);
  if (!targets.length) return { answer: { status: "Rejected" } };
  const busy = targets.some((each) => each.transaction);
  return {
    answer: { status: busy ? "Scheduled" : "Accepted" },
    then: () => {
      if (target === 0) {
        station.operative = operative;
        const status = station.dialect.stationStatus();
        if (status) station.say("StatusNotification", station.dialect.status(null, status));
      }
      for (const connector of targets) {
        if (connector.transaction) {
          connector.operativeNext = operative;
          continue;
        }
        if (!operative) {
          if (connector.reservation) station.sequences.reservationOver(connector.reservation, "Removed"); // H01.FR.17
          Object.assign(connector, { reservation: null, pending: null });
        }
        const changes = connector.operative !== operative;
        connector.operative = operative;
        // The CSMS expects a StatusNotification even if the status has not changed.
        if (!changes) connector.reported = null;
        station.charging.sync(connector);
      }
    },
  };
}

/**
 * Whether a reservation is for a token, or for the group of the token (F01.FR.21, F01.FR.22); case does not matter.
 * @param {Reservation} reservation @param {string} token @param {string} [group]
 */
const isFor = (reservation, token, group) =>
  sameName(reservation.token, token) || (Boolean(group) && sameName(reservation.parent, group));

/** @param {Station} station @param {Connector | undefined} connector @param {Reservation} reservation @returns {string} */
function reserve(station, connector, reservation) {
  if (!connector) return "Rejected";
  if (connector.fault) return "Faulted";
  if (!connector.operative) return "Unavailable";
  const same = connector.reservation?.id === reservation.id;
  if (connector.plugged || connector.pending || connector.transaction || (connector.reservation && !same))
    return "Occupied";
  if (reservation.until <= station.clock.now()) return "Rejected";
  for (const other of station.connectors) if (other.reservation?.id === reservation.id) other.reservation = null;
  connector.reservation = reservation;
  return "Accepted";
}

/** @param {Station} station @param {number} id @returns {Reply} */
function cancelReservation(station, id) {
  const connector = station.connectors.find((each) => each.reservation?.id === id);
  if (!connector) return { answer: { status: "Rejected" } };
  connector.reservation = null;
  return { answer: { status: "Accepted" }, then: () => station.charging.sync(connector) };
}

/**
 * Check a profile by the rules of both versions (1.6 section 3.13, 2.x K01).
 * @param {Station} station @param {Payload} original @param {number} target
 */
function acceptProfile(station, original, target) {
  const profile = readProfile(original, target);
  const periods = profile.schedule.periods;
  const connector = connectorOf(station, target);
  if (target !== 0 && !connector) return false;
  if (
    periods.length === 0 ||
    periods[0].start !== 0 ||
    periods.some((each, index) => index > 0 && each.start <= periods[index - 1].start)
  )
    return false;
  if (STATION_MAXIMUM.includes(profile.purpose) && target !== 0) return false;
  if (profile.purpose === "ChargingStationExternalConstraints") return false; // K01.FR.22
  if (profile.purpose === "TxProfile") {
    const tx = connector?.transaction;
    if (!tx || (profile.transactionId !== undefined && String(profile.transactionId) !== String(tx.id))) return false;
    // 2.x requires a transactionId (K01.FR.03); in 1.6 a profile without one is for the running session.
    if (profile.transactionId === undefined && station.settings.version !== "1.6") return false;
  }
  if (profile.kind === "Recurring" && !profile.recurrency) return false;
  if (profile.stack < 0 || profile.stack > station.variables.number("ChargeProfileMaxStackLevel")) return false;
  if (periods.length > station.variables.number("ChargingScheduleMaxPeriods")) return false;
  if (station.settings.version !== "1.6") {
    // 2.x K01.FR.06 and FR.39: another profile of the same stack level must not be valid at the same time. A default
    // for all EVSEs excludes one for a single EVSE (K01.FR.52, FR.53).
    const isDefault = profile.purpose === "TxDefaultProfile";
    const rival = station.profiles.all.find(
      (other) =>
        other.id !== profile.id &&
        other.purpose === profile.purpose &&
        (other.target === target || (isDefault && (target === 0 || other.target === 0))) &&
        other.stack === profile.stack &&
        other.from < profile.to &&
        profile.from < other.to,
    );
    if (rival) return false;
  }
  station.profiles.install(profile);
  return true;
}

/** Empty the authorization cache, unless it is switched off (2.x C11.FR.04). @param {Station} station @returns {Reply} */
function clearCache(station) {
  if (!station.variables.flag("AuthorizationCacheEnabled")) return says("Rejected");
  station.cache = {};
  return says("Accepted");
}

/** @param {Connector} connector @returns {Underway | null} */
const underwayOf = ({ transaction }) =>
  transaction
    ? { transactionId: transaction.id, startedAt: transaction.startedAt, priority: transaction.priority }
    : null;

/**
 * The periods of a composite schedule in the requested unit; 0 means the whole station.
 * @param {Station} station @param {number} target @param {number} duration @param {string} unit
 */
function compositePeriods(station, target, duration, unit) {
  const { supply } = station;
  const connector = connectorOf(station, target);
  const whole = { ...supply, maxPower: supply.maxPower * station.connectors.length };
  // Without a transaction the schedule is that of one which starts now.
  const startedAt = station.clock.now();
  const parts = station.profiles.composite(
    target,
    startedAt,
    duration,
    connector ? (underwayOf(connector) ?? { startedAt }) : null,
    connector ? supply : whole,
  );
  const divisor = unit === "W" ? 1 : (supply.kind === "dc" ? 400 : VOLTAGE) * supply.phases;
  return parts.map(({ start, limit }) => ({
    startPeriod: start,
    limit: round1(limit / divisor),
    ...(unit === "A" ? { numberPhases: supply.phases } : {}),
  }));
}

/**
 * Apply a local list of the CSMS. @param {Station} station @param {number} version @param {boolean} full
 * @param {[string, Payload | undefined][]} entries a token without data is removed
 * @returns {string}
 */
function takeLocalList(station, version, full, entries) {
  const list = station.localList;
  // Tokens are compared without case (CiString, identifierString).
  const tokens = new Set(entries.map(([token]) => token.toLowerCase()));
  if (version <= 0 || tokens.size !== entries.length || (full && entries.some(([, data]) => !data))) return "Failed";
  if (!full && version <= list.version) return "VersionMismatch";
  if (full) list.entries = {};
  for (const [token, data] of entries) {
    if (data) list.entries[token.toLowerCase()] = data;
    else delete list.entries[token.toLowerCase()];
  }
  list.version = version;
  return "Accepted";
}

/** @param {string} text */
const isCertificate = (text) => text.includes("-----BEGIN CERTIFICATE-----");

/** @param {string} text */
const isBase64 = (text) => /^(?:[A-Za-z0-9+/]{4})+$/.test(text.replace(/=/g, "A")) && /^[^=]+={0,2}$/.test(text);

/** Refuse firmware whose certificate is not valid PEM, and report it (2.x L01.FR.22, 1.6 security whitepaper L01). @param {Station} station @returns {Reply} */
const refuseCertificate = (station) =>
  says("InvalidCertificate", () =>
    station.say("SecurityEventNotification", {
      type: "InvalidFirmwareSigningCertificate",
      timestamp: station.clock.stamp(),
    }),
  );

/** Start a firmware update, in a version whose answer reports if it replaces a running update. @param {Station} station @param {FirmwareRequest} request @returns {Reply} */
const takeFirmware = (station, request) => ({
  answer: { status: station.sequences.updating ? "AcceptedCanceled" : "Accepted" },
  then: () => station.sequences.updateFirmware(request),
});

/** @param {Station} station @param {{requestId: number, logType: string, log: {remoteLocation: string}}} request @returns {Reply} */
const takeLogRequest = (station, { requestId, logType, log }) => ({
  answer: { status: station.sequences.uploading ? "AcceptedCanceled" : "Accepted", filename: `${logType}.log` },
  then: () => station.sequences.upload("LogStatusNotification", log.remoteLocation, requestId),
});
