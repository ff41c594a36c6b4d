// The answers of a 1.6 station to each CALL of the CSMS (sections 5.2 to 5.19, security whitepaper).

/** @param {string} word @param {() => void} [then] @returns {Reply} */
const says = (word, then) => ({ answer: { status: word }, then });

/** @type {Record<string, Answerer>} */
const ANSWERS_16 = {
  ChangeAvailability: (station, { connectorId, type }) =>
    changeAvailability(station, connectorId, type === "Operative"),

  ChangeConfiguration(station, { key, value }) {
    const variable = station.variables.all.find((each) => each.key && sameName(each.key, key));
    if (!variable) return says("NotSupported");
    return says(station.variables.set(variable, value) === "Accepted" ? "Accepted" : "Rejected");
  },

  GetConfiguration(station, { key }) {
    const readable = station.variables.all.filter((each) => each.key && each.access !== "W");
    /** @type {(name: string) => (each: Variable) => boolean} */
    const isCalled = (name) => (each) => sameName(each.key, name);
    const asked = key?.length ? readable.filter((each) => key.some((/** @type {string} */ name) => isCalled(name)(each))) : readable;
    const configurationKey = asked.map((each) => ({
      key: each.key,
      readonly: each.access === "R",
      value: station.variables.text(each.key ?? ""),
    }));
    const unknownKey = (key ?? []).filter((/** @type {string} */ name) => !readable.some(isCalled(name)));
    return { answer: { configurationKey, ...(unknownKey.length ? { unknownKey } : {}) } };
  },

  ClearCache: (station) => clearCache(station),

  DataTransfer: () => says("UnknownVendorId"),

  RemoteStartTransaction(station, { connectorId, idTag, chargingProfile }) {
    const connector = startable(station, connectorId);
    const reserved = connector?.reservation && !isFor(connector.reservation, idTag);
    const wrong =
      chargingProfile &&
      (chargingProfile.chargingProfilePurpose !== "TxProfile" || chargingProfile.transactionId !== undefined);
    if (!connector || reserved || wrong || connectorId === 0) return says("Rejected");
    return says("Accepted", () =>
      station.charging.remoteStart(connector, { token: idTag, kind: "ISO14443", profile: chargingProfile }),
    );
  },

  RemoteStopTransaction(station, { transactionId }) {
    const connector = station.connectors.find((each) => each.transaction?.id === transactionId);
    if (!connector) return says("Rejected");
    return says("Accepted", () => station.charging.stop(connector, "remote"));
  },

  Reset: (station, { type }) =>
    says("Accepted", () => station.sequences.reset(type === "Hard" ? "hard" : "soft", "RemoteReset")),

  UnlockConnector(station, { connectorId }) {
    const connector = connectorOf(station, connectorId);
    if (!connector) return says("NotSupported");
    return says("Unlocked", () => {
      station.charging.stop(connector, "unlock");
      connector.locked = false;
    });
  },

  TriggerMessage: (station, request) => trigger16(station, request),
  ExtendedTriggerMessage: (station, request) => trigger16(station, request),

  ReserveNow(station, { connectorId, expiryDate, idTag, parentIdTag, reservationId }) {
    const connector = connectorOf(station, connectorId);
    const reservation = { id: reservationId, token: idTag, parent: parentIdTag, until: Date.parse(expiryDate) };
    return says(reserve(station, connector, reservation), () => connector && station.charging.sync(connector));
  },
  CancelReservation: (station, { reservationId }) => cancelReservation(station, reservationId),

  SetChargingProfile: (station, { connectorId, csChargingProfiles }) =>
    says(acceptProfile(station, csChargingProfiles, connectorId) ? "Accepted" : "Rejected"),
  ClearChargingProfile(station, { id, connectorId, chargingProfilePurpose, stackLevel }) {
    const cleared = station.profiles.clear((profile) =>
      id !== undefined
        ? profile.id === id
        : (connectorId === undefined || profile.target === connectorId) &&
          (chargingProfilePurpose === undefined || profile.purpose === chargingProfilePurpose) &&
          (stackLevel === undefined || profile.stack === stackLevel),
    );
    return says(cleared ? "Accepted" : "Unknown");
  },
  GetCompositeSchedule(station, { connectorId, duration, chargingRateUnit = "W" }) {
    if (connectorId !== 0 && !connectorOf(station, connectorId)) return says("Rejected");
    const chargingSchedulePeriod = compositePeriods(station, connectorId, duration, chargingRateUnit);
    return {
      answer: {
        status: "Accepted",
        connectorId,
        scheduleStart: station.clock.stamp(),
        chargingSchedule: { duration, chargingRateUnit, chargingSchedulePeriod },
      },
    };
  },

  GetLocalListVersion: (station) => ({
    answer: { listVersion: station.variables.flag("LocalAuthListEnabled") ? station.localList.version : -1 },
  }),
  SendLocalList(station, { listVersion, updateType, localAuthorizationList = [] }) {
    if (!station.variables.flag("LocalAuthListEnabled")) return says("NotSupported");
    const entries = localAuthorizationList.map((/** @type {Payload} */ each) => [
      each.idTag,
      each.idTagInfo ? { idTagInfo: each.idTagInfo } : undefined,
    ]);
    return says(takeLocalList(station, listVersion, updateType === "Full", entries));
  },

  UpdateFirmware: (station, { location, retrieveDate }) => ({
    answer: {},
    then: () => station.sequences.updateFirmware({ location, retrieveAt: retrieveDate }),
  }),
  SignedUpdateFirmware(station, { requestId, firmware }) {
    const { location, retrieveDateTime, installDateTime, signingCertificate } = firmware;
    if (!isCertificate(signingCertificate)) return refuseCertificate(station);
    return takeFirmware(station, {
      location,
      retrieveAt: retrieveDateTime,
      installAt: installDateTime,
      requestId,
      signed: true,
      signature: firmware.signature,
    });
  },
  GetDiagnostics: (station, { location }) => ({
    answer: { fileName: "diagnostics.log" },
    then: () => station.sequences.upload("DiagnosticsStatusNotification", location),
  }),
  GetLog: (station, request) => takeLogRequest(station, request),
  GetInstalledCertificateIds: () => says("NotFound"),
  DeleteCertificate: () => says("NotFound"),
  InstallCertificate: () => says("Rejected"),
  CertificateSigned: () => says("Rejected"),
};

/** @param {Station} station @param {{requestedMessage: string, connectorId?: number}} request @returns {Reply} */
function trigger16(station, { requestedMessage, connectorId }) {
  const connector = connectorId ? connectorOf(station, connectorId) : undefined;
  if (connectorId && !connector) return says("Rejected");
  const { sequences } = station;
  const asked = { asked: true };
  const targets = connector ? [connector] : station.connectors;
  /** @type {Record<string, () => void>} */
  const messages = {
    Heartbeat: () => station.say("Heartbeat", {}, asked),
    StatusNotification() {
      if (!connectorId)
        station.say(
          "StatusNotification",
          station.dialect.status(null, /** @type {string} */ (station.dialect.stationStatus())),
          asked,
        );
      for (const each of targets)
        station.say("StatusNotification", station.dialect.status(each, each.reported ?? each.status16()), asked);
    },
    MeterValues() {
      for (const each of targets) {
        const payload = station.dialect.meterValues(each, "Trigger", station.variables.list("MeterValuesSampledData"));
        station.say(
          "MeterValues",
          payload,
          each.transaction?.accepted ? { transaction: each.transaction.ref, asked: true } : asked,
        );
      }
    },
    DiagnosticsStatusNotification: () =>
      station.say("DiagnosticsStatusNotification", { status: sequences.uploadStatus }, asked),
    LogStatusNotification: () => station.say("LogStatusNotification", logStatus(sequences), asked),
    FirmwareStatusNotification: () =>
      sequences.firmware(sequences.firmwareStatus, sequences.firmwareRequest, false, asked),
  };
  // After an accepted boot, a trigger for another one is rejected (1.6 errata 3.40).
  if (station.boot.status === "Pending") messages.BootNotification = () => station.sendBoot("Triggered");
  const say = Object.hasOwn(messages, requestedMessage) ? messages[requestedMessage] : undefined;
  if (!say) return says(requestedMessage === "BootNotification" ? "Rejected" : "NotImplemented");
  return says("Accepted", say);
}

/** @param {Sequences} sequences @returns {Payload} */
const logStatus = ({ uploadStatus, uploadRequest }) =>
  uploadStatus === "Idle" || uploadRequest === undefined
    ? { status: uploadStatus }
    : { status: uploadStatus, requestId: uploadRequest };
